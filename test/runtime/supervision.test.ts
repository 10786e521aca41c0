import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  backoffMs,
  type Failure,
  type FailureHistory,
  inWindow,
  judge,
  noFailures,
  type RestartPolicy,
} from '../../runtime/supervision.ts';

const policy: RestartPolicy = { intensity: 2, periodMs: 1_000, backoff: { firstMs: 100, maxMs: 1_000, jitter: 0 } };

function judgeAll(atMs: readonly number[], under = policy, chance = 0): string[] {
  let history: FailureHistory = noFailures;
  return atMs.map((nowMs) => {
    const judged = judge(under, history, { nowMs, restart: 'permanent', chance });
    history = judged.history;
    const { directive } = judged;
    return directive.do === 'restart' ? `restart after ${directive.afterMs}` : directive.do;
  });
}

describe('the restart window', () => {
  test.each([
    ['allows as many failures as the intensity', [0, 1], ['restart after 100', 'restart after 200']],
    ['ends with one more', [0, 1, 2], ['restart after 100', 'restart after 200', 'escalate']],
    [
      'still counts a failure exactly one period ago',
      [0, 500, 1_000],
      [expect.any(String), expect.any(String), 'escalate'],
    ],
    ['forgets a failure that is older', [0, 500, 1_001], expect.not.arrayContaining(['escalate'])],
  ])('%s', (_name, atMs, verdicts) => {
    expect(judgeAll(atMs)).toEqual(verdicts);
  });

  test('of intensity zero allows no failure', () => {
    expect(judgeAll([0], { ...policy, intensity: 0 })).toEqual(['escalate']);
  });

  test('never holds more restarts than the intensity', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 60 });
    fc.assert(
      fc.property(gaps, fc.integer({ min: 0, max: 5 }), (gapsMs, intensity) => {
        const under = { ...policy, intensity };
        let history = noFailures;
        let nowMs = 0;
        for (const gapMs of gapsMs) {
          nowMs += gapMs;
          const judged = judge(under, history, { nowMs, restart: 'permanent', chance: 0 });
          if (judged.directive.do === 'escalate') return;
          history = judged.history;
          expect(inWindow(under, history, nowMs).length).toBeLessThanOrEqual(intensity);
        }
      }),
    );
  });
});

describe('the wait before a restart', () => {
  const many = { ...policy, intensity: 100 };

  test('doubles with each failure in a row, up to its cap', () => {
    const waits = [0, 100, 300, 700, 1_500, 2_500];
    expect(judgeAll(waits, many)).toEqual([100, 200, 400, 800, 1_000, 1_000].map((ms) => `restart after ${ms}`));
  });

  test('starts again after a stable period', () => {
    // The second restart is due at 300; it lives for longer than the period of 1,000.
    expect(judgeAll([0, 100, 1_301], many).at(-1)).toBe('restart after 100');
    expect(judgeAll([0, 100, 1_300], many).at(-1)).toBe('restart after 400');
  });

  test('stays within its bounds whatever chance says', () => {
    const bounded = fc.record({
      streak: fc.integer({ min: 1, max: 2_000 }),
      chance: fc.double({ min: 0, max: 0.999, noNaN: true }),
    });
    fc.assert(
      fc.property(bounded, ({ streak, chance }) => {
        const backoff = { firstMs: 50, maxMs: 3_000, jitter: 0.2 };
        const waitMs = backoffMs(backoff, streak, chance);
        expect(waitMs).toBeGreaterThanOrEqual(Math.min(3_000, 50 * 2 ** (streak - 1)) * 0.8);
        expect(waitMs).toBeLessThanOrEqual(3_000);
      }),
    );
  });

  test('of zero stays zero', () => {
    expect(backoffMs({ firstMs: 0, maxMs: 0, jitter: 0.5 }, 2_000, 0.5)).toBe(0);
  });
});

test('a temporary actor is stopped, and its failure costs no budget', () => {
  const failure: Failure = { nowMs: 5, restart: 'temporary', chance: 0 };
  expect(judge(policy, noFailures, failure)).toEqual({ directive: { do: 'stop' }, history: noFailures });
});
