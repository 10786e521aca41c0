/** The actors of the market: a price stream an instrument, book streams, and the keeper of candles. */
import { bookId, bookStream, type DepthSource } from '../actors/book-stream.ts';
import { candleKeeper } from '../actors/candle-keeper.ts';
import { candleIntervals } from '../actors/market/candle.ts';
import { priceStream, type PriceSource, type PriceStreamSpec } from '../actors/price-stream.ts';
import type { Instrument } from '../actors/trading/instrument.ts';
import type { AnyWorkerSpec, SupervisorSpec } from '../runtime/spec.ts';
import { marketData } from '../supervisors/market-data.ts';
import type { Stage } from './stage.ts';

/** Where prices come from, by symbol. */
export interface MarketSources {
  /** Absent, or undefined: the stream is told its prices. */
  prices?(symbol: string): PriceSource | undefined;
  /** A second source, which the first is compared with. */
  reference?(symbol: string): PriceSource | undefined;
  /** Undefined for a symbol that shows no depth. */
  depth?(symbol: string): DepthSource | undefined;
}

export function marketSubtree(stage: Stage, sources: MarketSources): SupervisorSpec {
  const { bus, quotes: board, instruments, limits } = stage;
  const mailbox = { capacity: limits.mailbox.priceStream, whenFull: 'drop-oldest' } as const;
  const streams = [...instruments.values()].map((instrument): AnyWorkerSpec => {
    const { symbol } = instrument;
    const source = sources.prices?.(symbol);
    const watched = watchedBy(stage, instrument, sources.reference?.(symbol));
    return {
      ...{ id: symbol, kind: 'price-stream', mailbox },
      behavior: priceStream({
        ...{ symbol, board, bus, gapMs: limits.market.gapMs },
        ...(source && { source }),
        ...(watched && { watched }),
      }),
    };
  });
  const books = [...instruments.keys()].flatMap((symbol): AnyWorkerSpec[] => {
    const source = sources.depth?.(symbol);
    if (!source || !stage.watched) return [];
    const behavior = bookStream({ symbol, board: stage.watched.books, bus, source, limits: limits.books });
    // A change that is let go is a gap, and a gap is put right.
    return [{ id: bookId(symbol), kind: 'book-stream', behavior, mailbox }];
  });
  // The keeper is there before the first candle ends.
  return marketData([...candleKeeperSpecs(stage), ...streams, ...books]);
}

function watchedBy(
  { watched, limits, hours }: Stage,
  { symbol, staleAfterMs }: Instrument,
  reference: PriceSource | undefined,
): PriceStreamSpec['watched'] {
  if (!watched) return undefined;
  const { divergenceShare, divergedAfterMs } = limits.market;
  return {
    ...{ candles: watched.candles, sources: watched.sources, staleAfterMs },
    isOpen: (nowMicros: number) => hours(symbol)?.isOpen(nowMicros) ?? true,
    ...(reference && { reference }),
    divergence: { maxShare: divergenceShare, afterMs: divergedAfterMs },
  };
}

function candleKeeperSpecs({ bus, candleStore, instruments, limits }: Stage): AnyWorkerSpec[] {
  if (!candleStore) return [];
  const series = { symbols: [...instruments.keys()], intervals: candleIntervals };
  const behavior = candleKeeper({ ...{ bus, store: candleStore, limits: limits.candles }, ...series });
  return [{ id: 'candle-keeper', kind: 'candle-keeper', behavior }];
}
