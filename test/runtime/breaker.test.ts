import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BreakerPolicy,
  type BreakerState,
  force,
  newBreaker,
  type Outcome,
  type Permit,
  permit,
  reset,
  settle,
  statusOf,
  trip,
} from '../../runtime/breaker.ts';
import { checkBreakerPolicy, InvalidBreakerPolicy } from '../../runtime/breaker-node.ts';
import { trapRejections } from '../support/rejections.ts';

trapRejections();

const policy: BreakerPolicy = {
  windowCalls: 10,
  windowMs: 1_000,
  minimumCalls: 4,
  failureRate: 0.5,
  slowCallMs: 100,
  slowRate: 0.5,
  callTimeoutMs: 300,
  reopen: { firstMs: 100, maxMs: 400, jitter: 0 },
  halfOpenProbes: 2,
};

/** `+` succeeds, `-` fails, `s` succeeds slowly, `~` is ignored; each is permitted, and ends at once. */
function run(calls: string, from = newBreaker, under = policy, nowMs = 0): BreakerState {
  return Array.from(calls).reduce((state, call) => {
    const permission = permit(under, state, nowMs);
    if (!permission.permitted) throw new Error(`refused: ${permission.refusal.why}`);
    return settle(under, permission.state, permission.permit, outcomeOf(call), nowMs, 0);
  }, from);
}

function outcomeOf(call: string): Outcome {
  if (call === '-') return { type: 'failure', durationMs: 1 };
  if (call === '~') return { type: 'ignored', durationMs: 1_000 };
  return { type: 'success', durationMs: call === 's' ? policy.slowCallMs + 1 : policy.slowCallMs };
}

const tripped = trip(policy, newBreaker, 'a test', 0, 0);

describe('a closed breaker', () => {
  test.each([
    ['opens at the failure rate', '++--', 'open', '2 of 4 calls failed'],
    ['stays closed just below it', '+++-', 'closed', 'new'],
    ['stays closed one call below the minimum', '---', 'closed', 'new'],
    ['opens with the call that makes up the minimum, though it succeeds', '---+', 'open', '3 of 4 calls failed'],
    ['opens at the slow rate', '++ss', 'open', '2 of 4 calls took over 100 ms'],
    ['stays closed just below it', '+++s', 'closed', 'new'],
    ['takes slow and failed calls for two measures', '++s-', 'closed', 'new'],
    ['counts nothing that is ignored', '~~~~---~', 'closed', 'new'],
  ])('%s: %s', (_name, calls, state, why) => {
    expect(statusOf(policy, run(calls), 0)).toMatchObject({ state, why });
  });

  test('judges the last calls alone, however many there were', () => {
    expect(statusOf(policy, run('-+++++++++++'), 0)).toMatchObject({ calls: 10, failureRate: 0 });
    expect(statusOf(policy, run('+-++++++++++'), 0)).toMatchObject({ calls: 10, failureRate: 0 });
    expect(statusOf(policy, run('++-+++++++++'), 0)).toMatchObject({ calls: 10, failureRate: 0.1 });
  });

  test.each([
    [1_000, 4, 'open'],
    [1_001, 1, 'closed'],
  ])('of three failures %i ms ago counts %i calls with the next failure, and is %s', (nowMs, calls, state) => {
    expect(statusOf(policy, run('-', run('---'), policy, nowMs), nowMs)).toMatchObject({ calls, state });
  });

  test('shows no call that has grown too old, also when nothing came after it', () => {
    const state = run('--+');
    expect(statusOf(policy, state, 1_000)).toMatchObject({ calls: 3, failureRate: 2 / 3 });
    expect(statusOf(policy, state, 1_001)).toMatchObject({ calls: 0, failureRate: 0, slowRate: 0 });
  });

  test('with a rate of one opens when every call failed, and with no limit of time nothing is too old or too slow', () => {
    const total = { ...policy, failureRate: 1, windowMs: Infinity, slowCallMs: Infinity };
    expect(run('ssss---', newBreaker, total).phase.type).toBe('closed');
    expect(run('-', run('---', newBreaker, total), total, 1e12).phase.type).toBe('open');
  });
});

