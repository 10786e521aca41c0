import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { BreakerPolicy } from '../../../runtime/breaker.ts';
import {
  Breaker,
  type BreakerMessage,
  BreakerOpen,
  type BreakerOptions,
  breakerSpec,
  type BreakerTransition,
  CallTimeout,
  InvalidBreakerPolicy,
} from '../../../runtime/breaker-node.ts';
import { VirtualClock } from '../../../runtime/clock.ts';
import { crash, incarnations, life } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, handler, startTestSystem, supervisor, worker } from '../../support/test-system.ts';

trapRejections();

const policy: BreakerPolicy = {
  windowCalls: 10,
  windowMs: 60_000,
  minimumCalls: 3,
  failureRate: 0.5,
  slowCallMs: 500,
  slowRate: 1,
  callTimeoutMs: 1_000,
  reopen: { firstMs: 5_000, maxMs: 60_000, jitter: 0 },
  halfOpenProbes: 2,
};

const down = new Error('provider is down');

function start(options: Partial<BreakerOptions> = {}) {
  const clock = new VirtualClock();
  const breaker = new Breaker({ name: 'provider', policy, clock, random: () => 0.5, ...options });
  const transitions: string[] = [];
  breaker.onTransition(({ from, to, why }) => void transitions.push(`${from} to ${to}: ${why}`));
  return { clock, breaker, transitions };
}

const succeed = (breaker: Breaker) => breaker.call(() => Promise.resolve('reply'));

async function fail(breaker: Breaker, times = 1): Promise<void> {
  for (let time = 0; time < times; time++) {
    await expect(breaker.call(() => Promise.reject(down))).rejects.toBe(down);
  }
}

