import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Candle } from '../../../actors/market/candle.ts';
import { aiEnsemble } from '../../../actors/strategies/ai-ensemble.ts';
import { movingAverageCross } from '../../../actors/strategies/moving-average-cross.ts';
import { ParameterFault, type StrategyRule, type Vote } from '../../../actors/strategies/rule.ts';
import { orderTowards } from '../../../actors/strategies/towards.ts';
import { filled, instruments, opened, order, s } from '../trading/fixtures.ts';

const lots = s('0.1');

function candle(close: number, i = 0): Candle {
  return { openMicros: i * 60e6, open: close, high: close, low: close, close, ticks: 1, isComplete: true };
}

function targets<State>(rule: StrategyRule<State>, closes: readonly number[]): (bigint | undefined)[] {
  let state = rule.start();
  return closes.map((close, i) => {
    const opinion = rule.onCandle(state, candle(close, i));
    ({ state } = opinion);
    return opinion.target;
  });
}

describe('moving average cross', () => {
  test('it is long while the fast average is above, short while below, and without opinion before it has seen enough', () => {
    const rule = movingAverageCross({ fast: 1, slow: 3, lots });
    expect(targets(rule, [10, 10, 13, 10, 4, 4, 4])).toEqual([
      undefined,
      undefined,
      lots,
      -lots,
      -lots,
      -lots,
      undefined,
    ]);
  });

  test('long only, it goes out in place of short', () => {
    expect(targets(movingAverageCross({ fast: 1, slow: 2, lots, isLongOnly: true }), [10, 11, 10])).toEqual([
      undefined,
      lots,
      0n,
    ]);
  });

  const closes = fc.array(fc.integer({ min: 1, max: 2 ** 40 }), { maxLength: 60 });
  test('it is what averages say that are computed anew, and sees nothing of what comes', () => {
    fc.assert(
      fc.property(closes, fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 12 }), (prices, fast, more) => {
        const slow = fast + more;
        const rule = movingAverageCross({ fast, slow, lots });
        const all = targets(rule, prices);
        const mean = (part: readonly number[]) =>
          part.reduce((sum, price) => sum + BigInt(price), 0n) * BigInt(1_000_000);
        for (const [i, target] of all.entries()) {
          const seen = prices.slice(0, i + 1);
          expect(targets(rule, seen).at(-1)).toBe(target);
          if (seen.length < slow) expect(target).toBeUndefined();
          else {
            const above = mean(seen.slice(-fast)) * BigInt(slow);
            const below = mean(seen.slice(-slow)) * BigInt(fast);
            expect(target).toBe(above === below ? undefined : above > below ? lots : -lots);
          }
        }
      }),
    );
  });

  test.each([
    { fast: 0, slow: 3, lots },
    { fast: 3, slow: 3, lots },
    { fast: 1.5, slow: 3, lots },
    { fast: Number.NaN, slow: 3, lots },
    { fast: 1, slow: 401, lots },
    { fast: 1, slow: 3, lots: 0n },
  ])('%o is refused', (parameters) => {
    expect(() => movingAverageCross(parameters)).toThrow(ParameterFault);
  });
});

describe('AI ensemble', () => {
  const rule = aiEnsemble({ everyCandles: 3, quorum: 2, minConfidence: s('0.6'), lots });
  const vote = (action: Vote['action'], confidence = '0.9'): Vote => ({
    adviser: 'a',
    action,
    confidence: s(confidence),
  });

  test('it asks at the first candle, and then every so many', () => {
    let state = rule.start();
    const asks = [1, 2, 3, 4, 5, 6, 7].map((close, i) => {
      const opinion = rule.onCandle(state, candle(close, i));
      ({ state } = opinion);
      return opinion.asksAdvice ?? false;
    });
    expect(asks).toEqual([true, false, false, true, false, false, true]);
  });

  test.each<[string, readonly Vote[], bigint | undefined]>([
    ['nobody', [], undefined],
    ['too few', [vote('buy')], undefined],
    ['enough', [vote('buy'), vote('buy')], lots],
    ['enough for the other side', [vote('sell'), vote('sell'), vote('hold')], -lots],
    ['as many against', [vote('buy'), vote('buy'), vote('sell'), vote('sell')], undefined],
    ['one that is not sure enough', [vote('buy'), vote('buy', '0.59')], undefined],
    ['one that is just sure enough', [vote('buy'), vote('buy', '0.6')], lots],
    ['all that abstain', [vote('hold'), vote('hold'), vote('hold')], undefined],
  ])('%s', (_, votes, target) => {
    expect(rule.onVotes(0, votes).target).toBe(target);
  });

  test.each([
    { everyCandles: 0, quorum: 1, minConfidence: 0n, lots },
    { everyCandles: 1, quorum: 0, minConfidence: 0n, lots },
    { everyCandles: 1, quorum: 1, minConfidence: s('1.1'), lots },
    { everyCandles: 1, quorum: 1, minConfidence: -1n, lots },
    { everyCandles: 1, quorum: 1, minConfidence: 0n, lots: 0n },
  ])('%o is refused', (parameters) => {
    expect(() => aiEnsemble(parameters)).toThrow(ParameterFault);
  });
});

describe('towards a target', () => {
  const instrument = instruments.get('EURUSD')!;
  const long = () => {
    const ledger = opened();
    ledger.give(order({ quantity: s('0.10') }));
    ledger.give(filled('o-1-3', '0.10', '1.08'));
    return ledger;
  };
  test.each<[string, string, string | undefined, 'buy' | 'sell']>([
    ['more of it', '0.25', '0.15', 'buy'],
    ['less of it', '0.04', '0.06', 'sell'],
    ['out', '0', '0.10', 'sell'],
    ['the other side', '-0.2', '0.30', 'sell'],
    ['no more than the limit', '7', '0.40', 'buy'],
    ['nor less', '-7', '0.60', 'sell'],
    ['where it is', '0.10', undefined, 'buy'],
    ['a difference below the smallest quantity', '0.105', undefined, 'buy'],
    ['a difference off the step', '0.119', '0.01', 'buy'],
  ])('%s', (_, target, quantity, side) => {
    const terms = orderTowards(long().account, instrument, 'cross', s(target), { maxLots: s('0.5') }, '1');
    if (quantity === undefined) expect(terms).toBeUndefined();
    else
      expect(terms).toMatchObject({
        quantity: s(quantity),
        side,
        clientOrderId: 'cross.1',
        strategyId: 'cross',
        source: 'strategy',
      });
  });

  test('nothing while an order of its own is on its way, whatever others send', () => {
    const ledger = long();
    ledger.give(order({ clientOrderId: 'c-2' }));
    const towards = () => orderTowards(ledger.account, instrument, 'cross', s('0.5'), { maxLots: s('1') }, '1');
    expect(towards()).toBeDefined();
    ledger.give(order({ clientOrderId: 'c-3', strategyId: 'cross', source: 'strategy' }));
    expect(towards()).toBeUndefined();
  });
});