describe('an open breaker', () => {
  test('refuses until the very moment, and says how long', () => {
    expect(permit(policy, tripped, 99)).toMatchObject({
      ...{ permitted: false, state: tripped },
      refusal: { state: 'open', retryAfterMs: 1, why: 'a test' },
    });
    expect(permit(policy, tripped, 100)).toMatchObject({ permitted: true, state: { phase: { type: 'half-open' } } });
  });

  test('still shows what opened it when that has grown old', () => {
    const state = run('+---');
    expect(permit({ ...policy, windowMs: 50 }, state, 99)).toMatchObject({ refusal: { failureRate: 0.75 } });
    expect(statusOf(policy, state, 150)).toMatchObject({ state: 'open', calls: 4, openings: 1, reopensInMs: 0 });
  });

  test('waits anew when it is tripped again', () => {
    const again = trip(policy, tripped, 'again', 60, 0);
    expect(statusOf(policy, again, 60)).toMatchObject({ reopensInMs: 200, openings: 2, why: 'again' });
  });

  test.each([
    [0, 100],
    [0.5, 80],
    [0.999, 60.04],
  ])('with a jitter of 0.4 and chance %d waits %d ms', (chance, waitMs) => {
    const jittery = { ...policy, reopen: { ...policy.reopen, jitter: 0.4 } };
    expect(statusOf(policy, trip(jittery, newBreaker, '', 0, chance), 0).reopensInMs).toBeCloseTo(waitMs);
  });
});

describe('a half-open breaker', () => {
  test.each([
    ['closes when every probe has succeeded', '++', 'closed', '2 probes succeeded'],
    ['waits for all of them', '+', 'half-open', 'its wait is over'],
    ['opens at the first failure', '-', 'open', 'a probe failed'],
    ['opens at a failure after a success', '+-', 'open', 'a probe failed'],
    ['gives back a probe that is ignored', '~~~+~+', 'closed', '2 probes succeeded'],
    ['opens when its probes are as slow as what opens it', 's+', 'open', '1 of 2 calls took over 100 ms as probes'],
  ])('%s: %s', (_name, calls, state, why) => {
    expect(statusOf(policy, run(calls, tripped, policy, 100), 100)).toMatchObject({ state, why });
  });

  test('closes when fewer probes are slow', () => {
    const three = { ...policy, halfOpenProbes: 3 };
    expect(run('s++', tripped, three, 100).phase.type).toBe('closed');
  });

  test('refuses more than its probes for as long as a call may take', () => {
    const first = permit(policy, tripped, 100).state;
    const second = permit(policy, first, 100).state;
    const third = permit(policy, second, 100);
    expect(third).toMatchObject({ permitted: false, refusal: { state: 'half-open', retryAfterMs: 300 } });
  });
});

describe('the wait of a breaker', () => {
  const waitOf = (state: BreakerState) => statusOf(policy, state, 0).reopensInMs;

  test('doubles with each opening in a row up to its cap, also when it has closed between them', () => {
    const waits: number[] = [];
    let state = tripped;
    for (let nowMs = 0; waits.length < 4; state = run('++----', state, policy, nowMs)) {
      const { reopensInMs = NaN } = statusOf(policy, state, nowMs);
      waits.push(reopensInMs);
      nowMs += reopensInMs;
    }
    expect(waits).toEqual([100, 200, 400, 400]);
  });

  test.each([
    ['as many good calls as the minimum', '++++', 100],
    ['one fewer', '+++', 200],
  ])('begins anew after a closing and %s: %s', (_name, calls, waitMs) => {
    const state = run(calls, run('++', tripped, policy, 100), policy, 100);
    expect(waitOf(trip(policy, state, '', 0, 0))).toBe(waitMs);
  });

  test('begins anew after a reset', () => {
    expect(waitOf(trip(policy, reset(tripped, ''), '', 0, 0))).toBe(100);
  });
});

describe('a forced breaker', () => {
  test('open refuses for the longest wait, also when its own wait is over', () => {
    const state = force(tripped, 'open', 'maintenance');
    const refusal = { state: 'open', retryAfterMs: 400, why: 'maintenance' };
    expect(permit(policy, state, 1_000)).toMatchObject({ permitted: false, refusal });
    expect(statusOf(policy, state, 0)).toMatchObject({ forced: 'open', reopensInMs: undefined });
  });

  test('closed counts what fails, and does not open before it is released', () => {
    const state = run('--------', force(newBreaker, 'closed', 'month end'));
    expect(statusOf(policy, state, 0)).toMatchObject({ state: 'closed', failureRate: 1, openings: 0 });
    expect(run('-', force(state, undefined, 'done')).phase.type).toBe('open');
  });

  test('goes on in the phase it was in, and a half-open one with all its probes', () => {
    const probing = permit(policy, permit(policy, tripped, 100).state, 100).state;
    const released = force(force(probing, 'closed', ''), undefined, '');
    expect(run('++', released).phase.type).toBe('closed');
    expect(force(force(tripped, 'closed', ''), undefined, '').phase).toEqual(tripped.phase);
  });

  test('is not changed by the same force again', () => {
    const state = force(newBreaker, 'open', 'first');
    expect(force(state, 'open', 'second')).toBe(state);
  });
});

