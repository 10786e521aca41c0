/**
 * What can happen to a trading account. Events are journalled, never changed, and everything else follows from them.
 * In memory amounts are scaled integers; on the wire and in the journal they are decimal text (`encodeEvent`, `decodeEvent` in codec.ts).
 */
import type { OrderState } from './account.ts';
import type { Denial } from './risk.ts';

export type Side = 'buy' | 'sell';
export type OrderType = 'market' | 'limit' | 'stop' | 'stop-limit' | 'trailing-stop';
export type TimeInForce = 'gtc' | 'day' | 'gtd' | 'ioc' | 'fok';
/** Who wanted the order: a trader, or an AI signal that the guard let through. */
export type OrderSource = 'trader' | 'ai';

/** The terms of an order as it was sent. Prices and quantities are scaled by 10^8. */
export interface OrderTerms {
  readonly clientOrderId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly orderType: OrderType;
  readonly quantity: bigint;
  readonly limitPrice?: bigint;
  readonly timeInForce: TimeInForce;
  readonly source: OrderSource;
}

/** Microseconds since the epoch: when the account decided; `brokerTimeMicros` when the broker says it happened. */
interface Timed {
  readonly timeMicros: number;
}

export type OrderEvent = Timed & { readonly orderId: string } & (
    | ({ readonly symbol: string } & (
        | ({
            readonly type: 'order-submitted';
            /**
             * What its whole quantity needs on its own, before netting, in `currency` (the account's), scaled by 10^8.
             * How much of it is held depends on the position and the other orders of the symbol.
             */
            readonly margin: bigint;
            readonly currency: string;
            /** Quote → account currency, scaled by 10^18, at which the order was valued. */
            readonly conversionRate: bigint;
          } & OrderTerms)
        | ({ readonly type: 'order-denied'; readonly denial: Denial } & OrderTerms)
        | { readonly type: 'order-accepted'; readonly brokerTimeMicros: number }
        | { readonly type: 'order-rejected'; readonly reason: string; readonly brokerTimeMicros: number }
        | ({ readonly type: 'order-partially-filled' | 'order-filled'; readonly side: Side } & FillTerms)
        | { readonly type: 'order-pending-cancel' }
        | {
            readonly type: 'order-canceled';
            readonly reason: 'requested' | 'immediate-or-cancel' | 'fill-or-kill';
            readonly brokerTimeMicros: number;
          }
        | { readonly type: 'order-expired'; readonly brokerTimeMicros: number }
      ))
    | QuarantinedReport
  );

/** A report that the rules have no place for: kept, alarmed, without effect. The whole report is the row's command. */
export interface QuarantinedReport {
  readonly type: 'order-report-quarantined';
  /** The report's type. */
  readonly report: string;
  /** The order's, or `NONE` when it is not, or no longer, known. */
  readonly state: OrderState | 'NONE';
  readonly reason:
    | 'order-not-known'
    | 'not-in-this-state'
    | 'beyond-quantity'
    | 'not-positive'
    | 'instrument-not-known';
}

export interface FillTerms {
  readonly fillId: string;
  /** Of this fill alone. */
  readonly quantity: bigint;
  readonly price: bigint;
  /** Of all fills of the order so far, this one included. */
  readonly filledQuantity: bigint;
  readonly brokerTimeMicros: number;
}

/**
 * The position after the change; a closed one has quantity and cost zero.
 * `cost` is price × quantity × contract size in quote currency, scaled by 10^18: exact, except for what partial closes rounded.
 */
export interface PositionTerms {
  readonly positionId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly quantity: bigint;
  readonly cost: bigint;
  /** At which it was opened, scaled by 10^8, rounded half-even. Shown only: rules use `cost`. */
  readonly averagePrice: bigint;
}

export type PositionEvent = Timed & { readonly orderId: string; readonly fillId: string } & PositionTerms & {
    readonly type: 'position-opened' | 'position-changed' | 'position-closed';
  };

export type BalanceReason = 'deposit' | 'withdrawal' | 'profit' | 'commission';

export type AccountLifeEvent = Timed &
  (
    | {
        readonly type: 'account-opened';
        readonly currency: string;
        readonly oms: 'netting';
        readonly leverage: number;
        readonly aiMayOrder: boolean;
      }
    | {
        readonly type: 'balance-changed';
        readonly reason: BalanceReason;
        /** In account currency, scaled by 10^8, a multiple of the currency's minor unit. */
        readonly amount: bigint;
        readonly balance: bigint;
        readonly currency: string;
        readonly orderId?: string;
        readonly fillId?: string;
        /** Profit in quote currency before conversion (scaled by 10^18), and the rate used (quote → account, scaled by 10^18). */
        readonly quoteAmount?: bigint;
        readonly conversionRate?: bigint;
      }
  );

export type AccountEvent = OrderEvent | PositionEvent | AccountLifeEvent;

/** Which stream of the account an event travels on; each has its own sequence. */
export type AccountChannel = 'orders' | 'positions' | 'account';

export function channelOf(event: AccountEvent): AccountChannel {
  if (event.type.startsWith('order-')) return 'orders';
  return event.type.startsWith('position-') ? 'positions' : 'account';
}

/** One event as it is told to the world once it is durable. */
export interface PublishedEvent {
  readonly channel: AccountChannel;
  readonly sequence: number;
  readonly event: AccountEvent;
  /** The event's JSON, written once: the journal's payload and every frame hold this very text. */
  readonly json: string;
}

/** What one durable journal row of an account says. Published on the event bus once committed, in order of `seq`. */
export interface AccountCommit {
  readonly tenantId: number;
  readonly tenant: string;
  readonly accountId: number;
  readonly account: string;
  readonly seq: number;
  readonly commandId: string;
  readonly digest: string;
  readonly traceId?: string | undefined;
  readonly subjectId?: string | undefined;
  readonly events: readonly PublishedEvent[];
}

/** A commit as it is read back from the journal: its events, without their numbers. */
export type JournalledCommit = Omit<AccountCommit, 'events'> & {
  readonly events: readonly Pick<PublishedEvent, 'event'>[];
};
