import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newLatency, observed, percentileOf } from '../../../actors/ai/latency.ts';
import type { CompletionRequest } from '../../../actors/ai/provider.ts';
import { RouteBoard } from '../../../actors/ai/route-board.ts';
import { canDo, inOrder, mayAsk, type RoutePolicy, type RouteQuestion, type Target } from '../../../actors/ai/route.ts';
import { breakerPolicy } from '../../../bin/ai.ts';
import { limits } from '../../../config/limits.ts';
import { seededRandom } from '../../support/seeded-order.ts';

const policy = { ...breakerPolicy(limits.ai.breaker), reopen: { firstMs: 1_000, maxMs: 4_000, jitter: 0 } };

function target(model: string, change: Partial<Target> = {}): Target {
  return {
    ...{ id: `p/k/${model}`, provider: 'p', key: 'k', model, names: [model], priority: 1, weight: 1 },
    ...{ contextTokens: 1_000, canCallTools: true, canFollowSchema: true, leavesPlatform: true, ...change },
  };
}

function asking(change: Partial<RouteQuestion> = {}): RouteQuestion {
  return {
    policy: 'priority',
    breaker: policy,
    tokens: 10,
    nowMs: 0,
    costOf: () => 0n,
    random: seededRandom(1),
    ...change,
  };
}

const [a, b, c] = [target('a'), target('b'), target('c', { priority: 2 })];
const names = (targets: readonly Target[]): string => targets.map(({ model }) => model).join('');
const order = (board: RouteBoard, question: RouteQuestion, targets: readonly Target[] = [a, b, c]): string =>
  names(inOrder(targets, (one) => board.of(one), question));

function fail(board: RouteBoard, one: Target, nowMs: number, times = 1): void {
  const consequence = { counts: true };
  for (let n = 0; n < times; n++) {
    const failure = { code: 'server-error', tookMs: 1 };
    board.failed(board.begin(one, nowMs), failure, consequence, { of: [a, b, c], nowMs, chance: 0 });
  }
}

test('lower priorities come first, and within one the order that was given', () => {
  expect(order(new RouteBoard(policy), asking(), [c, b, a])).toBe('bac');
});

test('three failures in a row open a breaker; when its wait is over one probe is let through, and success closes it', () => {
  const board = new RouteBoard(policy);
  fail(board, a, 0, 2);
  expect(order(board, asking())).toBe('abc');
  fail(board, a, 0);
  expect(order(board, asking())).toBe('bc');
  expect(order(board, asking({ nowMs: 999 }))).toBe('bc');
  expect(order(board, asking({ nowMs: 1_000 }))).toBe('abc');
  const probe = board.begin(a, 1_000);
  expect(order(board, asking({ nowMs: 1_000 }))).toBe('bc');
  board.succeeded(probe, 5, undefined, 1_005);
  expect(order(board, asking({ nowMs: 1_005 }))).toBe('abc');
});

test('a probe that is withdrawn says nothing: another one is let through', () => {
  const board = new RouteBoard(policy);
  fail(board, a, 0, 3);
  board.withdrawn(board.begin(a, 1_000), 1_100);
  expect(mayAsk(board.of(a), asking({ nowMs: 1_100 }))).toBe(true);
});

test('with all of them closed off the one that opens soonest is asked', () => {
  const board = new RouteBoard(policy);
  for (const one of [a, b, c]) fail(board, one, 0, 3);
  fail(board, c, 100);
  board.failed(
    board.begin(b, 0),
    { code: 'rate-limited', tookMs: 1 },
    { counts: false, mark: { scope: 'target', forMs: 300 } },
    { of: [a, b, c], nowMs: 0, chance: 0 },
  );
  expect(order(board, asking({ nowMs: 100 }), [b, c])).toHaveLength(1);
});

test('a key that is at fault closes off all of its targets, for the longest of its rests', () => {
  const board = new RouteBoard(policy);
  const other = target('d', { key: 'k2', id: 'p/k2/d' });
  for (const forMs of [600_000, 10]) {
    const mark = { scope: 'key', forMs } as const;
    board.failed(
      board.begin(a, 0),
      { code: 'unauthenticated', tookMs: 1 },
      { counts: false, mark },
      {
        ...{ of: [a, b, c, other], nowMs: 0, chance: 0 },
      },
    );
  }
  expect(order(board, asking({ nowMs: 599_999 }), [a, b, c, other])).toBe('d');
  expect(order(board, asking({ nowMs: 600_000 }), [a, b, c, other])).toBe('abdc');
});

test('a limit that is used up is known before it is met', () => {
  const board = new RouteBoard(policy);
  const left = { requests: 5, tokens: 100, resetMs: 1_000 };
  board.succeeded(board.begin(a, 0), 5, left, 0);
  expect(order(board, asking({ tokens: 100 }))).toBe('abc');
  expect(order(board, asking({ tokens: 101 }))).toBe('bc');
  expect(order(board, asking({ tokens: 101, nowMs: 1_000 }))).toBe('abc');
  board.succeeded(board.begin(a, 0), 5, { ...left, requests: 0 }, 0);
  expect(order(board, asking({ tokens: 1 }))).toBe('bc');
});

