/** The simulator as a source of order books, for the instruments whose market shows its depth. */
import type { PolledDepth } from '../actors/book-stream.ts';
import { simulatedDepth, slotMicros, type SimulatedInstrument } from '../actors/market/simulator.ts';
import type { TradingHours } from '../actors/trading/account.ts';

/**
 * @param hours outside of which there are no prices; undefined: there always are
 * @returns undefined for an instrument without depth
 */
export function simulatedDepthSource(
  instrument: SimulatedInstrument,
  seed: number,
  hours: TradingHours | undefined,
): PolledDepth | undefined {
  const { depthLevels } = instrument;
  if (depthLevels === undefined) return undefined;
  let lastMicros = 0;
  return {
    periodMs: slotMicros / 1000,
    poll(nowMicros) {
      if (hours && !hours.isOpen(nowMicros)) return undefined;
      const depth = simulatedDepth(instrument, seed, nowMicros, depthLevels);
      if (depth.timeMicros <= lastMicros) return undefined;
      lastMicros = depth.timeMicros;
      return depth;
    },
  };
}
