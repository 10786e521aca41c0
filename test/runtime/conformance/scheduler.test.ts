import { setImmediate as turn } from 'node:timers/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ActorRef } from '../../../runtime/ref.ts';
import { type Runnable, Scheduler } from '../../../runtime/scheduler.ts';
import { createSystem } from '../../../runtime/system.ts';
import { crash, incarnations, life, statusOf } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, handler, lenient, startTestSystem, supervisor, worker } from '../../support/test-system.ts';

trapRejections();

test('S1 two actors that ask each other without end keep neither timers nor a stop waiting', async () => {
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
  await system.stop();
  expect(asks).toBeGreaterThan(0);
});

test('S2 a cell stands in the ready queue once, and goes to its end when its slice is over', async () => {
  const log: string[] = [];
  const scheduler = new Scheduler(() => {});
  const cell = (id: string, work: number): Runnable => ({
    ready: false,
    nextReady: undefined,
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

test.each([0, 1, 2, 3, 4])(
  'S7 a stop %i turns behind a crash leaves nobody behind, and the name is free',
  async (turns) => {
    const log: string[] = [];
    const { system, ref, settle } = await startTestSystem([life('a', log)]);
    ref<string>('/a').tell('crash');
    for (let count = 0; count < turns; count++) await turn();
    await system.stopChild('/a');
    expect(system.list('/')).toEqual([]);
    await system.spawn('/', life('a', log));
    await settle();
    await system.idle();
    expect(incarnations(system)).toEqual({ a: 1 });
    expect(log.filter((line) => line.startsWith('start')).length).toBe(
      log.filter((line) => line.startsWith('stop')).length + 1,
    );
  },
);

test('a hook that takes itself away keeps no other from its call', async () => {
  const scheduler = new Scheduler(() => {});
  const called: string[] = [];
  const takeAway = scheduler.onTurnEnd(() => {
    called.push('first');
    takeAway();
  });
  scheduler.onTurnEnd(() => void called.push('second'));
  scheduler.enqueue({ ready: false, nextReady: undefined, step: () => false });
  await scheduler.idle();
  expect(called).toEqual(['first', 'second']);
});
