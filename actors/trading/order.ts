/** The life of an order as a table: in each state, what each report or request makes of it. */
import type { OrderState, WorkingOrder } from './account.ts';

/** What can come upon an order once it is submitted: the broker's reports, and our request to withdraw it. */
export type OrderInput =
  | 'accepted'
  | 'rejected'
  | 'partially-filled'
  | 'filled'
  | 'canceled'
  | 'expired'
  | 'pending-cancel';

/**
 * The next state; or `ignored`: it says nothing new, such as an acknowledgement that a fill has overtaken;
 * or `quarantine`: it contradicts what we know, so it is kept and alarmed and changes nothing.
 */
export type Transition = OrderState | 'ignored' | 'quarantine';

const nothing: Record<OrderInput, Transition> = {
  accepted: 'quarantine',
  rejected: 'quarantine',
  'partially-filled': 'quarantine',
  filled: 'quarantine',
  canceled: 'quarantine',
  expired: 'quarantine',
  'pending-cancel': 'quarantine',
};

const anything: Record<OrderInput, Transition> = {
  accepted: 'ACCEPTED',
  rejected: 'REJECTED',
  'partially-filled': 'PARTIALLY_FILLED',
  filled: 'FILLED',
  canceled: 'CANCELED',
  expired: 'EXPIRED',
  'pending-cancel': 'PENDING_CANCEL',
};

export const transitions: Readonly<Record<OrderState, Readonly<Record<OrderInput, Transition>>>> = {
  SUBMITTED: anything,
  // A broker may reject what it had accepted, such as a limit order that its exchange refuses.
  ACCEPTED: { ...anything, accepted: 'ignored' },
  PARTIALLY_FILLED: { ...anything, accepted: 'ignored', rejected: 'quarantine' },
  // The request to cancel stays under way whatever overtakes it; the broker's word ends it. A second request is passed on again.
  PENDING_CANCEL: { ...anything, accepted: 'PENDING_CANCEL', 'partially-filled': 'PENDING_CANCEL' },
  // Only evidence from the broker leaves it: our own wish to cancel is none.
  UNKNOWN: { ...anything, 'pending-cancel': 'UNKNOWN' },
  FILLED: { ...nothing, accepted: 'ignored' },
  // A fill that was on its way when the order ended is a fact, and the position must follow it.
  CANCELED: {
    ...nothing,
    accepted: 'ignored',
    canceled: 'ignored',
    'partially-filled': 'CANCELED',
    filled: 'FILLED',
  },
  EXPIRED: { ...nothing, accepted: 'ignored', expired: 'ignored', 'partially-filled': 'EXPIRED', filled: 'FILLED' },
  REJECTED: { ...nothing, accepted: 'ignored', rejected: 'ignored' },
  DENIED: nothing,
};

export function isWorking(state: OrderState): boolean {
  return WORKING.has(state);
}
const WORKING: ReadonlySet<OrderState> = new Set<OrderState>([
  'SUBMITTED',
  'ACCEPTED',
  'PARTIALLY_FILLED',
  'PENDING_CANCEL',
  'UNKNOWN',
]);

/**
 * Orders that ended a short while ago, newest first: reports that come late still find theirs.
 * Two generations of a list, so that adding one copies nothing and the memory stays bounded.
 */
export interface EndedOrders {
  readonly young: EndedOrder | undefined;
  readonly youngCount: number;
  readonly old: EndedOrder | undefined;
}
interface EndedOrder {
  readonly order: WorkingOrder;
  readonly next: EndedOrder | undefined;
}

/** At least this many are remembered, at most twice as many. Part of the rules: a replay must forget at the same moment. */
export const ENDED_ORDERS_KEPT = 64;

export const noEndedOrders: EndedOrders = { young: undefined, youngCount: 0, old: undefined };

/** An order remembered again, after a late fill, stands before its older self. */
export function rememberEnded(ended: EndedOrders, order: WorkingOrder): EndedOrders {
  if (ended.youngCount === ENDED_ORDERS_KEPT) {
    return { young: { order, next: undefined }, youngCount: 1, old: ended.young };
  }
  return { young: { order, next: ended.young }, youngCount: ended.youngCount + 1, old: ended.old };
}

export function recallEnded(ended: EndedOrders, orderId: string): WorkingOrder | undefined {
  return findIn(ended.young, orderId) ?? findIn(ended.old, orderId);
}

function findIn(list: EndedOrder | undefined, orderId: string): WorkingOrder | undefined {
  for (let entry = list; entry; entry = entry.next) if (entry.order.orderId === orderId) return entry.order;
  return undefined;
}
