/** What we ask of a broker, and what it tells us. The paper broker and the MT5 bridge implement it. */
import type { CancelReason, OrderChange, OrderTerms, Side } from './events.ts';

/** An order as it is placed. `orderId` is ours and is the broker's key for it. */
export interface BrokerOrder extends Omit<
  OrderTerms,
  'clientOrderId' | 'source' | 'strategyId' | 'parentOrderId' | 'stopLoss' | 'takeProfit'
> {
  readonly orderId: string;
  /** Where the order is handed over in the middle of its life, to a broker without a memory of its own. */
  readonly filledQuantity?: bigint;
  /** How many fills that was. */
  readonly executions?: number;
  readonly isTriggered?: true;
}

/** Why a broker refuses, in words that do not depend on which broker it is. */
export type RejectCode =
  | 'requote'
  | 'price-changed'
  | 'price-off'
  | 'invalid-price'
  | 'invalid-stops'
  | 'invalid-quantity'
  | 'invalid-expiration'
  | 'invalid-fill'
  | 'invalid-order'
  | 'no-money'
  | 'market-closed'
  | 'trading-disabled'
  | 'too-many-requests'
  | 'limit-reached'
  | 'frozen'
  | 'close-only'
  | 'position-closed'
  | 'symbol-unknown'
  | 'rejected';

/**
 * What a broker says about one order. `executionId` is the broker's and names a fill for ever. Prices and quantities scaled by 10^8.
 * `requestId` tells one answer to a request, or to a question, from the answer to another; it is part of the report's identity.
 */
export type BrokerReport = {
  readonly orderId: string;
  readonly venue: string;
  /** microseconds */ readonly timeMicros: number;
  readonly requestId?: string;
} & (
  | { readonly type: 'accepted' | 'triggered' | 'expired' }
  | {
      readonly type: 'rejected' | 'update-rejected' | 'cancel-rejected';
      readonly reason: string;
    }
  | Execution
  | { readonly type: 'canceled'; readonly reason: CancelReason }
  | { readonly type: 'updated'; readonly change: OrderChange }
  | { readonly type: 'trailed'; readonly stopPrice: bigint }
  /** Said by our own session: the broker has not answered. */
  | { readonly type: 'unknown'; readonly reason: string }
  /** An order that somebody has placed past us; `orderId` is made of the broker's own id. */
  | { readonly type: 'external'; readonly order: Omit<BrokerOrder, 'orderId'> }
);

export interface Execution {
  readonly type: 'filled';
  readonly executionId: string;
  readonly quantity: bigint;
  readonly price: bigint;
}

/** What a broker has of one order. */
export type BrokerOrderStatus = {
  readonly orderId: string;
  /** Every fill so far, oldest first. */
  readonly executions: readonly Omit<Execution & { readonly timeMicros: number }, 'type'>[];
} & (
  | { readonly state: 'working'; readonly order: Omit<BrokerOrder, 'orderId'>; readonly isOurs: boolean }
  | { readonly state: 'filled' | 'expired' }
  | { readonly state: 'canceled'; readonly reason: CancelReason }
  | { readonly state: 'rejected'; readonly reason: string }
  /** Never seen; should it arrive after all, it is refused. */
  | { readonly state: 'not-known' }
);

export interface BrokerPosition {
  /** The broker's; ours is told by symbol (netting) or by the order that opened it. */
  readonly positionId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly quantity: bigint;
}

/** The answer to a question. */
export interface BrokerStatement {
  readonly queryId: string;
  readonly timeMicros: number;
  /** Of the orders that were asked for, and, if all was asked for, of all others that work. */
  readonly orders: readonly BrokerOrderStatus[];
  /** Only where all was asked for. */
  readonly positions?: readonly BrokerPosition[];
}

export type BrokerMessage =
  | { readonly type: 'report'; readonly report: BrokerReport }
  | { readonly type: 'statement'; readonly statement: BrokerStatement }
  /** The link is there (again): what was sent before it broke, and has not arrived, never will. */
  | { readonly type: 'connected' }
  | { readonly type: 'disconnected'; readonly reason: string };

/**
 * One login at a broker. Nothing is answered at once: reports and statements come as messages, after the call that caused them has
 * returned, and may come twice, late and in any order; or never. A call that was made once takes effect at most once.
 */
export interface BrokerLogin {
  place(order: BrokerOrder): void;
  amend(orderId: string, requestId: string, change: OrderChange): void;
  /** The broker answers with a report, also when it is too late, or when it does not know the order. */
  cancel(orderId: string, requestId: string): void;
  /**
   * Asks what became of orders: of these; of these and of everything else that works, with the positions, where `isAll`.
   * An order that the broker does not know is refused from then on, so that `not-known` is the last word on it.
   */
  query(queryId: string, orderIds: readonly string[], isAll: boolean): void;
  close(): void;
}

/** What an account believes to be at its broker: handed over to one that has no memory of its own. */
export interface BrokerBook {
  readonly orders: readonly BrokerOrder[];
  readonly positions: readonly BrokerPosition[];
}

export interface Broker {
  readonly venue: string;
  /** `none`: it knows of an account what it is given at the login, and nothing else survives our end. */
  readonly memory: 'own' | 'none';
  /** `account` names the login; the same name again takes over from the one before. `book` counts where the broker has no memory. */
  login(account: string, book: BrokerBook, onMessage: (message: BrokerMessage) => void): BrokerLogin;
}
