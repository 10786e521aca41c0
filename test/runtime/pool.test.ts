import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ActorStopped } from '../../runtime/errors.ts';
import { pool } from '../../runtime/pool.ts';
import type { Asks } from '../../runtime/ref.ts';
import type { Routing } from '../../runtime/spec.ts';
import { crash, life } from '../support/lives.ts';
import { trapRejections } from '../support/rejections.ts';
import {
  gate,
  handler,
  lenient,
  startTestSystem,
  supervisor,
  type TestSystem,
  worker,
} from '../support/test-system.ts';

trapRejections();

type Job = { readonly type: 'job'; readonly key?: string } & Asks<number>;
const job = (key?: string): Job => (key === undefined ? { type: 'job' } : { type: 'job', key });
const byKey: Routing = { route: 'consistent-hash', keyOf: (message) => (message as Job).key };
const timeoutMs = 60_000;

/** A pool whose workers answer with their number. */
function answering(routing: Routing, size = 3) {
  return pool({
    ...{ id: 'pool', size, routing, policy: lenient },
    worker: (number) =>
      worker(
        String(number),
        handler<Job>((_message, context) => context.reply(number)),
      ),
  });
}

async function ask({ ref }: TestSystem, key?: string): Promise<number> {
  return ref<Job>('/pool').ask(job(key), { timeoutMs });
}

test('a pool in turn gives each worker as many messages as the others, and passes over those that are down', async () => {
  const running = await startTestSystem([answering({ route: 'round-robin' })]);
  const answers: number[] = [];
  for (let count = 0; count < 6; count++) answers.push(await ask(running));
  expect(answers).toEqual([0, 1, 2, 0, 1, 2]);
  await running.system.terminateChild('/pool/1');
  const left = new Set<number>();
  for (let count = 0; count < 4; count++) left.add(await ask(running));
  expect(left).toEqual(new Set([0, 2]));
  await running.system.restartChild('/pool/1');
  for (let count = 0; count < 3; count++) left.add(await ask(running));
  expect(left).toEqual(new Set([0, 1, 2]));
});

test('a worker that restarts is not passed over: its messages wait for it', async () => {
  const backoff = { firstMs: 100, maxMs: 100, jitter: 0 };
  const log: string[] = [];
  const spec = pool({
    ...{ id: 'pool', size: 2, routing: { route: 'round-robin' }, policy: { ...lenient, backoff } },
    worker: (number) => life(String(number), log) as never,
  });
  const running = await startTestSystem([spec]);
  await crash(running, '/pool/0');
  for (const message of ['1', '2']) running.ref<string>('/pool').tell(message);
  await running.settle();
  expect(log.slice(-1)).toEqual(['1 got 2']);
  await running.advance(100);
  expect(log.slice(-2)).toEqual(['start 0', '0 got 1']);
});

