/** What a broker's report means for an account: the events that follow from it, none when it says nothing new. */
import type { Account, Facts, WorkingOrder } from './account.ts';
import { blockKey, positionKey } from './account-keys.ts';
import { settle } from './account-life.ts';
import { bookQuoteAmount } from './booking.ts';
import type { BrokerOrder, BrokerReport } from './broker.ts';
import { commissionOf } from './commission.ts';
import type { AccountEvent, OrderChange, OrderTerms, QuarantinedReport } from './events.ts';
import { transitions } from './order.ts';
import { fillableQuantity } from './order-book.ts';
import { applyFill } from './position.ts';
import { protect, superfluous } from './protection.ts';
import { executionSubject, rememberFill } from './recent-orders.ts';
import { repeatedExecution } from './risk-breaches.ts';

type FillReport = Extract<BrokerReport, { type: 'filled' }>;

/** @param order the one that the report names, if it is working or ended a short while ago */
export function decideReport(
  account: Account,
  order: WorkingOrder | undefined,
  report: BrokerReport,
  facts: Facts,
): readonly AccountEvent[] {
  if (report.type === 'external') return order ? [] : adopt(account, report, report.order, facts);
  if (!order) return quarantine(order, report, facts, 'order-not-known');
  if (report.type === 'filled') return decideFill(account, order, report, facts);

  // Nobody can refuse what is filled in part, whatever else was under way meanwhile.
  const isRefusalOfFilled = report.type === 'rejected' && order.filledQuantity > 0n;
  const next = isRefusalOfFilled ? 'quarantine' : transitions[order.state][report.type];
  if (next === 'ignored') return [];
  if (next === 'quarantine') return quarantine(order, report, facts, 'not-in-this-state');
  // Less than what is filled already cannot be what the order is now.
  if (report.type === 'updated' && (report.change.quantity ?? order.quantity) < order.filledQuantity)
    return quarantine(order, report, facts, 'beyond-quantity');
  // A change whose quantity has been filled cannot have been refused.
  if (report.type === 'update-rejected' && order.filledQuantity > order.quantity)
    return quarantine(order, report, facts, 'beyond-quantity');
  const { orderId, symbol } = order;
  const said = { orderId, symbol, timeMicros: facts.nowMicros };
  const common = { ...said, brokerTimeMicros: report.timeMicros };
  switch (report.type) {
    case 'accepted':
    case 'triggered':
    case 'expired':
      return [{ ...common, type: `order-${report.type}` }];
    case 'rejected':
    case 'update-rejected':
    case 'cancel-rejected':
      return [{ ...common, type: `order-${report.type}`, reason: report.reason }];
    case 'canceled':
      // The broker knows that we asked; we know why.
      return [{ ...common, type: 'order-canceled', reason: reasonOf(report.reason, order) }];
    case 'trailed':
      return [{ ...common, type: 'order-trailed', stopPrice: report.stopPrice }];
    case 'updated':
      return [{ ...common, type: 'order-updated', change: { ...protectionOf(order), ...report.change } }];
    case 'unknown':
      return [{ ...said, type: 'order-unknown', reason: report.reason }];
  }
}

function reasonOf(said: Extract<BrokerReport, { type: 'canceled' }>['reason'], { cancelRequested }: WorkingOrder) {
  return said === 'requested' && cancelRequested ? cancelRequested : said;
}

/** Of a change under way, what no broker hears of. */
function protectionOf({ pendingChange }: WorkingOrder): OrderChange {
  const { stopLoss, takeProfit } = pendingChange?.change ?? {};
  return { ...(stopLoss === undefined ? {} : { stopLoss }), ...(takeProfit === undefined ? {} : { takeProfit }) };
}

