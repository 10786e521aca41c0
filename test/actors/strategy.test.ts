import { expect, test } from 'vitest';
import { strategy, type StrategyMessage } from '../../actors/strategy.ts';
import { movingAverageCross } from '../../actors/strategies/moving-average-cross.ts';
import type { StrategyRule } from '../../actors/strategies/rule.ts';
import { startStage, type StageOptions } from '../support/stage.ts';
import { s } from './trading/fixtures.ts';

const limits = { maxLots: s('1'), maxOrdersPerHour: 100, maxDenials: 3 };

async function start(rule: StrategyRule<unknown>, change: Partial<typeof limits> = {}, options: StageOptions = {}) {
  const rig = await startStage(options);
  const { stage, test: system } = rig;
  const behavior = strategy({
    ...{ id: 'cross', symbol: 'EURUSD', interval: '1m', rule, limits: { ...limits, ...change }, deadlineMs: 5_000 },
    instrument: (symbol) => stage.instruments.get(symbol),
    account: () => rig.account,
    subscribe: (onQuote) => stage.bus.subscribe('quotes:EURUSD', onQuote),
  });
  await stage.system.spawn('/', { id: 'strategy', kind: 'strategy', behavior });
  /** A quote at the beginning of the next minute closes the candle before. */
  const minute = async (bid: string) => {
    await system.advance(60_000);
    await rig.quote(bid, (Number(bid) + 0.0001).toFixed(5));
    await system.settle();
  };
  const sent = async () =>
    (await rig.rows())
      .flatMap(
        ({ payload }) =>
          (JSON.parse(payload) as { events: { type: string; side: string; quantity: string; source?: string }[] })
            .events,
      )
      .filter(({ type, source }) => (type === 'order-submitted' || type === 'order-denied') && source === 'strategy')
      .map(({ type, side, quantity }) => [type.slice(6), side, quantity]);
  const inspect = () => stage.system.inspectActor('/strategy')?.state as { stopped?: string; orders: number };
  return { rig, minute, sent, inspect };
}

test('complete candles become orders through the account, to what the rule wants and no further', async () => {
  const { rig, minute, sent } = await start(movingAverageCross({ fast: 1, slow: 2, lots: s('0.10') }));
  for (const bid of ['1.08000', '1.08100', '1.08200', '1.08300']) await minute(bid);
  expect(await sent()).toEqual([['submitted', 'buy', '0.10']]);
  expect((await rig.state()).positions.get('EURUSD')).toMatchObject({ side: 'buy', quantity: s('0.10') });
  for (const bid of ['1.08000', '1.07900']) await minute(bid);
  expect(await sent()).toEqual([
    ['submitted', 'buy', '0.10'],
    ['submitted', 'sell', '0.20'],
  ]);
  expect((await rig.state()).positions.get('EURUSD')).toMatchObject({ side: 'sell', quantity: s('0.10') });
});

test('crashed in the middle it begins anew, knows by the account what it holds, and sends nothing twice', async () => {
  const { rig, minute, sent } = await start(movingAverageCross({ fast: 1, slow: 2, lots: s('0.10') }));
  for (const bid of ['1.08000', '1.08100', '1.08200']) await minute(bid);
  rig.test.ref<unknown>('/strategy').tell(null);
  await rig.test.advance(5_000);
  expect(rig.test.history().join()).toContain('crashed /strategy');
  for (const bid of ['1.08300', '1.08400', '1.08500', '1.08600']) await minute(bid);
  expect(await sent()).toEqual([['submitted', 'buy', '0.10']]);
});

test('denials in a row stop it, with a reason, also behind a crash', async () => {
  const { rig, minute, sent, inspect } = await start(movingAverageCross({ fast: 1, slow: 2, lots: s('0.10') }));
  rig.stage.killSwitches.latch({
    ...{
      id: 'k',
      scope: 'strategy',
      strategyId: 'cross',
      flatten: false,
      reason: 'r',
      by: 'b',
      latchedMicros: 1,
      releasedBy: [],
    },
  });
  for (let i = 0; i < 8; i++) await minute((1.08 + i / 1_000).toFixed(5));
  expect(await sent()).toEqual([1, 2, 3].map(() => ['denied', 'buy', '0.10']));
  expect(inspect().stopped).toBe('3 denials in a row, the last KILL_SWITCH');
  rig.test.ref<unknown>('/strategy').tell(null);
  await rig.test.advance(5_000);
  for (let i = 0; i < 4; i++) await minute((1.08 + i / 1_000).toFixed(5));
  expect(await sent()).toHaveLength(3);
});

test('so does more than so many orders in an hour', async () => {
  const { minute, sent, inspect } = await start(movingAverageCross({ fast: 1, slow: 2, lots: s('0.10') }), {
    maxOrdersPerHour: 2,
  });
  for (let i = 0; i < 8; i++) await minute(i % 2 === 0 ? '1.08000' : '1.08100');
  expect(await sent()).toHaveLength(2);
  expect(inspect().stopped).toBe('more than 2 orders in an hour');
});

test('advice that comes late is heeded at its candle, and none is nothing', async () => {
  const rule: StrategyRule<unknown> = {
    warmUp: 0,
    start: () => 0,
    onCandle: (state) => ({ state, asksAdvice: true }),
    onVotes: (state, votes) => (votes.length > 0 ? { state, target: s('0.1') } : { state }),
  };
  const rig = await startStage();
  const adviser = { isThere: false };
  const behavior = strategy({
    ...{ id: 'ai', symbol: 'EURUSD', interval: '1m', rule, limits, deadlineMs: 5_000 },
    instrument: (symbol) => rig.stage.instruments.get(symbol),
    account: () => rig.account,
    subscribe: (onQuote) => rig.stage.bus.subscribe('quotes:EURUSD', onQuote),
    advise: async () => {
      if (!adviser.isThere) throw new Error('nobody is there');
      return [{ adviser: 'a', action: 'buy', confidence: s('1') }];
    },
  });
  await rig.stage.system.spawn('/', { id: 'strategy', kind: 'strategy', behavior });
  const minute = async () => {
    await rig.test.advance(60_000);
    await rig.quote('1.08000', '1.08010');
    await rig.test.settle();
  };
  for (let i = 0; i < 3; i++) await minute();
  expect((await rig.state()).positions.size).toBe(0);
  adviser.isThere = true;
  await minute();
  await minute();
  expect((await rig.state()).positions.get('EURUSD')?.quantity).toBe(s('0.1'));
  expect(rig.test.ref<StrategyMessage>('/strategy').path).toBe('/strategy');
});
