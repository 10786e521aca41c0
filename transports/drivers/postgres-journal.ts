/** The journal in PostgreSQL: one statement and one commit a batch, fenced by the epochs of the slots. */
import assert from 'node:assert';
import type { Log } from '../../runtime/actor.ts';
import {
  JournalOutcomeUnknown,
  JournalUnavailable,
  entityName,
  type EntityKey,
  type Journal,
  type JournalEntry,
  type JournalRow,
  type Refusal,
} from '../../runtime/journal.ts';
import { tenantSchema } from './migration-files.ts';
import {
  append,
  assertWritable,
  BatchEncoder,
  isRolledBack,
  prepareAppends,
  readFence,
  type Fence,
} from './postgres-journal-insert.ts';
import {
  DatabaseUnavailable,
  checkDurability,
  type Database,
  type DirectConnection,
  type Queryable,
} from './postgres.ts';
import { asTenant } from './roles.ts';

const pageRows = 1_000;
/** An append that takes longer is given up by the server, which has then written nothing. */
const appendTimeoutMs = 10_000;
/** Beyond this many entities what is known of their ends is forgotten and looked up again. */
const maxKnownEnds = 100_000;

interface Connected extends DirectConnection {
  /** Who may write which slot, as far as this connection knows. */
  fence: Fence;
  /** Names the server's process for this connection, also after its pid is given to another. */
  readonly backend: { readonly pid: number; readonly started: string };
}

export class PostgresJournal implements Journal {
  readonly #database: Database;
  readonly #encoder = new BatchEncoder();
  readonly #log: Log;
  #connection: Connected | undefined;
  /** The process of a connection that was lost on the way: it may commit still. */
  #lost: Connected['backend'] | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** The last seq known of an entity: what does not follow it is refused before it could tear a hole. */
  readonly #ends = new Map<string, number>();

  constructor(database: Database, log: Log) {
    this.#database = database;
    this.#log = log;
  }

  /** Calls are served one after the other. Besides the interface's errors: an assertion when the entries of an entity have a gap. */
  append(batch: readonly JournalEntry[]): Promise<readonly Refusal[]> {
    const turn = this.#turn.then(() => this.#append(batch));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async settle(batch: readonly JournalEntry[]): ReturnType<Journal['settle']> {
    const turn = this.#turn.then(() => this.#settle(batch));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async *read(key: EntityKey, afterSeq: number): AsyncIterable<JournalRow> {
    const page = `select seq, epoch, command_id as "commandId", encode(digest, 'hex') as digest, payload
      from ${tenantSchema(key.tenantId)}.journal
      where tenant_id = $1 and account_id = $2 and seq > $3 order by seq limit ${pageRows}`;
    for (let after = afterSeq; ;) {
      const values = [key.tenantId, key.entityId, after];
      const { rows } = await asTenant(this.#database, key.tenantId, (transaction) =>
        transaction.query<JournalRow>(page, values),
      ).catch(unavailable);
      yield* rows;
      after = rows.at(-1)?.seq ?? after;
      if (rows.length < pageRows) return;
    }
  }

  async lastSeqs(tenantId: number): Promise<ReadonlyMap<number, number>> {
    // One index probe an entity, from the last entity down; a plain max() would read every row.
    const last = (condition: string): string =>
      `(select account_id, seq from ${tenantSchema(tenantId)}.journal where tenant_id = $1 ${condition}
        order by account_id desc, seq desc limit 1)`;
    const text = `with recursive ends as (
      ${last('')}
      union all
      select below.account_id, below.seq from ends, lateral ${last('and account_id < ends.account_id')} below
    ) select account_id, seq from ends`;
    const { rows } = await asTenant(this.#database, tenantId, (transaction) =>
      transaction.query<{ account_id: number; seq: number }>(text, [tenantId]),
    ).catch(unavailable);
    return new Map(rows.map(({ account_id, seq }) => [account_id, seq]));
  }

  /** Gives the connection back once what is under way has ended. */
  async close(): Promise<void> {
    await this.#turn;
    await this.#drop();
  }

