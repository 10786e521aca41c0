/** What decisions on orders are made of. */
import type { Account, Decision, Facts, WorkingOrder } from './account.ts';
import type { AccountReply } from './commands.ts';
import type { AccountEvent, CancelReason } from './events.ts';

/** The id of an order that this row creates. @param n counts from 0: most rows create one */
export function newOrderId(account: Account, { seq }: Facts, n = 0): string {
  const id = `o-${account.accountId}-${seq}`;
  return n === 0 ? id : `${id}-${n}`;
}

/** @param reason absent where its owner asks */
export function cancelRequest({ orderId, symbol }: WorkingOrder, facts: Facts, reason?: CancelReason): AccountEvent {
  const event = { type: 'order-pending-cancel', timeMicros: facts.nowMicros, orderId, symbol } as const;
  return reason === undefined || reason === 'requested' ? event : { ...event, reason };
}

/** A market order of the platform that closes a position. */
export function isClosing({ source, reduceOnly, orderType }: WorkingOrder): boolean {
  return reduceOnly === true && orderType === 'market' && source !== 'trader' && source !== 'bracket';
}

export function refused(
  code: Extract<AccountReply, { type: 'refused' }>['code'],
  figures?: Readonly<Record<string, string>>,
): Decision {
  return { events: [], reply: figures ? { type: 'refused', code, figures } : { type: 'refused', code } };
}
