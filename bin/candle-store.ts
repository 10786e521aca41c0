/** The database as the keeper of candles. */
import type { CandleStore } from '../actors/candle-keeper.ts';
import type { Readiness } from '../runtime/readiness.ts';
import { loadCandles, pruneCandles, saveCandles } from '../transports/drivers/postgres-candles.ts';
import type { Storage } from './storage.ts';

export function candleStore(storage: Pick<Storage, 'database'>, readiness: Pick<Readiness, 'isReady'>): CandleStore {
  // Asynchronous from the first step on: a database that is not open yet is a failure like any other.
  return {
    isServing: () => readiness.isReady,
    save: async (candles) => saveCandles(storage.database(), candles),
    load: async (range) => loadCandles(storage.database(), range),
    prune: async (series, beforeMicros, limit) => pruneCandles(storage.database(), series, beforeMicros, limit),
  };
}
