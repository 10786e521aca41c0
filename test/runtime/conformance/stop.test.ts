import { describe, expect, test } from 'vitest';
import { crash, life, statusOf } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, startTestSystem, supervisor } from '../../support/test-system.ts';

trapRejections();

/** Ends the wait of `settle` for what was promised. */
function watched(promise: Promise<unknown>): { done: boolean } {
  const state = { done: false };
  void promise.then(() => (state.done = true));
  return state;
}

describe('stop', () => {
  test('C46 goes in reverse order and waits for each', async () => {
    const log: string[] = [];
    const hold = gate();
    const { system, settle } = await startTestSystem([life('a', log), life('b', log, { stop: () => hold.promise })]);
    const stopped = watched(system.stop());
    await settle();
    expect([log.slice(2), stopped.done]).toEqual([['stop b shutdown'], false]);
    hold.resolve();
    await settle();
    expect([log.slice(2), stopped.done]).toEqual([['stop b shutdown', 'stop a shutdown'], true]);
  });

  test('C47 waits as long as each child may take, then leaves it behind with a report: the whole time is bounded', async () => {
    const { system, ref, settle, advance, history } = await startTestSystem([
      life('a', [], { shutdownMs: 100 }),
      life('b', [], { shutdownMs: 200 }),
    ]);
    for (const path of ['/a', '/b']) ref<string>(path).tell('hang');
    await settle();
    const stopped = watched(system.stop());
    await advance(200);
    expect(history().slice(-2)).toEqual(['abandoned /b', 'stopped /b']);
    await advance(100);
    expect(history().slice(-3)).toEqual(['abandoned /a', 'stopped /a', 'stopped /']);
    expect(stopped.done).toBe(true);
  });

  test('C47 the limit of a supervisor bounds those of its children', async () => {
    const children = [life('a', [], { shutdownMs: 10_000 }), life('b', [], { shutdownMs: 10_000 })];
    const { system, ref, settle, advance } = await startTestSystem([
      { ...supervisor('s', 'one-for-one', children), shutdownMs: 300 },
    ]);
    for (const path of ['/s/a', '/s/b']) ref<string>(path).tell('hang');
    await settle();
    const stopped = watched(system.stopChild('/s'));
    await advance(300);
    await advance(0);
    expect(stopped.done).toBe(true);
  });

  test('C48 is at once when the limit is zero', async () => {
    const { system, ref, settle, advance, history } = await startTestSystem([life('a', [], { shutdownMs: 0 })]);
    ref<string>('/a').tell('hang');
    await settle();
    const stopped = watched(system.stop());
    await advance(0);
    expect([stopped.done, history().includes('abandoned /a')]).toEqual([true, true]);
  });

  test('C49 waits for ever when the limit is infinite', async () => {
    const hold = gate();
    const { system, settle, advance, history } = await startTestSystem([
      life('a', [], { shutdownMs: Infinity, stop: () => hold.promise }),
    ]);
    const stopped = watched(system.stop());
    await advance(365 * 86_400_000);
    expect(stopped.done).toBe(false);
    hold.resolve();
    await settle();
    expect([stopped.done, history().includes('abandoned /a')]).toEqual([true, false]);
  });

  test('C50 is not disturbed by a child that dies by itself meanwhile', async () => {
    const log: string[] = [];
    const hold = gate();
    const { system, ref, settle } = await startTestSystem([
      life('a', log),
      life('b', log),
      life('c', log, { stop: () => hold.promise }),
    ]);
    const stopped = watched(system.stop());
    await settle();
    ref<string>('/a').tell('crash');
    await settle();
    hold.resolve();
    await settle();
    expect(log.slice(3)).toEqual(['stop c shutdown', 'stop a crash', 'stop b shutdown']);
    expect([stopped.done, statusOf(system, '/a')]).toEqual([true, 'stopped']);
  });

  test('C51 completes although a child fails to give back what it took', async () => {
    const log: string[] = [];
    const fail = (): never => {
      throw new Error('cannot stop');
    };
    const { system } = await startTestSystem([
      life('a', log),
      life('b', log, { stop: fail }),
      life('c', log, { stop: async () => fail() }),
    ]);
    await system.stop();
    expect(log.slice(3)).toEqual(['stop c shutdown', 'stop b shutdown', 'stop a shutdown']);
  });

  test('C53 stops the children of a dynamic supervisor together under one deadline', async () => {
    const children = ['a', 'b', 'c'].map((id) => life(id, [], { shutdownMs: 100 }));
    const { system, ref, settle, advance, history } = await startTestSystem([supervisor('s', 'dynamic', children)]);
    for (const path of system.list('/s')) ref<string>(path).tell('hang');
    await settle();
    const stopped = watched(system.stop());
    await advance(100);
    expect(history().filter((line) => line.startsWith('abandoned'))).toHaveLength(3);
    expect(stopped.done).toBe(true);
  });

  test('C54 may be called again and again: all share one end', async () => {
    const log: string[] = [];
    const { system, history } = await startTestSystem([life('a', log)]);
    await Promise.all([system.stop(), system.stopChild('/a'), system.stop(), system.stopChild('/')]);
    expect(log.slice(1)).toEqual(['stop a shutdown']);
    expect(history()).toEqual(['started /a', 'started /', 'stopped /a', 'stopped /']);
  });

  test('that an actor causes while it gives back what it took after a crash has it give that back once', async () => {
    const log: string[] = [];
    const running = await startTestSystem([life('a', log, { stop: () => void running.system.stop() })]);
    await crash(running, '/a');
    expect(log).toEqual(['start a', 'stop a crash']);
    expect(statusOf(running.system, '/a')).toBe('stopped');
  });
});

describe('reports', () => {
  test('C62 there is one for each crash with the actor and the error, and one for each that gives up', async () => {
    const running = await startTestSystem([supervisor('s', 'one-for-one', [life('a')], { intensity: 1 })]);
    await crash(running, '/s/a', 2);
    const told = running.lifecycle.filter(({ type }) => type === 'crashed' || type === 'gave-up');
    expect(told.map(({ type, path, incarnation }) => [type, path, incarnation])).toEqual([
      ['crashed', '/s/a', 1],
      ['crashed', '/s/a', 2],
      ['gave-up', '/s', 1],
    ]);
    expect(told.map(({ error }) => error?.message)).toEqual([
      'a was told to crash',
      'a was told to crash',
      'supervisor /s gave up: 2 failures within 1000 ms, 1 allowed',
    ]);
  });

  test('C63 10,000 dynamic children start, are seen, and stop', async () => {
    const { system } = await startTestSystem([supervisor('s', 'dynamic', [])]);
    const ids = Array.from({ length: 10_000 }, (_, at) => `child-${at}`);
    await Promise.all(ids.map((id) => system.spawn('/s', life(id))));
    expect(system.inspect('/s').filter(({ status }) => status === 'running')).toHaveLength(10_001);
    await system.stopChild('/s');
    expect(system.inspect()).toHaveLength(1);
  });
});
