/**
 * What can happen to a trading account. Events are journalled, never changed, and everything else follows from them.
 * In memory amounts are scaled integers; on the wire and in the journal they are decimal text (`encodeEvent`, `decodeEvent` in codec.ts).
 */
import type { OrderState } from './account.ts';
import type { Denial } from './risk.ts';

export type Side = 'buy' | 'sell';
export type OrderType = 'market' | 'limit' | 'stop' | 'stop-limit' | 'trailing-stop';
export type TimeInForce = 'gtc' | 'day' | 'gtd' | 'ioc' | 'fok';
/**
 * Who wanted the order: a trader; an AI signal that the guard let through; a strategy; the protection of a position (`bracket`);
 * the platform, which closes a position (`close` on its holder's wish, `stop-out`, `kill-switch`); or somebody at the broker
 * past us (`external`).
 */
export type OrderSource = 'trader' | 'ai' | 'strategy' | 'bracket' | 'close' | 'stop-out' | 'kill-switch' | 'external';

/** What of an order may be changed while it works. Prices and quantities are scaled by 10^8. */
export interface OrderChange {
  /** The whole quantity, what is filled already included. */
  readonly quantity?: bigint;
  readonly limitPrice?: bigint;
  readonly stopPrice?: bigint;
  readonly trailBy?: bigint;
  readonly expireAtMicros?: number;
  readonly stopLoss?: bigint;
  readonly takeProfit?: bigint;
}

/** The terms of an order as it was sent. Prices and quantities are scaled by 10^8; a flag that is absent is not set. */
export interface OrderTerms {
  readonly clientOrderId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly orderType: OrderType;
  readonly quantity: bigint;
  readonly limitPrice?: bigint;
  /** At which a stop turns into a market order, and a stop-limit into a limit order. A trailing stop has its first one here. */
  readonly stopPrice?: bigint;
  /** Distance of a trailing stop behind the best price since it works. */
  readonly trailBy?: bigint;
  readonly timeInForce: TimeInForce;
  /** For `gtd`, and for `day` once the account has looked up when its trading day ends. */
  readonly expireAtMicros?: number;
  /** Prices at which what this order opens is closed again: each fill brings a stop and a limit order of its own. */
  readonly stopLoss?: bigint;
  readonly takeProfit?: bigint;
  /** Never opens or enlarges a position. */
  readonly reduceOnly?: true;
  /** Never takes what another offers: canceled where it would. */
  readonly postOnly?: true;
  /** A fill of one order of a group withdraws the others. */
  readonly ocoGroup?: string;
  /** The position to close, on a hedging account. */
  readonly positionId?: string;
  /** The order whose fill this one protects. */
  readonly parentOrderId?: string;
  readonly strategyId?: string;
  readonly source: OrderSource;
}

/** Why an order was withdrawn. */
export type CancelReason =
  | 'requested'
  | 'immediate-or-cancel'
  | 'fill-or-kill'
  | 'post-only'
  | 'reduce-only'
  | 'oco'
  | 'position-closed'
  | 'stop-out'
  | 'kill-switch'
  | 'dead-man'
  | 'disconnected'
  /** The broker has never seen it, and refuses it from now on. */
  | 'never-arrived'
  | 'broker';

/** Microseconds since the epoch: when the account decided; `brokerTimeMicros` when the broker says it happened. */
interface Timed {
  readonly timeMicros: number;
}

/** What an order, or the rest of one, needs on its own, before netting; how much of it is held depends on the rest of the symbol. */
interface OrderMargin {
  /** In `currency` (the account's), scaled by 10^8. */
  readonly margin: bigint;
  readonly currency: string;
  /** Quote → account currency, scaled by 10^18, at which the order was valued. */
  readonly conversionRate: bigint;
}

