/** The simulator as a source of prices: asked in turn, and able to tell its past. */
import type { PriceSource, Tick } from '../actors/price-stream.ts';
import { pastCandles } from '../actors/market/history.ts';
import { isOpen } from '../actors/market/session.ts';
import { simulatedQuote, slotMicros, type SimulatedInstrument } from '../actors/market/simulator.ts';
import type { Config } from '../config/config.ts';

/** Candles that are looked up when somebody first asks for them. */
const pastCandleCount = 300;

export function simulatedSource(instrument: SimulatedInstrument, { seed, sessions }: Config['simulator']): PriceSource {
  let lastMicros = 0;
  const priceAt = (timeMicros: number): Tick | undefined =>
    isOpen(instrument, timeMicros, sessions) ? simulatedQuote(instrument, seed, timeMicros) : undefined;
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