test('a pool by load gives a message to whoever has the least to do, and goes round among equals', async () => {
  const holds = [gate(), gate(), gate()];
  const taken: number[] = [];
  const spec = pool({
    ...{ id: 'pool', size: 3, routing: { route: 'least-busy' }, policy: lenient },
    worker: (number) =>
      worker(
        String(number),
        handler<Job>(async () => {
          taken.push(number);
          await holds[number]!.promise;
        }),
      ),
  });
  const running = await startTestSystem([spec]);
  const tell = async (): Promise<void> => {
    running.ref<Job>('/pool').tell(job());
    await running.settle();
  };
  for (let count = 0; count < 3; count++) await tell();
  expect(taken.toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
  // All are busy, and one more waits at each of two: the third is next.
  running.ref<Job>('/pool/0').tell(job());
  running.ref<Job>('/pool/2').tell(job());
  await tell();
  expect(
    running.system
      .inspect('/pool')
      .slice(1)
      .map(({ mailbox }) => mailbox.depth),
  ).toEqual([1, 1, 1]);
  holds[1]!.resolve();
  await running.settle();
  await tell();
  expect(taken.filter((number) => number === 1)).toHaveLength(3);
});

test('a pool by load passes over a worker that has a message in hand while another is free', async () => {
  const taken: number[] = [];
  const spec = pool({
    ...{ id: 'pool', size: 2, routing: { route: 'least-busy' }, policy: lenient },
    worker: (number) =>
      worker(
        String(number),
        handler<Job>(async ({ key }) => {
          taken.push(number);
          if (key === 'hang') await new Promise(() => {});
        }),
        { shutdownMs: 0 },
      ),
  });
  const running = await startTestSystem([spec]);
  for (const key of ['hang', 'x', 'x', 'x', 'x']) {
    running.ref<Job>('/pool').tell(job(key));
    await running.settle();
  }
  const [busy] = taken;
  expect(taken.slice(1).map((number) => number === busy)).toEqual([false, false, false, false]);
});

describe('a pool by key', () => {
  test('gives the same key to the same worker, whatever comes between, and goes round without a key', async () => {
    const running = await startTestSystem([answering(byKey, 5)]);
    const first = new Map<string, number>();
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 50; at++) {
        const key = `account-${at}`;
        const number = await ask(running, key);
        expect(first.get(key) ?? number).toBe(number);
        first.set(key, number);
      }
      await crash(running, '/pool/0').catch(() => {});
    }
    const round = [await ask(running), await ask(running), await ask(running), await ask(running), await ask(running)];
    expect(round.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
  });

  test('moves only the keys of a worker that is gone, to all the others, and gives them back when it returns', async () => {
    const running = await startTestSystem([answering(byKey, 5)]);
    const keys = Array.from({ length: 300 }, (_, at) => `account-${at}`);
    const where = (): Promise<number[]> => Promise.all(keys.map((key) => ask(running, key)));
    const before = await where();
    await running.system.terminateChild('/pool/2');
    const without = await where();
    const moved = new Set<number>();
    for (const [at, number] of before.entries()) {
      if (number === 2) moved.add(without[at]!);
      else expect(without[at]).toBe(number);
    }
    expect(moved).toEqual(new Set([0, 1, 3, 4]));
    await running.system.restartChild('/pool/2');
    expect(await where()).toEqual(before);
  });

  test('spreads keys evenly over its workers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 8 }), fc.string({ maxLength: 10 }), async (size, prefix) => {
        const running = await startTestSystem([answering(byKey, size)]);
        const counts = Array.from({ length: size }, () => 0);
        const keys = Array.from({ length: 100 * size }, (_, at) => `${prefix}${at}`);
        for (const number of await Promise.all(keys.map((key) => ask(running, key)))) counts[number]!++;
        const chiSquare = counts.reduce((sum, count) => sum + (count - 100) ** 2 / 100, 0);
        // Seven degrees of freedom at most: beyond 45 less than once in ten million.
        expect(chiSquare).toBeLessThan(45);
        await running.system.stop();
      }),
      { numRuns: 20 },
    );
  });

  test('whose key cannot be told gives the message to some worker, and throws nothing at who sends it', async () => {
    const keyOf = (): never => {
      throw new Error('no key');
    };
    const running = await startTestSystem([answering({ route: 'consistent-hash', keyOf })]);
    expect(running.ref<Job>('/pool').tell(job('x'))).toBe('queued');
    expect(await ask(running, 'x')).toBeTypeOf('number');
  });
});

describe('a pool whose workers are all down', () => {
  async function startDown(): Promise<TestSystem> {
    const running = await startTestSystem([answering({ route: 'round-robin' }, 2)]);
    for (const path of ['/pool/0', '/pool/1']) await running.system.terminateChild(path);
    return running;
  }

  test('refuses at once what it is told and asked, also by actors', async () => {
    const { ref, system, settle } = await startDown();
    expect(ref<Job>('/pool').tell(job())).toBe('stopped');
    await expect(ref<Job>('/pool').ask(job(), { timeoutMs })).rejects.toBeInstanceOf(ActorStopped);
    const results: unknown[] = [];
    const asker = handler<string>(async (_message, context) => {
      results.push(context.tell(ref<Job>('/pool'), job()));
      results.push(await context.ask(ref<Job>('/pool'), job(), { timeoutMs }).catch((error: unknown) => error));
    });
    await system.spawn('/', worker('asker', asker));
    ref<string>('/asker').tell('go');
    await settle();
    expect(results).toEqual(['stopped', expect.any(ActorStopped)]);
  });

  test('makes a dead letter of what it refuses', async () => {
    const { ref, system } = await startDown();
    ref<Job>('/pool').tell(job());
    void ref<Job>('/pool')
      .ask(job(), { timeoutMs })
      .catch(() => {});
    expect(system.deadLetters.count).toBe(2);
    expect(system.deadLetters.list({ within: '/pool' })).toHaveLength(2);
  });

  test('takes messages again when a worker is back', async () => {
    const running = await startDown();
    await running.system.restartChild('/pool/1');
    expect(await ask(running)).toBe(1);
  });
});

test('who watches a pool hears once, when the last of its workers has ended, and nothing after it took that back', async () => {
  const heard: string[] = [];
  const watcher = handler<string>((message, context) => {
    if (message === 'watch') context.watch(running.system.find('/pool')!, ({ path }) => `${path} has ended`);
    else if (message === 'unwatch') context.unwatch(running.system.find('/pool')!);
    else heard.push(message);
  });
  const running: TestSystem = await startTestSystem([
    answering({ route: 'round-robin' }, 2),
    worker('watcher', watcher),
  ]);
  const { system, ref, settle } = running;
  ref<string>('/watcher').tell('watch');
  await settle();
  await system.terminateChild('/pool/0');
  await settle();
  expect(heard).toEqual([]);
  await system.terminateChild('/pool/1');
  await settle();
  expect(heard).toEqual(['/pool has ended']);
  await system.restartChild('/pool/0');
  ref<string>('/watcher').tell('watch');
  ref<string>('/watcher').tell('unwatch');
  await settle();
  await system.terminateChild('/pool/0');
  await settle();
  expect(heard).toEqual(['/pool has ended']);
});