export type OrderEvent = Timed & { readonly orderId: string } & (
    | ({ readonly symbol: string } & (
        | ({ readonly type: 'order-submitted' } & OrderMargin & OrderTerms)
        | ({ readonly type: 'order-denied'; readonly denial: Denial } & OrderTerms)
        | { readonly type: 'order-accepted' | 'order-triggered' | 'order-expired'; readonly brokerTimeMicros: number }
        | {
            readonly type: 'order-rejected' | 'order-update-rejected' | 'order-cancel-rejected';
            readonly reason: string;
            readonly brokerTimeMicros: number;
          }
        | ({ readonly type: 'order-partially-filled' | 'order-filled'; readonly side: Side } & FillTerms)
        | { readonly type: 'order-trailed'; readonly stopPrice: bigint; readonly brokerTimeMicros: number }
        /** Asked for: `margin` is what the whole order would need with it. */
        | ({
            readonly type: 'order-pending-update';
            readonly requestId: string;
            readonly change: OrderChange;
          } & OrderMargin)
        | { readonly type: 'order-updated'; readonly change: OrderChange; readonly brokerTimeMicros: number }
        /** The reason is absent where its owner asked. */
        | { readonly type: 'order-pending-cancel'; readonly reason?: CancelReason }
        | { readonly type: 'order-canceled'; readonly reason: CancelReason; readonly brokerTimeMicros: number }
        /** The broker has not answered: only its own word ends this. */
        | { readonly type: 'order-unknown'; readonly reason: string }
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
    | 'instrument-not-known'
    | 'position-not-known';
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
 * `cost` is price × quantity × value of a point in quote currency, scaled by 10^18: exact, except for what partial closes rounded.
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

/** `orderId` and `fillId` name what changed it; a position closed by another has the id of that request for both. */
export type PositionEvent = Timed & { readonly orderId: string; readonly fillId: string } & PositionTerms & {
    readonly type: 'position-opened' | 'position-changed' | 'position-closed';
  };

export type BalanceReason =
  | 'deposit'
  | 'withdrawal'
  | 'profit'
  | 'commission'
  | 'swap'
  /** What was below zero behind a stop-out is forgiven. */
  | 'negative-balance-protection';

/** When an account is warned and when its positions are closed. */
export interface StopOutTerms {
  /** `percent`: levels are margin levels (equity ÷ margin), in percent scaled by 10^2; `money`: equity in account currency, scaled by 10^8. */
  readonly mode: 'percent' | 'money';
  /** Below it the account is warned. */
  readonly callLevel: bigint;
  /** Below it pending orders are withdrawn and positions closed, the largest loss first. */
  readonly stopLevel: bigint;
}

export type OrderManagement = 'netting' | 'hedging';

/** Terms of an account that may differ from one to the next. */
export interface AccountTerms {
  readonly currency: string;
  readonly oms: OrderManagement;
  readonly leverage: number;
  readonly aiMayOrder: boolean;
  /** Absent: nobody is stopped out by us. */
  readonly stopOut?: StopOutTerms;
  /** The balance is brought back to zero when a stop-out leaves it below. */
  readonly negativeBalanceProtection?: true;
}

/** Why nothing may be opened on an account, or in a symbol or by a strategy of it. Closing is always allowed. */
export type BlockReason = 'reconciliation' | 'daily-loss' | 'drawdown' | 'repeated-execution';

export type AccountLifeEvent = Timed &
  (
    | ({ readonly type: 'account-opened' } & AccountTerms)
    | {
        readonly type: 'balance-changed';
        readonly reason: BalanceReason;
        /** In account currency, scaled by 10^8, a multiple of the currency's minor unit. */
        readonly amount: bigint;
        readonly balance: bigint;
        readonly currency: string;
        readonly orderId?: string;
        readonly fillId?: string;
        readonly positionId?: string;
        /** The amount in quote currency before conversion (scaled by 10^18), and the rate used (quote → account, scaled by 10^18). */
        readonly quoteAmount?: bigint;
        /** Of `quoteAmount`. */
        readonly quoteCurrency?: string;
        readonly conversionRate?: bigint;
      }
    | {
        readonly type: 'trading-blocked';
        readonly reason: BlockReason;
        /** A strategy's or a symbol's name; empty: the whole account. */
        readonly subject: string;
        /** Decimal text and names that explain it. */
        readonly figures: Readonly<Record<string, string>>;
      }
    | {
        readonly type: 'trading-unblocked';
        readonly reason: BlockReason;
        readonly subject: string;
        readonly by: string;
      }
    /** A trading day begins: losses are counted from this equity. `day` is its date where the market is, as `2026-11-26`. */
    | { readonly type: 'day-opened'; readonly day: string; readonly equity: bigint; readonly currency: string }
    /** The equity has not been higher on this day, by a step that is worth a row. */
    | { readonly type: 'equity-peaked'; readonly equity: bigint; readonly currency: string }
    /** The account is warned; `margin-restored` takes it back. */
    | {
        readonly type: 'margin-called' | 'margin-restored' | 'stopped-out';
        readonly equity: bigint;
        readonly margin: bigint;
        readonly currency: string;
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
