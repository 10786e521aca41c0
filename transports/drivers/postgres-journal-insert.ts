/** The one statement of the journal's writer. */
import assert from 'node:assert';
import pg from 'pg';
import type { JournalEntry } from '../../runtime/journal.ts';
import type { DirectConnection, Queryable } from './postgres.ts';

const columns = 'tenant_id, account_id, seq, epoch, command_id, digest, payload';
const types = ['int[]', 'bigint[]', 'bigint[]', 'bigint[]', 'text[]', 'bytea[]', 'text[]'];

/** A batch (`$1` to `$7`) without a fence. */
// Arrays in a select list are unfolded row by row; in a `from` each would become a table first.
// The rows are not sorted: that took a fifth of the statement's time, and two writers never hold the same slot under one epoch.
// No ON CONFLICT: a conflict on an entity's first row would let the rows behind it in and leave a hole.
export const insertText = `insert into platform.journal (${columns})
  select ${types.map((type, index) => `unnest($${index + 1}::${type})`).join(', ')}`;

// Lives in the session, so it needs no migration, and no release before this one has a right in the database that it does not expect.
// The lock is what appends and claims of slots wait for each other by (migration 0006): the insert is a statement behind it, so that what
// it sees of claims is what holds until the commit, and an append that waits holds no lock of a table.
const functionText = `
create function pg_temp.append(${types.join(', ')}, bigint) returns int language plpgsql as $$
declare
  written int;
begin
  perform pg_advisory_xact_lock_shared(7002);
  ${insertText} where (select latest_claim from platform.slot where slot = 0) = $8;
  get diagnostics written = row_count;
  return written;
end $$;
grant execute on function pg_temp.append to journal_writer`;
const appendText = `select pg_temp.append(${types.map((_, index) => `$${index + 1}`).join(', ')}, $8) as written`;

/** Makes a new connection ready for `append`, before it takes the role of the writer. */
export async function prepareAppends(connection: Queryable): Promise<void> {
  await connection.query(functionText);
}

/** The epochs of all slots, as they were after a claim. */
export interface Fence {
  readonly latestClaim: number;
  /** By slot. */
  readonly epochs: ReadonlyMap<number, number>;
}

export async function readFence(connection: Queryable): Promise<Fence> {
  const { rows } = await connection.query<{ slot: number; epoch: number; latest_claim: number }>(
    'select slot, epoch, latest_claim from platform.slot order by slot',
  );
  assert(rows[0]?.slot === 0, 'slot 0 must be there');
  return { latestClaim: rows[0].latest_claim, epochs: new Map(rows.map(({ slot, epoch }) => [slot, epoch])) };
}

/**
 * Writes a batch in a transaction of its own, which the server begins when it has all of it: the lock is held for no longer than it works.
 * @param connection was prepared
 * @returns how many rows were written: none when slots were claimed since the fence was read
 */
export async function append({ client }: DirectConnection, batch: Parameters, { latestClaim }: Fence): Promise<number> {
  const values = [...batch, latestClaim];
  const { rows } = await client.query<{ written: number }>({ name: 'append', text: appendText, values });
  return rows[0]!.written;
}

/** What a batch is to the statement: an array a column, as the server holds them. Written as texts they cost both sides more. */
export type Parameters = Buffer[];

/** The numbers of PostgreSQL's types. */
const elements = { int: 23, bigint: 20, text: 25, bytea: 17 };

/** Turns one batch after another into parameters. It keeps its buffers: new ones for each commit would keep the garbage collector busy. */
export class BatchEncoder {
  readonly #tenants = new BinaryArray(elements.int);
  readonly #entities = new BinaryArray(elements.bigint);
  readonly #seqs = new BinaryArray(elements.bigint);
  readonly #epochs = new BinaryArray(elements.bigint);
  readonly #commands = new BinaryArray(elements.text);
  readonly #digests = new BinaryArray(elements.bytea);
  readonly #payloads = new BinaryArray(elements.text);

