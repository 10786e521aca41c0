/** Orders are sent, amended and withdrawn. */
import type { Account, Decision, Facts } from './account.ts';
import type { AmendOrder } from './commands.ts';
import type { AccountEvent, OrderChange, OrderTerms } from './events.ts';
import { isWorking, transitions } from './order.ts';
import { findOrder } from './order-book.ts';
import { cancelRequest, newOrderId, refused } from './order-requests.ts';
import { assess, assessChange } from './risk.ts';

export function submitOrder(account: Account, command: OrderTerms, facts: Facts): Decision {
  const opened = dayOpened(account, facts);
  const today = opened.length === 0 ? account : withoutDailyBlocks(account);
  const { type: _type, ...sent } = command as OrderTerms & { type?: string };
  const terms = withExpiry(sent, facts);
  const orderId = newOrderId(account, facts);
  const { clientOrderId } = terms;
  const assessment = assess(today, terms, facts);
  const common = { ...terms, orderId, timeMicros: facts.nowMicros };
  if ('denial' in assessment) {
    const { denial } = assessment;
    return {
      events: [...opened, { ...common, type: 'order-denied', denial }],
      reply: { type: 'order', orderId, clientOrderId, state: 'DENIED', denial },
    };
  }
  const { margin, conversionRate } = assessment;
  return {
    events: [...opened, { ...common, type: 'order-submitted', margin, currency: account.currency, conversionRate }],
    reply: { type: 'order', orderId, clientOrderId, state: 'SUBMITTED' },
  };
}

/**
 * The first order of a day begins it, where nothing is open whose worth the night may have changed, and what the last day has blocked is
 * free again. Days only go forward: a clock that was set back begins none anew.
 */
function dayOpened(account: Account, { day, nowMicros: timeMicros }: Facts): readonly AccountEvent[] {
  const last = account.day?.day;
  if (day === undefined || (last !== undefined && last >= day) || account.positions.size > 0 || !account.isOpen)
    return [];
  const { balance: equity, currency } = account;
  const unblocked = [...account.blocks.values()]
    .filter(({ reason }) => reason === 'daily-loss')
    .map(({ reason, subject }) => ({ type: 'trading-unblocked', timeMicros, reason, subject, by: 'day' }) as const);
  return [{ type: 'day-opened', timeMicros, day, equity, currency }, ...unblocked];
}

function withoutDailyBlocks(account: Account): Account {
  return { ...account, blocks: new Map([...account.blocks].filter(([, { reason }]) => reason !== 'daily-loss')) };
}

/** An order for the day ends with its trading day. A market order is filled or refused at once. */
function withExpiry(terms: OrderTerms, { hours, nowMicros }: Facts): OrderTerms {
  if (terms.timeInForce !== 'day' || terms.orderType === 'market') return terms;
  return { ...terms, expireAtMicros: hours(terms.symbol)?.dayEnd(nowMicros) ?? nextMidnight(nowMicros) };
}

const DAY_MICROS = 86_400_000_000;

function nextMidnight(micros: number): number {
  return (Math.floor(micros / DAY_MICROS) + 1) * DAY_MICROS;
}

/** Asks the broker for a change. What only we keep of an order, the prices of its protection, changes at once. */
export function amendOrder(account: Account, { orderId, requestId, change }: AmendOrder, facts: Facts): Decision {
  const order = findOrder(account, orderId);
  if (!order) return refused('NOT_FOUND', { orderId });
  const { state, symbol } = order;
  if (state === 'PENDING_CANCEL') return refused('ORDER_PENDING_CANCEL', { orderId });
  if (!isWorking(state) || transitions[state]['pending-update'] === 'quarantine')
    return refused('ORDER_NOT_WORKING', { orderId, state });

  const assessment = assessChange(account, order, change, facts);
  if ('denial' in assessment) return { events: [], reply: { type: 'denied', denial: assessment.denial } };
  const common = { timeMicros: facts.nowMicros, orderId, symbol };
  if (isOurs(change)) {
    return {
      events: [{ ...common, type: 'order-updated', change, brokerTimeMicros: facts.nowMicros }],
      reply: { type: 'amend', orderId, state },
    };
  }
  const { margin, conversionRate } = assessment;
  const { currency } = account;
  return {
    events: [{ ...common, type: 'order-pending-update', requestId, change, margin, currency, conversionRate }],
    reply: { type: 'amend', orderId, state: 'PENDING_UPDATE' },
  };
}

function isOurs(change: OrderChange): boolean {
  return Object.keys(change).every((name) => name === 'stopLoss' || name === 'takeProfit');
}

/** Cancels pass every check: they only ever lower risk. */
export function cancelOrder(account: Account, orderId: string, facts: Facts): Decision {
  const order = findOrder(account, orderId);
  if (!order) return refused('NOT_FOUND', { orderId });
  if (!isWorking(order.state)) return refused('ORDER_NOT_WORKING', { orderId, state: order.state });
  return {
    events: [cancelRequest(order, facts)],
    reply: { type: 'cancel', orderId, state: order.state === 'UNKNOWN' ? 'UNKNOWN' : 'PENDING_CANCEL' },
  };
}
