/** Pre-trade checks: an order, the account, its limits and the quote → accepted, or the first reason against it. */
import type { Account, Facts, WorkingOrder } from './account.ts';
import type { OrderChange, OrderTerms } from './events.ts';
import { formatQuantity } from './instrument.ts';
import { orderKey } from './recent-orders.ts';
import { checkExposure, needsOf } from './risk-exposure.ts';
import { deny, isReducing, type Proposal } from './risk-proposal.ts';
import { termChecks } from './risk-terms.ts';
import { formatTime } from './time.ts';

export type { RiskLimits } from './risk-limits.ts';

/** Why we refuse an order, with the figures that explain it as decimal text. Codes are stable and documented under docs/errors/. */
export interface Denial {
  readonly code: DenialCode;
  readonly figures: Readonly<Record<string, string>>;
}

export type DenialCode =
  | 'SYMBOL_UNKNOWN'
  | 'SYMBOL_RESTRICTED'
  | 'CALCULATION_MODE_UNSUPPORTED'
  | 'TRADE_MODE'
  | 'MARKET_CLOSED'
  | 'TIME_IN_FORCE_UNSUPPORTED'
  | 'POST_ONLY_UNSUPPORTED'
  | 'EXPIRY_INVALID'
  | 'QUANTITY_BELOW_MINIMUM'
  | 'QUANTITY_ABOVE_MAXIMUM'
  | 'QUANTITY_STEP'
  | 'QUANTITY_BELOW_FILLED'
  | 'PRICE_TICK'
  | 'PRICE_MISSING'
  | 'PRICE_NOT_ALLOWED'
  | 'STOPS_TOO_CLOSE'
  | 'PRICE_COLLAR'
  | 'PRICE_COLLAR_ROLLING'
  | 'QUOTE_MISSING'
  | 'QUOTE_STALE'
  | 'QUOTE_CROSSED'
  | 'QUOTE_DIVERGED'
  | 'CONVERSION_UNAVAILABLE'
  | 'NOTHING_TO_REDUCE'
  | 'MARGIN_EXCEEDS_FREE'
  | 'MARGIN_LEVEL_FLOOR'
  | 'ACCOUNT_NOT_OPEN'
  | 'AI_ORDERS_NOT_ALLOWED'
  | 'KILL_SWITCH'
  | 'TRADING_BLOCKED'
  | 'DAILY_LOSS'
  | 'DRAWDOWN'
  | 'DUPLICATE_ORDER'
  | 'MAX_ORDER_QUANTITY'
  | 'MAX_ORDER_VALUE'
  | 'MAX_OPEN_QUANTITY'
  | 'MAX_OPEN_NOTIONAL'
  | 'MAX_WORKING_ORDERS';

export type Assessment =
  | { readonly denial: Denial }
  | {
      /** What the order needs on its own, before netting; account currency, scaled by 10^8, rounded up. */
      readonly margin: bigint;
      /** Quote → account currency, scaled by 10^18. */
      readonly conversionRate: bigint;
    };

/** Whether an order may be sent. The first reason against it counts; the order of the checks is part of the contract. */
export function assess(account: Account, order: OrderTerms, facts: Facts): Assessment {
  const proposal = propose(account, order, facts);
  for (const check of accountChecks) {
    const denial = check(proposal);
    if (denial) return { denial };
  }
  return assessTerms(proposal);
}

/** Whether a working order may be changed: as if what it would become were sent now in its place. */
export function assessChange(account: Account, order: WorkingOrder, change: OrderChange, facts: Facts): Assessment {
  const instrument = facts.instrument(order.symbol);
  const { pendingChange: _pending, ...terms } = order;
  const next = { ...terms, ...change };
  if (change.quantity !== undefined && change.quantity <= order.filledQuantity) {
    const filled = formatQuantity(instrument, order.filledQuantity);
    return { denial: deny('QUANTITY_BELOW_FILLED', { filled, was: formatQuantity(instrument, change.quantity) }) };
  }
  const quantity = next.quantity - order.filledQuantity;
  return assessTerms(propose(withoutOrder(account, order), { ...next, quantity }, facts), order);
}

