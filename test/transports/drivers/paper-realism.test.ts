/** What the paper broker does to orders on their way, where it is told to. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { QuoteBoard } from '../../../actors/market/quote.ts';
import type { BrokerOrder, BrokerReport } from '../../../actors/trading/broker.ts';
import { VirtualClock } from '../../../runtime/clock.ts';
import { createPaperBroker, type PaperRealism } from '../../../transports/drivers/paper-broker.ts';
import { eurusd } from '../../support/instruments.ts';

const [bid, ask, tick] = [108_000_000, 108_010_000, 1_000];

function start(realism: Partial<PaperRealism>) {
  const clock = new VirtualClock(1_800_000_000_000_000);
  const quotes = new QuoteBoard();
  const broker = createPaperBroker({
    ...{ clock, quotes, instrument: () => eurusd },
    realism: { latencyMs: 0, jitterMs: 0, slippageTicks: 0, seed: 1, ...realism },
    ...(realism.latencyMs ? {} : { deliver: (run) => run() }),
  });
  const reports: (BrokerReport & { atMs: number })[] = [];
  const login = broker.login('a', { orders: [], positions: [] }, (message) => {
    if (message.type === 'report') reports.push({ ...message.report, atMs: clock.monotonicMs() });
  });
  const quote = (): void => {
    const made = { symbol: 'EURUSD', bid, ask, timeMicros: clock.wallMicros(), sequence: 1 };
    quotes.set(made);
    broker.onQuote(made);
  };
  quote();
  return { clock, login, reports, quote };
}

const order = (orderId: string, change: Partial<BrokerOrder> = {}): BrokerOrder => ({
  ...{
    orderId,
    symbol: 'EURUSD',
    side: 'buy',
    orderType: 'market',
    quantity: 100_000_000n,
    timeInForce: 'gtc',
    ...change,
  },
});

function pricesOf(reports: readonly BrokerReport[]): number[] {
  return reports.flatMap((report) => (report.type === 'filled' ? [Number(report.price)] : []));
}

test('a market order is never filled better than quoted, at most so many ticks worse, and the same every time', () => {
  fc.assert(
    fc.property(fc.nat(5), fc.nat(1_000), fc.boolean(), (slippageTicks, seed, isBuy) => {
      const fill = () => {
        const { login, reports } = start({ slippageTicks, seed });
        for (let n = 0; n < 30; n++) login.place(order(`o-${n}`, { side: isBuy ? 'buy' : 'sell' }));
        return pricesOf(reports);
      };
      const prices = fill();
      const worse = prices.map((price) => (isBuy ? price - ask : bid - price) / tick);
      expect(prices).toHaveLength(30);
      expect(worse.every((ticks) => Number.isInteger(ticks) && ticks >= 0 && ticks <= slippageTicks)).toBe(true);
      expect(fill()).toEqual(prices);
    }),
    { numRuns: 40 },
  );
});

test('every number of ticks happens, and another seed draws others', () => {
  const drawn = (seed: number) => {
    const { login, reports } = start({ slippageTicks: 3, seed });
    for (let n = 0; n < 200; n++) login.place(order(`o-${n}`));
    return pricesOf(reports).map((price) => (price - ask) / tick);
  };
  expect(new Set(drawn(1))).toEqual(new Set([0, 1, 2, 3]));
  expect(drawn(2)).not.toEqual(drawn(1));
});

test('a limit is kept: what slips goes no further than it', () => {
  const { login, reports } = start({ slippageTicks: 50, seed: 3 });
  for (let n = 0; n < 50; n++)
    login.place(order(`o-${n}`, { orderType: 'limit', limitPrice: BigInt(ask + 2 * tick), timeInForce: 'ioc' }));
  expect(Math.max(...pricesOf(reports))).toBe(ask + 2 * tick);
});

test('a limit order that rests is filled at its limit, whatever slips', () => {
  const { login, reports, quote } = start({ slippageTicks: 50, seed: 3 });
  login.place(order('o-1', { orderType: 'limit', limitPrice: BigInt(ask), timeInForce: 'gtc', side: 'sell' }));
  expect(pricesOf(reports)).toEqual([]);
  quote();
  expect(pricesOf(reports)).toEqual([]);
});

test('an order takes its time there, and its answers back, in the order in which they were sent', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.nat(200), (latencyMs, jitterMs) => {
      const { clock, login, reports, quote } = start({ latencyMs, jitterMs });
      login.place(order('o-1', { orderType: 'limit', limitPrice: 100_000_000n }));
      login.cancel('o-1', 'c-1');
      login.place(order('o-2'));
      clock.advance(latencyMs - 0.001);
      expect(reports).toEqual([]);
      quote();
      clock.advance(latencyMs + jitterMs + 0.001);
      expect(reports.map(({ orderId, type }) => [orderId, type])).toEqual([
        ['o-1', 'accepted'],
        ['o-1', 'canceled'],
        ['o-2', 'filled'],
      ]);
      expect(reports[0]!.atMs).toBeGreaterThanOrEqual(2 * latencyMs);
      expect(reports.at(-1)!.atMs).toBeLessThanOrEqual(2 * latencyMs + jitterMs + 0.001);
    }),
  );
});
