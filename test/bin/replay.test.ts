import { setImmediate as turn } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { tradedInstruments } from '../../bin/instruments.ts';
import { replay, type ReplayOptions, type ReplaySummary, type TimedOrder } from '../../bin/replay.ts';
import { openReplayJournal } from '../../bin/replay-journal.ts';
import type { Tick } from '../../actors/price-stream.ts';
import { MemoryJournal, type Journal } from '../../runtime/journal.ts';
import { readTicks } from '../../transports/drivers/tick-file.ts';
import { s } from '../actors/trading/fixtures.ts';
import { testDataFile } from '../support/test-data.ts';

const instruments = tradedInstruments();
const startMicros = Date.UTC(2014, 4, 8, 5) * 1_000;

/** A wave of two percent around 1.39, a tick every 200 ms; every ninth quote is crossed. */
function wave(count: number): Tick[] {
  return Array.from({ length: count }, (_, i) => {
    const middle = 139_000_000 + Math.round(1_390 * Math.sin(i / 150)) * 1_000;
    const half = i % 9 === 8 ? -2_000 : 2_000;
    return { bid: middle - half, ask: middle + half, timeMicros: startMicros + i * 200_000 };
  });
}

async function* batches(ticks: readonly Tick[], size = 1_000): AsyncGenerator<readonly Tick[]> {
  for (let i = 0; i < ticks.length; i += size) yield ticks.slice(i, i + size);
}

function run(ticks: ReplayOptions['ticks'], change: Partial<ReplayOptions> = {}): Promise<ReplaySummary> {
  return replay({
    ...{ instruments, symbol: 'EURUSD', ticks, orders: [], resting: 0, seed: 1, speed: Infinity },
    ...{ journal: new MemoryJournal(), tenantId: 1, accountIds: [1], epochOf: () => 1 },
    ...change,
  });
}

/** What must not depend on the machine. */
function timeless({ seconds: _seconds, ticksPerSecond: _rate, ...summary }: ReplaySummary): object {
  return summary;
}

function order(afterTicks: number, terms: Partial<TimedOrder['terms']> = {}): TimedOrder {
  return {
    timeMicros: startMicros + afterTicks * 200_000 + 1,
    terms: {
      ...{ clientOrderId: `at-${afterTicks}`, symbol: 'EURUSD', side: 'buy', orderType: 'market', timeInForce: 'ioc' },
      ...{ source: 'trader', quantity: s('0.10') },
      ...terms,
    },
  };
}

test('a recording gives the same result every time, and another seed another one', async () => {
  const ticks = wave(3_000);
  const first = await run(batches(ticks), { resting: 40 });
  const second = await run(batches(ticks, 7), { resting: 40 });
  expect(timeless(second)).toEqual(timeless(first));
  expect(first).toMatchObject({ symbol: 'EURUSD', ticks: 3_000, crossedQuotes: 333, gaps: 0, orders: 40, denied: 0 });
  expect(first.fills).toBeGreaterThan(0);
  const other = await run(batches(ticks), { resting: 40, seed: 2 });
  expect(other.stateHash).not.toBe(first.stateHash);
});

test('ticks that go to the price stream together come to what they come to one by one', async () => {
  const ticks = wave(3_000);
  const orders = [order(10), order(500, { side: 'sell', quantity: s('0.30') }), order(1_500)];
  const together = await run(batches(ticks), { resting: 60, orders });
  // At any speed that is not without bound each tick waits for its own time.
  const single = await run(batches(ticks), { resting: 60, orders, speed: 1e12 });
  expect(timeless(single)).toEqual(timeless(together));
});

/** The same strategy in ten lines, without actors: what it holds at each candle, from the closes alone. */
function heldByHand(ticks: readonly Tick[], fast: number, slow: number): number[] {
  const closes = new Map<number, number>();
  for (const { bid, ask, timeMicros } of ticks) if (bid <= ask) closes.set(Math.floor(timeMicros / 60e6), bid);
  const all = [...closes.values()];
  const mean = (part: readonly number[]) => part.reduce((sum, close) => sum + close, 0) / part.length;
  let held = 0;
  // The last candle is not complete.
  return all.slice(0, -1).map((_, i) => {
    const seen = all.slice(0, i + 1);
    if (seen.length >= slow) held = Math.sign(mean(seen.slice(-fast)) - mean(seen.slice(-slow))) || held;
    return held;
  });
}