describe('a policy', () => {
  test.each<[string, number, string, Partial<BreakerPolicy>]>([
    ['windowCalls', 0, 'a whole number above 0', { windowCalls: 0 }],
    ['windowCalls', Infinity, 'a whole number above 0', { windowCalls: Infinity }],
    ['minimumCalls', 0.5, 'a whole number above 0', { minimumCalls: 0.5 }],
    ['minimumCalls', 11, 'at most windowCalls (10)', { minimumCalls: 11 }],
    ['halfOpenProbes', 0, 'a whole number above 0', { halfOpenProbes: 0 }],
    ['windowMs', 0, 'above 0', { windowMs: 0 }],
    ['failureRate', 0, 'above 0 to 1', { failureRate: 0 }],
    ['failureRate', 1.01, 'above 0 to 1', { failureRate: 1.01 }],
    ['slowRate', Number.NaN, 'above 0 to 1', { slowRate: Number.NaN }],
    ['slowCallMs', -1, '0 or more', { slowCallMs: -1 }],
    ['callTimeoutMs', 0, 'above 0 and finite', { callTimeoutMs: 0 }],
    ['callTimeoutMs', Infinity, 'above 0 and finite', { callTimeoutMs: Infinity }],
    ['reopen.firstMs', -1, '0 or more and finite', { reopen: { firstMs: -1, maxMs: 1, jitter: 0 } }],
    ['reopen.maxMs', 1, 'firstMs or more and finite', { reopen: { firstMs: 2, maxMs: 1, jitter: 0 } }],
    ['reopen.jitter', 1.1, '0 to 1', { reopen: { firstMs: 1, maxMs: 1, jitter: 1.1 } }],
  ])('whose %s is %d is refused: it must be %s', (field, value, wanted, fault) => {
    const error = new InvalidBreakerPolicy(field, wanted, value);
    expect(() => checkBreakerPolicy({ ...policy, ...fault })).toThrow(error);
    expect(error).toMatchObject({ field, value, message: `${field} must be ${wanted}, was ${value}` });
  });

  test('at its limits is accepted', () => {
    const reopen = { firstMs: 0, maxMs: 0, jitter: 1 };
    const least = { windowCalls: 1, minimumCalls: 1, halfOpenProbes: 1, slowCallMs: 0, failureRate: 1, slowRate: 1 };
    expect(() => checkBreakerPolicy({ ...policy, ...least, reopen, windowMs: Infinity })).not.toThrow();
    expect(() => checkBreakerPolicy({ ...policy, slowCallMs: Infinity, minimumCalls: 10 })).not.toThrow();
  });
});

