/** A trading account as a value: what `decide` looks at and `evolve` moves on. */
import { hash } from 'node:crypto';
import type { BrokerReport } from './broker.ts';
import { canonicalCommand } from './command-codec.ts';
import type { AccountCommand, AccountReply, OpenAccount } from './commands.ts';
import type { Prices } from './conversion.ts';
import type { AccountChannel, AccountEvent, FillTerms, OrderTerms, PositionTerms, Side } from './events.ts';
import { channelOf } from './events.ts';
import { divideDown, MONEY_SCALE, roundToMinorUnit } from './money.ts';
import type { EndedOrders } from './order.ts';
import { isWorking, noEndedOrders } from './order.ts';
import { addOrder, findOrder, moveOrder } from './order-book.ts';
import { PersistentMap } from './persistent-map.ts';
import { decideReport } from './report.ts';
import type { RiskLimits } from './risk.ts';
import { assess } from './risk.ts';

export type OrderState =
  | 'SUBMITTED'
  | 'ACCEPTED'
  | 'PARTIALLY_FILLED'
  | 'PENDING_CANCEL'
  | 'UNKNOWN'
  | 'FILLED'
  | 'CANCELED'
  | 'EXPIRED'
  | 'REJECTED'
  | 'DENIED';

/** An order that is not ended. */
export interface WorkingOrder extends OrderTerms {
  readonly orderId: string;
  readonly state: OrderState;
  readonly filledQuantity: bigint;
  /** What is not filled yet needs on its own, before netting; account currency, scaled by 10^8. */
  readonly margin: bigint;
  /** Quote → account currency as of its submission, scaled by 10^18. */
  readonly conversionRate: bigint;
  readonly submittedMicros: number;
  readonly fillIds: readonly string[];
}

/** Sums over the working orders of one side of a symbol: what is not filled yet, and its margin before netting. */
export interface SideTotals {
  readonly quantity: bigint;
  readonly margin: bigint;
}
export type SymbolTotals = Readonly<Record<Side, SideTotals>>;

export interface Account {
  readonly accountId: number;
  readonly isOpen: boolean;
  readonly currency: string;
  readonly oms: 'netting';
  readonly leverage: number;
  readonly aiMayOrder: boolean;
  /** Account currency, scaled by 10^8. */
  readonly balance: bigint;
  /** The working ones, oldest first. */
  readonly orders: PersistentMap<WorkingOrder>;
  /** Of the working orders, by symbol; a symbol without any is not in it. Kept so that a margin check need not visit each order. */
  readonly totals: ReadonlyMap<string, SymbolTotals>;
  readonly ended: EndedOrders;
  /** One a symbol (netting); a closed position is not in it. */
  readonly positions: ReadonlyMap<string, PositionTerms>;
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
    sequences: { orders: 0, positions: 0, account: 0 },
  };
}

/** The world as a decision sees it. */
export interface Facts extends Prices {
  /** Microseconds since the epoch. */
  readonly nowMicros: number;
  /** Of the journal row that the decision becomes; ids are made of it. */
  readonly seq: number;
  readonly limits: RiskLimits;
}

export interface Decision {
  readonly events: readonly AccountEvent[];
  readonly reply: AccountReply;
}

/**
 * What happens because of a command. Reads no clock, changes nothing, and answers whatever a user sends with a value.
 * @throws {RangeError} an account to open, or a deposit, whose terms its sender should have checked
 */
export function decide(account: Account, command: AccountCommand, facts: Facts): Decision {
  switch (command.type) {
    case 'open-account':
      return openAccount(account, command, facts);
    case 'deposit':
      return deposit(account, command.amount, facts);
    case 'submit-order':
      return submitOrder(account, command, facts);
    case 'cancel-order':
      return cancelOrder(account, command.orderId, facts);
    case 'broker-report':
      return {
        events: decideReport(account, findOrder(account, command.report.orderId), command.report, facts),
        reply: DONE,
      };
  }
}

const DONE: AccountReply = { type: 'done' };

function openAccount(account: Account, command: OpenAccount, { nowMicros }: Facts): Decision {
  if (account.isOpen) return { events: [], reply: DONE };
  const { currency, oms, leverage, aiMayOrder } = command;
  if (!Number.isInteger(leverage) || leverage < 1 || leverage > 500) {
    throw new RangeError(`leverage must be 1 to 500, was ${leverage}`);
  }
  return {
    events: [{ type: 'account-opened', timeMicros: nowMicros, currency, oms, leverage, aiMayOrder }],
    reply: DONE,
  };
}

