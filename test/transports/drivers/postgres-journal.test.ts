import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { silentLog, type Log } from '../../../runtime/actor.ts';
import { slotOf } from '../../../runtime/cluster.ts';
import {
  JournalOutcomeUnknown,
  JournalUnavailable,
  type EntityKey,
  type JournalEntry,
} from '../../../runtime/journal.ts';
import { PostgresJournal } from '../../../transports/drivers/postgres-journal.ts';
import { claimAllSlots, type Ownership } from '../../../transports/drivers/postgres-ownership.ts';
import { connectDatabase, DurabilityOff, type Database } from '../../../transports/drivers/postgres.ts';
import { provisionTenant } from '../../../transports/drivers/provisioning.ts';
import { usePostgres } from '../../support/postgres.ts';
import { openProxy, type Proxy } from '../../support/proxy.ts';

const postgres = usePostgres();
let database: Database;
let tenantId: number;
let ownership: Ownership;
let entities = 0;
let one: EntityKey;

beforeAll(async () => {
  database = await postgres.platformDatabase();
  ({ tenantId } = await provisionTenant(database, { slug: 'demo', name: 'Demo' }));
});
beforeEach(async () => {
  ownership = await claimAllSlots(database, { nodeId: 'test', version: '0' });
  one = newEntity();
});

function newEntity(): EntityKey {
  return { tenantId, entityId: ++entities };
}

function entry(key: EntityKey, seq: number, commandId = `c-${seq}`): JournalEntry {
  const slot = slotOf(key);
  const digest = createHash('sha256').update(commandId).digest('hex');
  return { ...key, seq, slot, epoch: ownership.epochOf(slot), commandId, digest, payload: '{"v":1}' };
}

function openJournal(through: Database = database): PostgresJournal {
  const journal = new PostgresJournal(through, silentLog);
  onTestFinished(() => journal.close());
  return journal;
}

async function proxied(): Promise<{ proxy: Proxy; journal: PostgresJournal }> {
  const proxy = await openProxy('127.0.0.1', postgres.server.port);
  const { rows } = await database.query<{ name: string }>('select current_database() as name');
  const { user, password } = postgres.server;
  const through = connectDatabase({
    host: '127.0.0.1',
    port: proxy.port,
    user,
    password,
    database: rows[0]!.name,
    log: silentLog,
  });
  onTestFinished(() => through.close());
  return { proxy, journal: openJournal(through) };
}

async function seqs(key: EntityKey): Promise<number[]> {
  const found: number[] = [];
  for await (const { seq } of openJournal().read(key, 0)) found.push(seq);
  return found;
}

test('every append is synced to the disk before it is acknowledged', async () => {
  const syncs = async (): Promise<number> => {
    const text = `select sum(fsyncs)::int as syncs from pg_stat_io where object = 'wal'`;
    return (await database.query<{ syncs: number }>(text)).rows[0]!.syncs;
  };
  const journal = openJournal();
  await journal.append([entry(one, 1)]);
  const before = await syncs();
  for (let seq = 2; seq <= 51; seq++) expect(await journal.append([entry(one, seq)])).toEqual([]);
  // A server process reports its counts at the latest when it ends.
  await journal.close();
  await vi.waitFor(async () => expect(await syncs()).toBeGreaterThanOrEqual(before + 50), { timeout: 10_000 });
});

test('a server that would lose commits is not written to, and no commit is left in doubt', async () => {
  const careless = await postgres.platformDatabase();
  const { rows } = await careless.query<{ name: string }>('select current_database() as name');
  await careless.query(`alter database ${rows[0]!.name} set synchronous_commit = off`);
  const journal = openJournal(careless);
  for (const attempt of [() => journal.append([entry(one, 1)]), () => journal.settle([entry(one, 1)])]) {
    const refusal = await attempt().catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(JournalUnavailable);
    expect((refusal as Error).cause).toBeInstanceOf(DurabilityOff);
  }
});