  async #append(batch: readonly JournalEntry[]): Promise<readonly Refusal[]> {
    if (batch.length === 0) return [];
    const connection = await this.#connect();
    await this.#learnEnds(connection, batch);
    const { next, refused } = this.#sortOut(batch);
    return next.length === 0 ? refused : [...refused, ...(await this.#insert(connection, next))];
  }

  async #insert(connection: Connected, batch: readonly JournalEntry[]): Promise<readonly Refusal[]> {
    const { next, fenced } = await this.#sortOutFenced(connection, batch);
    if (next.length === 0) return fenced;
    const values = this.#encoder.encode(next);
    try {
      const rowCount = await append(connection, values, connection.fence);
      if (rowCount === next.length) {
        for (const entry of next) this.#learn(entityName(entry), entry.seq);
        return fenced;
      }
      assert(rowCount === 0, `a batch is written whole or not at all, ${rowCount} of ${next.length} rows were`);
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === '23505' || code === '23514')
        return [...fenced, ...(await this.#insertApart(connection, next, code))];
      if (isRolledBack(error)) {
        // A full disk, a missing right: the accounts are told only that it failed, the operator must learn why.
        this.#log.warn({ error }, 'the server refused an append');
        throw new JournalUnavailable(error);
      }
      await this.#lose(connection);
      throw new JournalOutcomeUnknown(error);
    }
    await this.#readFence(connection);
    return [...fenced, ...(await this.#insert(connection, next))];
  }

  /** Splits off, of each entity, what is not under the epoch of its slot, and all behind it. */
  async #sortOutFenced(
    connection: Connected,
    batch: readonly JournalEntry[],
  ): Promise<{ next: readonly JournalEntry[]; fenced: readonly Refusal[] }> {
    const isOurs = ({ slot, epoch }: JournalEntry): boolean => connection.fence.epochs.get(slot) === epoch;
    if (batch.every(isOurs)) return { next: batch, fenced: [] };
    // Slots may have been claimed, by this process for one, since it was read.
    await this.#readFence(connection);
    const fenced = new Map<string, Refusal>();
    const next = batch.filter((entry) => {
      const name = entityName(entry);
      if (!fenced.has(name) && !isOurs(entry)) fenced.set(name, refusal(entry, 'fenced'));
      return !fenced.has(name);
    });
    for (const name of fenced.keys()) this.#ends.delete(name);
    return { next, fenced: [...fenced.values()] };
  }

  async #readFence(connection: Connected): Promise<void> {
    try {
      connection.fence = await readFence(connection);
    } catch (error) {
      await this.#drop();
      throw new JournalUnavailable(error);
    }
  }

  /** One bad row undoes a whole statement: each entity is tried by itself, and the bad one is told. */
  async #insertApart(connection: Connected, batch: readonly JournalEntry[], code: string): Promise<readonly Refusal[]> {
    const entities = byEntity(batch);
    if (entities.length === 1) {
      const first = batch[0]!;
      this.#ends.delete(entityName(first));
      // Without a partition the tenant has left: nobody here may write for it.
      return [refusal(first, code === '23505' ? 'conflict' : 'fenced')];
    }
    const refused: Refusal[] = [];
    for (const entries of entities) {
      const outcome = await this.#insert(connection, entries).catch((error: unknown) => {
        // Entities before this one are written by now: "nothing was" would be a lie.
        throw error instanceof JournalUnavailable ? new JournalOutcomeUnknown(error) : error;
      });
      refused.push(...outcome);
    }
    return refused;
  }

  async #settle(batch: readonly JournalEntry[]): ReturnType<Journal['settle']> {
    const connection = await this.#connect();
    try {
      return await this.#compare(connection, batch);
    } catch (error) {
      await this.#drop();
      throw new JournalUnavailable(error);
    }
  }

  /** What stands under the batch's keys. An entity that lacks a row lacks all behind it: it is told from the first missing one. */
  async #compare(connection: Queryable, batch: readonly JournalEntry[]): ReturnType<Journal['settle']> {
    const found = new Map<string, { epoch: number; digest: string }>();
    for (const [tenantId, entries] of Map.groupBy(batch, (entry) => entry.tenantId)) {
      // The tenant's number stands in the text so that the plan touches one partition; the rights to more than these columns are not needed.
      const { rows } = await connection.query<{ account_id: number; seq: number; epoch: number; digest: string }>(
        `select j.account_id, j.seq, j.epoch, encode(j.digest, 'hex') as digest
         from platform.journal j join unnest($1::bigint[], $2::bigint[]) as k (account_id, seq) using (account_id, seq)
         where j.tenant_id = ${tenantId}`,
        [entries.map((entry) => entry.entityId), entries.map((entry) => entry.seq)],
      );
      for (const row of rows) found.set(`${tenantId}/${row.account_id}/${row.seq}`, row);
    }
    const refused: Refusal[] = [];
    const missing: JournalEntry[] = [];
    for (const entries of byEntity(batch)) {
      const broken = entries.findIndex((entry) => {
        const row = found.get(`${entityName(entry)}/${entry.seq}`);
        return row?.epoch !== entry.epoch || row.digest !== entry.digest;
      });
      const ours = broken === -1 ? entries.at(-1) : entries[broken - 1];
      if (ours) this.#learn(entityName(ours), ours.seq);
      if (broken === -1) continue;
      const first = entries[broken]!;
      if (found.has(`${entityName(first)}/${first.seq}`)) refused.push(refusal(first, 'conflict'));
      else missing.push(...entries.slice(broken));
    }
    return { refused, missing };
  }

  /** Splits off the entities whose next row this is not: the row before it is not there, or its own place is taken. */
  #sortOut(batch: readonly JournalEntry[]): { next: JournalEntry[]; refused: Refusal[] } {
    const expected = new Map<string, number>();
    const refused = new Map<string, Refusal>();
    const next: JournalEntry[] = [];
    for (const entry of batch) {
      assertWritable(entry);
      const name = entityName(entry);
      if (refused.size > 0 && refused.has(name)) continue;
      const within = expected.get(name);
      if (within !== undefined && entry.seq !== within) {
        assert.fail(`entries of ${name} must follow each other, ${within} was missing`);
      }
      if (within === undefined && entry.seq !== (this.#ends.get(name) ?? 0) + 1) {
        refused.set(name, refusal(entry, 'conflict'));
        continue;
      }
      next.push(entry);
      expected.set(name, entry.seq + 1);
    }
    for (const name of refused.keys()) this.#ends.delete(name);
    return { next, refused: [...refused.values()] };
  }

  /** An entity that this process has neither read nor written is looked up once. */
  async #learnEnds(connection: Connected, batch: readonly JournalEntry[]): Promise<void> {
    const unknown = batch.filter((entry) => entry.seq > 1 && !this.#ends.has(entityName(entry)));
    for (const [tenantId, entries] of Map.groupBy(unknown, (entry) => entry.tenantId)) {
      const { rows } = await connection
        .query<{ account_id: number; seq: number }>(
          `select k.account_id, j.seq from unnest($1::bigint[]) as k (account_id), lateral (
             select seq from platform.journal where tenant_id = ${tenantId} and account_id = k.account_id
             order by seq desc limit 1) j`,
          [[...new Set(entries.map((entry) => entry.entityId))]],
        )
        .catch(async (error: unknown) => {
          await this.#drop();
          throw new JournalUnavailable(error);
        });
      for (const { account_id, seq } of rows) this.#learn(entityName({ tenantId, entityId: account_id }), seq);
    }
  }

  #learn(name: string, seq: number): void {
    if (this.#ends.size >= maxKnownEnds) this.#ends.clear();
    this.#ends.set(name, seq);
  }

  async #connect(): Promise<Connected> {
    if (this.#connection) return this.#connection;
    let direct: DirectConnection | undefined;
    try {
      direct = await this.#database.connect({ statementTimeoutMs: appendTimeoutMs });
      await checkDurability(direct);
      await this.#endLost(direct);
      const { rows } = await direct.query<Connected['backend']>(
        'select pid, backend_start::text as started from pg_stat_activity where pid = pg_backend_pid()',
      );
      await prepareAppends(direct);
      // From here on it adds rows and can do nothing else; to end a process of ours it had to be ours.
      await direct.query('set role journal_writer');
      await direct.query(`set application_name = 'aitrading journal'`);
      const connection = { ...direct, backend: rows[0]!, fence: await readFence(direct) };
      // Lost while nothing was under way: the next append begins on a new one.
      direct.client.once('end', () => {
        if (this.#connection !== connection) return;
        this.#connection = undefined;
        this.#log.warn({}, 'the connection of the journal was lost');
      });
      this.#connection = connection;
      this.#log.info({}, 'the journal is connected');
      return connection;
    } catch (error) {
      await direct?.close();
      if (!(error instanceof DatabaseUnavailable)) this.#log.warn({ error }, 'the journal cannot be connected');
      // Whatever is wrong with the server or our login there: nothing was sent, so the outcome of no commit is in doubt.
      throw new JournalUnavailable(error);
    }
  }

  /** A lost connection's statement may run on and commit after we have looked: it is ended before anything is told. */
  async #endLost(connection: Queryable): Promise<void> {
    if (!this.#lost) return;
    const { pid, started } = this.#lost;
    const { rows } = await connection.query<{ ended: boolean }>(
      'select pg_terminate_backend(pid, 2000) as ended from pg_stat_activity where pid = $1 and backend_start::text = $2',
      [pid, started],
    );
    if (rows[0]?.ended === false)
      throw new JournalUnavailable(new Error(`server process ${pid} of a lost connection still runs`));
    this.#lost = undefined;
  }

  async #lose(connection: Connected): Promise<void> {
    this.#lost = connection.backend;
    await this.#drop();
  }

  async #drop(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }
}

function byEntity(batch: readonly JournalEntry[]): JournalEntry[][] {
  return [...Map.groupBy(batch, entityName).values()];
}

function refusal({ tenantId, entityId, seq }: JournalEntry, reason: Refusal['reason']): Refusal {
  return { tenantId, entityId, reason, fromSeq: seq };
}

function unavailable(error: unknown): never {
  throw error instanceof DatabaseUnavailable ? new JournalUnavailable(error) : error;
}
