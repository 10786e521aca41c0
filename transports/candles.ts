/** The latest candles of a series: those that the database keeps, and those that the price stream has in memory. */
import type { CandleKeeperMessage } from '../actors/candle-keeper.ts';
import { mergedCandles, type Candle, type CandleInterval } from '../actors/market/candle.ts';
import type { PriceStreamMessage } from '../actors/price-stream.ts';
import { childPath } from '../runtime/path.ts';
import type { Services } from './services.ts';

export interface CandleQuestion {
  readonly symbol: string;
  readonly interval: CandleInterval;
  readonly limit: number;
}

export const candleKeeperPath = childPath('/market', 'candle-keeper');

/**
 * Oldest first, the last one current. Without the database, or a keeper, what is in memory is all.
 * @returns undefined when there is no price stream of the symbol
 * @throws AskTimeout the price stream did not answer in time
 */
export async function latestCandles(
  { directory, log }: Pick<Services, 'directory' | 'log'>,
  question: CandleQuestion,
  options: { readonly timeoutMs: number; readonly traceId?: string },
): Promise<readonly Candle[] | undefined> {
  const stream = directory.find<PriceStreamMessage>(childPath('/market', question.symbol));
  if (!stream) return undefined;
  const { interval, limit } = question;
  const keeper = directory.find<CandleKeeperMessage>(candleKeeperPath);
  const kept = keeper?.ask({ type: 'get-candles', range: question }, options).catch((error: unknown) => {
    log.warn({ err: error, symbol: question.symbol, interval }, 'kept candles could not be read');
  });
  const live = await stream.ask({ type: 'get-candles', interval, limit }, options);
  return mergedCandles((await kept) ?? [], live).slice(-limit);
}
