import { afterEach, beforeEach, expect, test } from 'vitest';
import { findDrift } from '../../../transports/drivers/migrations-drift.ts';
import type { Database } from '../../../transports/drivers/postgres.ts';
import { provisionTenant } from '../../../transports/drivers/provisioning.ts';
import { usePostgres } from '../../support/postgres.ts';

const postgres = usePostgres();
let database: Database;
beforeEach(async () => {
  database = await postgres.platformDatabase();
  for (const slug of ['first', 'second']) await provisionTenant(database, { slug, name: slug });
});
afterEach(() => database.close());

const drift = async (): Promise<string[]> =>
  (await findDrift(database)).map(({ schema, fault }) => `${schema} ${fault}`);

test('a database that only migrations have touched has not drifted, and a look at it leaves nothing behind', async () => {
  const before = await objects();
  expect(await drift()).toEqual([]);
  expect(await drift()).toEqual([]);
  expect(await objects()).toEqual(before);
});

test('a server that has no roles of ours yet is told of, not stumbled over', async () => {
  await database.query('alter role migrator rename to m_old');
  try {
    expect(await drift()).toContain('rights: role migrator is missing');
  } finally {
    await database.query('alter role m_old rename to migrator');
  }
});

test.each([
  ['alter table t_2.fill add column mine int', 't_2 has column fill.mine integer, which no migration gives'],
  [
    'drop index t_1.order_newest',
    't_1 lacks index order_newest: CREATE INDEX order_newest ON "order" USING btree (account_id, number)',
  ],
  [
    'create index by_symbol on t_1.fill (symbol)',
    't_1 has index by_symbol: CREATE INDEX by_symbol ON fill USING btree (symbol), which no migration gives',
  ],
  ['alter table t_1.fill alter column symbol drop not null', 't_1 lacks column fill.symbol text not null'],
  [
    'alter table platform.node alter column weight set default 7',
    'platform lacks column node.weight integer not null default 100',
  ],
  ['drop table platform.api_key', 'platform lacks table api_key'],
  [
    'alter table t_1.account drop constraint account_leverage_check',
    't_1 lacks constraint account_leverage_check on account: CHECK (((leverage >= 1) AND (leverage <= 500)))',
  ],
  ['alter table platform.journal detach partition t_2.journal', 't_2 lacks table journal FOR VALUES IN (:tenant_id)'],
  ['create table t_1.mine ()', 't_1 has table mine, which no migration gives'],
  ['alter table t_1."order" reset (fillfactor)', 't_1 lacks table order fillfactor=70'],
  ['create schema t_77', 't_77 belongs to no tenant of the registry'],
  ['grant usage on schema t_1 to public', 'rights: PUBLIC must have no USAGE on schema t_1'],
  [
    `update platform.migration set checksum = 'x' where schema_name = 't_2' and version = 1`,
    't_2 has migration 1 from a file that was changed since',
  ],
  [
    `delete from platform.migration where schema_name = 't_2' and version = 3`,
    't_2 lacks migration 3 (account-snapshot)',
  ],
  [
    `insert into platform.migration values ('t_2', 4000, 'later', 'x')`,
    't_2 has migration 4000, which this version of the platform does not know',
  ],
])('%s is told', async (statement, told) => {
  await database.query(statement);
  expect(await drift()).toContain(told);
});

test('a database without a platform in it is told in one line', async () => {
  const empty = await postgres.emptyDatabase();
  expect(await findDrift(empty)).toEqual([{ schema: 'platform', fault: 'is missing' }]);
});

async function objects(): Promise<unknown> {
  const { rows } = await database.query(
    `select n.nspname, c.relname, c.relowner from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname !~ '^pg_toast' order by 1, 2`,
  );
  return rows;
}
