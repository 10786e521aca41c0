import { beforeEach, expect, test } from 'vitest';
import type { LimitLayer } from '../../../actors/trading/limit-board.ts';
import type { Database } from '../../../transports/drivers/postgres.ts';
import { listRiskLimits, RiskLimitsDamaged, saveRiskLimits } from '../../../transports/drivers/postgres-risk-limits.ts';
import { usePostgres } from '../../support/postgres.ts';

const postgres = usePostgres();
let database: Database;
beforeEach(async () => {
  database = await postgres.platformDatabase();
});

const platform: Omit<LimitLayer, 'version'> = {
  ...{ scope: 'platform', limits: { maxOrderValue: 10n ** 14n, isRestricted: true }, reason: 'a rule', by: 'ann' },
  setMicros: 1_800_000_000_000_001,
};
const symbol: Omit<LimitLayer, 'version'> = {
  ...{ ...platform, scope: 'symbol', tenantId: 1, accountId: 7, symbol: 'EURUSD' },
  limits: { minMarginLevel: 15_050n, maxOrdersPerSecond: 3 },
};

test('what was set is read again as it was, the last of each subject, and what was before is kept', async () => {
  const first = await saveRiskLimits(database, platform);
  const own = await saveRiskLimits(database, symbol);
  expect(own.version).toBeGreaterThan(first.version);
  const second = await saveRiskLimits(database, { ...platform, limits: {}, reason: 'no more' });
  const listed = await listRiskLimits(database);
  expect(listed).toHaveLength(2);
  expect(listed).toEqual(expect.arrayContaining([own, second]));
  const { rows } = await database.query<{ count: number }>('select count(*)::int as count from platform.risk_limits');
  expect(rows[0]!.count).toBe(3);
});

test('a row that cannot be understood is an error, not no bound', async () => {
  await saveRiskLimits(database, platform);
  await database.query(`update platform.risk_limits set limits = '{"maxEverything":"1"}'`);
  await expect(listRiskLimits(database)).rejects.toBeInstanceOf(RiskLimitsDamaged);
});