test('a strategy trades through the very same actors: as often as it changes its mind, and the same every time', async () => {
  const ticks = wave(20_000);
  const strategy = {
    interval: '1m',
    kind: 'moving-average-cross',
    parameters: { fast: '2', slow: '5', lots: '0.10' },
    limits: { maxLots: '1', maxOrdersPerHour: 1_000, maxDenials: 3 },
  } as const;
  const first = await run(batches(ticks), { strategy });
  const held = heldByHand(ticks, 2, 5);
  const changes = held.filter((now, i) => now !== (held[i - 1] ?? 0)).length;
  expect(changes).toBeGreaterThan(10);
  expect(first).toMatchObject({ orders: changes, denied: 0, fills: changes, fillsOnCrossedQuotes: 0 });
  expect(first.maxDrawdownPercent).toMatch(/^\d+\.\d{2,4}$/);
  expect(timeless(await run(batches(ticks, 7), { strategy }))).toEqual(timeless(first));
  // One by one as fast as in one go.
  expect(timeless(await run(batches(ticks), { strategy, speed: 1e12 }))).toEqual(timeless(first));
  const none = { ...strategy, parameters: { fast: '399', slow: '400' } };
  expect(await run(batches(ticks), { strategy: none })).toMatchObject({ orders: 0, maxDrawdownPercent: '0.00' });
});

test('nothing is filled on a crossed quote', async () => {
  const ticks = wave(3_000);
  const { fills, fillsOnCrossedQuotes } = await run(batches(ticks), { resting: 100 });
  expect(fills).toBeGreaterThan(20);
  expect(fillsOnCrossedQuotes).toBe(0);
});

test('how long a commit takes, and how busy the machine is, changes nothing', async () => {
  const ticks = wave(2_000);
  const orders = [order(10), order(500, { side: 'sell', quantity: s('0.30') }), order(1_500)];
  const quick = await run(batches(ticks), { resting: 30, orders });
  const memory = new MemoryJournal();
  const slow: Journal = {
    async append(batch) {
      for (let i = 0; i < 5; i++) await turn();
      return memory.append(batch);
    },
    settle: (batch) => memory.settle(batch),
    read: (key, afterSeq) => memory.read(key, afterSeq),
    lastSeqs: (tenantId) => memory.lastSeqs(tenantId),
  };
  expect(timeless(await run(batches(ticks), { resting: 30, orders, journal: slow }))).toEqual(timeless(quick));

  // Each look at the machine's clock finds a turn over: the scheduler lets the event loop turn as often as it can.
  let nowMs = 0;
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => (nowMs += 25));
  try {
    expect(timeless(await run(batches(ticks), { resting: 30, orders }))).toEqual(timeless(quick));
  } finally {
    spy.mockRestore();
  }
});

test('an order is sent when its time has come, and booked at the quote of then', async () => {
  const ticks = wave(100);
  const summary = await run(batches(ticks), { orders: [order(20), order(50, { side: 'sell' })] });
  const [bought, sold] = [ticks[20]!.ask, ticks[50]!.bid];
  const profit = ((sold - bought) * 10_000) / 1e8;
  expect(summary).toMatchObject({ orders: 2, denied: 0, fills: 2 });
  expect(summary.endBalance).toBe(`${(100_000 + profit).toFixed(2)} USD`);
  expect(summary.endEquity).toBe(summary.endBalance);
});

test('an order before the first quote is denied, and one behind the last tick is not sent', async () => {
  const summary = await run(batches(wave(50)), { orders: [order(-10), order(60)] });
  expect(summary).toMatchObject({ orders: 0, denied: 1, fills: 0, endBalance: '100000.00 USD' });
});