test('a server whose disk is full has written nothing, and the log says why', async () => {
  const full = await postgres.platformDatabase();
  const { tenantId: tenant } = await provisionTenant(full, { slug: 'full', name: 'Full' });
  const ours = await claimAllSlots(full, { nodeId: 'test', version: '0' });
  await full.query(`create function refuse() returns trigger language plpgsql as $$
    begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$`);
  await full.query(
    `create trigger full_disk before insert on t_${tenant}.journal for each row execute function refuse()`,
  );
  const warn = vi.fn<Log['warn']>();
  const journal = new PostgresJournal(full, { ...silentLog, warn });
  onTestFinished(() => journal.close());
  const first = { ...entry({ tenantId: tenant, entityId: 1 }, 1), epoch: ours.epochOf(0), slot: 0 };
  await expect(journal.append([first])).rejects.toThrow(JournalUnavailable);
  expect(warn).toHaveBeenCalledExactlyOnceWith(
    { error: expect.objectContaining({ code: '53100' }) },
    'the server refused an append',
  );
  await full.query(`drop trigger full_disk on t_${tenant}.journal`);
  expect(await journal.append([first])).toEqual([]);
});

test('a row whose place another process has taken is a conflict, and the others of its batch are written', async () => {
  const [late, other] = [newEntity(), newEntity()];
  await openJournal().append([entry(late, 1, 'first')]);
  const journal = openJournal();
  expect(await journal.append([entry(one, 1), entry(late, 1, 'second'), entry(late, 2), entry(other, 1)])).toEqual([
    { ...late, reason: 'conflict', fromSeq: 1 },
  ]);
  expect([await seqs(one), await seqs(late), await seqs(other)]).toEqual([[1], [1], [1]]);
});

test('a tenant without a partition is refused, and the others of its batch are written', async () => {
  const gone = { tenantId: 999, entityId: 1 };
  expect(await openJournal().append([entry(gone, 1), entry(one, 1), entry(one, 2)])).toEqual([
    { ...gone, reason: 'fenced', fromSeq: 1 },
  ]);
  expect(await seqs(one)).toEqual([1, 2]);
});

test('a gap within a batch is a broken invariant', async () => {
  await expect(openJournal().append([entry(one, 1), entry(one, 3)])).rejects.toThrow(
    /must follow each other, 2 was missing/,
  );
  expect(await seqs(one)).toEqual([]);
});

test.each([
  ['a command id that PostgreSQL cannot hold', { commandId: 'a\0b' }],
  ['an empty command id', { commandId: '' }],
  ['a payload that PostgreSQL cannot hold', { payload: '{"a":"\0"}' }],
  ['a digest that is too short', { digest: 'abc' }],
  ['a digest that is not hex', { digest: 'x'.repeat(64) }],
])('%s is refused before it can spoil a batch', async (_, change) => {
  const journal = openJournal();
  await expect(journal.append([entry(newEntity(), 1), { ...entry(one, 1), ...change }])).rejects.toThrow(/is/);
  expect(await journal.append([entry(one, 1)])).toEqual([]);
});

