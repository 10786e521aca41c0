/** Partitions of the journal as migrations make them, without the rest of a tenant: so a thousand take seconds. */
import { tenantSchema } from '../../transports/drivers/migrations.ts';
import type { Database } from '../../transports/drivers/postgres.ts';

/** In one transaction: each takes a few places in the server's table of locks. */
const atOnce = 100;

/** @returns how long each took on average, in milliseconds */
export async function attachPartitions(database: Database, tenants: readonly number[]): Promise<number> {
  const fromMs = performance.now();
  for (let from = 0; from < tenants.length; from += atOnce) {
    const statements = tenants.slice(from, from + atOnce).map(attachText);
    await database.transaction((transaction) => transaction.query(statements.join('\n')));
  }
  return (performance.now() - fromMs) / tenants.length;
}

function attachText(tenantId: number): string {
  const schema = tenantSchema(tenantId);
  return `create schema ${schema} authorization migrator;
    create table ${schema}.journal (like platform.journal including all, check (tenant_id = ${tenantId}));
    alter table ${schema}.journal owner to migrator;
    alter table platform.journal attach partition ${schema}.journal for values in (${tenantId});`;
}
