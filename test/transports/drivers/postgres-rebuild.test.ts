/** Read models are a fold of the journal: thrown away and made anew they are what they were. */
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLog } from '../../../runtime/actor.ts';
import { applyCommits, checkpoints } from '../../../transports/drivers/postgres-projection.ts';
import { PostgresJournal } from '../../../transports/drivers/postgres-journal.ts';
import { claimAllSlots } from '../../../transports/drivers/postgres-ownership.ts';
import { readModels, rebuildReadModels } from '../../../transports/drivers/postgres-rebuild.ts';
import { connectDatabase, type Database } from '../../../transports/drivers/postgres.ts';
import { provisionTenant } from '../../../transports/drivers/provisioning.ts';
import { PlatformServing, refuseWhileServing } from '../../../transports/drivers/serving.ts';
import { limitOrder, order, report, s } from '../../actors/trading/fixtures.ts';
import { usePostgres } from '../../support/postgres.ts';
import { RecordedAccount } from '../../support/projection.ts';

const postgres = usePostgres();
let database: Database;
let epochOf: (slot: number) => number;
beforeEach(async () => {
  database = await postgres.platformDatabase();
  for (const slug of ['demo', 'other']) await provisionTenant(database, { slug, name: slug });
  ({ epochOf } = await claimAllSlots(database, { nodeId: 'test', version: '0' }));
});
afterEach(() => database.close());

const demo = { tenantId: 1, tenant: 'demo' };

test('what is rebuilt equals what live commits made, and other tenants are left alone', async () => {
  const recorded = [1, 2, 3].map((accountId) => trade(1, accountId, 500)).concat(trade(2, 1, 50));
  await write(recorded);
  const [before, other] = [await dump(1), await dump(2)];
  expect(before.get('"order"')!.length).toBeGreaterThan(100);
  expect(before.get('fill')!.length).toBeGreaterThan(100);
  await database.query(`update t_1."order" set state = 'LOST'; delete from t_1.fill where ordinal = 0;
    insert into t_1.checkpoint values (99, 5, 1); update t_1.position set quantity = 0; delete from t_1.command`);
  await database.query(`insert into t_2.checkpoint values (77, 1, 0)`);
  const told: [number, number][] = [];
  const rows = recorded.slice(0, 3).reduce((sum, { entries }) => sum + entries.length, 0);
  expect(await rebuildReadModels(database, demo, (...of) => told.push(of))).toEqual({ rows, accounts: 3 });
  expect(await dump(1)).toEqual(before);
  expect((await dump(2)).get('fill')).toEqual(other.get('fill'));
  expect((await checkpoints(database, 2)).get(77)).toBe(1);
  expect(told.at(-1)).toEqual([rows, rows]);
  expect(told.length).toBe(Math.ceil(rows / 1_000));
});

test('a projector that goes on behind a rebuild goes on where it was', async () => {
  const account = trade(1, 1, 40);
  const commits = [...account.commits];
  await append([account]);
  await applyCommits(database, commits.slice(0, 25));
  await rebuildReadModels(database, demo);
  // It does not know of the rebuild, and sends again what is there already.
  await applyCommits(database, commits.slice(20));
  expect(await checkpoints(database, 1)).toEqual(new Map([[1, commits.length]]));
});

test('a journal that cannot be understood leaves the read models as they were', async () => {
  await write([trade(1, 1, 30)]);
  const before = await dump(1);
  await database.query(`update t_1.journal set payload = '{"v":99}' where seq = 20`);
  await expect(rebuildReadModels(database, demo)).rejects.toThrow('payload version must be 1, was 99');
  expect(await dump(1)).toEqual(before);
});

test('a tenant without a journal has empty read models', async () => {
  await database.query(`insert into t_1.checkpoint values (1, 5, 1)`);
  expect(await rebuildReadModels(database, demo)).toEqual({ rows: 0, accounts: 0 });
  expect(await checkpoints(database, 1)).toEqual(new Map());
});

test('a platform at work on the database is seen, a connection of somebody else is not', async () => {
  const { rows } = await database.query<{ name: string }>('select current_database() as name');
  await database.close();
  const login = { ...postgres.server, database: rows[0]!.name, log: silentLog };
  const looking = connectDatabase(login);
  await refuseWhileServing(looking);
  const platform = connectDatabase(login);
  await platform.query('select 1');
  await expect(refuseWhileServing(looking)).rejects.toThrow(PlatformServing);
  await platform.query(`set application_name = 'psql'`);
  await refuseWhileServing(looking);
  await Promise.all([looking.close(), platform.close()]);
});

/** Opened, and then whatever a trader and a broker may do, the same at each run. */
function trade(tenantId: number, accountId: number, steps: number): RecordedAccount {
  const account = new RecordedAccount(tenantId, accountId);
  account.give(
    { type: 'open-account', currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false },
    { type: 'deposit', reference: 'seed', amount: s('100000') },
  );
  const [seed] = fc.sample(fc.infiniteStream(fc.nat(99)), { numRuns: 1, seed: accountId * 31 + steps });
  const next = (): number => seed!.next().value!;
  const orderIds: string[] = [];
  for (let index = 0; index < steps; index++) {
    const [kind, size, which] = [next(), next(), next()];
    const quantity = s('0.01') * BigInt(size % 9);
    const orderId = orderIds[orderIds.length - 1 - (which % 4)] ?? 'o-999-9';
    if (kind < 45) {
      orderIds.push(`o-${accountId}-${account.ledger.nextSeq}`);
      const terms = { clientOrderId: `c-${index}`, side: which % 2 ? ('buy' as const) : ('sell' as const), quantity };
      account.give(kind < 20 ? limitOrder('1.07000', terms) : order(terms));
    } else if (kind < 85) {
      const fill = { executionId: `x-${index}`, quantity: s('0.01') * BigInt(1 + (size % 9)), price: s('1.08') };
      account.give(report({ type: 'filled', orderId, ...fill }));
    } else if (kind < 92) account.give({ type: 'cancel-order', orderId, requestId: `r-${index}` });
    else account.give(report({ type: 'canceled', orderId, reason: 'requested' }));
  }
  return account;
}

async function append(recorded: readonly RecordedAccount[]): Promise<void> {
  const journal = new PostgresJournal(database, silentLog);
  for (const { entries } of recorded)
    expect(await journal.append(entries.map((entry) => ({ ...entry, epoch: epochOf(entry.slot) })))).toEqual([]);
  await journal.close();
}

async function write(recorded: readonly RecordedAccount[]): Promise<void> {
  await append(recorded);
  for (const { commits } of recorded) {
    for (let from = 0, size = 1; from < commits.length; from += size, size = (size * 7) % 61)
      await applyCommits(database, commits.slice(from, from + size));
  }
}

async function dump(tenantId: number): Promise<Map<string, string[]>> {
  const tables = new Map<string, string[]>();
  for (const table of readModels) {
    const { rows } = await database.query<{ row: string }>(
      `select x::text as row from t_${tenantId}.${table} x order by 1`,
    );
    tables.set(
      table,
      rows.map(({ row }) => row),
    );
  }
  return tables;
}
