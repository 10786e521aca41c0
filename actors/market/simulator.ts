/**
 * A simulated price is a function of (seed, instrument, time): it can be computed for any moment without walking there, so a restart goes
 * on where it was and two nodes agree. Only +, ×, ÷ on doubles and integer hashing are used, which every platform computes alike;
 * Math.exp and Math.sin are not.
 */
import type { Instrument } from '../trading/instrument.ts';
import type { Level, OrderBook } from './order-book.ts';

/** An instrument with the figures that its simulated market follows. */
export type SimulatedInstrument = Instrument & {
  /** The price that the market wanders around, scaled by 10^8. */
  readonly referencePrice: bigint;
  /** Spread of a calm market, whole ticks of `tickSize`, one or more. */
  readonly typicalSpreadTicks: number;
  /** Standard deviation of a day's relative change as a fraction: 0.006 is 0.6 %. Above 0, at most 0.2. */
  readonly dailyVolatility: number;
  /** Levels a side that its market shows; absent: its quote alone. */
  readonly depthLevels?: number;
  /** Set by `linkCrosses`: the two dollar pairs that a cross is quoted from. */
  readonly legs?: readonly [Leg, Leg];
};

interface Leg {
  readonly instrument: SimulatedInstrument;
  /** The dollar comes first, as in USDJPY: the currency is worth 1 ÷ price. */
  readonly isInverse: boolean;
}

/** Prices scaled by 10^8, bid below ask, both above zero and on a tick. */
export interface SimulatedQuote {
  readonly bid: number;
  readonly ask: number;
  /** When the market showed it: the last tick at or before the time that was asked for. */
  readonly timeMicros: number;
}

/** A market ticks at most once a slot. */
export const slotMicros = 250_000;
/** Slots with this remainder always tick, so that no silence is longer than five slots. */
const slotsPerSureTick = 4;
const chanceOfTick = 0.55;

/** The quote that the market shows at a time. Takes 0.5 µs, for a cross 1 µs. */
export function simulatedQuote(instrument: SimulatedInstrument, seed: number, timeMicros: number): SimulatedQuote {
  const { mid, timeMicros: tickMicros } = lastMid(instrument, seed, timeMicros);
  const streams = streamsOf(instrument.symbol, seed);
  const tick = Number(instrument.tickSize);
  const spreadTicks = spread(instrument.typicalSpreadTicks, streams, tickMicros);
  // Rounded so that bid <= mid < ask: quotes of a cross and of its legs then never allow a riskless round trip.
  const bidTicks = Math.max(1, Math.floor(mid / tick - (spreadTicks - 1) / 2));
  return { bid: bidTicks * tick, ask: (bidTicks + spreadTicks) * tick, timeMicros: tickMicros };
}

/**
 * The book that the market shows at a time: its best levels are the quote of that time, and it changes when the quote does.
 * What stands at a price stays for a few seconds, so that most levels outlive a tick. Takes 4 µs for 20 levels.
 *
 * @param levels a side, 1 or more; fewer where prices end
 */
export function simulatedDepth(
  instrument: SimulatedInstrument,
  seed: number,
  timeMicros: number,
  levels: number,
): OrderBook & { readonly timeMicros: number } {
  const { bid, ask, timeMicros: tickMicros } = simulatedQuote(instrument, seed, timeMicros);
  const streams = streamsOf(instrument.symbol, seed);
  const slot = Math.floor(tickMicros / slotMicros);
  const tick = Number(instrument.tickSize);
  const step = tick * Math.max(1, Math.round(instrument.typicalSpreadTicks / stepsInSpread));
  const side = (best: number, direction: 1 | -1): readonly Level[] => {
    const first: Level = [best, lots(instrument, uniform(streams.depth + direction, slot))];
    const found: Level[] = [first];
    // Behind the best price orders stand on a grid, some of its prices empty.
    const from = direction === 1 ? Math.floor(best / step) + 1 : Math.ceil(best / step) - 1;
    for (let at = from; found.length < levels && at > 0; at += direction) {
      const share = standing(streams.depth, at, slot);
      if (share >= emptyShare) found.push([at * step, lots(instrument, share)]);
    }
    return found;
  };
  return { bids: side(bid, -1), asks: side(ask, 1), timeMicros: tickMicros };
}

const stepsInSpread = 10;
const emptyShare = 0.2;
/** What stands at a price is another after so many slots, each price in a slot of its own. */
const standingSlots = 16;

/** From 0 to 1: how much stands at a price of the grid. */
function standing(stream: number, at: number, slot: number): number {
  const phase = Math.floor(uniform(stream + 2, at) * standingSlots);
  return uniform(mix(stream ^ at), Math.floor((slot + phase) / standingSlots));
}

/** A quantity on its step, from one step on: a fifth of what may be traded at once at the most, mostly far less. */
function lots({ maxQuantity, quantityStep }: Instrument, share: number): number {
  const step = Number(quantityStep);
  return step * Math.max(1, Math.round((share * share * share * Number(maxQuantity)) / (5 * step)));
}

/**
 * The same instruments, where each currency cross (no dollar in it) knows the two dollar pairs it follows from: EURGBP is EURUSD ÷ GBPUSD.
 * A cross whose pairs are not all in the list stays a market of its own.
 */
