/** The configured instruments as the rules want them: decimal text → scaled integers, crosses linked to their legs. */
import { linkCrosses, type SimulatedInstrument } from '../actors/market/simulator.ts';
import { instrumentFrom } from '../actors/trading/instrument.ts';
import { parseScaled, PRICE_SCALE } from '../actors/trading/money.ts';
import { instruments, type InstrumentConfig } from '../config/instruments.ts';

/** By symbol, in the order of the configuration. */
export function tradedInstruments(): ReadonlyMap<string, SimulatedInstrument> {
  return new Map(linkCrosses(instruments.map(fromConfig)).map((instrument) => [instrument.symbol, instrument]));
}

function fromConfig({ simulator, ...terms }: InstrumentConfig): SimulatedInstrument {
  return {
    ...instrumentFrom(terms),
    referencePrice: scaled(simulator.referencePrice, PRICE_SCALE),
    typicalSpreadTicks: simulator.typicalSpreadTicks,
    dailyVolatility: simulator.dailyVolatility,
    ...(simulator.depthLevels === undefined ? {} : { depthLevels: simulator.depthLevels }),
  };
}

function scaled(text: string, scale: number): bigint {
  const value = parseScaled(text, scale);
  if (value === undefined)
    throw new RangeError(`config/instruments.ts: ${text} is no decimal of at most ${scale} digits`);
  return value;
}
