/** What we ask of a broker, and what it tells us. The paper broker and the MT5 bridge implement it. */
import type { OrderTerms } from './events.ts';

/** An order as it is placed. `orderId` is ours and is the broker's key for it: placing it again changes nothing. */
export interface BrokerOrder extends Pick<
  OrderTerms,
  'symbol' | 'side' | 'orderType' | 'quantity' | 'limitPrice' | 'timeInForce'
> {
  readonly orderId: string;
}

/** What a broker says about one order. `executionId` is the broker's and names a fill for ever. Prices and quantities scaled by 10^8. */
export type BrokerReport = {
  readonly orderId: string;
  readonly venue: string;
  /** microseconds */ readonly timeMicros: number;
} & (
  | { readonly type: 'accepted' }
  | { readonly type: 'rejected'; readonly reason: string }
  | { readonly type: 'filled'; readonly executionId: string; readonly quantity: bigint; readonly price: bigint }
  | { readonly type: 'canceled'; readonly reason: 'requested' | 'immediate-or-cancel' | 'fill-or-kill' }
  | { readonly type: 'expired' }
);

/** One login at a broker. Reports may come twice, late and in any order; they come after the call that caused them has returned. */
export interface BrokerLogin {
  /** Places an order; idempotent by `orderId`. */
  place(order: BrokerOrder): void;
  /** Asks to withdraw an order; the broker answers with a report, also when it is too late, or when it does not know the order. */
  cancel(orderId: string): void;
  /** Ids of the orders that are working at the broker. */
  working(): readonly string[];
  close(): void;
}

export interface Broker {
  readonly venue: string;
  /** `account` names the login; the same name again takes over from the one before, with its working orders. */
  login(account: string, onReport: (report: BrokerReport) => void): BrokerLogin;
}
