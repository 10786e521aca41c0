/** What becomes of a node whose Redis hangs, dies, refuses or forgets. That it does its work when all is well is in the contract. */
import { createServer, type AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { silentLog } from '../../../runtime/actor.ts';
import { VirtualClock } from '../../../runtime/clock.ts';
import { RateLimiter, rateVerdict } from '../../../transports/rate-limit.ts';
import type { RedisLimits } from '../../../transports/drivers/redis-link.ts';
import { redisStore, takeToken, type RedisStore } from '../../../transports/drivers/redis.ts';
import { openProxy } from '../../support/proxy.ts';
import { RedisServer } from '../../support/redis.ts';

const password = 'p4ssw0rd-of-redis';
const slowRate = { perSecond: 1e-6, burst: 10 };
let server: RedisServer;

beforeAll(async () => {
  server = await RedisServer.start({ password });
});
afterAll(() => server.stop());

interface Opened {
  readonly store: RedisStore;
  /** Of the breaker and the probes; what the client does about its connection goes by the real one. */
  readonly clock: VirtualClock;
  readonly states: { readonly isUp: boolean; readonly why: string }[];
  until(isUp: boolean): Promise<void>;
}

function open(change: { port?: number; password?: string; limits?: Partial<RedisLimits> } = {}): Opened {
  const clock = new VirtualClock();
  const states: Opened['states'] = [];
  const store = redisStore({
    ...{ host: '127.0.0.1', port: change.port ?? server.port, password: change.password ?? password },
    ...{ clock, log: silentLog },
    limits: {
      ...{ valueBytes: 1_000, cacheBytes: 10_000, answerMs: 50, inFlight: 100, probeMs: 1_000 },
      ...{ connectMs: 10_000, silentMs: 60_000, retryFirstMs: 10, retryMaxMs: 100, ...change.limits },
    },
    onState: (isUp, why) => states.push({ isUp, why }),
  });
  onTestFinished(() => store.link.close());
  const until = (isUp: boolean): Promise<void> =>
    vi.waitUntil(() => store.link.counts().isUp === isUp, { timeout: 20_000, interval: 5 }).then(() => {});
  return { store, clock, states, until };
}

async function opened(change: Parameters<typeof open>[0] = {}): Promise<Opened> {
  await server.direct.flushall();
  const node = open(change);
  await node.until(true);
  return node;
}

/** Hangs the server until the test ends, or is resumed before. */
function hang(): void {
  server.hang();
  onTestFinished(() => server.resume());
}

/** Lets a probe be sent, and the time for its answer pass. */
function failProbes({ clock }: Opened): void {
  for (let probes = 0; probes < 4; probes++) clock.advance(1_050);
}

/** Lets time pass as it does, in steps that leave a probe the time for its answer. */
async function untilProbed({ store, clock }: Opened): Promise<void> {
  await vi.waitUntil(() => (clock.advance(10), store.link.counts().isUp), { timeout: 20_000, interval: 2 });
}

/** The script as it is, by a time that is given to it; its keys would live by Redis's own time. */
const scriptOfTime = takeToken
  .replace("redis.call('TIME')", '{ ARGV[3], ARGV[4] }')
  .replace(/^redis\.call\('PEXPIRE'.*$/m, '');

test('the bucket in Redis gives the same answers as the one in memory', async () => {
  const rates = fc.record({ perSecond: fc.integer({ min: 1, max: 500 }), burst: fc.integer({ min: 1, max: 30 }) });
  const waits = fc.array(fc.oneof(fc.constant(0), fc.nat(50), fc.nat(5_000)), { maxLength: 40 });
  let key = 0;
  await fc.assert(
    fc.asyncProperty(rates, waits, async (rate, waitsMs) => {
      const clock = new VirtualClock();
      const limiter = new RateLimiter(rate, 1, clock);
      key += 1;
      for (const waitMs of waitsMs) {
        clock.advance(waitMs);
        const nowMs = 1_800_000_000_000 + clock.monotonicMs();
        const time = [Math.floor(nowMs / 1_000), (nowMs % 1_000) * 1_000];
        const [isAllowed, tokens] = (await server.direct.eval(
          ...[scriptOfTime, 1, `k${key}`, rate.perSecond, rate.burst, ...time],
        )) as [number, string];
        expect(rateVerdict(rate, Number(tokens), isAllowed === 1)).toEqual(limiter.take('k'));
      }
    }),
    { numRuns: 30 },
  );
});

test('a clock of Redis that goes back takes nothing away, and gives nothing twice', async () => {
  const takeAt = async (second: number) =>
    Number(((await server.direct.eval(scriptOfTime, 1, 'back', 1, 10, second, 0)) as [number, string])[1]);
  expect([await takeAt(1_000), await takeAt(1_000), await takeAt(500), await takeAt(502)]).toEqual([9, 8, 7, 8]);
});

test('every key names its tenant and ends by itself', async () => {
  const { store } = await opened();
  await store.cache.set(7, 'a', '1', 60_000);
  await store.rateLimits('orders', slowRate, 10).take(7, 'k');
  const keys = await server.direct.keys('*');
  expect(keys.toSorted()).toEqual(['aitrading:cache:t7:a', 'aitrading:rate:t7:orders:k']);
  for (const key of keys) expect(await server.direct.pttl(key)).toBeGreaterThan(0);
});

test('a Redis that hangs is waited for once, then not at all, and is used again when it answers', async () => {
  const node = await opened();
  const { store, clock, states, until } = node;
  const limits = store.rateLimits('orders', slowRate, 10);
  await store.cache.set(1, 'a', '1', 60_000);
  hang();
  const waiting = Promise.all(Array.from({ length: 5 }, () => limits.take(1, 'k')));
  clock.advance(50);
  expect((await waiting).map(({ remaining }) => remaining)).toEqual([9, 8, 7, 6, 5]);
  expect(states.at(-1)).toEqual({ isUp: false, why: 'it did not answer within 50 ms' });
  const { commands } = store.link.counts();
  // Nobody advances the clock: what still waited for Redis would wait for ever.
  expect(await limits.take(1, 'k')).toMatchObject({ isAllowed: true, remaining: 4 });
  expect(await store.cache.get(1, 'a')).toBeUndefined();
  await store.cache.set(1, 'a', '2', 60_000);
  expect(await store.cache.get(1, 'a')).toBe('2');
  expect(store.link.counts()).toMatchObject({ isUp: false, commands, failures: 5, fallbacks: 9, breakerOpenings: 1 });
  server.resume();
  await untilProbed(node);
  expect(await store.cache.get(1, 'a')).toBe('1');
  await store.cache.set(1, 'a', '3', 60_000);
  hang();
  failProbes(node);
  await until(false);
  // What was kept the last time does not come back.
  expect(await store.cache.get(1, 'a')).toBeUndefined();
});

test('an idle node notices by its probes that Redis hangs', async () => {
  const node = await opened();
  hang();
  failProbes(node);
  expect(node.states.at(-1)).toEqual({ isUp: false, why: 'it did not answer within 50 ms' });
});

test('limits hold while Redis is away: what was used before counts', async () => {
  const node = await opened();
  const limits = node.store.rateLimits('orders', slowRate, 10);
  for (let count = 0; count < 7; count++) await limits.take(1, 'k');
  hang();
  failProbes(node);
  const verdicts = await Promise.all(Array.from({ length: 5 }, () => limits.take(1, 'k')));
  expect(verdicts.map(({ isAllowed }) => isAllowed)).toEqual([true, true, true, false, false]);
});

test('a Redis that has forgotten everything gives nobody more than its node would', async () => {
  const { store } = await opened();
  const limits = store.rateLimits('orders', slowRate, 10);
  for (let count = 0; count < 10; count++) await limits.take(1, 'k');
  await server.direct.flushall();
  expect(await limits.take(1, 'k')).toMatchObject({ isAllowed: false });
});

test('only so many commands wait for Redis; what comes beyond is done without it', async () => {
  const { store, clock } = await opened({ limits: { inFlight: 3 } });
  const limits = store.rateLimits('orders', slowRate, 10);
  hang();
  const waiting = [1, 2, 3].map(() => limits.take(1, 'k'));
  expect(await limits.take(1, 'k')).toMatchObject({ remaining: 9 });
  store.messages.publish(1, 'a', 'lost');
  expect(store.link.counts()).toMatchObject({ commands: 3, fallbacks: 2 });
  clock.advance(50);
  await Promise.all(waiting);
});

test('killed under load and started again: every call is answered, and what it knew is made anew', async () => {
  const [one, other] = [await opened(), open()];
  await other.until(true);
  const limits = one.store.rateLimits('orders', { perSecond: 1e6, burst: 1e6 }, 10);
  const heard: string[] = [];
  other.store.messages.subscribe(1, 'a', (text) => heard.push(text));
  const load = Promise.all(Array.from({ length: 500 }, () => limits.take(1, 'k')));
  await server.kill();
  expect(await load).toHaveLength(500);
  await one.until(false);
  await other.until(false);
  const { commands } = one.store.link.counts();
  expect(await limits.take(1, 'k')).toMatchObject({ isAllowed: true });
  one.store.messages.publish(1, 'a', 'lost');
  const whileAway = one.store.messages.subscribe(1, 'b', (text) => heard.push(text));
  expect(one.store.link.counts()).toMatchObject({ commands, isUp: false });
  await server.start();
  await Promise.all([one.until(true), other.until(true)]);
  expect(await limits.take(1, 'k')).toMatchObject({ isAllowed: true });
  expect(one.store.link.counts().commands).toBeGreaterThan(commands);
  await vi.waitUntil(
    () => {
      one.store.messages.publish(1, 'a', 'a');
      other.store.messages.publish(1, 'b', 'b');
      return heard.includes('a') && heard.includes('b');
    },
    { timeout: 20_000, interval: 5 },
  );
  expect(heard).not.toContain('lost');
  whileAway();
}, 60_000);

test('a Redis that takes no writes is not used, however well it answers otherwise', async () => {
  const node = await opened();
  const { store, clock, states, until } = node;
  await server.direct.config('SET', 'maxmemory', '1');
  onTestFinished(async () => void (await server.direct.config('SET', 'maxmemory', '0')));
  const limits = store.rateLimits('orders', slowRate, 10);
  for (let count = 0; count < 3; count++) expect(await limits.take(1, 'k')).toMatchObject({ remaining: 9 - count });
  await until(false);
  expect(states.at(-1)!.why).toContain('OOM');
  const before = store.link.counts().failures;
  clock.advance(1_000);
  await vi.waitUntil(() => store.link.counts().failures > before, { timeout: 20_000, interval: 5 });
  expect(store.link.counts().isUp).toBe(false);
  await server.direct.config('SET', 'maxmemory', '0');
  await untilProbed(node);
});

test('a connection that says nothing any more is replaced', async () => {
  const wire = await openProxy('127.0.0.1', server.port);
  const { store, clock, until } = await opened({ port: wire.port, limits: { silentMs: 100 } });
  wire.mode = 'silent';
  const waiting = store.cache.get(1, 'a');
  clock.advance(50);
  await waiting;
  await until(false);
  wire.mode = 'pass';
  await until(true);
  await store.cache.set(1, 'a', '1', 60_000);
  expect(await server.direct.get('aitrading:cache:t1:a')).toBe('1');
});

test('a wrong password is told without showing it, and tried again', async () => {
  const wrong = 'wr0ng-and-secret';
  const node = open({ password: wrong });
  await vi.waitUntil(() => node.states.some(({ why }) => why.includes('WRONGPASS')), { timeout: 20_000, interval: 5 });
  expect(node.store.link.counts()).toMatchObject({ isUp: false });
  await server.direct.config('SET', 'requirepass', wrong);
  onTestFinished(async () => void (await server.direct.config('SET', 'requirepass', password)));
  await node.until(true);
  expect(JSON.stringify(node.states)).not.toContain(wrong);
});

test('a server that repeats the login in its refusal does not bring it into the reasons', async () => {
  const echo = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => socket.write(`-ERR not understood: ${String(data).replaceAll(/\r\n/g, ' ')}\r\n`));
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void echo.close());
  const node = open({ port: (echo.address() as AddressInfo).port });
  await vi.waitUntil(() => node.states.some(({ why }) => why.includes('not understood')), { timeout: 20_000 });
  expect(JSON.stringify(node.states)).toContain('[hidden]');
  expect(JSON.stringify(node.states)).not.toContain(password);
  node.store.link.close();
});
