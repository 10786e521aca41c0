/** The simulator as a source of prices: asked in turn, and able to tell its past. */
import type { PriceSource, Tick } from '../actors/price-stream.ts';
import { pastCandles } from '../actors/market/history.ts';
import { simulatedQuote, slotMicros, type SimulatedInstrument } from '../actors/market/simulator.ts';
import type { TradingHours } from '../actors/trading/account.ts';

/** Candles that are looked up when somebody first asks for them. */
const pastCandleCount = 300;

/** @param hours outside of which there are no prices; undefined: there always are */
export function simulatedSource(
  instrument: SimulatedInstrument,
  seed: number,
  hours: TradingHours | undefined,
): PriceSource {
  let lastMicros = 0;
  const priceAt = (timeMicros: number): Tick | undefined =>
    hours && !hours.isOpen(timeMicros) ? undefined : simulatedQuote(instrument, seed, timeMicros);
  return {
    periodMs: slotMicros / 1000,
    poll(nowMicros) {
      const tick = priceAt(nowMicros);
      if (!tick || tick.timeMicros <= lastMicros) return undefined;
      lastMicros = tick.timeMicros;
      return tick;
    },
    history: (interval, nowMicros) => pastCandles(priceAt, interval, nowMicros, pastCandleCount),
  };
}

/** How far behind the market the second source is, as sources are. */
const referenceDelayMicros = 100_000;

/**
 * A second source of the same market, for the instruments that trade at many places: those that show their depth.
 * @returns undefined for any other instrument
 */
export function simulatedReference(
  instrument: SimulatedInstrument,
  seed: number,
  hours: TradingHours | undefined,
): PriceSource | undefined {
  if (instrument.depthLevels === undefined) return undefined;
  const { periodMs, poll } = simulatedSource(instrument, seed, hours);
  return { periodMs, poll: (nowMicros) => poll(nowMicros - referenceDelayMicros) };
}
