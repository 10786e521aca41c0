/** What is published on the platform's event bus, by topic. */
import type { Quote } from '../market/quote.ts';
import type { AccountCommit } from './events.ts';

export type PlatformTopics = {
  /** Every durable row of every account of this node. */
  commits: AccountCommit;
  /** Every quote of every symbol. */
  quotes: Quote;
} & { [account: `commits:${number}/${number}`]: AccountCommit } & { [symbol: `quotes:${string}`]: Quote };

/** The topic of one account's commits. */
export function commitsOf(tenantId: number, accountId: number): `commits:${number}/${number}` {
  return `commits:${tenantId}/${accountId}`;
}
