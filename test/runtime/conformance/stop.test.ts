import { describe, expect, test } from 'vitest';
import { silentLog } from '../../../runtime/actor.ts';
import { VirtualClock } from '../../../runtime/clock.ts';
import { type ChildSpec, createSystem } from '../../../runtime/system.ts';
import { crash, end, failToStart, inTurn, life, startWell, statuses, statusOf, watched } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, handler, startTestSystem, supervisor, worker } from '../../support/test-system.ts';

trapRejections();

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

  test('C47 aborts the signal of a child that does not stop in time, and not before', async () => {
    const aborts: string[] = [];
    const child = worker<void, string>(
      'a',
      handler((_message, { signal }) => {
        signal.addEventListener('abort', () => aborts.push('aborted'));
        return new Promise(() => {});
      }),
      { shutdownMs: 100 },
    );
    const { system, ref, settle, advance, history } = await startTestSystem([child]);
    ref<string>('/a').tell('work');
    await settle();
    const stopped = watched(system.stop());
    await advance(99);
    expect([aborts, stopped.done]).toEqual([[], false]);
    await advance(1);
    expect([aborts, stopped.done, history().slice(-3)]).toEqual([
      ['aborted'],
      true,
      ['abandoned /a', 'stopped /a', 'stopped /'],
    ]);
  });

  test('C47 a child that is in time is not abandoned, and has done what it had in hand', async () => {
    const hold = gate();
    const done: string[] = [];
    const child = worker<void, string>(
      'a',
      handler(async (message) => {
        await hold.promise;
        done.push(message);
      }),
      { shutdownMs: 100 },
    );
    const { system, ref, settle, advance, history } = await startTestSystem([child]);
    ref<string>('/a').tell('work');
    await settle();
    const stopped = watched(system.stop());
    await advance(99);
    hold.resolve();
    await settle();
    expect([done, stopped.done, history().includes('abandoned /a')]).toEqual([['work'], true, false]);
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

  test('C50 is not disturbed by a child that ends by itself meanwhile, whatever it would mean otherwise', async () => {
    const log: string[] = [];
    const hold = gate();
    const children = [
      life('a', log),
      life('b', log, { restart: 'transient', significant: true }),
      life('c', log, { stop: () => hold.promise }),
    ];
    const running = await startTestSystem([
      { ...supervisor('s', 'one-for-all', children), autoShutdown: 'any-significant' },
    ]);
    const stopped = watched(running.system.stopChild('/s'));
    await running.settle();
    for (const path of ['/s/a', '/s/b']) running.ref<string>(path).tell('end');
    await running.settle();
    hold.resolve();
    await running.settle();
    expect(log.slice(3)).toEqual(['stop c shutdown', 'stop a normal', 'stop b normal']);
    expect([stopped.done, running.system.list('/')]).toEqual([true, []]);
  });

  test('C51 completes although a child fails to give back what it took, and says so', async () => {
    const log: string[] = [];
    const told: unknown[] = [];
    const fail = (): never => {
      throw new Error('cannot stop');
    };
    const { system } = await startTestSystem(
      [life('a', log), life('b', log, { stop: fail }), life('c', log, { stop: async () => fail() })],
      { ...silentLog, error: (fields) => void told.push(fields) },
    );
    await system.stop();
    expect(log.slice(3)).toEqual(['stop c shutdown', 'stop b shutdown', 'stop a shutdown']);
    expect(told).toMatchObject([
      { path: '/c', error: { message: 'cannot stop' } },
      { path: '/b', error: { message: 'cannot stop' } },
    ]);
  });

  const neverSettles = (): Promise<void> => new Promise(() => {});

  test.each([
    ['has a handler that never settles', 'hang', () => {}],
    ['never finishes its own end', 'end', neverSettles],
    ['never finishes cleaning up after its crash', 'crash', neverSettles],
  ] as const)('C52 is not held up by a child that %s', async (_name, message, stop) => {
    const log: string[] = [];
    const running = await startTestSystem([life('a', log), life('b', log, { shutdownMs: 300, stop })]);
    running.ref<string>('/b').tell(message);
    await running.settle();
    const stopped = watched(running.system.stop());
    await running.advance(300);
    expect([stopped.done, running.history().includes('abandoned /b')]).toEqual([true, true]);
    expect([log.at(-1), statusOf(running.system, '/b')]).toEqual(['stop a shutdown', 'stopped']);
  });

  test.each([
    ['has a handler that never settles', 'hang', () => {}],
    ['never finishes its own end', 'end', neverSettles],
    ['never finishes cleaning up after its crash', 'crash', neverSettles],
  ] as const)(
    'C52 with a limit of its supervisor is not held up by a child without one that %s',
    async (_name, message, stop) => {
      const log: string[] = [];
      const children = [life('a', log), life('b', log, { shutdownMs: Infinity, stop })];
      const running = await startTestSystem([{ ...supervisor('s', 'one-for-one', children), shutdownMs: 300 }]);
      running.ref<string>('/s/b').tell(message);
      await running.settle();
      const stopped = watched(running.system.stopChild('/s'));
      await running.advance(300);
      expect([stopped.done, running.history().includes('abandoned /s/b')]).toEqual([true, true]);
      expect(log.at(-1)).toBe('stop a shutdown');
    },
  );

  test('C52 a child that was left behind changes nothing any more, whatever it still does, not even for its next incarnation', async () => {
    const hold = gate();
    const child = worker<void, string>(
      'a',
      handler(async (_message, context) => {
        await hold.promise;
        context.after(0, 'later');
        context.register('name');
        context.stop();
        context.crash(new Error('late'));
        throw new Error('later still');
      }),
      { shutdownMs: 100 },
    );
    const running = await startTestSystem([child, life('b')]);
    running.ref<string>('/a').tell('work');
    await running.settle();
    const stopped = watched(running.system.terminateChild('/a'));
    await running.advance(100);
    expect(stopped.done).toBe(true);
    await running.system.restartChild('/a');
    const before = running.events.length;
    hold.resolve();
    await running.advance(10_000);
    expect(running.events.slice(before)).toEqual([]);
    expect([statuses(running.system), running.system.named('name')]).toEqual([
      { '/a': 'running', '/b': 'running' },
      undefined,
    ]);
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

  test('C53 the limit of a dynamic supervisor bounds them all', async () => {
    const children = ['a', 'b', 'c'].map((id) => life(id, [], { shutdownMs: Infinity }));
    const { system, ref, settle, advance } = await startTestSystem([
      { ...supervisor('s', 'dynamic', children), shutdownMs: 300 },
    ]);
    for (const path of system.list('/s')) ref<string>(path).tell('hang');
    await settle();
    const stopped = watched(system.stopChild('/s'));
    await advance(299);
    expect(stopped.done).toBe(false);
    await advance(1);
    expect(stopped.done).toBe(true);
  });

  test('C54 all calls of the system share one promise, and those for a child one end', async () => {
    const log: string[] = [];
    const hold = gate();
    const { system, settle, history } = await startTestSystem([
      supervisor('s', 'one-for-one', [life('a', log, { stop: () => hold.promise })]),
    ]);
    const calls = [
      ...[system.stopChild('/s'), system.terminateChild('/s'), system.stopChild('/s/a'), system.terminateChild('/s/a')],
      system.stop(),
    ].map(watched);
    expect(system.stop()).toBe(system.stop());
    await settle();
    expect(calls.map(({ done }) => done)).toEqual([false, false, false, false, false]);
    hold.resolve();
    await settle();
    expect(calls).toEqual(calls.map(() => ({ done: true })));
    expect(log).toEqual(['start a', 'stop a shutdown']);
    expect(history().filter((line) => line.startsWith('stopped') || line.startsWith('down'))).toEqual([
      ...['stopped /s/a', 'stopped /s', 'stopped /'],
    ]);
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
  test('C62 there is one for each crash with the actor, the error and what becomes of it, and one for each that gives up', async () => {
    const running = await startTestSystem([supervisor('s', 'one-for-one', [life('a')], { intensity: 1 })]);
    await crash(running, '/s/a', 2);
    const told = running.events.filter(({ type }) => type === 'crashed' || type === 'gave-up' || type === 'restarting');
    expect(told).toMatchObject([
      {
        ...{ type: 'crashed', path: '/s/a', incarnation: 1, directive: 'restart' },
        ...{ error: { message: 'a was told to crash' }, message: { shown: 'crash' } },
      },
      { type: 'restarting', path: '/s', child: '/s/a', afterMs: 0, group: ['/s/a'] },
      {
        ...{ type: 'crashed', path: '/s/a', incarnation: 2, directive: 'restart' },
        ...{ error: { message: 'a was told to crash' }, message: { shown: 'crash' } },
      },
      {
        ...{ type: 'gave-up', path: '/s', incarnation: 1 },
        error: {
          name: 'GaveUp',
          message: 'supervisor /s gave up: 2 failures within 1000 ms, 1 allowed; because of Error: a was told to crash',
        },
      },
      { type: 'restarting', path: '/', child: '/s', afterMs: 0, group: ['/s'] },
    ]);
    expect(told).toHaveLength(5);
  });

  test('C62 a start that fails is told as a crash too, once for each attempt', async () => {
    const running = await startTestSystem([life('a', [], inTurn(startWell, failToStart, failToStart))]);
    await crash(running, '/a');
    const told = running.events.flatMap((event) => (event.type === 'crashed' ? [event] : []));
    expect(told.map(({ incarnation, error }) => [incarnation, error.message])).toEqual([
      [1, 'a was told to crash'],
      [2, 'cannot start'],
      [3, 'cannot start'],
    ]);
  });

  test('C62 an end without a failure is told as an end, with the incarnation that ended', async () => {
    const running = await startTestSystem([life('a', [], { restart: 'transient' })]);
    await end(running, '/a');
    await running.system.restartChild('/a');
    await end(running, '/a');
    expect(running.lifecycle.map(({ type, path, incarnation }) => [type, path, incarnation])).toEqual([
      ['started', '/a', 1],
      ['started', '/', 1],
      ['down', '/a', 1],
      ['restarted', '/a', 2],
      ['down', '/a', 2],
    ]);
  });
});

describe('C63 the cost of dynamic children', () => {
  /** Starts and stops so many children one after another, with some that end and some that crash on the way. */
  async function run(count: number): Promise<{ readonly readings: number; readonly cpuMs: number }> {
    const tally = { readings: 0 };
    const system = createSystem({ name: 'scale', clock: new VirtualClock() });
    await system.start(supervisor('root', 'one-for-one', [supervisor('s', 'dynamic', [])]));
    const specs = Array.from({ length: count }, (_, at) =>
      counted(life(`child-${at}`, [], { restart: 'transient' }), tally),
    );
    const before = process.cpuUsage();
    for (const spec of specs) await system.spawn('/s', spec);
    expect(system.list('/s')).toHaveLength(count);
    for (let at = 0; at < count; at += 10) {
      system.find<string>(`/s/child-${at}`)?.tell('end');
      system.find<string>(`/s/child-${at + 1}`)?.tell('crash');
      await system.terminateChild(`/s/child-${at + 2}`);
    }
    await system.idle();
    expect(system.list('/s')).toHaveLength(count * 0.8);
    await system.stopChild('/s');
    const { user, system: kernel } = process.cpuUsage(before);
    await system.stop();
    return { readings: tally.readings, cpuMs: (user + kernel) / 1_000 };
  }

  /** Counts how often its spec is looked at: a walk over all siblings shows. */
  function counted(spec: ChildSpec, tally: { readings: number }): ChildSpec {
    return new Proxy(spec, {
      get: (target, key) => {
        tally.readings++;
        return Reflect.get(target, key) as unknown;
      },
    });
  }

  test('C63 ten times as many cost about ten times as much, and not a hundred times', async () => {
    const few = [await run(1_000), await run(1_000), await run(1_000)];
    const many = await run(10_000);
    expect(many.readings / few[0]!.readings).toBeLessThan(11);
    expect(many.cpuMs / Math.max(...few.map(({ cpuMs }) => cpuMs))).toBeLessThan(40);
  });
});
