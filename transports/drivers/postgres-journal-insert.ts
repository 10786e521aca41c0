/** The one statement of the journal's writer. */
import assert from 'node:assert';
import type { Socket } from 'node:net';
import pg from 'pg';
import type { JournalEntry } from '../../runtime/journal.ts';
import type { DirectConnection, Queryable } from './postgres.ts';

/** U+001E: JSON never holds a raw control character. */
const separator = 0x1e;

/** What appends and claims of slots wait for each other by: shared by the ones, taken alone by the others (migration 0006). */
const beginText = 'begin; select from pg_advisory_xact_lock_shared(7002)';

// Numbers go as '{1,2}' and texts joined by U+001E: an order of magnitude cheaper than pg's own arrays.
// The rows are not sorted: that took a fifth of the statement's time, and two writers never hold the same slot under one epoch.
// No ON CONFLICT: a conflict on an entity's first row would let the rows behind it in and leave a hole.
const insertText = `
insert into platform.journal (tenant_id, account_id, seq, epoch, command_id, digest, payload)
select b.tenant_id, b.account_id, b.seq, b.epoch, b.command_id, decode(b.digest, 'hex'), b.payload
from unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[],
  string_to_array($5, chr(30)), string_to_array($6, chr(30)), string_to_array($7, chr(30)))
  as b (tenant_id, account_id, seq, epoch, command_id, digest, payload)
where (select latest_claim from platform.slot where slot = 0) = $8`;

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
 * Writes a batch in a transaction of its own. Its three statements leave together: the lock is held for no longer than the server works.
 * The insert is a statement behind the lock, so that what it sees of claims is what holds until the commit.
 * @param connection a pipelined one
 * @returns how many rows were written: none when slots were claimed since the fence was read
 */
export async function append(
  { client }: DirectConnection,
  values: Parameters,
  { latestClaim }: Fence,
): Promise<number> {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  stream.cork();
  const statements = [
    client.query(beginText),
    client.query({ name: 'append', text: insertText, values: [...values, latestClaim] }),
    client.query('commit'),
  ] as const;
  stream.uncork();
  const outcomes = await Promise.allSettled(statements);
  // What fails first is why the others fail.
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return (await statements[1]).rowCount ?? 0;
}

/** What a batch is to the statement. */
export type Parameters = (string | Buffer)[];

/** Turns one batch after another into parameters. It keeps its buffers: new ones for each commit would keep the garbage collector busy. */
export class BatchEncoder {
  readonly #commands = new JoinedTexts();
  readonly #digests = new JoinedTexts();
  readonly #payloads = new JoinedTexts();

  /**
   * One pass over the batch: this is the hottest loop between an order and its commit.
   * @returns parameters that hold until the next call
   * @throws {AssertionError} a text that would shift those behind it
   */
  encode(batch: readonly JournalEntry[]): Parameters {
    const [commands, digests, payloads] = [this.#commands, this.#digests, this.#payloads];
    for (const texts of [commands, digests, payloads]) texts.clear();
    const [tenants, entities, seqs, epochs] = [[], [], [], []] as [number[], number[], number[], number[]];
    for (const entry of batch) {
      tenants.push(entry.tenantId);
      entities.push(entry.entityId);
      seqs.push(entry.seq);
      epochs.push(entry.epoch);
      commands.add(entry.commandId);
      digests.add(entry.digest);
      payloads.add(entry.payload);
    }
    return [
      ...[tenants, entities, seqs, epochs].map((column) => `{${column.join(',')}}`),
      ...[commands, digests, payloads].map((texts) => texts.bytes(batch.length)),
    ];
  }
}

const firstBytes = 64 * 1024;
/** What one very large batch needed is given back. */
const keptBytes = 4 * 1024 * 1024;

/** Texts joined by the separator, as the bytes that go to the server: as one string they would be copied twice more. */
class JoinedTexts {
  #bytes = Buffer.allocUnsafe(firstBytes);
  #length = 0;

  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > keptBytes) this.#bytes = Buffer.allocUnsafe(firstBytes);
  }

  add(text: string): void {
    const most = this.#length + 1 + text.length * 3; // UTF-8 takes at most three bytes a UTF-16 unit
    if (most > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(most * 2);
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    if (this.#length > 0) this.#bytes[this.#length++] = separator;
    this.#length += this.#bytes.write(text, this.#length);
  }

  /** @throws {AssertionError} one of the `count` texts is empty or holds the separator or U+0000: it would shift those behind it */
  bytes(count: number): Buffer {
    const bytes = this.#bytes.subarray(0, this.#length);
    let parts = 1;
    for (let at = bytes.indexOf(separator); at >= 0; at = bytes.indexOf(separator, at + 1)) parts += 1;
    assert(parts === count && !bytes.includes(0), 'a text of the journal is without U+0000 and U+001E');
    return bytes;
  }
}

/** What PostgreSQL would refuse, and all of the batch with it. */
export function assertWritable({ commandId, digest, payload }: JournalEntry): void {
  assert(commandId !== '', 'a command id is not empty');
  assert(payload !== '', 'a payload is JSON as a JSON writer gives it');
  assert(digest.length === 64, 'a digest is SHA-256 in hex');
}

/**
 * Whether the server has refused the statement and so written nothing. A lost connection, and the codes with which the server
 * ends a connection (57P, 08, 25P, XX), may follow a commit.
 */
export function isRolledBack(error: unknown): boolean {
  return error instanceof pg.DatabaseError && !/^(57P|08|25P|XX)/.test(error.code ?? 'XX');
}
