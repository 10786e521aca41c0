import { expect, test } from 'vitest';
import {
  candleKeeper,
  type CandleKeeperLimits,
  type CandleKeeperMessage,
  type CandleRange,
  type KeptCandle,
} from '../../actors/candle-keeper.ts';
import { emptySeries, type Candle } from '../../actors/market/candle.ts';
import type { PlatformTopics } from '../../actors/trading/topics.ts';
import { EventBus } from '../../runtime/event-bus.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import { gate, startTestSystem, worker, type TestSystem } from '../support/test-system.ts';

const hour = 3_600_000;
const limits: CandleKeeperLimits = {
  ...{ pending: 10, batch: 4, writeMs: 1_000, retryFirstMs: 2_000, retryMaxMs: 5_000 },
  ...{ retentionMs: { '1m': 24 * hour }, pruneMs: hour, pruneRows: 3 },
};

interface Rig {
  readonly test: TestSystem;
  readonly ref: ActorRef<CandleKeeperMessage>;
  /** Opening times in seconds as they were written, a list a statement. */
  readonly written: number[][];
  readonly pruned: string[];
  readonly loaded: CandleRange[];
  /** How many candles there are to be deleted. */
  old: number;
  isServing: boolean;
  isAway: boolean;
  hold: Promise<void> | undefined;
  /** Candles of EURUSD, one minute each, that have ended. */
  complete(...seconds: number[]): Promise<void>;
  inspect(): unknown;
}

async function start(): Promise<Rig> {
  const bus = new EventBus<PlatformTopics>((error) => {
    throw error;
  });
  const answer = async <T>(value: T): Promise<T> => {
    await rig.hold;
    if (rig.isAway) throw new Error('no connection');
    return value;
  };
  const behavior = candleKeeper({
    ...{ bus, symbols: ['EURUSD', 'BTCUSD'], intervals: ['1m', '1h'], limits },
    store: {
      isServing: () => rig.isServing,
      async save(candles: readonly KeptCandle[]) {
        rig.written.push(await answer(candles.map(({ candle }) => candle.openMicros / 1e6)));
      },
      async load(range) {
        rig.loaded.push(range);
        return answer([candle(1), candle(2)]);
      },
      async prune({ symbol, interval }, beforeMicros, limit) {
        const count = await answer(Math.min(rig.old, limit));
        rig.pruned.push(`${symbol}:${interval} ${(system.clock.wallMicros() - beforeMicros) / 1_000} ${count}`);
        rig.old -= count;
        return count;
      },
    },
  });
  const system = await startTestSystem([worker('keeper', behavior)]);
  const rig: Rig = {
    ...{ test: system, ref: system.ref<CandleKeeperMessage>('/keeper'), written: [], pruned: [], loaded: [] },
    ...{ old: 0, isServing: true, isAway: false, hold: undefined },
    async complete(...seconds) {
      const [symbol, interval] = ['EURUSD', '1m'] as const;
      const completed = seconds.map(candle);
      bus.publish('candles:EURUSD:1m', { symbol, interval, sequence: 1, series: emptySeries(interval), completed });
      await system.settle();
    },
    inspect: () => system.system.inspectActor('/keeper')?.state,
  };
  return rig;
}

const candle = (second: number): Candle => ({
  ...{ openMicros: second * 1e6, open: 1, high: 1, low: 1, close: 1, ticks: 1 },
  isComplete: true,
});

test('candles that have ended are written together, at most once a second', async () => {
  const rig = await start();
  await rig.complete();
  await rig.test.advance(5_000);
  expect(rig.written).toEqual([]);
  await rig.complete(1, 2);
  await rig.complete(3);
  expect(rig.written).toEqual([]);
  await rig.test.advance(1_000);
  expect(rig.written).toEqual([[1, 2, 3]]);
  await rig.complete(4);
  await rig.test.advance(999);
  expect(rig.written).toHaveLength(1);
  await rig.test.advance(1);
  expect(rig.written).toEqual([[1, 2, 3], [4]]);
  expect(rig.inspect()).toEqual({ status: 'idle', failures: 0, pending: 0, written: 4, lost: 0, pruned: 0 });
});