export function linkCrosses(instruments: readonly SimulatedInstrument[]): SimulatedInstrument[] {
  const legOf = (currency: string): Leg | undefined => {
    const direct = instruments.find((one) => one.baseCurrency === currency && one.quoteCurrency === 'USD');
    if (direct) return { instrument: direct, isInverse: false };
    const inverse = instruments.find((one) => one.baseCurrency === 'USD' && one.quoteCurrency === currency);
    return inverse && { instrument: inverse, isInverse: true };
  };
  return instruments.map((instrument) => {
    if (
      instrument.calculationMode !== 'forex' ||
      instrument.baseCurrency === 'USD' ||
      instrument.quoteCurrency === 'USD'
    )
      return instrument;
    const [base, quote] = [legOf(instrument.baseCurrency), legOf(instrument.quoteCurrency)];
    return base && quote ? { ...instrument, legs: [base, quote] } : instrument;
  });
}

interface Mid {
  readonly mid: number;
  readonly timeMicros: number;
}

/** The price in the middle, not rounded, as of the last tick. A cross ticks when one of its legs does. */
function lastMid(instrument: SimulatedInstrument, seed: number, timeMicros: number): Mid {
  const { legs, symbol, referencePrice, dailyVolatility } = instrument;
  if (!legs) {
    const streams = streamsOf(symbol, seed);
    const tickMicros = lastTickMicros(streams, timeMicros);
    return {
      mid: Number(referencePrice) * growth(dailyVolatility * wander(streams, tickMicros)),
      timeMicros: tickMicros,
    };
  }
  const [base, quote] = legs.map((leg) => ({ ...lastMid(leg.instrument, seed, timeMicros), isInverse: leg.isInverse }));
  const dollars = (leg: Mid & { isInverse: boolean }) => (leg.isInverse ? scale / leg.mid : leg.mid / scale);
  return { mid: (dollars(base!) / dollars(quote!)) * scale, timeMicros: Math.max(base!.timeMicros, quote!.timeMicros) };
}

const scale = 1e8;

/** e^x to 0.1 % for |x| < 0.2, above zero for |x| < 2, in operations that round alike everywhere. */
function growth(x: number): number {
  return (1 + x / 2) / (1 - x / 2);
}

// ---- The path: octaves of smooth noise, each twice as long and √2 times as high as the one before, which is how a random walk looks.

const shortestPeriodMicros = 2 * slotMicros;
const octaves = 22; // the longest takes 12 days
/** Octaves below this one (periods up to 128 s) breathe with the market's activity. */
const livelyOctaves = 9;
/** Makes the standard deviation of a day's change equal 1; found by measuring it. */
const unitAmplitude = 0.00193;

function wander(streams: Streams, timeMicros: number): number {
  let lively = 0;
  let slow = 0;
  let period = shortestPeriodMicros;
  let amplitude = unitAmplitude;
  for (let octave = 0; octave < octaves; octave += 1) {
    const value = amplitude * noise(streams.path + octave, timeMicros, period);
    if (octave < livelyOctaves) lively += value;
    else slow += value;
    period *= 2;
    amplitude *= Math.SQRT2;
  }
  return slow + lively * activity(streams, timeMicros);
}

/** How busy the market is: about 0.4 in a calm hour, up to 2.6 when it is not. Its mean square is near 1. */
function activity(streams: Streams, timeMicros: number): number {
  const hours = (noise(streams.activity, timeMicros, 7_200_000_000) + 1) / 2;
  const minutes = (noise(streams.activity + 1, timeMicros, 1_500_000_000) + 1) / 2;
  const level = 0.6 * hours + 0.4 * minutes;
  return 0.4 + 2.2 * level * level;
}

function spread(typicalTicks: number, streams: Streams, timeMicros: number): number {
  const jitter = uniform(streams.spread, Math.floor(timeMicros / slotMicros));
  return Math.max(1, Math.round(typicalTicks * (0.45 + 0.55 * activity(streams, timeMicros) + 0.3 * jitter * jitter)));
}

/** Value noise from -1 to 1: random heights one period apart, joined smoothly. */
function noise(stream: number, timeMicros: number, periodMicros: number): number {
  const position = timeMicros / periodMicros;
  const left = Math.floor(position);
  const offset = position - left;
  const from = 2 * uniform(stream, left) - 1;
  const to = 2 * uniform(stream, left + 1) - 1;
  return from + (to - from) * offset * offset * (3 - 2 * offset);
}

function lastTickMicros(streams: Streams, timeMicros: number): number {
  for (let slot = Math.floor(timeMicros / slotMicros); ; slot -= 1) {
    const hasTick = slot % slotsPerSureTick === 0 || uniform(streams.ticks, slot) < chanceOfTick;
    const tickMicros = slot * slotMicros + Math.floor(uniform(streams.ticks + 1, slot) * slotMicros);
    if (hasTick && tickMicros <= timeMicros) return tickMicros;
  }
}

// ---- Randomness: a stream is a 32-bit number, and (stream, index) gives the same value for ever.

interface Streams {
  readonly path: number;
  readonly activity: number;
  readonly spread: number;
  readonly ticks: number;
  readonly depth: number;
}

/** Each purpose has streams of its own; the gaps leave room for one number an octave. */
function streamsOf(symbol: string, seed: number): Streams {
  let hash = mix(seed | 0);
  for (let at = 0; at < symbol.length; at += 1) hash = mix(hash ^ symbol.charCodeAt(at));
  return { path: hash, activity: hash + 100, spread: hash + 200, ticks: hash + 300, depth: hash + 400 };
}

/** From 0 up to, not including, 1. `index` is a safe integer. */
function uniform(stream: number, index: number): number {
  const high = Math.floor(index / 4_294_967_296);
  return (mix(mix(mix(stream) ^ (index | 0)) ^ high) >>> 0) / 4_294_967_296;
}

/** The finalizer of MurmurHash3: every bit of the input turns over half of the output's. */
function mix(value: number): number {
  let hash = (value + 0x9e3779b9) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
