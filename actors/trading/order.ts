/** The life of an order as a table: in each state, what each report or request makes of it. */
import type { OrderState, WorkingOrder } from './account.ts';

/** What can come upon an order once it is submitted: the broker's word, its silence (`unknown`), and our own requests (`pending-…`). */
export type OrderInput =
  | 'accepted'
  | 'rejected'
  | 'triggered'
  | 'trailed'
  | 'partially-filled'
  | 'filled'
  | 'canceled'
  | 'expired'
  | 'pending-update'
  | 'updated'
  | 'update-rejected'
  | 'pending-cancel'
  | 'cancel-rejected'
  | 'unknown';

/**
 * The next state; or `working`: the one that follows from what is known of the order (`workingState`);
 * or `ignored`: it says nothing new, such as an acknowledgement that a fill has overtaken;
 * or `quarantine`: it contradicts what we know, so it is kept and alarmed and changes nothing.
 */
export type Transition = OrderState | 'working' | 'ignored' | 'quarantine';
type Row = Readonly<Record<OrderInput, Transition>>;

const nothing: Row = {
  ...{ accepted: 'quarantine', rejected: 'quarantine', triggered: 'quarantine', trailed: 'quarantine' },
  ...{ 'partially-filled': 'quarantine', filled: 'quarantine', canceled: 'quarantine', expired: 'quarantine' },
  ...{ 'pending-update': 'quarantine', updated: 'quarantine', 'update-rejected': 'quarantine' },
  ...{ 'pending-cancel': 'quarantine', 'cancel-rejected': 'quarantine', unknown: 'quarantine' },
};

/** An answer that comes late is none to what has ended. */
const ended: Row = {
  ...nothing,
  ...{ accepted: 'ignored', triggered: 'ignored', trailed: 'ignored', updated: 'ignored' },
  ...{ 'update-rejected': 'ignored', 'cancel-rejected': 'ignored', unknown: 'ignored' },
};

const anything: Row = {
  ...{ accepted: 'ACCEPTED', rejected: 'REJECTED', triggered: 'TRIGGERED', trailed: 'working' },
  ...{ 'partially-filled': 'PARTIALLY_FILLED', filled: 'FILLED', canceled: 'CANCELED', expired: 'EXPIRED' },
  // A broker may change an order unasked; a refusal of what is no longer asked for says nothing.
  ...{ 'pending-update': 'PENDING_UPDATE', updated: 'working', 'update-rejected': 'ignored' },
  ...{ 'pending-cancel': 'PENDING_CANCEL', 'cancel-rejected': 'ignored', unknown: 'UNKNOWN' },
};

export const transitions: Readonly<Record<OrderState, Row>> = {
  SUBMITTED: anything,
  // A broker may reject what it had accepted, such as a limit order that its exchange refuses.
  ACCEPTED: { ...anything, accepted: 'ignored' },
  TRIGGERED: { ...anything, accepted: 'ignored', triggered: 'ignored', trailed: 'ignored' },
  PARTIALLY_FILLED: {
    ...anything,
    ...{ accepted: 'ignored', rejected: 'quarantine', triggered: 'ignored', trailed: 'ignored' },
  },
  // The answer to the order itself may come behind the request to change it. One change at a time is under way.
  PENDING_UPDATE: {
    ...anything,
    ...{ accepted: 'PENDING_UPDATE', triggered: 'PENDING_UPDATE', trailed: 'PENDING_UPDATE' },
    ...{ 'partially-filled': 'PENDING_UPDATE', 'pending-update': 'quarantine', 'update-rejected': 'working' },
  },
  // The request to cancel stays under way whatever overtakes it; the broker's word ends it. A second request is passed on again.
  PENDING_CANCEL: {
    ...anything,
    ...{ accepted: 'PENDING_CANCEL', triggered: 'PENDING_CANCEL', trailed: 'PENDING_CANCEL' },
    ...{ 'partially-filled': 'PENDING_CANCEL', 'pending-update': 'quarantine', updated: 'PENDING_CANCEL' },
    ...{ 'update-rejected': 'PENDING_CANCEL', 'cancel-rejected': 'working' },
  },
  // Only evidence from the broker leaves it: our own wish to cancel is none, though it is remembered.
  UNKNOWN: {
    ...anything,
    ...{ accepted: 'working', triggered: 'working', 'partially-filled': 'working', 'pending-update': 'quarantine' },
    ...{ 'update-rejected': 'working', 'pending-cancel': 'UNKNOWN', 'cancel-rejected': 'working', unknown: 'ignored' },
  },
  FILLED: ended,
  // A fill that was on its way when the order ended is a fact, and the position must follow it.
  CANCELED: { ...ended, canceled: 'ignored', 'partially-filled': 'CANCELED', filled: 'FILLED' },
  EXPIRED: { ...ended, expired: 'ignored', 'partially-filled': 'EXPIRED', filled: 'FILLED' },
  REJECTED: { ...ended, rejected: 'ignored' },
  DENIED: nothing,
};

/** Where an order stands that is known to work at its broker: what we have asked for comes first. */
export function workingState(
  order: Pick<WorkingOrder, 'cancelRequested' | 'pendingChange' | 'quantity' | 'filledQuantity' | 'isTriggered'>,
): OrderState {
  if (order.cancelRequested) return 'PENDING_CANCEL';
  if (order.pendingChange) return 'PENDING_UPDATE';
  // A change may have left nothing to be filled.
  if (order.filledQuantity >= order.quantity) return 'FILLED';
  if (order.filledQuantity > 0n) return 'PARTIALLY_FILLED';
  return order.isTriggered ? 'TRIGGERED' : 'ACCEPTED';
}

export function isWorking(state: OrderState): boolean {
  return WORKING.has(state);
}
const WORKING: ReadonlySet<OrderState> = new Set<OrderState>([
  'SUBMITTED',
  'ACCEPTED',
  'TRIGGERED',
  'PARTIALLY_FILLED',
  'PENDING_UPDATE',
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
