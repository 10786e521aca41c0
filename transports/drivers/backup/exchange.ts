/** The last step of a restore, in one transaction: `restore_…` becomes what is in use. What must not come back with it stays away. */
import { tenantSchema } from '../migration-files.ts';
import type { Queryable } from '../postgres.ts';
import { nameOf, readTables, tenantRows } from './catalog.ts';
import type { Contents } from './read.ts';
import { liveSchemas, rename, replacedOf, scratchOf } from './scratch.ts';

/** Everything there is, tenants that came after the backup included, gives way. */
export async function exchangePlatform(
  transaction: Queryable,
  contents: Contents,
  tenantIds: readonly number[],
): Promise<void> {
  const live = await liveSchemas(transaction);
  const restored = ['platform', ...tenantIds.map(tenantSchema)];
  for (const schema of restored) await keepGone(transaction, schema, live);
  for (const tenantId of tenantIds) await renewStreams(transaction, tenantId);
  await continueNumbers(transaction, contents, restored);
  await fence(transaction, scratchOf('platform'), live.includes('platform') ? 'platform' : undefined);
  for (const schema of live) await rename(transaction, schema, replacedOf(schema));
  for (const schema of restored) await rename(transaction, scratchOf(schema), schema);
}

/** The tenant alone; the platform stays, and takes over what it has to know of the tenant. */
export async function exchangeTenant(transaction: Queryable, contents: Contents, tenantId: number): Promise<void> {
  const schema = tenantSchema(tenantId);
  const scratch = scratchOf(schema);
  const live = await liveSchemas(transaction);
  await keepGone(transaction, schema, live);
  await keepGone(transaction, 'platform', live);
  await renewStreams(transaction, tenantId);
  await continueNumbers(transaction, contents, [schema]);
  await fence(transaction, 'platform', undefined);
  await transaction.query(`alter table ${scratchOf('platform')}.journal detach partition ${scratch}.journal`);
  if (live.includes(schema)) {
    await transaction.query(`alter table platform.journal detach partition ${schema}.journal`);
    await rename(transaction, schema, replacedOf(schema));
  }
  await rename(transaction, scratch, schema);
  await transaction.query(
    `alter table platform.journal attach partition ${schema}.journal for values in (${tenantId})`,
  );
  for (const table of await readTables(transaction, scratchOf('platform'))) {
    const belongs = tenantRows[table.name]?.(tenantId);
    if (belongs === undefined) continue;
    const target = { schema: 'platform', name: table.name };
    // The registry knows best what became of the tenant since; the rest is what the backup says.
    if (table.name !== 'tenant') await transaction.query(`delete from ${nameOf(target)} where ${belongs}`);
    const columns = table.columns.map((column) => `"${column}"`).join(', ');
    await transaction.query(
      `insert into ${nameOf(target)} (${columns}) overriding system value
       select ${columns} from ${nameOf(table)} where ${belongs} on conflict do nothing`,
    );
  }
  await transaction.query(
    `select pg_catalog.setval(pg_get_serial_sequence('platform.tenant', 'tenant_id'), greatest($1::bigint, (select max(tenant_id) from platform.tenant)))
     where $1::bigint > coalesce((select last_value from pg_sequences where schemaname = 'platform' and sequencename = 'tenant_tenant_id_seq'), 0)`,
    [tenantId],
  );
}

/** A key that was destroyed or revoked since the backup stays so. */
async function keepGone(transaction: Queryable, schema: string, live: readonly string[]): Promise<void> {
  if (!live.includes(schema)) return;
  const scratch = scratchOf(schema);
  const tables = await readTables(transaction, scratch);
  const there = new Set((await readTables(transaction, schema)).map(({ name }) => name));
  for (const [name, { key, columns, isGone }] of Object.entries(tombstones)) {
    if (!there.has(name) || !tables.some((table) => table.name === name)) continue;
    const same = key.map((column) => `gone.${column} = kept.${column}`).join(' and ');
    const set = columns.map((column) => `${column} = gone.${column}`).join(', ');
    await transaction.query(
      `update ${scratch}.${name} kept set ${set} from ${schema}.${name} gone where ${same} and gone.${isGone} is not null and kept.${isGone} is null`,
    );
  }
}

const shredded = { columns: ['wrapped', 'master_key_id', 'shredded_at'], isGone: 'shredded_at' };
const tombstones: Readonly<Record<string, { key: string[]; columns: string[]; isGone: string }>> = {
  api_key: { key: ['key_id'], columns: ['revoked_at'], isGone: 'revoked_at' },
  data_key: { key: ['tenant_id', 'version'], ...shredded },
  person_key: { key: ['subject_id', 'version'], ...shredded },
};

/** Clients that go on with a stream from before are told that its numbers mean something else now. */
async function renewStreams(transaction: Queryable, tenantId: number): Promise<void> {
  await transaction.query(
    `update ${scratchOf(tenantSchema(tenantId))}.account set stream_epoch = left(replace(gen_random_uuid()::text, '-', ''), 12)`,
  );
}

/** No number is given out twice, also not one that was given out after the backup. */
async function continueNumbers(
  transaction: Queryable,
  { manifest }: Contents,
  schemas: readonly string[],
): Promise<void> {
  for (const { schema, name, last } of manifest.sequences) {
    if (!schemas.includes(schema)) continue;
    await transaction.query(
      `select setval(to_regclass($1), greatest($2::bigint, (select last_value from pg_sequences where schemaname = $3 and sequencename = $4)))`,
      [`"${scratchOf(schema)}"."${name}"`, last, schema, name],
    );
  }
}

/** Whoever wrote before can write no more, however long it was asleep. */
async function fence(transaction: Queryable, schema: string, other: string | undefined): Promise<void> {
  const known = other === undefined ? '0' : `coalesce((select epoch from ${other}.slot o where o.slot = s.slot), 0)`;
  await transaction.query(
    `update ${schema}.slot s set epoch = greatest(s.epoch, ${known}) + 1, owner = null, incarnation = null`,
  );
}
