/** What the journal costs with 1, 100 and 1,000 tenants: all of them are appended for, by the same number of producers. */
import { readFileSync } from 'node:fs';
import type { Database } from '../../transports/drivers/postgres.ts';
import { attachPartitions } from './partitions.ts';
import type { JournalBench } from './plan.ts';

const mib = 1024 * 1024;
/** Account of a tenant in this part of the suite; with few tenants there are several, from here on. */
const firstAccount = 1_001;

/** Attaches the partitions of all tenants on the way; they stay. */
export async function measureGrowth(
  { database, appends, plan, emit }: JournalBench,
  firstTenant: number,
): Promise<void> {
  let attached = 0;
  for (const { name, tenants } of plan.growth) {
    const suffix = name === 1 ? '1-tenant' : `${name}-tenants`;
    const added = Array.from({ length: tenants - attached }, (_, index) => firstTenant + attached + index);
    if (added.length > 0) {
      const value = await attachPartitions(database, added);
      emit({ name: `attach-partition-${suffix}`, value, unit: 'ms', direction: 'lower' });
    }
    attached = tenants;
    const entities = Array.from({ length: plan.producers }, (_, producer) =>
      entitiesOf(producer, plan.producers, tenants),
    );
    const result = await appends.run(
      entities.map((keys) =>
        keys.map(({ tenant, account }) => ({ tenantId: firstTenant + tenant, entityId: account })),
      ),
      { warmUpMs: plan.warmUpMs, windowMs: plan.growthWindowMs },
    );
    emit({ name: `durable-appends-${suffix}`, value: result.rowsPerSecond, unit: 'rows/s', direction: 'higher' });
    emit({ name: `durable-appends-${suffix}-p99`, value: result.p99Ms, unit: 'ms', direction: 'lower' });
    await measureMemory(database, suffix, emit);
  }
}

/** Each tenant is one producer's; with fewer tenants than producers a tenant has several accounts. */
export function entitiesOf(
  producer: number,
  producers: number,
  tenants: number,
): readonly { readonly tenant: number; readonly account: number }[] {
  if (tenants < producers)
    return [{ tenant: producer % tenants, account: firstAccount + Math.floor(producer / tenants) }];
  const length = Math.ceil((tenants - producer) / producers);
  return Array.from({ length }, (_, turn) => ({ tenant: producer + turn * producers, account: firstAccount }));
}

/** The catalog on the disk, and what the writer's server process keeps of it. */
async function measureMemory(database: Database, suffix: string, emit: JournalBench['emit']): Promise<void> {
  const catalog = await database.query<{ bytes: number }>(
    `select sum(pg_total_relation_size(oid))::bigint as bytes from pg_class
     where relnamespace = 'pg_catalog'::regnamespace and relkind = 'r'`,
  );
  const value = catalog.rows[0]!.bytes / mib;
  emit({ name: `catalog-size-${suffix}`, value, unit: 'MiB', direction: 'lower' });
  const { rows } = await database.query<{ pid: number }>(
    `select pid from pg_stat_activity where query like '%insert into platform.journal%' and pid <> pg_backend_pid()`,
  );
  const bytes = rows[0] && privateBytes(rows[0].pid);
  if (bytes === undefined) return;
  emit({ name: `writer-backend-memory-${suffix}`, value: bytes / mib, unit: 'MiB', direction: 'lower' });
}

/** Without the buffers that all server processes share; undefined where the system does not tell. */
function privateBytes(pid: number): number | undefined {
  try {
    const found = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found ? Number(found[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}
