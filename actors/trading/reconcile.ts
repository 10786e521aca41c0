/** Our books against the broker's: what is handed over, what a statement tells that we have not heard, and where the two differ. */
import type { Account, WorkingOrder } from './account.ts';
import type {
  BrokerBook,
  BrokerOrder,
  BrokerOrderStatus,
  BrokerPosition,
  BrokerReport,
  BrokerStatement,
} from './broker.ts';
import type { OrderChange, OrderTerms } from './events.ts';
import { formatScaled, QUANTITY_SCALE } from './money.ts';
import { isWorking } from './order.ts';
import { findOrder } from './order-book.ts';

/** An order as the broker is to know it. A market order is filled at once, so brokers need not know that it was good for the day. */
export function orderToPlace(order: OrderTerms & { readonly orderId: string }): BrokerOrder {
  const { orderId, symbol, side, orderType, quantity } = order;
  const timeInForce = orderType === 'market' && order.timeInForce === 'day' ? 'gtc' : order.timeInForce;
  const { limitPrice, stopPrice, trailBy, expireAtMicros, reduceOnly, postOnly, ocoGroup, positionId } = order;
  return {
    ...{ orderId, symbol, side, orderType, quantity, timeInForce },
    ...(limitPrice === undefined ? {} : { limitPrice }),
    ...(stopPrice === undefined ? {} : { stopPrice }),
    ...(trailBy === undefined ? {} : { trailBy }),
    ...(expireAtMicros === undefined ? {} : { expireAtMicros }),
    ...(reduceOnly && { reduceOnly }),
    ...(postOnly && { postOnly }),
    ...(ocoGroup === undefined ? {} : { ocoGroup }),
    ...(positionId === undefined ? {} : { positionId }),
  };
}

/**
 * What is handed over to a broker without a memory: orders in the middle of their life, oldest first, and what is open. One that is to be
 * withdrawn is not among them: the broker would fill it, against its owner's wish.
 */
export function bookOf(account: Account): BrokerBook {
  const orders = [...account.orders.values()]
    .filter(({ cancelRequested }) => cancelRequested === undefined)
    .map((order) => ({
      ...orderToPlace(order),
      ...(order.fillIds.length === 0 ? {} : { filledQuantity: order.filledQuantity, executions: order.fillIds.length }),
      ...(order.isTriggered && { isTriggered: order.isTriggered }),
    }));
  const positions = [...account.positions.values()].map(({ positionId, symbol, side, quantity }) => ({
    ...{ positionId, symbol, side, quantity },
  }));
  return { orders, positions };
}

/** Ids of the orders whose cancel may have been lost on the way: to be asked for again. */
export function pendingCancels(account: Account): string[] {
  return [...account.orders.values()].filter((order) => order.cancelRequested).map(({ orderId }) => orderId);
}

export interface Reconciled {
  /** What the broker says and the account has not heard, in the order in which it happened to each order. */
  readonly reports: readonly BrokerReport[];
  /** To ask for again. */
  readonly cancels: readonly string[];
  /** What no report explains, a line each, sorted. */
  readonly mismatches: readonly string[];
}

/**
 * @param account as it was when the question was asked: what came since is not in the statement
 * @param venue whose statement it is
 */
export function reconcile(account: Account, venue: string, statement: BrokerStatement): Reconciled {
  const { queryId: requestId, timeMicros } = statement;
  const reports: BrokerReport[] = [];
  const cancels: string[] = [];
  const mismatches: string[] = [];
  for (const status of statement.orders) {
    const order = findOrder(account, status.orderId);
    const common = { orderId: status.orderId, venue, timeMicros, requestId };
    if (!order) {
      if (status.state === 'working' && !status.isOurs)
        reports.push({ ...common, type: 'external', order: status.order });
      else if (status.state === 'working')
        mismatches.push(`order ${status.orderId} works at the broker and is not known here`);
      continue;
    }
    reports.push(...missedExecutions(order, status, venue));
    reports.push(...evidence(order, status, common));
    if (status.state !== 'working') continue;
    if (order.cancelRequested) cancels.push(status.orderId);
    if (isWorking(order.state)) continue;
    cancels.push(status.orderId);
    mismatches.push(`order ${status.orderId} is ${order.state} here and works at the broker`);
  }
  if (statement.positions) mismatches.push(...positionDifferences(account, reports, statement.positions));
  return { reports, cancels, mismatches: mismatches.toSorted() };
}

