/** When a command is the same as another. */
import { hash } from 'node:crypto';
import type { BrokerReport } from './broker.ts';
import { canonicalCommand } from './command-codec.ts';
import type { AccountCommand } from './commands.ts';

/** The idempotency key of a command: the same id has no second effect. */
export function commandId(command: AccountCommand): string {
  switch (command.type) {
    case 'open-account':
      return 'system:open';
    case 'deposit':
    case 'withdraw':
      return `${command.type}:${command.reference}`;
    case 'submit-order':
      return `order:${command.clientOrderId}`;
    case 'amend-order':
      return `amend:${command.orderId}:${command.requestId}`;
    case 'cancel-order':
      return `cancel:${command.orderId}:${command.requestId}`;
    case 'close-position':
    case 'close-by':
      return `${command.type}:${command.positionId}:${command.requestId}`;
    case 'broker-report':
      return reportId(command.report);
    case 'roll-day':
      return `roll-day:${command.day}`;
    case 'cancel-all':
    case 'reconcile':
    case 'enforce':
    case 'rearm':
      return `${command.type}:${command.requestId}`;
  }
}

function reportId(report: BrokerReport): string {
  const { type, venue, orderId, requestId } = report;
  // A fill is one whoever asked for it; a stop price that has trailed is told once.
  if (type === 'filled') return `fill:${venue}:${report.executionId}`;
  const id = `${type}:${venue}:${orderId}`;
  if (type === 'trailed') return `${id}:${report.stopPrice}`;
  return requestId === undefined ? id : `${id}:${requestId}`;
}

/**
 * SHA-256 of the canonical command, hex: tells a repeated command from another one under the same id.
 * When a broker said something is no part of what it said: it may stamp a repeated report anew.
 */
export function digest(command: AccountCommand): string {
  return hash('sha256', canonicalCommand(command));
}
