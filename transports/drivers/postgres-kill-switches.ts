/** Kill switches as the database keeps them. */
import { releasesNeeded, type LatchedSwitch } from '../../actors/trading/kill-switch.ts';
import { momentOf, type Queryable } from './postgres.ts';

interface Row {
  readonly id: string;
  readonly scope: LatchedSwitch['scope'];
  readonly tenant_id: number | null;
  readonly account_id: number | null;
  readonly strategy_id: string | null;
  readonly symbol: string | null;
  readonly flatten: boolean;
  readonly reason: string;
  readonly latched_by: string;
  readonly latched: number;
  readonly released_by: string[];
}

/** Those that stop trading now, oldest first. */
export async function listLatched(database: Queryable): Promise<readonly LatchedSwitch[]> {
  const { rows } = await database.query<Row>(
    `select kill_switch_id as id, scope, tenant_id, account_id, strategy_id, symbol, flatten, reason, latched_by,
       (extract(epoch from latched_at) * 1000000)::bigint as latched, released_by
     from platform.kill_switch where released_at is null order by latched_at, kill_switch_id`,
  );
  return rows.map((row) => ({
    ...{ id: row.id, scope: row.scope, flatten: row.flatten, reason: row.reason, by: row.latched_by },
    ...{ latchedMicros: row.latched, releasedBy: row.released_by },
    ...(row.tenant_id === null ? {} : { tenantId: row.tenant_id }),
    ...(row.account_id === null ? {} : { accountId: row.account_id }),
    ...(row.strategy_id === null ? {} : { strategyId: row.strategy_id }),
    ...(row.symbol === null ? {} : { symbol: row.symbol }),
  }));
}

/** Writes a switch as it is; repeated it changes nothing, and a release is never taken back. */
export async function saveKillSwitch(database: Queryable, latched: LatchedSwitch): Promise<void> {
  const { id, scope, tenantId, accountId, strategyId, symbol, flatten, reason, by, latchedMicros, releasedBy } =
    latched;
  await database.query(
    `insert into platform.kill_switch as k (kill_switch_id, scope, tenant_id, account_id, strategy_id, symbol, flatten, reason,
       latched_by, latched_at, released_by, released_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, ${momentOf('$10')}, $11,
       case when $12 then clock_timestamp() end)
     on conflict (kill_switch_id) do update
       set released_by = excluded.released_by, released_at = coalesce(k.released_at, excluded.released_at)
       where cardinality(excluded.released_by) >= cardinality(k.released_by)`,
    [
      ...[id, scope, tenantId ?? null, accountId ?? null, strategyId ?? null, symbol ?? null, flatten, reason, by],
      ...[latchedMicros, releasedBy, releasedBy.length >= releasesNeeded(latched)],
    ],
  );
}