describe('Circuit breaker', () => {
  test('C87 a closed breaker opens with the call that brings the failure rate to its threshold', async () => {
    const { breaker, transitions } = start();
    await succeed(breaker);
    await succeed(breaker);
    await fail(breaker);
    expect(breaker.status()).toMatchObject({ state: 'closed', failureRate: 1 / 3 });
    await fail(breaker);
    expect(breaker.status()).toEqual({
      ...{ state: 'open', forced: undefined, why: '2 of 4 calls failed' },
      ...{ failureRate: 0.5, slowRate: 0, calls: 4, openings: 1, reopensInMs: 5_000 },
    });
    expect(transitions).toEqual(['closed to open: 2 of 4 calls failed']);
  });

  test('C88 an open breaker rejects at once without calling, and says when to come again', async () => {
    const { breaker, clock } = start();
    await fail(breaker, 3);
    clock.advance(1_000);
    let calls = 0;
    const refused = breaker.call(() => Promise.resolve((calls += 1)));
    await expect(refused).rejects.toBeInstanceOf(BreakerOpen);
    await expect(refused).rejects.toMatchObject({
      message: 'breaker provider is open (3 of 3 calls failed), try again in 4000 ms',
      ...{ name: 'BreakerOpen', breaker: 'provider', retryAfterMs: 4_000 },
      refusal: { state: 'open', failureRate: 1, calls: 3 },
    });
    expect([calls, clock.pending]).toEqual([0, 0]);
  });

  test('C89 a half-open breaker lets exactly as many calls through as it has probes, however many come at once', async () => {
    const { breaker, clock, transitions } = start();
    breaker.trip('a test');
    clock.advance(5_000);
    const reply = gate<string>();
    let called = 0;
    const calls = Array.from({ length: 50 }, () => breaker.call(() => ((called += 1), reply.promise)));
    const outcomes = Promise.allSettled(calls);
    expect(called).toBe(2);
    reply.resolve('reply');
    const refused = (await outcomes).filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(48);
    expect(refused[0]).toMatchObject({ reason: { name: 'BreakerOpen', retryAfterMs: policy.callTimeoutMs } });
    expect(transitions).toEqual([
      'closed to open: a test',
      'open to half-open: its wait is over',
      'half-open to closed: 2 probes succeeded',
    ]);
  });

  test('C90 a probe that fails opens it for longer, and success brings the first wait back', async () => {
    const { breaker, clock } = start();
    await fail(breaker, 3);
    clock.advance(5_000);
    await succeed(breaker);
    await fail(breaker);
    expect(breaker.status()).toMatchObject({ state: 'open', reopensInMs: 10_000, openings: 2 });
    clock.advance(10_000);
    for (let call = 0; call < policy.halfOpenProbes + policy.minimumCalls; call++) await succeed(breaker);
    expect(breaker.status().state).toBe('closed');
    await fail(breaker, 3);
    expect(breaker.status()).toMatchObject({ state: 'open', reopensInMs: 5_000, openings: 3 });
  });

  test.each(['fulfilled', 'rejected'] as const)(
    'C91 a call that takes too long is aborted and counts once, though it is %s later',
    async (later) => {
      const { breaker, clock } = start();
      const reply = gate<string>();
      let signal: AbortSignal | undefined;
      const call = breaker.call((given) => ((signal = given), reply.promise));
      clock.advance(999);
      expect([breaker.status().calls, signal?.aborted]).toEqual([0, false]);
      clock.advance(1);
      expect(breaker.status()).toMatchObject({ calls: 1, failureRate: 1 });
      const timeout = await call.catch((error: unknown) => error);
      expect(timeout).toBeInstanceOf(CallTimeout);
      expect(timeout).toMatchObject({ name: 'CallTimeout', retryAfterMs: 5_000 });
      expect(signal?.reason).toBe(timeout);
      if (later === 'fulfilled') reply.resolve('too late');
      else reply.reject(down);
      await turn();
      expect(breaker.status()).toMatchObject({ calls: 1, failureRate: 1 });
      expect(clock.pending).toBe(0);
    },
  );

  test('C92 ignored errors come through, do not count, and give a probe back', async () => {
    const wrongRequest = new Error('wrong request');
    const isFailure = (error: unknown) => (error === wrongRequest ? 'ignored' : 'failure');
    const { breaker, clock } = start({ isFailure });
    const ask = () => expect(breaker.call(() => Promise.reject(wrongRequest))).rejects.toBe(wrongRequest);
    for (let call = 0; call < 5; call++) await ask();
    expect(breaker.status()).toMatchObject({ state: 'closed', calls: 0 });
    breaker.trip('a test');
    clock.advance(5_000);
    for (let call = 0; call < 5; call++) await ask();
    expect(breaker.status().state).toBe('half-open');
    await succeed(breaker);
    await succeed(breaker);
    expect(breaker.status().state).toBe('closed');
  });

  test('C93 results of calls from before a transition change nothing after it', async () => {
    const { breaker, clock } = start({ policy: { ...policy, callTimeoutMs: 600_000 } });
    const letOut = () => {
      const reply = gate<string>();
      const ended = breaker.call(() => reply.promise).catch((error: unknown) => error);
      const end = (how: 'well' | 'badly') => (how === 'well' ? reply.resolve('reply') : reply.reject(down), ended);
      return { end };
    };
    const [first, second, third] = [letOut(), letOut(), letOut()];
    breaker.trip('a test');
    await first.end('badly');
    expect(breaker.status()).toMatchObject({ state: 'open', reopensInMs: 5_000, openings: 1, calls: 0 });
    clock.advance(5_000);
    const [probe, otherProbe] = [letOut(), letOut()];
    await second.end('badly');
    expect(breaker.status()).toMatchObject({ state: 'half-open', openings: 1 });
    await probe.end('well');
    await third.end('well');
    expect(breaker.status().state).toBe('half-open');
    breaker.reset('a test');
    await otherProbe.end('badly');
    expect(breaker.status()).toMatchObject({ state: 'closed', calls: 0, openings: 1 });
  });

  test('C94 a forced state wins over failures, trips and resets until it is released', async () => {
    const { breaker, clock, transitions } = start();
    breaker.force('closed', 'month end');
    await fail(breaker, 5);
    breaker.trip('an operator');
    await expect(succeed(breaker)).resolves.toBe('reply');
    expect(breaker.status()).toMatchObject({ state: 'closed', forced: 'closed' });
    breaker.force('open', 'maintenance');
    breaker.reset('an operator');
    clock.advance(1_000_000);
    await expect(succeed(breaker)).rejects.toMatchObject({
      retryAfterMs: policy.reopen.maxMs,
      refusal: { forced: 'open' },
    });
    breaker.force(undefined, 'maintenance is over');
    expect(breaker.status()).toMatchObject({ state: 'closed', forced: undefined, why: 'maintenance is over' });
    await expect(succeed(breaker)).resolves.toBe('reply');
    expect(transitions).toEqual([
      'closed to closed: month end',
      'closed to closed: an operator',
      'closed to open: maintenance',
      'open to open: an operator',
      'open to closed: maintenance is over',
    ]);
  });

  test('C95 a restart of the provider and of its own node leaves the breaker as it was', async () => {
    const { breaker } = start();
    const log: string[] = [];
    const provider = life('provider', log, {
      start: (context) => context.pipe(succeed(breaker), ({ ok }) => (ok ? 'a reply' : 'a refusal')),
    });
    const guard = breakerSpec(breaker, { id: 'guard' });
    const running = await startTestSystem(supervisor('root', 'one-for-all', [guard, provider]));
    await running.settle();
    await fail(breaker, 2);
    const before = breaker.status();
    expect(before).toMatchObject({ state: 'open', openings: 1, calls: 3 });
    await crash(running, '/provider', 2);
    expect(incarnations(running.system)).toEqual({ guard: 3, provider: 3 });
    expect(running.system.inspectActor('/guard')).toMatchObject({
      kind: 'breaker',
      state: JSON.parse(JSON.stringify(before)),
    });
    const got = log.filter((entry) => entry.startsWith('provider got'));
    expect(got).toEqual(['provider got a reply', 'provider got a refusal', 'provider got a refusal']);
  });
});