/** Under the broker's own ids: what was booked under them before changes nothing. */
function missedExecutions(order: WorkingOrder, { executions }: BrokerOrderStatus, venue: string): BrokerReport[] {
  return executions
    .filter(({ executionId }) => !order.fillIds.includes(`f-${venue}-${executionId}`))
    .map((execution) => ({ ...execution, type: 'filled', orderId: order.orderId, venue }));
}

type Common = Pick<BrokerReport, 'orderId' | 'venue' | 'timeMicros' | 'requestId'>;

function evidence(order: WorkingOrder, status: BrokerOrderStatus, common: Common): BrokerReport[] {
  if (!isWorking(order.state)) return [];
  switch (status.state) {
    case 'working': {
      const isNews = order.state === 'UNKNOWN' || order.state === 'SUBMITTED';
      const answer = order.pendingChange && answerTo(order.pendingChange.change, status.order, common);
      return [...(isNews ? [{ ...common, type: 'accepted' as const }] : []), ...(answer ? [answer] : [])];
    }
    case 'filled':
      return [];
    case 'expired':
      return [{ ...common, type: 'expired' }];
    case 'canceled':
      return [{ ...common, type: 'canceled', reason: status.reason }];
    case 'rejected':
      return [{ ...common, type: 'rejected', reason: status.reason }];
    case 'not-known':
      return [{ ...common, type: 'canceled', reason: 'never-arrived' }];
  }
}

/** Whether a change that nobody has answered is in what the broker has. */
function answerTo(change: OrderChange, at: Omit<BrokerOrder, 'orderId'>, common: Common): BrokerReport {
  const { stopLoss: _sl, takeProfit: _tp, ...asked } = change;
  const isThere = Object.entries(asked).every(([name, value]) => at[name as keyof typeof at] === value);
  if (isThere) return { ...common, type: 'updated', change: asked };
  return { ...common, type: 'update-rejected', reason: 'the broker does not have it' };
}

/** Net by symbol, once the executions that were missed are counted in. */
function positionDifferences(
  account: Account,
  reports: readonly BrokerReport[],
  positions: readonly BrokerPosition[],
): string[] {
  const ours = new Map<string, bigint>();
  const theirs = new Map<string, bigint>();
  const add = (book: Map<string, bigint>, symbol: string, side: 'buy' | 'sell', quantity: bigint): void => {
    book.set(symbol, (book.get(symbol) ?? 0n) + (side === 'buy' ? quantity : -quantity));
  };
  for (const { symbol, side, quantity } of account.positions.values()) add(ours, symbol, side, quantity);
  for (const report of reports) {
    const order = report.type === 'filled' ? findOrder(account, report.orderId) : undefined;
    if (order && report.type === 'filled') add(ours, order.symbol, order.side, report.quantity);
  }
  for (const { symbol, side, quantity } of positions) add(theirs, symbol, side, quantity);
  return [...new Set([...ours.keys(), ...theirs.keys()])]
    .filter((symbol) => (ours.get(symbol) ?? 0n) !== (theirs.get(symbol) ?? 0n))
    .map((symbol) => `${symbol}: ${lots(ours.get(symbol))} lots here, ${lots(theirs.get(symbol))} at the broker`);
}

function lots(quantity = 0n): string {
  return formatScaled(quantity, QUANTITY_SCALE);
}
