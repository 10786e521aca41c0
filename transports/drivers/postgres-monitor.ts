/** How the server is, for those who run it: sizes, replication, what runs and what took long. Every list is bounded. */
import { formatTime } from '../../actors/trading/time.ts';
import { tenantSchema } from './migration-files.ts';
import { pageOf, readCursor, type Page } from './page.ts';
import type { Database, Queryable } from './postgres.ts';

export interface Paging {
  /** 1 or more. */
  readonly limit: number;
  /** As a page before gave it. */
  readonly cursor?: string | undefined;
}

/** The server as a whole. */
export async function readOverview(database: Queryable): Promise<object> {
  const { rows } = await database.query<Record<string, unknown> & { started: number }>(
    `select current_setting('server_version') as version, current_database() as name, pg_database_size(current_database()) as bytes,
       ${micros('pg_postmaster_start_time()')} as started, pg_is_in_recovery() as "isInRecovery",
       (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as "connections",
       current_setting('max_connections')::int as "maxConnections",
       current_setting('fsync') as fsync, current_setting('full_page_writes') as "fullPageWrites",
       current_setting('synchronous_commit') as "synchronousCommit", current_setting('wal_level') as "walLevel",
       d.xact_commit as commits, d.xact_rollback as rollbacks, d.deadlocks, d.temp_bytes as "tempBytes",
       case when d.blks_hit + d.blks_read > 0 then round(d.blks_hit::numeric / (d.blks_hit + d.blks_read), 4)::float8 end as "cacheHitRatio"
     from pg_stat_database d where d.datname = current_database()`,
  );
  const { started, ...overview } = rows[0]!;
  return { ...overview, startedAt: formatTime(started) };
}

/** Schemas of the platform and its tenants by tenant number, the platform's first. @throws InvalidCursor */
export async function listSchemas(database: Queryable, { limit, cursor }: Paging): Promise<Page> {
  const after = readCursor(cursor, 'd')[0] ?? -1;
  const { rows } = await database.query<SchemaRow>(
    `with wanted as (
       select tenant_id, slug, status from (
         select 0 as tenant_id, null as slug, 'active' as status union all
         select tenant_id, slug, status from platform.tenant where status <> 'closed') t
       where tenant_id > $1 order by tenant_id limit $2),
     named as (select *, case tenant_id when 0 then 'platform' else 't_' || tenant_id end as schema from wanted)
     select w.tenant_id, w.slug, w.status, w.schema,
       (select max(version) from platform.migration m where m.schema_name = w.schema) as version,
       count(c.oid) filter (where c.relkind in ('r', 'p'))::int as tables,
       coalesce(sum(pg_total_relation_size(c.oid)) filter (where c.relkind = 'r'), 0)::bigint as bytes
     from named w left join pg_namespace n on n.nspname = w.schema left join pg_class c on c.relnamespace = n.oid
     group by 1, 2, 3, 4 order by 1`,
    [after, limit + 1],
  );
  return pageOf(
    rows,
    limit,
    ({ slug, schema, status, version, tables, bytes }) => ({
      ...{ schema, tenant: slug, status, version, tables, bytes },
    }),
    (row) => ['d', row.tenant_id, ''],
  );
}

interface SchemaRow {
  readonly tenant_id: number;
  readonly slug: string | null;
  readonly status: string;
  readonly schema: string;
  readonly version: number | null;
  readonly tables: number;
  readonly bytes: number;
}

/**
 * Tables of one schema, the largest first.
 * @param tenantId 0: the platform's own
 * @throws InvalidCursor
 */
export async function listTables(database: Queryable, tenantId: number, { limit, cursor }: Paging): Promise<Page> {
  const [bytes = Number.MAX_SAFE_INTEGER, name = ''] = readCursor(cursor, 't');
  const { rows } = await database.query<TableRow>(
    `select * from (
       select c.relname as "table", pg_total_relation_size(c.oid) as bytes, pg_table_size(c.oid) as "tableBytes",
         pg_indexes_size(c.oid) as "indexBytes", greatest(c.reltuples, 0)::bigint as "estimatedRows",
         coalesce(s.n_dead_tup, 0) as "deadRows", ${micros('greatest(s.last_vacuum, s.last_autovacuum)')} as vacuumed,
         ${micros('greatest(s.last_analyze, s.last_autoanalyze)')} as analyzed
       from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_stat_user_tables s on s.relid = c.oid
       where n.nspname = $1 and c.relkind = 'r') t
     where (-bytes, "table") > (-$2::bigint, $3) order by bytes desc, "table" limit $4`,
    [tenantId === 0 ? 'platform' : tenantSchema(tenantId), bytes, name, limit + 1],
  );
  return pageOf(
    rows,
    limit,
    ({ vacuumed, analyzed, ...row }) => ({ ...row, vacuumedAt: timeOf(vacuumed), analyzedAt: timeOf(analyzed) }),
    (row) => ['t', row.bytes, row.table],
  );
}

