/** Commands as JSON text: kept in the journal, and digested to tell one command from another. */
import type { BrokerReport } from './broker.ts';
import { encodeStopOut } from './account-terms.ts';
import type { AccountCommand, OpenAccount } from './commands.ts';
import type { OrderTerms } from './events.ts';
import { quoted } from './json-fields.ts';
import { canonicalChange, canonicalOptional } from './order-fields.ts';
import { formatScaled, MONEY_SCALE, PRICE_SCALE, QUANTITY_SCALE } from './money.ts';
import { formatTime } from './time.ts';

/** One command: keys sorted, amounts as short as they go. */
export function encodeCommand(command: AccountCommand): string {
  if (command.type !== 'broker-report') return canonicalCommand(command);
  const { report } = command;
  return `{"report":${encodeReport(report, `"time":"${formatTime(report.timeMicros)}",`)},"type":"broker-report"}`;
}

/** What a command says, in the one form that it has; when a broker said it is left out. */
export function canonicalCommand(command: AccountCommand): string {
  switch (command.type) {
    case 'open-account':
      return canonicalOpening(command);
    case 'deposit':
    case 'withdraw':
      return `{"amount":"${formatScaled(command.amount, MONEY_SCALE)}","reference":${quoted(command.reference)},"type":"${command.type}"}`;
    case 'submit-order':
      return canonicalOrder(command);
    case 'amend-order':
      return `{"change":${canonicalChange(command.change)},"orderId":${quoted(command.orderId)},"requestId":${quoted(command.requestId)},"type":"amend-order"}`;
    case 'cancel-order':
      return `{"orderId":${quoted(command.orderId)},"requestId":${quoted(command.requestId)},"type":"cancel-order"}`;
    case 'cancel-all': {
      const { flatten, reason, requestId, strategyId, symbol } = command;
      return `{${flatten ? '"flatten":true,' : ''}"reason":"${reason}","requestId":${quoted(requestId)}${text('strategyId', strategyId)}${text('symbol', symbol)},"type":"cancel-all"}`;
    }
    case 'close-position': {
      const { positionId, quantity, requestId } = command;
      const some = quantity === undefined ? '' : `"quantity":"${formatScaled(quantity, QUANTITY_SCALE)}",`;
      return `{"positionId":${quoted(positionId)},${some}"requestId":${quoted(requestId)},"type":"close-position"}`;
    }
    case 'close-by':
      return `{"byPositionId":${quoted(command.byPositionId)},"positionId":${quoted(command.positionId)},"requestId":${quoted(command.requestId)},"type":"close-by"}`;
    case 'broker-report':
      return `{"report":${encodeReport(command.report, '')},"type":"broker-report"}`;
    case 'reconcile':
      return `{"mismatches":${JSON.stringify(command.mismatches)},"requestId":${quoted(command.requestId)},"type":"reconcile"}`;
    case 'enforce':
      return `{"requestId":${quoted(command.requestId)},"type":"enforce"}`;
    case 'roll-day':
      return `{"day":${quoted(command.day)},"swapDays":${command.swapDays},"type":"roll-day"}`;
    case 'rearm':
      return `{"by":${quoted(command.by)},"reason":"${command.reason}","requestId":${quoted(command.requestId)},"subject":${quoted(command.subject)},"type":"rearm"}`;
  }
}

function text(name: string, value: string | undefined): string {
  return value === undefined ? '' : `,"${name}":${quoted(value)}`;
}

function canonicalOpening(command: OpenAccount): string {
  const { aiMayOrder, currency, leverage, negativeBalanceProtection, oms, stopOut } = command;
  return (
    `{"aiMayOrder":${aiMayOrder},"currency":${quoted(currency)},"leverage":${leverage},` +
    (negativeBalanceProtection ? '"negativeBalanceProtection":true,' : '') +
    `"oms":"${oms}",${stopOut ? `"stopOut":${encodeStopOut(stopOut)},` : ''}"type":"open-account"}`
  );
}

/** Keys sorted: those that every order has are between those that few have. */
function canonicalOrder(order: OrderTerms): string {
  const optional = canonicalOptional(order);
  const price = order.limitPrice === undefined ? '' : `"limitPrice":"${formatScaled(order.limitPrice, PRICE_SCALE)}",`;
  const quantity = `"quantity":"${formatScaled(order.quantity, QUANTITY_SCALE)}"`;
  if (optional.length === 0) {
    return (
      `{"clientOrderId":${quoted(order.clientOrderId)},${price}"orderType":"${order.orderType}",` +
      `${quantity},"side":"${order.side}","source":"${order.source}",` +
      `"symbol":${quoted(order.symbol)},"timeInForce":"${order.timeInForce}","type":"submit-order"}`
    );
  }
  const fields: (readonly [string, string])[] = [
    ...optional,
    ['clientOrderId', quoted(order.clientOrderId)],
    ['orderType', `"${order.orderType}"`],
    ['quantity', quantity.slice('"quantity":'.length)],
    ['side', `"${order.side}"`],
    ['source', `"${order.source}"`],
    ['symbol', quoted(order.symbol)],
    ['timeInForce', `"${order.timeInForce}"`],
    ['type', '"submit-order"'],
    ...(order.limitPrice === undefined ? [] : [['limitPrice', price.slice('"limitPrice":'.length, -1)] as const]),
  ];
  return `{${sorted(fields)}}`;
}

function sorted(fields: readonly (readonly [string, string])[]): string {
  return fields
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `"${name}":${value}`)
    .join(',');
}

function encodeReport(report: BrokerReport, time: string): string {
  const { orderId, requestId, venue, type } = report;
  const asked = requestId === undefined ? '' : `"requestId":${quoted(requestId)},`;
  const tail = `${time}"type":"${type}","venue":${quoted(venue)}}`;
  switch (report.type) {
    case 'filled':
      // Which question brought it to light is no part of what it is.
      return (
        `{"executionId":${quoted(report.executionId)},"orderId":${quoted(orderId)},` +
        `"price":"${formatScaled(report.price, PRICE_SCALE)}","quantity":"${formatScaled(report.quantity, QUANTITY_SCALE)}",${tail}`
      );
    case 'rejected':
    case 'update-rejected':
    case 'cancel-rejected':
    case 'canceled':
    case 'unknown':
      return `{"orderId":${quoted(orderId)},"reason":${quoted(report.reason)},${asked}${tail}`;
    case 'accepted':
    case 'triggered':
    case 'expired':
      return `{"orderId":${quoted(orderId)},${asked}${tail}`;
    case 'updated':
      return `{"change":${canonicalChange(report.change)},"orderId":${quoted(orderId)},${asked}${tail}`;
    case 'trailed':
      return `{"orderId":${quoted(orderId)},${asked}"stopPrice":"${formatScaled(report.stopPrice, PRICE_SCALE)}",${tail}`;
    case 'external': {
      const { filledQuantity: _filled, executions: _executions, isTriggered: _triggered, ...placed } = report.order;
      const order = canonicalOrder({ ...placed, clientOrderId: `~${orderId}`, source: 'external' });
      return `{"order":${order},"orderId":${quoted(orderId)},${asked}${tail}`;
    }
  }
}
