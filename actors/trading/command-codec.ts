/** Commands as JSON text: kept in the journal, and digested to tell one command from another. */
import type { BrokerReport } from './broker.ts';
import type { AccountCommand } from './commands.ts';
import { quoted } from './json-fields.ts';
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
      return `{"aiMayOrder":${command.aiMayOrder},"currency":${quoted(command.currency)},"leverage":${command.leverage},"oms":"${command.oms}","type":"open-account"}`;
    case 'deposit':
      return `{"amount":"${formatScaled(command.amount, MONEY_SCALE)}","reference":${quoted(command.reference)},"type":"deposit"}`;
    case 'submit-order': {
      const price =
        command.limitPrice === undefined ? '' : `"limitPrice":"${formatScaled(command.limitPrice, PRICE_SCALE)}",`;
      return (
        `{"clientOrderId":${quoted(command.clientOrderId)},${price}"orderType":"${command.orderType}",` +
        `"quantity":"${formatScaled(command.quantity, QUANTITY_SCALE)}","side":"${command.side}","source":"${command.source}",` +
        `"symbol":${quoted(command.symbol)},"timeInForce":"${command.timeInForce}","type":"submit-order"}`
      );
    }
    case 'cancel-order':
      return `{"orderId":${quoted(command.orderId)},"requestId":${quoted(command.requestId)},"type":"cancel-order"}`;
    case 'broker-report':
      return `{"report":${encodeReport(command.report, '')},"type":"broker-report"}`;
  }
}

function encodeReport(report: BrokerReport, time: string): string {
  const { orderId, venue, type } = report;
  const tail = `${time}"type":"${type}","venue":${quoted(venue)}}`;
  switch (report.type) {
    case 'filled':
      return (
        `{"executionId":${quoted(report.executionId)},"orderId":${quoted(orderId)},` +
        `"price":"${formatScaled(report.price, PRICE_SCALE)}","quantity":"${formatScaled(report.quantity, QUANTITY_SCALE)}",${tail}`
      );
    case 'rejected':
    case 'canceled':
      return `{"orderId":${quoted(orderId)},"reason":${quoted(report.reason)},${tail}`;
    case 'accepted':
    case 'expired':
      return `{"orderId":${quoted(orderId)},${tail}`;
  }
}
