/** A Redis that hangs, dies and comes back under load: no order waits for it, and limits go on being kept. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { PlatformProcess, type HttpAnswer } from '../support/platform-process.ts';
import { RedisServer } from '../support/redis.ts';

const password = 'p4ssw0rd-of-redis';
const within = { timeout: 30_000, interval: 50 };
let redis: RedisServer;
let platform: PlatformProcess;
let orders = 0;

beforeAll(async () => {
  redis = await RedisServer.start({ password });
  platform = await PlatformProcess.onFreePorts({
    ...{ REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port), REDIS_PASSWORD: password },
  });
  await platform.start();
}, 120_000);
afterAll(async () => {
  redis?.resume();
  await platform?.dispose();
  await redis?.stop();
}, 60_000);

test('limits are kept in Redis while it is there, by tenant', async () => {
  await untilRedis('ok');
  expect((await list()).headers.get('ratelimit-policy')).toBe('"default";q=200;w=2');
  // A bucket that is full again is forgotten within milliseconds, so it is looked for while many take from it.
  const keys = await vi.waitUntil(async () => {
    const [found] = await Promise.all([redis.direct.keys('aitrading:rate:*'), ...Array.from({ length: 10 }, list)]);
    return found.length > 0 ? found : undefined;
  }, within);
  expect(keys).toEqual([expect.stringMatching(/^aitrading:rate:t[1-9]\d*:api:/)]);
});

test('Redis hangs under load: orders fill, nothing fails, and it is used again when it answers', async () => {
  await untilRedis('ok');
  const load = startLoad();
  await vi.waitUntil(() => load.answers.length > 50, within);
  redis.hang();
  await fillOrder();
  await untilRedis('warn');
  await fillOrder();
  expect((await platform.call('api', '/readyz')).status).toBe(200);
  expect((await platform.call('api', '/health')).json).toMatchObject({ status: 'warn' });
  expect((await platform.call('analytics', '/metrics')).text).toMatch(/^aitrading_redis_up 0$/m);
  expect(statusesOf(await load.stop())).toEqual(new Set([200]));
  await expectLimitKept();
  redis.resume();
  await untilRedis('ok');
  await fillOrder();
}, 120_000);

test('Redis is killed under load and started again: the same', async () => {
  await untilRedis('ok');
  const load = startLoad();
  await vi.waitUntil(() => load.answers.length > 50, within);
  await redis.kill();
  await fillOrder();
  await untilRedis('warn');
  await fillOrder();
  expect(statusesOf(await load.stop())).toEqual(new Set([200]));
  await expectLimitKept();
  await redis.start();
  await untilRedis('ok');
  await fillOrder();
}, 120_000);

test('what was told of it says when and why, and never the password', () => {
  expect(platform.output).toContain('Redis is away: this node does without it');
  expect(platform.output).toContain('Redis is there');
  expect(platform.output).not.toContain(password);
});

async function untilRedis(status: 'ok' | 'warn'): Promise<void> {
  await vi.waitUntil(
    async () => (await platform.call('api', '/readyz?verbose')).text.includes(`redis ${status}`),
    within,
  );
}

function token(): string {
  return platform.credentials().trader.apiKey;
}

function list(): Promise<HttpAnswer> {
  return platform.call('api', '/api/v1/accounts', { token: token() });
}

/** A market order over REST, until the broker has filled it. */
async function fillOrder(): Promise<void> {
  orders += 1;
  const path = '/api/v1/accounts/demo-1/orders';
  const order = { clientOrderId: `o-${orders}`, symbol: 'EURUSD', side: orders % 2 ? 'buy' : 'sell', type: 'market' };
  const body = { ...order, quantity: '0.01', timeInForce: 'ioc' };
  const placed = await platform.call('trading', path, { method: 'POST', token: token(), body });
  expect(placed).toMatchObject({ status: 201 });
  await vi.waitUntil(async () => {
    const { json } = await platform.call('trading', `${path}/${placed.json.orderId}`, { token: token() });
    return json?.state === 'FILLED';
  }, within);
}

/** Reads one after the other, four at a time, below the rate that is allowed. */
function startLoad(): { readonly answers: HttpAnswer[]; stop(): Promise<HttpAnswer[]> } {
  const answers: HttpAnswer[] = [];
  let isOver = false;
  const loops = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      answers.push(await list());
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
  return {
    answers,
    async stop() {
      isOver = true;
      await Promise.all(loops);
      return answers;
    },
  };
}

function statusesOf(answers: readonly HttpAnswer[]): Set<number> {
  return new Set(answers.map(({ status }) => status));
}

async function expectLimitKept(): Promise<void> {
  const answers = await Promise.all(Array.from({ length: 1_000 }, list));
  expect(statusesOf(answers)).toEqual(new Set([200, 429]));
  const refused = answers.find(({ status }) => status === 429)!;
  expect(refused.json).toMatchObject({ figures: { requestsPerSecond: '100', burst: '200' } });
}