test('orders may stand in any sequence', async () => {
  const orders = [order(20), order(50, { side: 'sell' })];
  const inOrder = await run(batches(wave(100)), { orders });
  const reversed = await run(batches(wave(100)), { orders: orders.toReversed() });
  expect(timeless(reversed)).toEqual(timeless(inOrder));
});

test('a tick from the past is skipped, and a silence counts as a gap', async () => {
  const [first, second, third] = wave(3) as [Tick, Tick, Tick];
  const late = { ...third, timeMicros: third.timeMicros + 60_000_000 };
  const summary = await run(batches([second, first, late]));
  expect(summary).toMatchObject({ ticks: 2, gaps: 1 });
});

test('every account gets its own resting orders', async () => {
  const accountIds = Array.from({ length: 5 }, (_, i) => i + 1);
  const one = await run(batches(wave(1_000)), { resting: 10 });
  const five = await run(batches(wave(1_000)), { resting: 10, accountIds });
  expect(five).toMatchObject({ orders: one.orders * 5, fills: one.fills * 5, endBalance: one.endBalance });
});

test('resting orders lie on the ticks of the instrument, whatever the digits of the recording', async () => {
  const fine = wave(200).map(({ bid, ask, timeMicros }) => ({ bid: bid + 137, ask: ask + 137, timeMicros }));
  expect(await run(batches(fine), { resting: 20 })).toMatchObject({ orders: 20, denied: 0 });
});

test('progress is told after each batch', async () => {
  const told: number[] = [];
  await run(batches(wave(50), 20), { onProgress: (ticks) => told.push(ticks) });
  expect(told).toEqual([20, 40, 50]);
});

test('an unknown instrument is refused', async () => {
  await expect(run(batches([]), { symbol: 'XXXYYY' })).rejects.toThrow(/^symbol must be one of EURUSD.*, was XXXYYY$/);
});

test('a replay in which an actor crashed is none', async () => {
  const journal = new MemoryJournal();
  const read = journal.read.bind(journal);
  journal.read = async function* (key, afterSeq) {
    yield* read(key, afterSeq);
    yield { seq: 9, epoch: 1, commandId: 'x', digest: '', payload: '' };
  };
  await expect(run(batches(wave(10)), { journal })).rejects.toThrow();
});

test('a replay may keep its journal in a PostgreSQL of its own, with the same result', async () => {
  const ticks = wave(400);
  const change = { resting: 10, orders: [order(20), order(200, { side: 'sell' })] };
  const durable = await openReplayJournal(true, 1);
  try {
    const { tenantId, accountIds } = durable;
    const summary = await run(batches(ticks), { ...change, ...durable });
    const inMemory = await run(batches(ticks), { ...change, tenantId, accountIds });
    expect(timeless(summary)).toEqual(timeless(inMemory));
    expect((await durable.journal.lastSeqs(tenantId)).get(accountIds[0]!)).toBeGreaterThan(2 + summary.orders);
  } finally {
    await durable.close();
  }
}, 60_000);

test('the journal of a replay in memory names its accounts from 1', async () => {
  const journal = await openReplayJournal(false, 3);
  expect(journal).toMatchObject({ tenantId: 1, accountIds: [1, 2, 3] });
  await journal.close();
});

const recording = testDataFile('data/fxcm-tick-eurusd-20140508_quote.zip');

test.runIf(recording)(
  'a recorded day with 18,285 crossed quotes: no fill on any of them, and the same twice',
  async () => {
    const play = (): Promise<ReplaySummary> =>
      run(
        readTicks({
          ...{ path: recording!, columns: ['milliseconds', 'bid', 'ask'] },
          ...{ date: '2014-05-08', timezone: '-05:00' },
        }),
        { resting: 200 },
      );
    const first = await play();
    expect(first).toMatchObject({ ticks: 167_466, crossedQuotes: 18_285, fillsOnCrossedQuotes: 0, denied: 0 });
    expect(first.fills).toBeGreaterThan(0);
    expect(timeless(await play())).toEqual(timeless(first));
  },
  120_000,
);