function propose(account: Account, order: OrderTerms, facts: Facts): Proposal {
  return { account, order, quote: facts.quote(order.symbol), facts, limits: facts.limits(order) };
}

/** The account as if the order had not been sent. */
function withoutOrder(
  account: Account,
  { symbol, side, quantity, filledQuantity, margin, reduceOnly }: WorkingOrder,
): Account {
  const totals = account.totals.get(symbol);
  if (!totals || reduceOnly) return account;
  const open = totals[side];
  const rest = { quantity: open.quantity - (quantity - filledQuantity), margin: open.margin - margin };
  return { ...account, totals: new Map(account.totals).set(symbol, { ...totals, [side]: rest }) };
}

/** @param changed a working order that this is a change of: it may be smaller than an order can be that is new */
function assessTerms(proposal: Proposal, changed?: WorkingOrder): Assessment {
  const { order, facts } = proposal;
  const instrument = facts.instrument(order.symbol);
  if (!instrument) return { denial: deny('SYMBOL_UNKNOWN', { symbol: order.symbol }) };
  const known = { ...proposal, instrument };
  for (const check of termChecks) {
    const denial = check(known);
    if (denial && !(changed && denial.code === 'QUANTITY_BELOW_MINIMUM')) return { denial };
  }
  const needs = needsOf(known);
  if ('code' in needs) return { denial: needs };
  const denial = checkExposure(known, needs);
  return denial ? { denial } : { margin: needs.margin, conversionRate: needs.conversionRate };
}

const accountChecks: readonly ((proposal: Proposal) => Denial | undefined)[] = [
  ({ account }) => (account.isOpen ? undefined : deny('ACCOUNT_NOT_OPEN')),
  ({ account, order }) => (order.source === 'ai' && !account.aiMayOrder ? deny('AI_ORDERS_NOT_ALLOWED') : undefined),
  checkKillSwitch,
  checkBlocks,
  checkRestricted,
  checkReduceOnly,
  checkDuplicate,
  ({ account, limits: { maxWorkingOrders: limit } }) => {
    const was = account.orders.size + 1;
    if (limit === undefined || was <= limit) return undefined;
    return deny('MAX_WORKING_ORDERS', { limit: String(limit), was: String(was) });
  },
];

function checkKillSwitch({ account, order, facts }: Proposal): Denial | undefined {
  const killed = facts.killed(order);
  if (!killed || isReducing(account, order)) return undefined;
  return deny('KILL_SWITCH', { id: killed.id, scope: killed.scope });
}

/** What is blocked stays blocked for all that could open something. */
function checkBlocks({ account, order }: Proposal): Denial | undefined {
  if (account.blocks.size === 0 || isReducing(account, order)) return undefined;
  for (const { reason, subject, sinceMicros, figures } of account.blocks.values()) {
    if (subject !== '' && subject !== order.symbol && subject !== order.strategyId) continue;
    return deny('TRADING_BLOCKED', { ...figures, reason, subject, since: formatTime(sinceMicros) });
  }
  return undefined;
}

function checkRestricted({ account, order, limits }: Proposal): Denial | undefined {
  if (!limits.isRestricted || isReducing(account, order)) return undefined;
  return deny('SYMBOL_RESTRICTED', { symbol: order.symbol });
}

function checkReduceOnly({ account, order }: Proposal): Denial | undefined {
  if (!order.reduceOnly) return undefined;
  const key = account.oms === 'netting' ? order.symbol : order.positionId;
  const position = key === undefined ? undefined : account.positions.get(key);
  if (position && position.side !== order.side) return undefined;
  return deny('NOTHING_TO_REDUCE', { symbol: order.symbol, side: order.side });
}

/** Somebody who sends the same again under another id has most likely not meant to. */
function checkDuplicate({ account, order, facts, limits }: Proposal): Denial | undefined {
  const windowMs = limits.duplicateWindowMs;
  if (windowMs === undefined) return undefined;
  const key = orderKey(order);
  for (const recent of account.recent.orders) {
    if (recent.timeMicros <= facts.nowMicros - windowMs * 1_000) return undefined;
    if (recent.key === key) return deny('DUPLICATE_ORDER', { orderId: recent.orderId, windowMs: String(windowMs) });
  }
  return undefined;
}
