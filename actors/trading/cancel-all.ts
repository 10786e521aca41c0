/** Everything is withdrawn at once, and closed where that is asked for. */
import type { Account, Decision, Facts } from './account.ts';
import { closingOrder } from './closing.ts';
import type { CancelAll } from './commands.ts';
import type { AccountEvent, CancelReason } from './events.ts';
import { cancelRequest, isClosing } from './order-requests.ts';

/**
 * To withdraw all that works: a command that goes past every queue, and one behind what is in the mailbox already, so that an order that
 * was sent before and is not decided yet is withdrawn, too.
 */
export function withdrawals(
  requestId: string,
  reason: CancelReason,
): readonly { command: CancelAll; control: boolean }[] {
  return [
    { command: { type: 'cancel-all', requestId, reason }, control: true },
    { command: { type: 'cancel-all', requestId: `${requestId}:again`, reason }, control: false },
  ];
}

/**
 * What closes a position already stays: it is on its way to what flattening wants. So does what protects a position whose owner is lost:
 * without him it is all that stands between the position and the market.
 */
export function cancelAll(account: Account, command: CancelAll, facts: Facts): Decision {
  const isLost = command.reason === 'dead-man' || command.reason === 'disconnected';
  const isMeant = (order: { symbol: string; strategyId?: string }): boolean =>
    (command.symbol === undefined || order.symbol === command.symbol) &&
    (command.strategyId === undefined || order.strategyId === command.strategyId);
  const events: AccountEvent[] = [];
  for (const order of account.orders.values()) {
    if (isMeant(order) && !order.cancelRequested && !isClosing(order) && !(isLost && order.source === 'bracket'))
      events.push(cancelRequest(order, facts, command.reason));
  }
  const canceling = events.length;
  if (command.flatten) {
    for (const position of account.positions.values()) {
      if (!isMeant(position)) continue;
      const order = closingOrder(account, position, facts, { source: 'kill-switch', n: events.length - canceling });
      if (order) events.push(order);
    }
  }
  return { events, reply: { type: 'cancel-all', canceling, closing: events.length - canceling } };
}