const text = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 2_000 }),
  fc.constantFrom('\x1e', 'null', '{}', '"\\', '\u20ac'.repeat(7_000), '\u{1f4a5}'),
);
const row = fc.record({
  entityId: fc.oneof(
    fc.integer({ min: 2 ** 20, max: Number.MAX_SAFE_INTEGER }),
    fc.constantFrom(2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
  ),
  ...{ commandId: text.filter(isHeld), payload: text.filter(isHeld) },
  digest: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex')),
});

function isHeld(value: string): boolean {
  return !value.includes('\0');
}

test('whatever numbers and texts a batch holds, they are read again as they were', async () => {
  const journal = openJournal();
  const taken = new Set<number>();
  const batches = fc.uniqueArray(row, { minLength: 1, maxLength: 20, selector: ({ entityId }) => entityId });
  await fc.assert(
    fc.asyncProperty(batches, async (rows) => {
      const batch = rows
        .filter(({ entityId }) => !taken.has(entityId))
        .map((one) => ({ ...entry({ tenantId, entityId: one.entityId }, 1), ...one }));
      for (const { entityId } of batch) taken.add(entityId);
      expect(await journal.append(batch)).toEqual([]);
      expect(await journal.settle(batch)).toEqual({ refused: [], missing: [] });
      for (const { slot: _, tenantId: tenant, entityId, ...written } of batch) {
        for await (const found of journal.read({ tenantId: tenant, entityId }, 0)) expect(found).toEqual(written);
      }
    }),
    { numRuns: 25 },
  );
});

test('a journal that cannot be reached says that nothing was tried, and works once it can', async () => {
  const { proxy, journal } = await proxied();
  proxy.mode = 'refuse';
  await expect(journal.append([entry(one, 1)])).rejects.toThrow(JournalUnavailable);
  await expect(journal.settle([entry(one, 1)])).rejects.toThrow(JournalUnavailable);
  await expect(journal.lastSeqs(tenantId)).rejects.toThrow(JournalUnavailable);
  await expect(journal.read(one, 0)[Symbol.asyncIterator]().next()).rejects.toThrow(JournalUnavailable);
  proxy.mode = 'pass';
  expect(await journal.append([entry(one, 1)])).toEqual([]);
});

test('a commit whose acknowledgement was lost is found when it is settled', async () => {
  const { proxy, journal } = await proxied();
  await journal.append([entry(one, 1)]);
  proxy.mode = 'lose-reply';
  const batch = [entry(one, 2), entry(one, 3)];
  await expect(journal.append(batch)).rejects.toThrow(JournalOutcomeUnknown);
  proxy.mode = 'pass';
  expect(await journal.settle(batch)).toEqual({ refused: [], missing: [] });
  expect(await journal.append([entry(one, 4)])).toEqual([]);
});

test('a commit that never reached the server is found missing and can be sent again', async () => {
  const { proxy, journal } = await proxied();
  await journal.append([entry(one, 1)]);
  proxy.mode = 'lose-request';
  const batch = [entry(one, 2), entry(one, 3)];
  await expect(journal.append(batch)).rejects.toThrow(JournalOutcomeUnknown);
  proxy.mode = 'pass';
  expect(await journal.settle(batch)).toEqual({ refused: [], missing: batch });
  expect(await journal.append(batch)).toEqual([]);
});

/** Appends that wait for a lock. */
const waiting = `select from pg_stat_activity
  where wait_event_type = 'Lock' and application_name = 'aitrading journal' and datname = current_database()`;

test('what is settled as missing stays missing, though the lost statement was still under way', async () => {
  const { proxy, journal } = await proxied();
  await journal.append([entry(one, 1)]);
  const blocker = await database.connect();
  onTestFinished(() => blocker.close());
  await blocker.query('begin');
  await blocker.query('select pg_advisory_xact_lock(7002)');
  const outcome = journal.append([entry(one, 2)]).catch((error: unknown) => error);
  await vi.waitFor(async () => expect((await database.query(waiting)).rowCount).toBe(1), { timeout: 10_000 });
  proxy.cut();
  expect(await outcome).toBeInstanceOf(JournalOutcomeUnknown);
  expect(await journal.settle([entry(one, 2)])).toEqual({ refused: [], missing: [entry(one, 2)] });
  await blocker.query('rollback');
  await vi.waitFor(async () => expect((await database.query(waiting)).rowCount).toBe(0), { timeout: 10_000 });
  expect(await seqs(one)).toEqual([1]);
});

test('a connection that broke while nothing was under way is replaced before the next append', async () => {
  const warn = vi.fn<(fields: object, message: string) => void>();
  const journal = new PostgresJournal(database, { ...silentLog, warn });
  onTestFinished(() => journal.close());
  await journal.append([entry(one, 1)]);
  await database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'aitrading journal' and datname = current_database()`,
  );
  await vi.waitFor(() => expect(warn).toHaveBeenCalledWith({}, 'the connection of the journal was lost'));
  expect(await journal.append([entry(one, 2)])).toEqual([]);
});

test('an append that comes while slots are being claimed waits for the claim, and is fenced by it', async () => {
  const journal = openJournal();
  await journal.append([entry(one, 1)]);
  const claimer = await database.connect();
  onTestFinished(() => claimer.close());
  await claimer.query('begin');
  await claimAllSlots(claimer, { nodeId: 'other', version: '1' });
  const outcome = journal.append([entry(one, 2)]);
  await vi.waitFor(async () => expect((await database.query(waiting)).rowCount).toBe(1), { timeout: 10_000 });
  await claimer.query('commit');
  expect(await outcome).toEqual([{ ...one, reason: 'fenced', fromSeq: 2 }]);
  expect(await seqs(one)).toEqual([1]);
});

test('an append that waits for a claim holds no table that whoever claims may want to change', async () => {
  const journal = openJournal();
  await journal.append([entry(one, 1)]);
  const claimer = await database.connect();
  onTestFinished(() => claimer.close());
  await claimer.query('begin');
  await claimAllSlots(claimer, { nodeId: 'other', version: '1' });
  const outcome = journal.append([entry(one, 2)]);
  await vi.waitFor(async () => expect((await database.query(waiting)).rowCount).toBe(1), { timeout: 10_000 });
  await claimer.query('lock table platform.journal, platform.slot in access exclusive mode nowait');
  await claimer.query('commit');
  expect(await outcome).toEqual([{ ...one, reason: 'fenced', fromSeq: 2 }]);
});

test('a claim waits for the appends under way, and those behind it do not overtake it', async () => {
  const journal = openJournal();
  await journal.append([entry(one, 1)]);
  const underWay = await database.connect();
  onTestFinished(() => underWay.close());
  await underWay.query('begin; select from pg_advisory_xact_lock_shared(7002)');
  const claim = claimAllSlots(database, { nodeId: 'other', version: '1' });
  const isClaimWaiting = `select from pg_locks where locktype = 'advisory' and objid = 7002 and mode = 'ExclusiveLock' and not granted`;
  await vi.waitFor(async () => expect((await database.query(isClaimWaiting)).rowCount).toBe(1), { timeout: 10_000 });
  const outcome = journal.append([entry(one, 2)]);
  await vi.waitFor(async () => expect((await database.query(waiting)).rowCount).toBe(1), { timeout: 10_000 });
  await underWay.query('commit');
  await claim;
  expect(await outcome).toEqual([{ ...one, reason: 'fenced', fromSeq: 2 }]);
});

test('a claim of some slots fences their entities alone', async () => {
  const journal = openJournal();
  const two = newEntity();
  await journal.append([entry(one, 1), entry(two, 1)]);
  const [first, ...rest] = [entry(one, 2), entry(two, 2), entry(one, 3)] as const;
  const { slot } = first;
  expect(entry(two, 2).slot).not.toBe(slot);
  await database.query(`update platform.slot set owner = 'other', incarnation = 1, epoch = epoch + 1 where slot = $1`, [
    slot,
  ]);
  const refused = await journal.append([first, ...rest]);
  expect(refused).toEqual([{ ...one, reason: 'fenced', fromSeq: 2 }]);
  expect([await seqs(one), await seqs(two)]).toEqual([[1], [1, 2]]);
});

test('an append of the release before, which locks each slot, is fenced by a claim of this one', async () => {
  await openJournal().append([entry(one, 1)]);
  const { slot, epoch, tenantId, entityId } = entry(one, 2);
  const appendOfBefore = `
    with own as materialized (
      select s.slot, s.epoch from platform.slot s where (s.slot, s.epoch) in (select $1::int, $2::bigint) order by s.slot for share)
    insert into platform.journal (tenant_id, account_id, seq, epoch, command_id, digest, payload)
    select $3::int, $4::bigint, $5::bigint, epoch, 'c', decode(repeat('00', 32), 'hex'), '{}' from own`;
  const append = (seq: number) => database.query(appendOfBefore, [slot, epoch, tenantId, entityId, seq]);
  expect((await append(2)).rowCount).toBe(1);
  await claimAllSlots(database, { nodeId: 'other', version: '1' });
  expect((await append(3)).rowCount).toBe(0);
});

test('a takeover under a writer at full speed loses nothing and lets nothing in twice', async () => {
  const keys = Array.from({ length: 20 }, newEntity);
  const stale = openJournal();
  const written = new Map(keys.map((key) => [key.entityId, 0]));
  let isFenced = false;
  const writing = (async () => {
    while (!isFenced) {
      const batch = keys.map((key) => entry(key, written.get(key.entityId)! + 1));
      const refused = await stale.append(batch);
      for (const { entityId, seq } of batch) {
        if (!refused.some((refusal) => refusal.entityId === entityId)) written.set(entityId, seq);
      }
      isFenced = refused.length > 0;
      for (const { reason } of refused) expect(reason).toBe('fenced');
      expect([0, keys.length]).toContain(refused.length);
    }
  })();
  await vi.waitFor(() => expect(written.get(keys[0]!.entityId)).toBeGreaterThan(3), { timeout: 10_000 });
  const previous = ownership;
  const next = await claimAllSlots(database, { nodeId: 'test', version: '0' });
  await writing;
  ownership = next;
  expect(next.epochOf(0)).toBeGreaterThan(previous.epochOf(0));
  for (const key of keys) {
    const found = await seqs(key);
    expect(found).toEqual(Array.from({ length: written.get(key.entityId)! }, (_, index) => index + 1));
  }
});
