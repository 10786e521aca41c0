/** A small market and an account in it, for tests of the trading rules. */
import {
  decide,
  emptyAccount,
  evolve,
  type Account,
  type Decision,
  type Facts,
} from '../../../actors/trading/account.ts';
import type { BrokerReport } from '../../../actors/trading/broker.ts';
import type { AccountCommand } from '../../../actors/trading/commands.ts';
import type { AccountEvent, OrderTerms } from '../../../actors/trading/events.ts';
import { instrumentFrom, type Instrument } from '../../../actors/trading/instrument.ts';
import { parseScaled } from '../../../actors/trading/money.ts';
import type { RiskLimits } from '../../../actors/trading/risk.ts';
import type { Quote } from '../../../actors/market/quote.ts';
import { instruments as configured } from '../../../config/instruments.ts';

export const instruments: ReadonlyMap<string, Instrument> = new Map(
  configured.map((terms) => [terms.symbol, instrumentFrom(terms)]),
);

export function instrument(symbol: string): Instrument | undefined {
  return instruments.get(symbol);
}

/** Decimal text as an integer scaled by 10^8. */
export function s(text: string): bigint {
  const value = parseScaled(text, 8);
  if (value === undefined) throw new Error(`no decimal: ${text}`);
  return value;
}

export const NOW = 1_800_000_000_000_000;

export function quote(symbol: string, bid: string, ask: string, timeMicros = NOW): Quote {
  return { symbol, bid: Number(s(bid)), ask: Number(s(ask)), timeMicros, sequence: 1 };
}

export const market: readonly Quote[] = [
  quote('EURUSD', '1.08000', '1.08010'),
  quote('GBPUSD', '1.27000', '1.27012'),
  quote('USDJPY', '150.000', '150.010'),
  quote('USDCHF', '0.88000', '0.88012'),
  quote('EURGBP', '0.85000', '0.85012'),
  quote('EURJPY', '162.000', '162.020'),
  quote('XAUUSD', '2350.00', '2350.25'),
  quote('US500', '5200.0', '5200.5'),
  quote('BTCUSD', '65000.00', '65015.00'),
];

export interface World {
  readonly quotes?: readonly Quote[];
  readonly nowMicros?: number;
  readonly seq?: number;
  readonly maxOrderValue?: bigint;
  readonly maxWorkingOrders?: number;
  readonly limits?: RiskLimits;
  readonly facts?: Partial<Facts>;
}

export function factsOf({
  quotes = market,
  nowMicros = NOW,
  seq = 1,
  maxOrderValue = s('10000000'),
  maxWorkingOrders = 500,
  limits = {},
  facts = {},
}: World = {}): Facts {
  const board = new Map(quotes.map((each) => [each.symbol, each]));
  return {
    nowMicros,
    seq,
    limits: () => ({ maxOrderValue, maxWorkingOrders, ...limits }),
    killed: () => undefined,
    hours: () => undefined,
    recentRange: () => undefined,
    ...facts,
    quote: (symbol) => board.get(symbol),
    instrument,
  };
}

/** The market with some of its quotes replaced. */
export function marketWith(...changed: readonly Quote[]): Quote[] {
  const symbols = new Set(changed.map(({ symbol }) => symbol));
  return [...market.filter(({ symbol }) => !symbols.has(symbol)), ...changed];
}

export function marketWithout(...symbols: readonly string[]): Quote[] {
  return market.filter(({ symbol }) => !symbols.includes(symbol));
}

export function order(change: Partial<OrderTerms> = {}): { type: 'submit-order' } & OrderTerms {
  return {
    type: 'submit-order',
    clientOrderId: 'c-1',
    symbol: 'EURUSD',
    side: 'buy',
    orderType: 'market',
    quantity: s('0.10'),
    timeInForce: 'ioc',
    source: 'trader',
    ...change,
  };
}

export function limitOrder(limitPrice: string, change: Partial<OrderTerms> = {}): AccountCommand {
  return order({ orderType: 'limit', limitPrice: s(limitPrice), timeInForce: 'gtc', ...change });
}

export type ReportOf<Type extends BrokerReport['type']> = Extract<BrokerReport, { type: Type }>;

export function filled(orderId: string, quantity: string, price: string, executionId = `${orderId}-1`): AccountCommand {
  return report({ type: 'filled', orderId, executionId, quantity: s(quantity), price: s(price) });
}

type Untimed<Report> = Report extends BrokerReport ? Omit<Report, 'venue' | 'timeMicros'> : never;

export function report(said: Untimed<BrokerReport>): AccountCommand {
  return { type: 'broker-report', report: { ...said, venue: 'paper', timeMicros: NOW - 5 } as BrokerReport };
}

/** An account to which commands were given one after the other, each in the next journal row. */
export class Ledger {
  account: Account;
  readonly events: AccountEvent[] = [];
  readonly rows: Decision[] = [];

  constructor(accountId = 1) {
    this.account = emptyAccount(accountId);
  }

  /** Decides, and moves the account on. */
  give(command: AccountCommand, world: World = {}): Decision {
    const decision = decide(this.account, command, factsOf({ ...world, seq: this.nextSeq }));
    this.rows.push(decision);
    this.events.push(...decision.events);
    this.account = decision.events.reduce(evolve, this.account);
    return decision;
  }

  get nextSeq(): number {
    return this.rows.length + 1;
  }
}

/** Row 1 opens the account and row 2 is its deposit: the first order is `o-1-3`. */
export function opened({
  currency = 'USD',
  leverage = 30,
  balance = '100000',
  aiMayOrder = false,
}: {
  currency?: string;
  leverage?: number;
  balance?: string;
  aiMayOrder?: boolean;
} = {}): Ledger {
  const ledger = new Ledger();
  ledger.give({ type: 'open-account', currency, oms: 'netting', leverage, aiMayOrder });
  ledger.give({ type: 'deposit', reference: 'seed', amount: s(balance) });
  return ledger;
}