  /**
   * One pass over the batch: this is the hottest loop between an order and its commit.
   * @returns parameters that hold until the next call
   */
  encode(batch: readonly JournalEntry[]): Parameters {
    const [tenants, entities, seqs, epochs] = [this.#tenants, this.#entities, this.#seqs, this.#epochs];
    const [commands, digests, payloads] = [this.#commands, this.#digests, this.#payloads];
    const all = [tenants, entities, seqs, epochs, commands, digests, payloads];
    for (const array of all) array.clear();
    for (const entry of batch) {
      tenants.addInt(entry.tenantId);
      entities.addBigint(entry.entityId);
      seqs.addBigint(entry.seq);
      epochs.addBigint(entry.epoch);
      commands.addText(entry.commandId, 'utf8');
      digests.addText(entry.digest, 'hex');
      payloads.addText(entry.payload, 'utf8');
    }
    return all.map((array) => array.bytes(batch.length));
  }
}

const firstBytes = 16 * 1024;
/** What one very large batch needed is given back. */
const keptBytes = 4 * 1024 * 1024;
/** Dimensions, whether there are nulls, type, length, first index. */
const headerBytes = 20;

/** An array of one dimension in PostgreSQL's binary form: after the header each element, behind its length. */
class BinaryArray {
  readonly #type: number;
  #bytes = Buffer.allocUnsafe(firstBytes);
  #length = headerBytes;

  constructor(type: number) {
    this.#type = type;
  }

  clear(): void {
    this.#length = headerBytes;
    if (this.#bytes.length > keptBytes) this.#bytes = Buffer.allocUnsafe(firstBytes);
  }

  addInt(value: number): void {
    const bytes = this.#withRoomFor(8);
    bytes.writeInt32BE(4, this.#length);
    bytes.writeInt32BE(value, this.#length + 4);
    this.#length += 8;
  }

  /** @param value a safe integer, zero or more */
  addBigint(value: number): void {
    const bytes = this.#withRoomFor(12);
    bytes.writeInt32BE(8, this.#length);
    bytes.writeInt32BE(Math.floor(value / 2 ** 32), this.#length + 4);
    bytes.writeUInt32BE(value % 2 ** 32, this.#length + 8);
    this.#length += 12;
  }

  addText(text: string, encoding: 'utf8' | 'hex'): void {
    const bytes = this.#withRoomFor(4 + text.length * 3); // UTF-8 takes at most three bytes a UTF-16 unit
    const written = bytes.write(text, this.#length + 4, encoding);
    bytes.writeInt32BE(written, this.#length);
    this.#length += 4 + written;
  }

  bytes(count: number): Buffer {
    for (const [index, word] of [1, 0, this.#type, count, 1].entries()) this.#bytes.writeInt32BE(word, index * 4);
    return this.#bytes.subarray(0, this.#length);
  }

  #withRoomFor(more: number): Buffer {
    const most = this.#length + more;
    if (most > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(most * 2);
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    return this.#bytes;
  }
}

const sha256 = /^[0-9a-f]{64}$/;

/** What PostgreSQL would refuse, and all of the batch with it. */
export function assertWritable({ commandId, digest, payload }: JournalEntry): void {
  assert(commandId !== '' && !commandId.includes('\0'), 'a command id is not empty and without U+0000');
  assert(payload !== '' && !payload.includes('\0'), 'a payload is JSON as a JSON writer gives it');
  assert(sha256.test(digest), 'a digest is SHA-256 in hex');
}

/**
 * Whether the server has refused the statement and so written nothing. A lost connection, and the codes with which the server
 * ends a connection (57P, 08, 25P, XX), may follow a commit.
 */
export function isRolledBack(error: unknown): boolean {
  return error instanceof pg.DatabaseError && !/^(57P|08|25P|XX)/.test(error.code ?? 'XX');
}