describe('whatever comes in whatever order', () => {
  const policies = fc.record({
    windowCalls: fc.integer({ min: 3, max: 8 }),
    minimumCalls: fc.integer({ min: 1, max: 3 }),
    halfOpenProbes: fc.integer({ min: 1, max: 4 }),
    failureRate: fc.constantFrom(0.3, 0.5, 1),
    slowRate: fc.constantFrom(0.3, 0.5, 1),
  });
  const call = fc.constantFrom('+', '-', 's', '~');
  const action = fc.oneof(
    { weight: 8, arbitrary: fc.constant({ do: 'ask' as const }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('end' as const), which: fc.nat(20), call }) },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 50, 100, 400, 1_001) }),
    },
    { weight: 1, arbitrary: fc.constant({ do: 'trip' as const }) },
    { weight: 1, arbitrary: fc.constant({ do: 'reset' as const }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('force' as const), to: fc.constantFrom('open', 'closed', undefined) }),
    },
  );

  test('no more probes are out than allowed, an open one lets nothing through, and late results change nothing', () => {
    fc.assert(
      fc.property(policies, fc.array(action, { maxLength: 80 }), (varied, actions) => {
        const under = { ...policy, ...varied };
        let state = newBreaker;
        let nowMs = 0;
        const out: Permit[] = [];
        /** Probes of this half-open generation that are out or have succeeded. */
        let probes = 0;
        for (const act of actions) {
          const before = state;
          if (act.do === 'wait') nowMs += act.ms;
          else if (act.do === 'trip') state = trip(under, state, '', nowMs, 0.5);
          else if (act.do === 'reset') state = reset(state, '');
          else if (act.do === 'force') state = force(state, act.to, '');
          else if (act.do === 'ask') {
            const asked = permit(under, state, nowMs);
            const { phase, forced } = state;
            const mustRefuse = forced === 'open' || (!forced && phase.type === 'open' && nowMs < phase.reopensAtMs);
            if (mustRefuse) expect(asked.permitted).toBe(false);
            if (forced === 'closed' || (!forced && phase.type === 'closed')) expect(asked.permitted).toBe(true);
            state = asked.state;
            if (state.generation !== before.generation) probes = 0;
            if (asked.permitted) {
              out.push(asked.permit);
              if (!forced && state.phase.type === 'half-open') probes += 1;
            } else expect(asked.refusal.retryAfterMs).toBeGreaterThanOrEqual(0);
          } else if (out.length > 0) {
            const [ended] = out.splice(act.which % out.length, 1) as [Permit];
            state = settle(under, state, ended, outcomeOf(act.call), nowMs, 0.5);
            if (ended.generation !== before.generation) expect(state).toBe(before);
            else if (!before.forced && before.phase.type === 'half-open' && act.call === '~') probes -= 1;
          }
          if (state.generation !== before.generation && act.do !== 'ask') probes = 0;
          expect(state.generation).toBeGreaterThanOrEqual(before.generation);
          expect(probes).toBeLessThanOrEqual(under.halfOpenProbes);
          const { calls, failureRate, slowRate } = statusOf(under, state, nowMs);
          expect(calls).toBeLessThanOrEqual(under.windowCalls);
          expect(Math.max(failureRate, slowRate)).toBeLessThanOrEqual(1);
          if (state.phase.type === 'open')
            expect(state.phase.reopensAtMs).toBeLessThanOrEqual(nowMs + under.reopen.maxMs);
        }
        // Wherever it has come to: released, with the provider well again and time gone by, it closes.
        state = force(state, undefined, '');
        nowMs += under.reopen.maxMs;
        if (state.phase.type === 'half-open') state = trip(under, state, '', nowMs - under.reopen.maxMs, 0);
        if (state.phase.type === 'open') state = run('+'.repeat(under.halfOpenProbes), state, under, nowMs);
        expect(state.phase.type).toBe('closed');
      }),
      { numRuns: 500 },
    );
  });

  test('the window is what a naive list of all calls says, and opens when that says so', () => {
    const steps = fc.array(fc.record({ call, afterMs: fc.constantFrom(0, 1, 90, 333, 500, 1_000) }), { maxLength: 60 });
    fc.assert(
      fc.property(policies, steps, (varied, calls) => {
        const under = { ...policy, ...varied };
        const all: { readonly atMs: number; readonly failed: boolean; readonly slow: boolean }[] = [];
        let state = newBreaker;
        let nowMs = 0;
        for (const { call, afterMs } of calls) {
          nowMs += afterMs;
          state = run(call, state, under, nowMs);
          if (call !== '~') all.push({ atMs: nowMs, failed: call === '-', slow: call === 's' });
          const counting = all.slice(-under.windowCalls).filter(({ atMs }) => atMs >= nowMs - under.windowMs);
          const shareOf = (some: 'failed' | 'slow') =>
            counting.length === 0 ? 0 : counting.filter((seen) => seen[some]).length / counting.length;
          const failureRate = shareOf('failed');
          const slowRate = shareOf('slow');
          const isFaulty = failureRate >= under.failureRate || slowRate >= under.slowRate;
          // What is ignored is no occasion to judge.
          const opens = call !== '~' && counting.length >= under.minimumCalls && isFaulty;
          expect(statusOf(under, state, nowMs)).toMatchObject({
            ...{ calls: counting.length, failureRate, slowRate },
            state: opens ? 'open' : 'closed',
          });
          if (opens) return;
        }
      }),
      { numRuns: 500 },
    );
  });

  test('a state is a value: what is decided on one leaves it as it was', () => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 40 }), fc.array(call, { maxLength: 8 }), (calls, more) => {
        const high = { ...policy, failureRate: 1, slowRate: 1, minimumCalls: 10 };
        const freeze = <T>(value: T): T => {
          if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
            Object.values(Object.freeze(value)).forEach(freeze);
          }
          return value;
        };
        let state = freeze(newBreaker);
        for (const each of calls) if (state.phase.type === 'closed') state = freeze(run(each, state, high));
        if (state.phase.type !== 'closed') return;
        const once = more.reduce((at, each) => (at.phase.type === 'closed' ? run(each, at, high) : at), state);
        const twice = more.reduce((at, each) => (at.phase.type === 'closed' ? run(each, at, high) : at), state);
        expect(twice).toEqual(once);
      }),
    );
  });
});

test('a window keeps no more calls than it is wide, however many went through it', () => {
  const wide = { ...policy, windowCalls: 50_000, windowMs: Infinity, minimumCalls: 50_000 };
  const state = run('+'.repeat(200_000), newBreaker, wide);
  const lengthOf = (link: typeof state.window.older): number => {
    let length = 0;
    for (let at = link; at; at = at.next) length += 1;
    return length;
  };
  expect(lengthOf(state.window.older) + lengthOf(state.window.newer)).toBe(50_000);
});
