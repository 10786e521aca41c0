/** A trading account as a value: what `decide` looks at and `evolve` moves on. */
import type { PriceRange } from '../market/price-range.ts';
import { blockKey, positionKey } from './account-keys.ts';
import { cancelAll } from './cancel-all.ts';
import { closeBy, closePosition } from './closing.ts';
import { deposit, enforce, openAccount, rearm, reconcile, rollDay, withdraw } from './account-life.ts';
import type { AccountCommand, AccountReply } from './commands.ts';
import type { Prices } from './conversion.ts';
import type {
  AccountChannel,
  AccountEvent,
  AccountTerms,
  BlockReason,
  CancelReason,
  FillTerms,
  OrderChange,
  OrderTerms,
  PositionTerms,
  Side,
} from './events.ts';
import { channelOf } from './events.ts';
import type { EndedOrders } from './order.ts';
import { noEndedOrders } from './order.ts';
import { addOrder, findOrder, moveOrder } from './order-book.ts';
import { amendOrder, cancelOrder, submitOrder } from './order-commands.ts';
import { PersistentMap } from './persistent-map.ts';
import type { RecentOrders } from './recent-orders.ts';
import { executionSubject, noRecentOrders, rememberFill, rememberOrder } from './recent-orders.ts';
import { decideReport } from './report.ts';
import type { RiskLimits } from './risk.ts';

export type OrderState =
  | 'SUBMITTED'
  | 'ACCEPTED'
  | 'TRIGGERED'
  | 'PARTIALLY_FILLED'
  | 'PENDING_UPDATE'
  | 'PENDING_CANCEL'
  | 'UNKNOWN'
  | 'FILLED'
  | 'CANCELED'
  | 'EXPIRED'
  | 'REJECTED'
  | 'DENIED';

/** An order that is not ended. Its terms are those of now: what was amended or trailed is in them. */
export interface WorkingOrder extends OrderTerms {
  readonly orderId: string;
  readonly state: OrderState;
  readonly filledQuantity: bigint;
  /** What is not filled yet needs on its own, before netting; account currency, scaled by 10^8. While a change is under way, the larger of both. */
  readonly margin: bigint;
  /** Quote → account currency as of its submission, scaled by 10^18. */
  readonly conversionRate: bigint;
  readonly submittedMicros: number;
  readonly fillIds: readonly string[];
  /** Its stop price was reached. */
  readonly isTriggered?: true;
  /** Why we have asked for its end. */
  readonly cancelRequested?: CancelReason;
  /** Asked for and not answered, with the margin that the open quantity needs with it, and the margin that it needs without. */
  readonly pendingChange?: PendingChange;
}

export interface PendingChange {
  readonly requestId: string;
  readonly change: OrderChange;
  readonly margin: bigint;
  readonly marginBefore: bigint;
}

/** Sums over the working orders of one side of a symbol: what is not filled yet, and its margin before netting. */
export interface SideTotals {
  readonly quantity: bigint;
  readonly margin: bigint;
}
export type SymbolTotals = Readonly<Record<Side, SideTotals>>;

/** Why something may not be opened, by `reason:subject`. */
export interface Block {
  readonly reason: BlockReason;
  readonly subject: string;
  readonly sinceMicros: number;
  readonly figures: Readonly<Record<string, string>>;
}

/** The trading day that losses are counted over. Account currency, scaled by 10^8. */
export interface TradingDay {
  readonly day: string;
  readonly openEquity: bigint;
  readonly peakEquity: bigint;
}

export interface Account extends AccountTerms {
  readonly accountId: number;
  readonly isOpen: boolean;
  /** Account currency, scaled by 10^8. */
  readonly balance: bigint;
  /** The working ones, oldest first. */
  readonly orders: PersistentMap<WorkingOrder>;
  /** Of the working orders, by symbol; a symbol without any is not in it. Kept so that a margin check need not visit each order. */
  readonly totals: ReadonlyMap<string, SymbolTotals>;
  readonly ended: EndedOrders;
  /** By symbol on a netting account, by position id on a hedging one; a closed position is not in it. */
  readonly positions: ReadonlyMap<string, PositionTerms>;
  readonly blocks: ReadonlyMap<string, Block>;
  /** Undefined before the first one has begun. */
  readonly day: TradingDay | undefined;
  /** The margin level is below the one at which the account is warned. */
  readonly isMarginCalled: boolean;
  readonly recent: RecentOrders;
  /** The last number given on each channel. */
  readonly sequences: Readonly<Record<AccountChannel, number>>;
}

export type { FillTerms, PositionTerms };

/** Before anything has happened to it: not open, no balance, sequences at 0. */
export function emptyAccount(accountId: number): Account {
  return {
    accountId,
    isOpen: false,
    currency: '',
    oms: 'netting',
    leverage: 1,
    aiMayOrder: false,
    balance: 0n,
    orders: PersistentMap.empty(),
    totals: new Map(),
    ended: noEndedOrders,
    positions: new Map(),
    blocks: new Map(),
    day: undefined,
    isMarginCalled: false,
    recent: noRecentOrders,
    sequences: { orders: 0, positions: 0, account: 0 },
  };
}

/** What an order is about, as far as limits and switches go by it. */
export interface TradingSubject {
  readonly symbol: string;
  readonly strategyId?: string | undefined;
}

/** The world as a decision sees it. */
export interface Facts extends Prices {
  /** Microseconds since the epoch. */
  readonly nowMicros: number;
  /** Of the journal row that the decision becomes; ids are made of it. */
  readonly seq: number;
  /** In force for the account as it trades this: of all scopes, the tightest. */
  limits(subject: TradingSubject): RiskLimits;
  /** The kill switch that stands against it, if there is one. */
  killed(subject: TradingSubject): KillSwitch | undefined;
  /** Sessions and holidays; undefined: it trades at any time. */
  hours(symbol: string): TradingHours | undefined;
  /** Date of the trading day that it is, as `2026-11-26`; undefined where days are not counted. */
  readonly day?: string;
  /** Lowest bid and highest ask of a short while before now; undefined while there was no good quote. */
  recentRange(symbol: string): PriceRange | undefined;
}