test('a worker that drains or stops is passed over, whatever the routing', async () => {
  for (const routing of [{ route: 'round-robin' }, { route: 'least-busy' }, byKey] as const) {
    const hold = gate();
    const spec = pool({
      ...{ id: 'pool', size: 3, routing, policy: lenient },
      worker: (number) =>
        worker(
          String(number),
          handler<Job>(({ key }) => (key === 'hold' ? hold.promise : undefined)),
        ),
    });
    const running = await startTestSystem([spec]);
    const { system, ref, settle } = running;
    for (const path of ['/pool/0', '/pool/1']) ref<Job>(path).tell(job('hold'));
    await settle();
    const drained = system.operate({ action: 'drain', path: '/pool/0', by: 'ada', reason: 'test' });
    const stopped = system.terminateChild('/pool/1');
    await settle();
    expect([0, 1].map((number) => system.inspect(`/pool/${number}`)[0]?.status)).toEqual(['draining', 'stopping']);
    const keys = Array.from({ length: 8 }, (_, at) => `account-${at}`);
    expect(keys.map((key) => ref<Job>('/pool').tell(job(key)))).toEqual(keys.map(() => 'queued'));
    hold.resolve();
    await Promise.all([drained, stopped]);
  }
});

test('who watches a pool hears of its end when those that were added or came back have ended, too', async () => {
  const heard: string[] = [];
  const watcher = handler<string>((message, context) => {
    if (message === 'watch') context.watch(running.system.find('/pool')!, ({ path }) => `${path} has ended`);
    else heard.push(message);
  });
  const running: TestSystem = await startTestSystem([
    answering({ route: 'round-robin' }, 2),
    worker('watcher', watcher),
  ]);
  const { system, ref, settle } = running;
  await system.terminateChild('/pool/0');
  ref<string>('/watcher').tell('watch');
  await settle();
  await system.restartChild('/pool/0');
  await system.spawn('/pool', life('added'));
  for (const path of ['/pool/1', '/pool/0']) {
    await system.terminateChild(path);
    await settle();
    expect(heard).toEqual([]);
  }
  await system.terminateChild('/pool/added');
  await settle();
  expect(heard).toEqual(['/pool has ended']);
});

test('a watch of a pool is taken back also from a worker that drains', async () => {
  const heard: string[] = [];
  const hold = gate();
  const spec = pool({
    ...{ id: 'pool', size: 1, routing: { route: 'round-robin' }, policy: lenient },
    worker: () =>
      worker(
        '0',
        handler<Job>(() => hold.promise),
      ),
  });
  const watcher = handler<string>((message, context) => {
    if (message === 'watch') context.watch(running.system.find('/pool')!, () => 'ended');
    else if (message === 'unwatch') context.unwatch(running.system.find('/pool')!);
    else heard.push(message);
  });
  const running: TestSystem = await startTestSystem([spec, worker('watcher', watcher)]);
  const { system, ref, settle } = running;
  ref<Job>('/pool').tell(job());
  ref<string>('/watcher').tell('watch');
  await settle();
  const drained = system.operate({ action: 'drain', path: '/pool/0', by: 'ada', reason: 'test' });
  ref<string>('/watcher').tell('unwatch');
  await settle();
  expect(system.inspectActor('/pool/0')?.watchers).toEqual([]);
  hold.resolve();
  await drained;
  expect(heard).toEqual([]);
});

test('an actor that tells a full worker of a pool waits for room there', async () => {
  const results: string[] = [];
  const hold = gate();
  const spec = pool({
    ...{ id: 'pool', size: 1, routing: { route: 'round-robin' }, policy: lenient },
    worker: () =>
      worker(
        '0',
        handler<Job>(() => hold.promise),
        { mailbox: { capacity: 1, whenFull: 'park-sender' } },
      ),
  });
  const sender = handler<string>(
    (_message, context) => void results.push(context.tell(running.ref<Job>('/pool'), job())),
  );
  const running: TestSystem = await startTestSystem([supervisor('s', 'one-for-one', [worker('from', sender)]), spec]);
  for (let count = 0; count < 4; count++) {
    running.ref<string>('/s/from').tell('go');
    await running.settle();
  }
  expect(results).toEqual(['queued', 'queued', 'parked']);
  hold.resolve();
  await running.settle();
  expect(results).toHaveLength(4);
  expect(running.system.inspect('/pool/0')[0]).toMatchObject({ handled: 4, mailbox: { depth: 0, parked: 0 } });
});
