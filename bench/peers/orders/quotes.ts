/** Prices that wander by a point four times a second. */
import { Decimal } from 'decimal.js';
import { instruments } from './instruments.ts';

export interface Quote {
  readonly bid: Decimal;
  readonly ask: Decimal;
  readonly timeMs: number;
}

const tickEveryMs = 250;
const spreadPoints = 8;

export function startQuotes(): ReadonlyMap<string, Quote> {
  const quotes = new Map<string, Quote>();
  const tick = (): void => {
    for (const { symbol, digits, referencePrice } of instruments.values()) {
      const point = new Decimal(10).pow(-digits);
      const bid = (quotes.get(symbol)?.bid ?? referencePrice).plus(point.times(Math.floor(Math.random() * 3) - 1));
      quotes.set(symbol, { bid, ask: bid.plus(point.times(spreadPoints)), timeMs: Date.now() });
    }
  };
  tick();
  setInterval(tick, tickEveryMs);
  return quotes;
}
