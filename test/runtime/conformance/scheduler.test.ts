import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../../runtime/clock.ts';
import type { ActorRef } from '../../../runtime/ref.ts';
import { type Runnable, Scheduler } from '../../../runtime/scheduler.ts';
import { createSystem } from '../../../runtime/system.ts';
import { crash, incarnations, life, statusOf } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { seededOrder } from '../../support/seeded-order.ts';
import { gate, handler, lenient, startTestSystem, supervisor, worker } from '../../support/test-system.ts';

trapRejections();

test('S1 two actors that ask each other without end keep neither timers, nor sockets, nor a stop waiting', async () => {
  const system = createSystem({ name: 'scheduler' });
  const refs: ActorRef<string>[] = [];
  let asks = 0;
  const asker = (id: string, other: number) =>
    worker(
      id,
      handler<string>((message, context) => {
        context.reply(message);
        asks++;
        void refs[other]!.ask(message, { timeoutMs: 1_000 }).catch(() => {});
      }),
    );
  await system.start(supervisor('root', 'one-for-one', [asker('a', 1), asker('b', 0)]));
  for (const path of ['/a', '/b']) refs.push(system.find<string>(path)!);
  refs[0]!.tell('go on');
  await new Promise((resolve) => setTimeout(resolve, 1));
  const beforeSocket = asks;
  const server = createServer((socket) => socket.end('hello'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const [greeting] = (await once(connect((server.address() as AddressInfo).port, '127.0.0.1'), 'data')) as [Buffer];
  expect(String(greeting)).toBe('hello');
  server.close();
  expect(asks).toBeGreaterThan(beforeSocket);
  await system.stop();
  const asked = asks;
  await turn();
  expect(asks).toBe(asked);
});

test('S2 a cell stands in the ready queue once, and goes to its end when its slice is over', async () => {
  const log: string[] = [];
  const scheduler = new Scheduler({ onError() {} });
  const cell = (id: string, work: number): Runnable => ({
    ready: false,
    nextReady: undefined,
    took() {},
    step: () => {
      log.push(id);
      return --work > 0;
    },
  });
  scheduler.enqueue(cell('a', 65));
  scheduler.enqueue(cell('b', 1));
  await scheduler.idle();
  // A slice is 64 at most, fewer when the machine is slow: what is left of it comes after the other cell, and once.
  expect(log.indexOf('b')).toBeLessThanOrEqual(64);
  expect(log).toHaveLength(66);
});

test('S3 a crash in a slice loses neither what waits behind it nor other cells', async () => {
  const log: string[] = [];
  const { ref, settle } = await startTestSystem([life('a', log), life('b', log)]);
  for (const message of ['1', 'crash', '2']) ref<string>('/a').tell(message);
  ref<string>('/b').tell('3');
  await settle();
  expect(log.filter((line) => line.includes('got'))).toEqual(['a got 1', 'b got 3', 'a got 2']);
});

test('S4 a cell that is busy, backs off or stops handles nothing, and takes in control messages', async () => {
  const log: string[] = [];
  const backoff = { firstMs: 100, maxMs: 100, jitter: 0 };
  const hold = gate();
  const running = await startTestSystem(
    supervisor('root', 'one-for-one', [life('a', log, { stop: () => hold.promise })], { backoff }),
  );
  const a = running.ref<string>('/a');
  await crash(running, '/a');
  a.tell('ordinary');
  expect(a.tell('control', { control: true })).toBe('queued');
  await running.settle();
  hold.resolve();
  await running.settle();
  expect([statusOf(running.system, '/a'), log]).toEqual(['restarting', ['start a', 'stop a crash']]);
  await running.advance(100);
  expect(log.slice(2)).toEqual(['start a', 'a got control', 'a got ordinary']);
});

test.each([
  ['suspend', 'suspended'],
  ['drain', 'draining'],
] as const)('S4 an operator who says %s keeps an actor from its messages, or from new ones', async (action, status) => {
  const hold = gate();
  const log: string[] = [];
  const behavior = handler<string>(async (message) => {
    log.push(message);
    if (message === 'in hand') await hold.promise;
  });
  const { system, ref, settle } = await startTestSystem([worker('a', behavior)]);
  const a = ref<string>('/a');
  a.tell('in hand');
  await settle();
  void system.operate({ action, path: '/a', by: 'test', reason: 'a test' });
  await settle();
  expect(statusOf(system, '/a')).toBe(status);
  const [control, ordinary] = [a.tell('control', { control: true }), a.tell('ordinary')];
  hold.resolve();
  await settle();
  expect([control, ordinary, log]).toEqual(
    action === 'suspend' ? ['queued', 'queued', ['in hand']] : ['queued', 'stopped', ['in hand', 'control']],
  );
});

test('S5 no message of a user is handed to nact, which hears one token only', () => {
  const folder = new URL('../../../runtime/', import.meta.url);
  const sources = readdirSync(folder).map((file) => [file, readFileSync(new URL(file, folder), 'utf8')] as const);
  expect(sources.filter(([, source]) => /from 'nact'/.test(source)).map(([file]) => file)).toEqual(['nact.ts']);
  const nact = sources.find(([file]) => file === 'nact.ts')![1];
  expect(nact.match(/nact\.dispatch\([^)]*\)/g)).toEqual(['nact.dispatch(this.#reference, crashToken)']);
});

test('S6 of 10,000 dynamic children 1,000 crash together, and each comes back once', async () => {
  const { system, ref } = await startTestSystem([supervisor('s', 'dynamic', [], lenient)]);
  const ids = Array.from({ length: 10_000 }, (_, at) => `child-${at}`);
  await Promise.all(ids.map((id) => system.spawn('/s', life(id))));
  for (const id of ids.slice(0, 1_000)) ref<string>(`/s/${id}`).tell('crash');
  await system.idle();
  const all = Object.values(incarnations(system));
  expect([all.filter((count) => count === 2).length, all.filter((count) => count === 1).length]).toEqual([
    1_000, 9_000,
  ]);
});

test('S6 the cost of a crash does not grow with the number of siblings', async () => {
  const crashed = 500;
  const millis: number[] = [];
  // The first of them warms up the machine.
  for (const siblings of [1_000, 1_000, 10_000]) {
    const { system, ref } = await startTestSystem([supervisor('s', 'dynamic', [], lenient)]);
    const ids = Array.from({ length: siblings }, (_, at) => `child-${at}`);
    await Promise.all(ids.map((id) => system.spawn('/s', life(id))));
    const startedMs = performance.now();
    for (const id of ids.slice(0, crashed)) ref<string>(`/s/${id}`).tell('crash');
    await system.idle();
    millis.push(performance.now() - startedMs);
    expect(Object.values(incarnations(system)).filter((count) => count === 2)).toHaveLength(crashed);
    await system.stop();
  }
  // Were it to grow with them, it would be tenfold; nact alone takes seventy times as long.
  expect(millis[2]! / millis[1]!).toBeLessThan(6);
});

const stops = [0, 1, 2, 3, 4].flatMap((turns) =>
  (['stop', 'terminate', 'restart', 'stop of all'] as const).map((how) => [how, turns] as const),
);
test.each(stops)('S7 a %s %i turns behind a crash leaves nobody behind, and the name is free', async (how, turns) => {
  const log: string[] = [];
  const { system, ref, settle } = await startTestSystem([supervisor('s', 'one-for-one', [life('a', log)])]);
  ref<string>('/s/a').tell('crash');
  for (let count = 0; count < turns; count++) await turn();
  if (how === 'stop') await system.stopChild('/s/a');
  else if (how === 'stop of all') await system.stopChild('/s');
  else if (how === 'terminate') await system.terminateChild('/s/a');
  else await system.operate({ action: 'restart', path: '/s/a', by: 'test', reason: 'a test' });
  if (how === 'terminate') await system.deleteChild('/s/a');
  if (how === 'stop of all') await system.spawn('/', supervisor('s', 'one-for-one', []));
  if (how !== 'restart') await system.spawn('/s', life('a', log));
  await settle();
  await system.idle();
  expect(statusOf(system, '/s/a')).toBe('running');
  expect(system.scheduler()).toMatchObject({ ready: 0, underWay: 0 });
  ref<string>('/s/a').tell('hello');
  await settle();
  expect(log.at(-1)).toBe('a got hello');
  expect(log.filter((line) => line.startsWith('start')).length).toBe(
    log.filter((line) => line.startsWith('stop')).length + 1,
  );
});

describe('S8 under a seeded order', () => {
  /** What five actors that tell each other, wait, and crash now and then have done, in its order. */
  async function run(seed: number): Promise<readonly string[]> {
    const log: string[] = [];
    const system = createSystem({
      name: 'seeded',
      clock: new VirtualClock(),
      random: () => 0.5,
      order: seededOrder(seed),
    });
    const ids = ['a', 'b', 'c', 'd', 'e'];
    const member = (id: string, at: number) =>
      worker(
        id,
        handler<number>(async (message, context) => {
          log.push(`${id} ${message}`);
          if (message % 2 === 0) await Promise.resolve();
          if (message === 7) throw new Error('seven');
          if (message < 12) context.tell(system.find<number>(`/${ids[(at + message) % ids.length]}`)!, message + 1);
        }),
      );
    await system.start(supervisor('root', 'one-for-all', ids.map(member)));
    for (const id of ids) for (const message of [1, 2, 3]) system.find<number>(`/${id}`)!.tell(message);
    await system.idle();
    const { seq } = system.events;
    await system.stop();
    return [...log, `${seq} events`];
  }

  test('S8 the same seed gives the same order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        expect(await run(seed)).toEqual(await run(seed));
      }),
      { numRuns: 20 },
    );
  });

  test('S8 different seeds give different orders', async () => {
    const orders = new Set<string>();
    for (let seed = 1; seed <= 20; seed++) orders.add((await run(seed)).join());
    expect(orders.size).toBeGreaterThan(10);
  });

  test('S8 whatever the seed, messages of one sender stay in order and none is lost', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const log: number[] = [];
        const system = createSystem({ name: 'seeded', clock: new VirtualClock(), order: seededOrder(seed) });
        const to = worker(
          'to',
          handler<number>((message) => void log.push(message)),
        );
        await system.start(supervisor('root', 'one-for-one', [to, life('other')]));
        for (let message = 0; message < 300; message++) {
          system.find<number>('/to')!.tell(message);
          system.find<string>('/other')!.tell('x');
        }
        await system.idle();
        await system.stop();
        expect(log).toEqual(Array.from({ length: 300 }, (_, at) => at));
      }),
      { numRuns: 20 },
    );
  });
});

test('a hook that takes itself away keeps no other from its call', async () => {
  const scheduler = new Scheduler({ onError() {} });
  const called: string[] = [];
  const takeAway = scheduler.onTurnEnd(() => {
    called.push('first');
    takeAway();
  });
  scheduler.onTurnEnd(() => void called.push('second'));
  scheduler.enqueue({ ready: false, nextReady: undefined, took() {}, step: () => false });
  await scheduler.idle();
  expect(called).toEqual(['first', 'second']);
});
