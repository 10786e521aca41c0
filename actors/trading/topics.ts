/** What is published on the platform's event bus, by topic. */
import type { CandleUpdate } from '../market/candle.ts';
import type { BookUpdate } from '../market/order-book.ts';
import type { Quote } from '../market/quote.ts';
import type { AccountCommit } from './events.ts';

/** Something a person should hear of. */
export interface Alert {
  /** Undefined: it concerns everybody. */
  readonly tenantId: number | undefined;
  readonly timeMicros: number;
  readonly severity: 'warning' | 'critical';
  /** The kind, such as `stopped-out` or `source-stale`. */
  readonly type: string;
  /** What it is about: an account, a symbol, a switch. */
  readonly subject: string;
  /** Whose owner alone should hear of it, besides those who see every account of the tenant. */
  readonly account?: string;
  readonly text: string;
}

/** An AI decision with its id, as JSON that goes out as it is. */
export interface SignalMade {
  readonly json: object;
}

export type PlatformTopics = {
  /** Every durable row of every account of this node. */
  commits: AccountCommit;
  /** Every quote of every symbol. */
  quotes: Quote;
  alerts: Alert;
} & { [account: `commits:${number}/${number}`]: AccountCommit } & { [symbol: `quotes:${string}`]: Quote } & {
  [series: `candles:${string}`]: CandleUpdate;
} & {
  [symbol: `book:${string}`]: BookUpdate;
} & { [symbol: `signals:${number}/${string}`]: SignalMade };

/** The topic of one account's commits. */
export function commitsOf(tenantId: number, accountId: number): `commits:${number}/${number}` {
  return `commits:${tenantId}/${accountId}`;
}
