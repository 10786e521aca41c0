import { describe, expect, test } from 'vitest';
import { crash, life, statusOf, watched } from '../support/lives.ts';
import { trapRejections } from '../support/rejections.ts';
import { gate, startTestSystem, supervisor, type TestSystem, worker } from '../support/test-system.ts';

trapRejections();

describe('stops at once', () => {
  test.each([
    ['an actor', life('a', [], { shutdownMs: 100, stop: () => new Promise(() => {}) })],
    [
      'a supervisor',
      supervisor('a', 'one-for-one', [life('b', [], { shutdownMs: 100, stop: () => new Promise(() => {}) })]),
    ],
  ])('of %s come to the stronger one: to be down and to be stopped is to be stopped', async (_whom, spec) => {
    const { system, advance, history } = await startTestSystem([spec]);
    const stops = [system.terminateChild('/a'), system.stopChild('/a')];
    await advance(100);
    await Promise.all(stops);
    expect([history().at(-1), history().includes('down /a')]).toEqual(['stopped /a', false]);
  });

  test('leave alone whoever is started as soon as the first of them is done', async () => {
    const hold = gate();
    const running = await startTestSystem([life('a', [], { stop: () => hold.promise })]);
    running.system.events.subscribe({ types: ['down'] }, ({ path }) => void running.system.restartChild(path));
    const stops = [running.system.terminateChild('/a'), running.system.terminateChild('/a')];
    await running.settle();
    hold.resolve();
    await Promise.all(stops);
    await running.settle();
    await crash(running, '/a');
    expect(statusOf(running.system, '/a')).toBe('running');
  });
});

test('an actor that is started while it is being stopped for good is stopped again', async () => {
  const log: string[] = [];
  const hold = gate();
  const running = await startTestSystem([life('a', log, { stop: () => hold.promise })]);
  let times = 0;
  running.system.events.subscribe({ types: ['stopped'] }, ({ path }) => {
    if (times++ === 0) void running.system.restartChild(path);
  });
  const stops = [running.system.terminateChild('/a'), running.system.stopChild('/a')];
  await running.settle();
  hold.resolve();
  await Promise.all(stops);
  await running.settle();
  const once = ['start a', 'stop a shutdown'];
  expect([log, running.system.find('/a')]).toEqual([[...once, ...once], undefined]);
});

test('a crash harms no later life, at whichever moment an operator restarts the actor', async () => {
  for (let moment = 0; moment < 16; moment++) {
    const hold = gate();
    const running = await startTestSystem([life('a', [], { stop: () => hold.promise })]);
    await crash(running, '/a');
    hold.resolve();
    for (let turn = 0; turn < moment; turn++) await Promise.resolve();
    await running.system.operate({ action: 'restart', path: '/a', by: 'olga', reason: 'a test' });
    await running.settle();
    expect([moment, ...running.history().slice(2)]).toEqual([moment, 'crashed /a', 'restarted /a']);
  }
});

describe('an actor that rests', () => {
  test('is drained once it does, when the drain began on its way there', async () => {
    const hold = gate();
    const running = await startTestSystem([life('a', [], { passivateAfterMs: 100, stop: () => hold.promise })]);
    await running.advance(120);
    expect(statusOf(running.system, '/a')).toBe('resting');
    const drained = watched(running.system.operate({ action: 'drain', path: '/a', by: 'olga', reason: 'a test' }));
    await running.settle();
    hold.resolve();
    await running.settle();
    expect([drained.done, statusOf(running.system, '/a')]).toEqual([true, 'down']);
  });

  test('is not drained below a supervisor that is down already: it works once that is back', async () => {
    const running = await startTestSystem([supervisor('s', 'one-for-one', [])]);
    await running.system.terminateChild('/s');
    await running.system.updateSpec('/s', supervisor('s', 'one-for-one', [life('a')]));
    await running.system.operate({ action: 'drain', path: '/s', by: 'olga', reason: 'a test' });
    await running.system.restartChild('/s');
    expect(statusOf(running.system, '/s/a')).toBe('running');
  });

  test('starts at its next message, and that is no restart', async () => {
    const running = await startTestSystem([life('a', [], { passivateAfterMs: 100 })]);
    await running.advance(120);
    running.ref<string>('/a').tell('hello');
    await running.settle();
    expect(running.history().slice(-2)).toEqual(['resting /a', 'started /a']);
    expect(running.system.inspect('/a')[0]).toMatchObject({ incarnation: 2, restarts: 0 });
    await crash(running, '/a');
    expect(running.system.inspect('/a')[0]).toMatchObject({ incarnation: 3, restarts: 1 });
  });
});

test('a watch tells why its actor has ended, whether it was set before the end or after', async () => {
  const kinds: string[] = [];
  const watcher = worker<void, string>('w', {
    start() {},
    receive: (_state, message, context) => {
      if (message === 'watch') context.watch(running.ref('/d/x'), ({ reason }) => reason.kind);
      else kinds.push(message);
    },
  });
  const running: TestSystem = await startTestSystem([
    supervisor('d', 'dynamic', [life('x')], { intensity: 1 }),
    watcher,
  ]);
  const watch = async (): Promise<void> => {
    running.ref<string>('/w').tell('watch');
    await running.settle();
  };
  await watch();
  await crash(running, '/d/x', 2);
  await watch();
  expect(kinds).toEqual(['crash', 'crash']);
});