export interface KillSwitch {
  readonly id: string;
  readonly scope: 'platform' | 'tenant' | 'account' | 'strategy' | 'symbol';
}

/** When a symbol may be traded; moments in microseconds. */
export interface TradingHours {
  isOpen(micros: number): boolean;
  /** Undefined: never again. */
  nextOpen(micros: number): number | undefined;
  /** When the trading day that `micros` falls into ends: orders for the day end then. */
  dayEnd(micros: number): number;
}

/** The days that losses are counted over, and that swap is booked between. */
export interface TradingDays {
  /** Its date, as `2026-11-26`. */
  tradingDay(micros: number): string;
  /** Nights between two of them, as swap counts them. */
  swapDays(from: string, to: string): number;
}

export interface Decision {
  readonly events: readonly AccountEvent[];
  readonly reply: AccountReply;
}

/**
 * What happens because of a command. Reads no clock, changes nothing, and answers whatever a user sends with a value.
 * @throws {RangeError} an account to open, or an amount of money, whose terms its sender should have checked
 */
export function decide(account: Account, command: AccountCommand, facts: Facts): Decision {
  switch (command.type) {
    case 'open-account':
      return openAccount(account, command, facts);
    case 'deposit':
      return deposit(account, command.amount, facts);
    case 'withdraw':
      return withdraw(account, command.amount, facts);
    case 'submit-order':
      return submitOrder(account, command, facts);
    case 'amend-order':
      return amendOrder(account, command, facts);
    case 'cancel-order':
      return cancelOrder(account, command.orderId, facts);
    case 'cancel-all':
      return cancelAll(account, command, facts);
    case 'close-position':
      return closePosition(account, command, facts);
    case 'close-by':
      return closeBy(account, command, facts);
    case 'broker-report':
      return {
        events: decideReport(account, findOrder(account, command.report.orderId), command.report, facts),
        reply: { type: 'done' },
      };
    case 'reconcile':
      return reconcile(account, command.mismatches, facts);
    case 'enforce':
      return enforce(account, facts);
    case 'roll-day':
      return rollDay(account, command, facts);
    case 'rearm':
      return rearm(account, command, facts);
  }
}

/**
 * The account after one event. Looks nothing up and reads no clock: replaying a journal is `events.reduce(evolve, emptyAccount(id))`.
 * @throws {Error} the event does not follow from this account: the journal is not this account's, or has lost a row
 */
export function evolve(account: Account, event: AccountEvent): Account {
  const next: Account = { ...account, sequences: counted(account.sequences, channelOf(event)) };
  switch (event.type) {
    case 'account-opened': {
      const { type: _type, timeMicros: _time, ...terms } = event;
      return { ...next, ...terms, isOpen: true };
    }
    case 'balance-changed':
      return { ...next, balance: event.balance };
    case 'trading-blocked': {
      const { reason, subject, figures, timeMicros: sinceMicros } = event;
      const block = { reason, subject, sinceMicros, figures };
      return { ...next, blocks: new Map(account.blocks).set(blockKey(reason, subject), block) };
    }
    case 'trading-unblocked': {
      const blocks = new Map(account.blocks);
      blocks.delete(blockKey(event.reason, event.subject));
      return { ...next, blocks };
    }
    case 'day-opened':
      return { ...next, day: { day: event.day, openEquity: event.equity, peakEquity: event.equity } };
    case 'equity-peaked':
      return account.day ? { ...next, day: { ...account.day, peakEquity: event.equity } } : next;
    case 'margin-called':
      return { ...next, isMarginCalled: true };
    case 'margin-restored':
      return { ...next, isMarginCalled: false };
    case 'order-submitted': {
      const { orderId, timeMicros } = event;
      return addOrder({ ...next, recent: rememberOrder(account.recent, event, orderId, timeMicros) }, event);
    }
    case 'order-denied':
    case 'order-report-quarantined':
    case 'stopped-out':
      return next;
    case 'order-partially-filled':
    case 'order-filled': {
      const order = findOrder(account, event.orderId);
      const subject = executionSubject({ strategyId: order?.strategyId, symbol: event.symbol });
      return moveOrder({ ...next, recent: rememberFill(account.recent, subject, event.timeMicros) }, event);
    }
    case 'order-accepted':
    case 'order-rejected':
    case 'order-triggered':
    case 'order-trailed':
    case 'order-pending-update':
    case 'order-updated':
    case 'order-update-rejected':
    case 'order-pending-cancel':
    case 'order-cancel-rejected':
    case 'order-canceled':
    case 'order-expired':
    case 'order-unknown':
      return moveOrder(next, event);
    case 'position-opened':
    case 'position-changed': {
      const { positionId, symbol, side, quantity, cost, averagePrice } = event;
      const position = { positionId, symbol, side, quantity, cost, averagePrice };
      return { ...next, positions: new Map(account.positions).set(positionKey(account, position), position) };
    }
    case 'position-closed': {
      const positions = new Map(account.positions);
      positions.delete(positionKey(account, event));
      return { ...next, positions };
    }
  }
}

function counted(last: Account['sequences'], channel: AccountChannel): Account['sequences'] {
  const { orders, positions, account } = last;
  switch (channel) {
    case 'orders':
      return { orders: orders + 1, positions, account };
    case 'positions':
      return { orders, positions: positions + 1, account };
    case 'account':
      return { orders, positions, account: account + 1 };
  }
}