function deposit(account: Account, amount: bigint, { nowMicros }: Facts): Decision {
  if (!account.isOpen) return { events: [], reply: { type: 'refused', code: 'NOT_FOUND' } };
  const { currency } = account;
  if (amount <= 0n || roundToMinorUnit(amount, MONEY_SCALE, currency, divideDown) !== amount) {
    throw new RangeError(`deposit must be above zero and a multiple of the minor unit of ${currency}, was ${amount}`);
  }
  const balance = account.balance + amount;
  const event = {
    type: 'balance-changed',
    timeMicros: nowMicros,
    reason: 'deposit',
    amount,
    balance,
    currency,
  } as const;
  return { events: [event], reply: DONE };
}

function submitOrder(account: Account, command: OrderTerms, facts: Facts): Decision {
  const orderId = `o-${account.accountId}-${facts.seq}`;
  const { clientOrderId } = command;
  const terms = { ...command, orderId, timeMicros: facts.nowMicros };
  const assessment = assess(account, command, facts);
  if ('denial' in assessment) {
    const { denial } = assessment;
    return {
      events: [{ ...terms, type: 'order-denied', denial }],
      reply: { type: 'order', orderId, clientOrderId, state: 'DENIED', denial },
    };
  }
  const { margin, conversionRate } = assessment;
  return {
    events: [{ ...terms, type: 'order-submitted', margin, currency: account.currency, conversionRate }],
    reply: { type: 'order', orderId, clientOrderId, state: 'SUBMITTED' },
  };
}

/** Cancels pass every check: they only ever lower risk. */
function cancelOrder(account: Account, orderId: string, { nowMicros }: Facts): Decision {
  const order = findOrder(account, orderId);
  if (!order) return { events: [], reply: { type: 'refused', code: 'NOT_FOUND', figures: { orderId } } };
  if (!isWorking(order.state)) {
    const figures = { orderId, state: order.state };
    return { events: [], reply: { type: 'refused', code: 'ORDER_NOT_WORKING', figures } };
  }
  return {
    events: [{ type: 'order-pending-cancel', timeMicros: nowMicros, orderId, symbol: order.symbol }],
    reply: { type: 'cancel', orderId, state: 'PENDING_CANCEL' },
  };
}

/**
 * The account after one event. Looks nothing up and reads no clock: replaying a journal is `events.reduce(evolve, emptyAccount(id))`.
 * @throws {Error} the event does not follow from this account: the journal is not this account's, or has lost a row
 */
export function evolve(account: Account, event: AccountEvent): Account {
  const next: Account = { ...account, sequences: counted(account.sequences, channelOf(event)) };
  switch (event.type) {
    case 'account-opened': {
      const { currency, oms, leverage, aiMayOrder } = event;
      return { ...next, isOpen: true, currency, oms, leverage, aiMayOrder };
    }
    case 'balance-changed':
      return { ...next, balance: event.balance };
    case 'order-submitted':
      return addOrder(next, event);
    case 'order-denied':
    case 'order-report-quarantined':
      return next;
    case 'order-accepted':
      return moveOrder(next, event.orderId, 'accepted');
    case 'order-rejected':
      return moveOrder(next, event.orderId, 'rejected');
    case 'order-pending-cancel':
      return moveOrder(next, event.orderId, 'pending-cancel');
    case 'order-canceled':
      return moveOrder(next, event.orderId, 'canceled');
    case 'order-expired':
      return moveOrder(next, event.orderId, 'expired');
    case 'order-partially-filled':
      return moveOrder(next, event.orderId, 'partially-filled', event);
    case 'order-filled':
      return moveOrder(next, event.orderId, 'filled', event);
    case 'position-opened':
    case 'position-changed': {
      const { positionId, symbol, side, quantity, cost, averagePrice } = event;
      const position = { positionId, symbol, side, quantity, cost, averagePrice };
      return { ...next, positions: new Map(account.positions).set(symbol, position) };
    }
    case 'position-closed': {
      const positions = new Map(account.positions);
      positions.delete(event.symbol);
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

/** The idempotency key of a command: the same id has no second effect. */
export function commandId(command: AccountCommand): string {
  switch (command.type) {
    case 'open-account':
      return 'system:open';
    case 'deposit':
      return `deposit:${command.reference}`;
    case 'submit-order':
      return `order:${command.clientOrderId}`;
    case 'cancel-order':
      return `cancel:${command.orderId}:${command.requestId}`;
    case 'broker-report':
      return reportId(command.report);
  }
}

function reportId(report: BrokerReport): string {
  if (report.type === 'filled') return `fill:${report.venue}:${report.executionId}`;
  return `${report.type}:${report.venue}:${report.orderId}`;
}

/**
 * SHA-256 of the canonical command, hex: tells a repeated command from another one under the same id.
 * When a broker said something is no part of what it said: it may stamp a repeated report anew.
 */
export function digest(command: AccountCommand): string {
  return hash('sha256', canonicalCommand(command));
}