interface TableRow {
  readonly table: string;
  readonly bytes: number;
  readonly vacuumed: number | null;
  readonly analyzed: number | null;
}

/** Where this server stands in its log, who follows it, and what it keeps for those that do not. */
export async function readReplication(database: Queryable): Promise<object> {
  const behind = (lsn: string) => `pg_wal_lsn_diff(p.at, r.${lsn})::bigint`;
  const lagMs = (column: string) => `(extract(epoch from r.${column}) * 1000)::bigint`;
  const position = `case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end`;
  const [at, standbys, slots] = await Promise.all([
    database.query<{ isInRecovery: boolean; walPosition: string }>(
      `select pg_is_in_recovery() as "isInRecovery", (${position})::text as "walPosition"`,
    ),
    database.query(
      `select r.application_name as name, r.client_addr::text as address, r.state, r.sync_state as "syncState",
         ${behind('sent_lsn')} as "sentLagBytes", ${behind('write_lsn')} as "writeLagBytes", ${behind('flush_lsn')} as "flushLagBytes",
         ${behind('replay_lsn')} as "replayLagBytes", ${lagMs('write_lag')} as "writeLagMs", ${lagMs('flush_lag')} as "flushLagMs",
         ${lagMs('replay_lag')} as "replayLagMs"
       from pg_stat_replication r, (select ${position} as at) p order by 1, 2 limit 100`,
    ),
    database.query(
      `select slot_name as name, slot_type as type, active as "isActive",
         pg_wal_lsn_diff(${position}, restart_lsn)::bigint as "retainedBytes"
       from pg_replication_slots order by 1 limit 100`,
    ),
  ]);
  return { ...at.rows[0]!, standbys: standbys.rows, slots: slots.rows };
}

/**
 * What our connections have been doing for longer than `slowMs`, and, where the server counts statements (the extension
 * pg_stat_statements), those that took most time over all.
 */
export async function readSlowQueries(database: Database, slowMs: number): Promise<object> {
  const { rows: running } = await database.query<{ text: string }>(
    `select pid, application_name as application, left(query, 2000) as text, state,
       (extract(epoch from clock_timestamp() - query_start) * 1000)::bigint as "tookMs",
       wait_event_type as "waitsFor", wait_event as "waitEvent"
     from pg_stat_activity
     where datname = current_database() and application_name like 'aitrading%' and state <> 'idle' and pid <> pg_backend_pid()
       and clock_timestamp() - query_start >= $1 * interval '1 millisecond'
     order by query_start limit 100`,
    [slowMs],
  );
  const recorded = database.slowStatements().map(({ text, tookMs, endedMicros, failed }) => ({
    ...{ text, tookMs: Math.round(tookMs), endedAt: formatTime(endedMicros), failed },
  }));
  return { slowMs, running: running.map(onOneLine), recorded, statements: await readStatements(database) };
}

async function readStatements(database: Queryable): Promise<readonly object[] | null> {
  const { rows } = await database.query<{ schema: string | null }>(
    `select (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements'
       and current_setting('shared_preload_libraries') like '%pg_stat_statements%') as schema`,
  );
  const schema = rows[0]!.schema;
  if (schema === null) return null;
  const statements = await database.query<{ text: string }>(
    `select left(query, 2000) as text, calls, round(total_exec_time::numeric)::bigint as "totalMs",
       round(mean_exec_time::numeric, 3)::float8 as "meanMs", rows
     from "${schema}".pg_stat_statements where dbid = (select oid from pg_database where datname = current_database())
     order by total_exec_time desc limit 50`,
  );
  return statements.rows.map(onOneLine);
}

function onOneLine<Row extends { readonly text: string }>(row: Row): Row {
  return { ...row, text: row.text.replaceAll(/\s+/g, ' ').trim() };
}

function micros(expression: string): string {
  return `(extract(epoch from ${expression}) * 1000000)::bigint`;
}

function timeOf(value: number | null): string | null {
  return value === null ? null : formatTime(value);
}