test('more than fit into a statement go with the next one, and none goes twice', async () => {
  const rig = await start();
  await rig.complete(1, 2, 3, 4, 5, 5);
  await rig.test.advance(1_000);
  await rig.test.advance(1_000);
  expect(rig.written).toEqual([[1, 2, 3, 4], [5]]);
});

test('what ends while others are written waits for them', async () => {
  const rig = await start();
  const held = gate();
  rig.hold = held.promise;
  await rig.complete(1);
  await rig.test.advance(1_000);
  await rig.complete(2);
  await rig.test.advance(10_000);
  held.resolve();
  await rig.test.settle();
  expect(rig.written).toEqual([[1]]);
  await rig.test.advance(1_000);
  expect(rig.written).toEqual([[1], [2]]);
});

test('what could not be written is tried again behind pauses that grow up to their limit', async () => {
  const rig = await start();
  rig.isAway = true;
  await rig.complete(1);
  await rig.test.advance(1_000);
  const failures: number[] = [];
  for (const pause of [2_000, 4_000, 5_000, 5_000]) {
    await rig.test.advance(pause - 1);
    failures.push((rig.inspect() as { failures: number }).failures);
    await rig.test.advance(1);
  }
  expect(failures).toEqual([1, 2, 3, 4]);
  rig.isAway = false;
  await rig.complete(2);
  await rig.test.advance(5_000);
  expect(rig.written).toEqual([[1, 2]]);
  expect(rig.inspect()).toMatchObject({ failures: 0, pending: 0 });
});

test('of the candles that wait for a database the oldest are lost at the limit, and counted', async () => {
  const rig = await start();
  rig.isAway = true;
  await rig.complete(1, 2, 3, 4, 5, 6, 7, 8);
  await rig.test.advance(1_000);
  await rig.complete(9, 10, 11, 12);
  expect(rig.inspect()).toMatchObject({ pending: 10, lost: 2 });
  rig.isAway = false;
  for (let turn = 0; turn < 5; turn += 1) await rig.test.advance(2_000);
  expect(rig.written.flat()).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});

test('nothing is tried while there is no database, and nothing is lost by that', async () => {
  const rig = await start();
  rig.isServing = false;
  await rig.complete(1);
  await rig.test.advance(hour);
  expect(rig.inspect()).toMatchObject({ failures: 0, pending: 1 });
  expect(rig.pruned).toEqual([]);
  rig.isServing = true;
  await rig.test.advance(1_000);
  expect(rig.written).toEqual([[1]]);
});

test('what was not written outlives a crash, also what was under way', async () => {
  const rig = await start();
  const held = gate();
  rig.hold = held.promise;
  await rig.complete(1);
  await rig.test.advance(1_000);
  await rig.complete(2);
  rig.ref.tell(undefined as never);
  await rig.test.settle();
  rig.hold = undefined;
  await rig.test.advance(1_000);
  expect(rig.written).toEqual([[1, 2]]);
  held.resolve();
  // And each is heard of once.
  await rig.complete(3);
  await rig.test.advance(1_000);
  expect(rig.inspect()).toMatchObject({ written: 3 });
});

test('every hour those past their time are deleted, a few a second, of the intervals that are not kept for ever', async () => {
  const rig = await start();
  rig.old = 4;
  await rig.test.advance(hour);
  expect(rig.pruned).toEqual(['EURUSD:1m 86400000 3']);
  await rig.test.advance(1_000);
  expect(rig.pruned.slice(1)).toEqual(['EURUSD:1m 86400000 1', 'BTCUSD:1m 86400000 0']);
  expect(rig.inspect()).toMatchObject({ pruned: 4 });
  rig.isAway = true;
  await rig.test.advance(hour);
  expect(rig.pruned).toHaveLength(3);
  rig.isAway = false;
  await rig.test.advance(hour);
  expect(rig.pruned).toHaveLength(5);
});

test('candles are read for whoever asks, and a database that is away is told', async () => {
  const rig = await start();
  const range = { symbol: 'EURUSD', interval: '1m', limit: 2, toMicros: 5 } as const;
  const ask = () => rig.ref.ask({ type: 'get-candles', range }, { timeoutMs: 1_000 });
  expect(await ask()).toEqual([candle(1), candle(2)]);
  expect(rig.loaded).toEqual([range]);
  rig.isAway = true;
  await expect(ask()).rejects.toThrow('no connection');
  expect(rig.inspect()).toMatchObject({ status: 'idle' });
});