describe('a policy', () => {
  test.each<[RoutePolicy, string]>([
    ['least-busy', 'ba'],
    ['cost', 'ba'],
  ])('%s', (by, wanted) => {
    const board = new RouteBoard(policy);
    board.begin(a, 0);
    const costs = new Map([
      [a, undefined],
      [b, 5n],
    ]);
    expect(order(board, asking({ policy: by, costOf: (one) => costs.get(one) }), [a, b])).toBe(wanted);
  });

  test('weighted draws each as often as its weight says', () => {
    const random = seededRandom(7);
    const targets = [target('a', { weight: 3 }), target('b', { weight: 1 }), target('z', { weight: 0 })];
    const board = new RouteBoard(policy);
    const firsts = Array.from(
      { length: 4_000 },
      () => order(board, asking({ policy: 'weighted', random }), targets)[0],
    );
    const share = firsts.filter((first) => first === 'a').length / firsts.length;
    expect(share).toBeGreaterThan(0.72);
    expect(share).toBeLessThan(0.78);
    expect(firsts).not.toContain('z');
  });

  test('latency takes the better of two, by how long it takes and how much it has to do', () => {
    const board = new RouteBoard(policy);
    board.succeeded(board.begin(a, 0), 100, undefined, 0);
    board.succeeded(board.begin(b, 0), 10, undefined, 0);
    const question = () => asking({ policy: 'latency', random: seededRandom(3) });
    expect(order(board, question(), [a, b])).toBe('ba');
    for (let n = 0; n < 10; n++) board.begin(b, 0);
    expect(order(board, question(), [a, b])).toBe('ab');
  });
});

test('whatever is known, nobody is lost and nobody comes twice; where there is somebody, somebody is asked', () => {
  const policies: readonly RoutePolicy[] = ['priority', 'weighted', 'least-busy', 'latency', 'cost'];
  const deeds = fc.array(fc.tuple(fc.constantFrom(a, b, c), fc.boolean(), fc.nat(3_000)), { maxLength: 40 });
  fc.assert(
    fc.property(deeds, fc.constantFrom(...policies), fc.nat(9_000), (done, by, nowMs) => {
      const board = new RouteBoard(policy);
      for (const [one, isGood, atMs] of done) {
        if (isGood) board.succeeded(board.begin(one, atMs), 1, undefined, atMs);
        else fail(board, one, atMs);
      }
      const found = inOrder(
        [a, b, c],
        (one) => board.of(one),
        asking({ policy: by, nowMs, random: seededRandom(nowMs) }),
      );
      expect(found.length).toBeGreaterThan(0);
      expect(new Set(found).size).toBe(found.length);
      for (const one of [a, b, c]) expect(board.of(one).underWay).toBe(0);
    }),
  );
});

const plain: CompletionRequest = { messages: [], output: { type: 'text' }, maxOutputTokens: 1 };
test.each<[string, Partial<Target>, Partial<CompletionRequest>, number, boolean]>([
  ['a context that suffices', {}, {}, 1_000, true],
  ['one that does not', {}, {}, 1_001, false],
  ['no tools where some are wanted', { canCallTools: false }, { tools: [{ name: 't', parameters: {} }] }, 1, false],
  [
    'no tools where none may be used',
    { canCallTools: false },
    { tools: [{ name: 't', parameters: {} }], toolChoice: 'none' },
    1,
    true,
  ],
  ['no schemas', { canFollowSchema: false }, { output: { type: 'json-schema', name: 's', schema: {} } }, 1, false],
  ['no schemas, for JSON', { canFollowSchema: false }, { output: { type: 'json' } }, 1, true],
])('%s', (_, terms, change, tokens, wanted) => {
  expect(canDo(target('a', terms), { ...plain, ...change }, tokens)).toBe(wanted);
});

test('an average that jumps to what is slow and comes back over time', () => {
  let latency = observed(newLatency, 100, 0);
  expect(latency.peakMs).toBe(100);
  latency = observed(latency, 10, 10_000);
  expect(latency.peakMs).toBeCloseTo(10 + 90 / Math.E, 6);
  expect(observed(latency, 500, 10_000).peakMs).toBe(500);
});

test('percentiles are of the latest calls, and of enough of them', () => {
  let latency = newLatency;
  for (let n = 1; n <= 19; n++) latency = observed(latency, n, n);
  expect(percentileOf(latency, 0.5)).toBeUndefined();
  for (let n = 20; n <= 200; n++) latency = observed(latency, n, n);
  expect(latency.latest).toHaveLength(64);
  expect([percentileOf(latency, 0), percentileOf(latency, 0.5), percentileOf(latency, 1)]).toEqual([137, 169, 200]);
});
