/** Bounds on what has happened already: losses of the day, and executions that follow each other too fast. */
import type { Account } from './account.ts';
import { formatMoney } from './money.ts';
import { fillsWithin, type RecentOrders } from './recent-orders.ts';
import type { RiskLimits } from './risk-limits.ts';

type Figures = Readonly<Record<string, string>>;

/** How much has been lost since the day began, where that is more than may be. */
export function dailyLossBreach(account: Account, equity: bigint, limits: RiskLimits): Figures | undefined {
  return breach(account, equity, account.day?.openEquity, limits.maxDailyLoss);
}

/** The same below the day's peak. */
export function drawdownBreach(account: Account, equity: bigint, limits: RiskLimits): Figures | undefined {
  return breach(account, equity, account.day?.peakEquity, limits.maxDrawdown);
}

function breach(
  { currency }: Account,
  equity: bigint,
  from: bigint | undefined,
  limit: bigint | undefined,
): Figures | undefined {
  if (from === undefined || limit === undefined || from - equity <= limit) return undefined;
  const money = (value: bigint) => formatMoney(value, currency);
  return { limit: money(limit), was: money(from - equity), from: money(from), equity: money(equity), currency };
}

/** A strategy that has filled too often in too short a time, with the figures of it. */
export function repeatedExecution(
  recent: RecentOrders,
  subject: string,
  nowMicros: number,
  { repeatedExecutions: limit, repeatedExecutionWindowMs: windowMs }: RiskLimits,
): Figures | undefined {
  if (limit === undefined || windowMs === undefined) return undefined;
  const was = fillsWithin(recent, subject, nowMicros, windowMs);
  return was > limit ? { limit: String(limit), was: String(was), windowMs: String(windowMs) } : undefined;
}