/** The fill, then what it makes of the position, what that earns and costs, and what follows for other orders. */
function decideFill(account: Account, order: WorkingOrder, report: FillReport, facts: Facts): readonly AccountEvent[] {
  const fillId = `f-${report.venue}-${report.executionId}`;
  if (order.fillIds.includes(fillId)) return [];
  const { quantity, price } = report;
  if (quantity <= 0n || price <= 0n) return quarantine(order, report, facts, 'not-positive');
  const filledQuantity = order.filledQuantity + quantity;
  const most = fillableQuantity(order);
  if (filledQuantity > most) return quarantine(order, report, facts, 'beyond-quantity');
  const input = filledQuantity === most ? 'filled' : 'partially-filled';
  if (transitions[order.state][input] === 'quarantine') return quarantine(order, report, facts, 'not-in-this-state');
  const instrument = facts.instrument(order.symbol);
  if (!instrument) return quarantine(order, report, facts, 'instrument-not-known');

  const { orderId, symbol, side, positionId } = order;
  const execution = { symbol, side, quantity, price, ...(positionId === undefined ? {} : { positionId }) };
  const applied = applyFill(account, execution, instrument, `p-${account.accountId}-${facts.seq}`);
  if (applied === 'position-not-known') return quarantine(order, report, facts, applied);
  if (applied === 'beyond-position') return quarantine(order, report, facts, 'beyond-quantity');

  const common = { orderId, timeMicros: facts.nowMicros };
  const fill = { fillId, quantity, price, filledQuantity, brokerTimeMicros: report.timeMicros };
  const events: AccountEvent[] = [{ ...common, type: `order-${input}`, symbol, side, ...fill }];
  const positions = new Map(account.positions);
  for (const { type, position } of applied.changes) {
    events.push({ ...common, type, fillId, ...position });
    if (type === 'position-closed') positions.delete(positionKey(account, position));
    else positions.set(positionKey(account, position), position);
  }
  let { balance } = account;
  const { quoteCurrency } = instrument;
  const source = { orderId, fillId, lastRate: order.conversionRate };
  if (applied.realized !== undefined) {
    const profit = bookQuoteAmount(account, 'profit', applied.realized, quoteCurrency, facts, source);
    ({ balance } = profit);
    events.push(profit);
  }
  const commission = commissionOf(instrument, { quantity, price });
  if (commission && commission.amount > 0n) {
    const lastRate = commission.currency === quoteCurrency ? order.conversionRate : 0n;
    const booking = { ...source, lastRate, balance };
    const booked = bookQuoteAmount(account, 'commission', -commission.amount, commission.currency, facts, booking);
    ({ balance } = booked);
    events.push(booked);
  }
  if (positions.size === 0) events.push(...settle(account, balance, order.source === 'stop-out', facts));
  events.push(...protect(account, order, { fillId, opened: applied.opened, positionId: applied.positionId }, facts));
  const filled = { ...order, filledQuantity };
  events.push(...superfluous(account, filled, input === 'filled', positions, facts));
  events.push(...throttled(account, order, facts));
  return events;
}

/** What trades in circles is stopped until a person has looked at it. */
function throttled(account: Account, order: WorkingOrder, facts: Facts): readonly AccountEvent[] {
  const subject = executionSubject(order);
  if (account.blocks.has(blockKey('repeated-execution', subject))) return [];
  const recent = rememberFill(account.recent, subject, facts.nowMicros);
  const figures = repeatedExecution(recent, subject, facts.nowMicros, facts.limits(order));
  if (!figures) return [];
  return [{ type: 'trading-blocked', timeMicros: facts.nowMicros, reason: 'repeated-execution', subject, figures }];
}

/** An order that somebody placed past us is ours to carry from now on: it counts, and can be withdrawn. */
function adopt(
  account: Account,
  report: BrokerReport,
  placed: Omit<BrokerOrder, 'orderId'>,
  facts: Facts,
): readonly AccountEvent[] {
  const { orderId } = report;
  const { filledQuantity: _filled, executions: _executions, isTriggered: _triggered, ...known } = placed;
  const terms: OrderTerms = { ...known, clientOrderId: `~${orderId}`, source: 'external' };
  const { symbol } = terms;
  const common = { orderId, timeMicros: facts.nowMicros };
  const { currency } = account;
  return [
    { ...common, ...terms, type: 'order-submitted', margin: 0n, currency, conversionRate: 0n },
    { ...common, type: 'order-accepted', symbol, brokerTimeMicros: report.timeMicros },
  ];
}

function quarantine(
  order: WorkingOrder | undefined,
  report: BrokerReport,
  facts: Facts,
  reason: QuarantinedReport['reason'],
): readonly AccountEvent[] {
  return [
    {
      type: 'order-report-quarantined',
      orderId: report.orderId,
      timeMicros: facts.nowMicros,
      report: report.type,
      state: order?.state ?? 'NONE',
      reason,
    },
  ];
}
