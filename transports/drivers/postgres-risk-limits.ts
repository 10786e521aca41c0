/** Bounds on what may be risked, as the database keeps them. */
import type { LimitLayer } from '../../actors/trading/limit-board.ts';
import { decodeLimits, encodeLimits } from '../../actors/trading/risk-limits-text.ts';
import { Terminal } from '../../runtime/errors.ts';
import { momentOf, type Queryable } from './postgres.ts';

interface Row {
  readonly version: number;
  readonly scope: LimitLayer['scope'];
  readonly tenant_id: number | null;
  readonly account_id: number | null;
  readonly strategy_id: string | null;
  readonly symbol: string | null;
  readonly limits: string;
  readonly reason: string;
  readonly set_by: string;
  readonly set_micros: number;
}

/** A row that we do not understand: without its bounds nothing may be traded. */
export class RiskLimitsDamaged extends Terminal {
  constructor(version: number, found: string) {
    super(`platform.risk_limits, version ${version}, cannot be understood: ${found}`);
  }
}

/** The last of each subject. @throws {RiskLimitsDamaged} */
export async function listRiskLimits(database: Queryable): Promise<readonly LimitLayer[]> {
  const { rows } = await database.query<Row>(
    `select distinct on (tenant_id, account_id, strategy_id, symbol) version, scope, tenant_id, account_id, strategy_id, symbol,
       limits, reason, set_by, (extract(epoch from set_at) * 1000000)::bigint as set_micros
     from platform.risk_limits order by tenant_id, account_id, strategy_id, symbol, version desc`,
  );
  return rows.map(layerOf);
}

/** @returns the layer as it is in force from now on, with its version */
export async function saveRiskLimits(database: Queryable, layer: Omit<LimitLayer, 'version'>): Promise<LimitLayer> {
  const { scope, tenantId, accountId, strategyId, symbol, limits, reason, by, setMicros } = layer;
  const { rows } = await database.query<{ version: number }>(
    `insert into platform.risk_limits (scope, tenant_id, account_id, strategy_id, symbol, limits, reason, set_by, set_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, ${momentOf('$9')}) returning version`,
    [
      ...[scope, tenantId ?? null, accountId ?? null, strategyId ?? null, symbol ?? null],
      ...[JSON.stringify(encodeLimits(limits)), reason, by, setMicros],
    ],
  );
  return { ...layer, version: rows[0]!.version };
}

function layerOf(row: Row): LimitLayer {
  const decoded = decodeLimits(JSON.parse(row.limits) as Record<string, unknown>);
  if (!decoded.ok) throw new RiskLimitsDamaged(row.version, decoded.faults.map(({ path }) => path).join(', '));
  const { limits } = decoded;
  return {
    ...{
      scope: row.scope,
      limits,
      reason: row.reason,
      by: row.set_by,
      setMicros: row.set_micros,
      version: row.version,
    },
    ...(row.tenant_id === null ? {} : { tenantId: row.tenant_id }),
    ...(row.account_id === null ? {} : { accountId: row.account_id }),
    ...(row.strategy_id === null ? {} : { strategyId: row.strategy_id }),
    ...(row.symbol === null ? {} : { symbol: row.symbol }),
  };
}