describe('a breaker at work', () => {
  test('measures how long a call takes from its beginning, on the clock it was given', async () => {
    const { breaker, clock } = start();
    for (const tookMs of [policy.slowCallMs, policy.slowCallMs + 1]) {
      const reply = gate<string>();
      const call = breaker.call(() => reply.promise);
      clock.advance(tookMs);
      reply.resolve('reply');
      await call;
    }
    expect(breaker.status()).toMatchObject({ state: 'closed', calls: 2, slowRate: 0.5, failureRate: 0 });
  });

  test('spreads its waits by the chance it was given', async () => {
    const jittery = { ...policy, reopen: { ...policy.reopen, jitter: 0.2 } };
    const { breaker } = start({ policy: jittery, random: () => 0.5 });
    await fail(breaker, 3);
    expect(breaker.status().reopensInMs).toBe(4_500);
    breaker.trip('a test');
    expect(breaker.status().reopensInMs).toBe(9_000);
  });
});

describe('a breaker in the tree', () => {
  test('obeys its operators, and answers each of them with its status', async () => {
    const { breaker, clock } = start();
    const { ref } = await startTestSystem([breakerSpec(breaker)]);
    const node = ref<BreakerMessage>('/provider');
    const say = (message: BreakerMessage) => node.ask(message, { timeoutMs: 1_000 });
    expect(await say({ type: 'trip', why: 'a' })).toMatchObject({ state: 'open', reopensInMs: 5_000, why: 'a' });
    clock.advance(1_000);
    expect(await say({ type: 'status' })).toMatchObject({ state: 'open', reopensInMs: 4_000 });
    expect(await say({ type: 'force', to: 'closed', why: 'b' })).toMatchObject({ state: 'closed', forced: 'closed' });
    expect(await say({ type: 'force', to: undefined, why: 'c' })).toMatchObject({ state: 'open', forced: undefined });
    expect(await say({ type: 'reset', why: 'd' })).toMatchObject({ state: 'closed', calls: 0, why: 'd' });
  });

  test('guards the calls of an actor that waits for them', async () => {
    const { breaker } = start();
    const heard: string[] = [];
    const client = handler<'call'>(() =>
      breaker.call(() => Promise.reject(down)).catch((error: Error) => void heard.push(error.name)),
    );
    const { ref, settle } = await startTestSystem([breakerSpec(breaker), worker('client', client)]);
    for (let call = 0; call < 4; call++) ref<'call'>('/client').tell('call');
    await settle();
    expect(heard).toEqual(['Error', 'Error', 'Error', 'BreakerOpen']);
  });
});

describe('wrong use of a breaker', () => {
  test('a policy that cannot be followed is refused before anything is called', () => {
    expect(() => start({ policy: { ...policy, failureRate: 50 } })).toThrow(InvalidBreakerPolicy);
  });

  test('a function that throws at once fails like one that rejects', async () => {
    const { breaker, clock } = start();
    const call = breaker.call(() => {
      throw down;
    });
    await expect(call).rejects.toBe(down);
    expect([breaker.status().failureRate, clock.pending]).toEqual([1, 0]);
  });

  test('a function that gives no promise succeeds with what it gives', async () => {
    const { breaker } = start();
    await expect(breaker.call((() => 'reply') as unknown as () => Promise<string>)).resolves.toBe('reply');
    expect(breaker.status()).toMatchObject({ calls: 1, failureRate: 0 });
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('classifier is broken');
      },
    ],
    ['returns nonsense', () => 'perhaps' as 'ignored'],
  ])('an error whose classifier %s is a failure', async (_name, isFailure) => {
    const { breaker } = start({ isFailure });
    await fail(breaker);
    expect(breaker.status()).toMatchObject({ calls: 1, failureRate: 1 });
  });

  test('a listener that throws is reported, and keeps nobody from hearing or calling', async () => {
    const reports: object[] = [];
    const log = { debug() {}, info() {}, warn() {}, error: (fields: object) => void reports.push(fields) };
    const { breaker } = start({ log });
    const heard: BreakerTransition[] = [];
    breaker.onTransition(() => {
      throw new Error('listener is broken');
    });
    const leave = breaker.onTransition((transition) => void heard.push(transition));
    await fail(breaker, 3);
    leave();
    breaker.reset('a test');
    const why = '3 of 3 calls failed';
    expect(heard).toEqual([{ breaker: 'provider', from: 'closed', to: 'open', forced: undefined, why }]);
    expect(reports).toHaveLength(2);
    expect(reports[0]).toMatchObject({ breaker: 'provider', error: { message: 'listener is broken' } });
  });
});
