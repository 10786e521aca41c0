import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../../runtime/clock.ts';
import { ChildRunning } from '../../../runtime/spec.ts';
import { createSystem } from '../../../runtime/system.ts';
import {
  crash,
  end,
  failToStart,
  household,
  incarnations,
  inTurn,
  life,
  startWell,
  statuses,
  statusOf,
} from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, startTestSystem, supervisor, type TestSystem } from '../../support/test-system.ts';

trapRejections();

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('restart types', () => {
  const ways = {
    normal: (running: TestSystem) => end(running, '/a'),
    // What OTP calls an end with the reason `shutdown`.
    shutdown: (running: TestSystem) => end(running, '/a/heart'),
    crash: (running: TestSystem) => crash(running, '/a'),
  };

  test.each([
    ['C18', 'permanent', 'normal', 'comes back'],
    ['C19', 'permanent', 'shutdown', 'comes back'],
    ['C20', 'permanent', 'crash', 'comes back'],
    ['C21', 'transient', 'normal', 'is down'],
    ['C22', 'transient', 'shutdown', 'is down'],
    ['C23', 'transient', 'crash', 'comes back'],
    ['C24', 'temporary', 'normal', 'is forgotten'],
    ['C25', 'temporary', 'shutdown', 'is forgotten'],
    ['C26', 'temporary', 'crash', 'is forgotten'],
  ] as const)('%s a %s child after an end by %s %s', async (_number, restart, way, fate) => {
    const child = way === 'shutdown' ? household('a', [], { restart }) : life('a', [], { restart });
    const running = await startTestSystem([child, life('peer')]);
    const { system } = running;
    await ways[way](running);
    expect([system.list('/'), statusOf(system, '/a'), system.inspect('/a')[0]?.incarnation]).toEqual(
      {
        'comes back': [['/a', '/peer'], 'running', 2],
        'is down': [['/a', '/peer'], 'down', 1],
        'is forgotten': [['/peer'], undefined, undefined],
      }[fate],
    );
    // Only what comes back costs budget, and only a crash is told as one.
    expect(system.inspect()[0]).toMatchObject({ restartsInWindow: fate === 'comes back' ? 1 : 0 });
    expect(running.history().includes('crashed /a')).toBe(way === 'crash');
    expect(
      running
        .history()
        .filter((line) => line.endsWith('ed /a') || line === 'down /a')
        .at(-1),
    ).toBe({ 'comes back': 'restarted /a', 'is down': 'down /a', 'is forgotten': 'stopped /a' }[fate]);
    await running.advance(10_000);
    expect(incarnations(system)['peer']).toBe(1);
  });

  test.each(['permanent', 'transient', 'temporary'] as const)(
    'C19, C22, C25 a %s child that is told to stop by others does not come back',
    async (restart) => {
      const { system, settle } = await startTestSystem([life('a', [], { restart })]);
      await system.stopChild('/a');
      await settle();
      expect(system.list('/')).toEqual([]);
    },
  );

  test('C18 a permanent child that ends too often costs the budget of its supervisor', async () => {
    const running = await startTestSystem([supervisor('s', 'one-for-one', [life('a')], { intensity: 1 })]);
    await end(running, '/s/a');
    expect(running.history()).not.toContain('gave-up /s');
    await end(running, '/s/a');
    expect(running.history()).toContain('gave-up /s');
  });

  test('C18 the end of a permanent child takes its group along, as a crash does', async () => {
    const log: string[] = [];
    const running = await startTestSystem(supervisor('root', 'one-for-all', [life('a', log), life('b', log)]));
    log.length = 0;
    await end(running, '/a');
    expect(log).toEqual(['stop a normal', 'stop b shutdown', 'start a', 'start b']);
  });

  test('C21 the end of a transient child leaves its group alone', async () => {
    const log: string[] = [];
    const running = await startTestSystem(
      supervisor('root', 'one-for-all', [life('a', log, { restart: 'transient' }), life('b', log)]),
    );
    log.length = 0;
    await end(running, '/a');
    expect(log).toEqual(['stop a normal']);
  });

  test('C26 the crash of a temporary child leaves its group alone', async () => {
    const log: string[] = [];
    const running = await startTestSystem(
      supervisor('root', 'one-for-all', [life('a', log), life('t', log, { restart: 'temporary' }), life('b', log)]),
    );
    log.length = 0;
    await crash(running, '/t');
    expect([log, incarnations(running.system)]).toEqual([['stop t crash'], { a: 1, b: 1 }]);
  });

  test('C21 a child that ends handles the message in hand to its end, and the rest is given up', async () => {
    const log: string[] = [];
    const { system, ref, settle, deadLetters } = await startTestSystem([life('a', log, { restart: 'transient' })]);
    for (const message of ['one', 'end', 'two']) ref<string>('/a').tell(message);
    await settle();
    expect(log).toEqual(['start a', 'a got one', 'stop a normal']);
    expect(deadLetters.map(({ reason, message }) => [reason, message.shown])).toEqual([['stopped', 'two']]);
    expect([statusOf(system, '/a'), ref<string>('/a').tell('three')]).toEqual(['down', 'stopped']);
  });

  test('C18 a child that ends and comes back keeps what waits', async () => {
    const log: string[] = [];
    const { ref, settle } = await startTestSystem([life('a', log)]);
    for (const message of ['one', 'end', 'two']) ref<string>('/a').tell(message);
    await settle();
    expect(log).toEqual(['start a', 'a got one', 'stop a normal', 'start a', 'a got two']);
  });

  test.each([
    ['resume', 'running', 1, []],
    ['restart', 'running', 2, ['stop a crash', 'start a']],
    ['stop', 'down', 1, ['stop a crash']],
    ['escalate', 'running', 2, ['stop a crash', 'start a']],
  ] as const)('C20 a spec may answer a crash with %s', async (directive, status, incarnation, then) => {
    const log: string[] = [];
    const running = await startTestSystem([
      supervisor('s', 'one-for-one', [life('a', log, { onError: () => directive })]),
    ]);
    log.length = 0;
    await crash(running, '/s/a');
    expect(running.system.inspect('/s/a')[0]).toMatchObject({ status, incarnation });
    expect(log).toEqual(then);
    expect(running.events.find(({ type }) => type === 'crashed')).toMatchObject({ directive });
    expect(running.system.inspect('/s')[0]).toMatchObject({ incarnation: directive === 'escalate' ? 2 : 1 });
    expect(running.history().includes('gave-up /s')).toBe(directive === 'escalate');
    expect(running.deadLetters.map(({ reason }) => reason)).toEqual(['poison']);
  });

  test('C27 a temporary child that crashed is forgotten: its id is free and nothing leads to it', async () => {
    const running = await startTestSystem([life('a', [], { restart: 'temporary' })]);
    const { system, ref } = running;
    const before = ref<string>('/a');
    await crash(running, '/a');
    expect([system.find('/a'), before.tell('hello')]).toEqual([undefined, 'stopped']);
    await system.spawn('/', life('a'));
    expect(ref<string>('/a').tell('hello')).toBe('queued');
    expect(before.tell('hello')).toBe('stopped');
  });

  test.each(['crash', 'end'])(
    'C27 nothing but its dead letters holds the spec of a temporary child after its %s',
    async (message) => {
      const running = await startTestSystem([life('b')]);
      const behavior = await (async () => {
        const spec = life('a', [], { restart: 'temporary' });
        await running.system.spawn('/', spec);
        running.ref<string>('/a').tell(message);
        await running.settle();
        return new WeakRef('behavior' in spec ? spec.behavior : spec);
      })();
      expect(running.system.list('/')).toEqual(['/b']);
      for (const { id } of running.system.deadLetters.list()) running.system.deadLetters.discard(id);
      expect(await isCollected(behavior)).toBe(true);
    },
  );

  test('C28 neither is one revived that crashes together with its group', async () => {
    const log: string[] = [];
    const running = await startTestSystem(
      supervisor('root', 'one-for-all', [life('a', log), life('b', log, { restart: 'temporary' })], { intensity: 1 }),
    );
    for (const path of ['/a', '/b']) running.ref<string>(path).tell('crash');
    await running.settle();
    expect([log.slice(2), running.system.list('/')]).toEqual([['stop a crash', 'stop b crash', 'start a'], ['/a']]);
  });

  test('C28 a temporary bystander of a group restart is gone, and has cost no budget', async () => {
    const policy = { intensity: 1 };
    const running = await startTestSystem(
      supervisor('root', 'one-for-all', [life('a'), life('b', [], { restart: 'temporary' })], policy),
    );
    await crash(running, '/a');
    expect(incarnations(running.system)).toEqual({ a: 2 });
    expect(running.system.inspect()[0]).toMatchObject({ restartsInWindow: 1, status: 'running' });
  });
});

describe('strategies', () => {
  const trio = (log: string[]) => [life('a', log), life('b', log), life('c', log)];

  test('C29 one-for-one leaves the incarnations of the others alone', async () => {
    const running = await startTestSystem(trio([]));
    await crash(running, '/b');
    expect(incarnations(running.system)).toEqual({ a: 1, b: 2, c: 1 });
  });

  test('C30 one-for-all stops everybody in reverse, temporary ones in their place, and starts the others in order', async () => {
    const log: string[] = [];
    const running = await startTestSystem(
      supervisor('root', 'one-for-all', [life('a', log), life('t', log, { restart: 'temporary' }), life('c', log)]),
    );
    log.length = 0;
    await crash(running, '/a');
    expect(log).toEqual(['stop a crash', 'stop c shutdown', 'stop t shutdown', 'start a', 'start c']);
  });

  test('C31 rest-for-one touches only those that started later', async () => {
    const log: string[] = [];
    const running = await startTestSystem(supervisor('root', 'rest-for-one', trio(log)));
    log.length = 0;
    await crash(running, '/b');
    expect(log).toEqual(['stop b crash', 'stop c shutdown', 'start b', 'start c']);
  });

  test.each([
    ['C32', 'one-for-all', ['start a', 'start b', 'stop a shutdown', 'start a', 'start b', 'start c']],
    ['C33', 'rest-for-one', ['start a', 'start b', 'start b', 'start c']],
  ] as const)(
    '%s %s: a start that fails in a group restart is tried again with its group',
    async (_number, strategy, then) => {
      const log: string[] = [];
      let starts = 0;
      const start = (): void => {
        if (++starts === 2) failToStart();
      };
      const children = [life('a', log), life('b', log, { start }), life('c', log)];
      const running = await startTestSystem(supervisor('root', strategy, children));
      log.length = 0;
      await crash(running, '/a');
      expect(log.splice(0)).toEqual(['stop a crash', 'stop c shutdown', 'stop b shutdown', ...then]);
    },
  );

  test.each([
    ['C32', 'one-for-all', ['stop b shutdown', 'stop a shutdown', 'start a', 'start b', 'start c', 'start d']],
    ['C33', 'rest-for-one', ['start c', 'start d']],
  ] as const)(
    '%s %s: a start that fails in a group restart has those behind it wait, and those that its strategy says start again',
    async (_number, strategy, then) => {
      const log: string[] = [];
      const children = [
        life('a', log),
        life('b', log),
        life('c', log, inTurn(startWell, failToStart)),
        life('d', log, { restart: 'transient' }),
      ];
      const running = await startTestSystem(supervisor('root', strategy, children));
      log.length = 0;
      await crash(running, '/a');
      expect(log.slice(4)).toEqual(['start a', 'start b', 'start c', ...then]);
      expect(running.system.inspect()[0]).toMatchObject({ status: 'running', restartsInWindow: 2 });
    },
  );

  test.each([
    ['one-for-all', { a: 2, b: 2, c: 2 }],
    ['rest-for-one', { a: 1, b: 2, c: 2 }],
  ] as const)(
    'C34 %s: a child that was terminated, or has ended, comes back with the restart of its group and not before',
    async (strategy, expected) => {
      for (const goDown of [
        (running: TestSystem) => running.system.terminateChild('/c'),
        (running: TestSystem) => end(running, '/c'),
      ]) {
        const children = [life('a'), life('b'), life('c', [], { restart: 'transient' })];
        const running = await startTestSystem(supervisor('root', strategy, children));
        await goDown(running);
        await running.advance(10_000);
        expect(statusOf(running.system, '/c')).toBe('down');
        await crash(running, '/b');
        expect(incarnations(running.system)).toEqual(expected);
        expect(statuses(running.system)).toEqual({ '/a': 'running', '/b': 'running', '/c': 'running' });
      }
    },
  );

  test('C34 a child that was terminated does not come back with the restart of others', async () => {
    const running = await startTestSystem(supervisor('root', 'rest-for-one', trio([])));
    await running.system.terminateChild('/a');
    await crash(running, '/b');
    expect(statuses(running.system)).toEqual({ '/a': 'down', '/b': 'running', '/c': 'running' });
  });

  test('C35 peers of a crash are stopped as by a shutdown', async () => {
    const log: string[] = [];
    const running = await startTestSystem(supervisor('root', 'one-for-all', trio(log)));
    await crash(running, '/c');
    expect(log.filter((line) => line.startsWith('stop'))).toEqual([
      'stop c crash',
      'stop b shutdown',
      'stop a shutdown',
    ]);
    expect(running.history().filter((line) => line.startsWith('crashed'))).toEqual(['crashed /c']);
  });
});

describe('intensity', () => {
  const limited = (policy: object, log: string[] = []) =>
    startTestSystem([supervisor('s', 'one-for-one', [life('a', log), life('b', log)], { periodMs: 1_000, ...policy })]);

  test.each([0, 1, 2, 5])(
    'C36 exactly %i restarts in the window are allowed, one more ends the supervisor',
    async (intensity) => {
      const running = await limited({ intensity });
      await crash(running, '/s/a', intensity);
      expect(running.history()).not.toContain('gave-up /s');
      await crash(running, '/s/a');
      expect(running.history().filter((line) => line === 'gave-up /s')).toHaveLength(1);
    },
  );

  test.each([
    ['exactly one period ago still counts', 1_000, true],
    ['longer than one period ago does not', 1_001, false],
  ])('C37 a failure %s', async (_name, afterMs, gaveUp) => {
    const running = await limited({ intensity: 1 });
    await crash(running, '/s/a');
    await running.advance(afterMs);
    await crash(running, '/s/a');
    expect(running.history().includes('gave-up /s')).toBe(gaveUp);
  });

  test('C38 restarts that fail count', async () => {
    const log: string[] = [];
    let starts = 0;
    const start = (): void => {
      if (++starts > 1 && starts < 5) failToStart();
    };
    const running = await startTestSystem([
      supervisor('s', 'one-for-one', [life('a', log, { start })], { intensity: 3 }),
    ]);
    await crash(running, '/s/a');
    // One crash and three starts that failed are four.
    expect(running.history()).toContain('gave-up /s');
  });

  test('C38 restarts that fail count, those after a wait too', async () => {
    const start = { start: failToStart };
    const running = await startTestSystem([
      supervisor('s', 'one-for-one', [life('keep'), life('a', [], inTurn(startWell, ...Array(10).fill(start.start)))], {
        intensity: 3,
        periodMs: 10_000,
        backoff: { firstMs: 10, maxMs: 10, jitter: 0 },
      }),
    ]);
    await crash(running, '/s/a');
    const counts: unknown[] = [];
    for (let attempt = 0; attempt < 3; attempt++) {
      counts.push(running.system.inspect('/s')[0]?.restartsInWindow);
      expect(running.history()).not.toContain('gave-up /s');
      await running.advance(10);
    }
    expect([counts, running.history().includes('gave-up /s')]).toEqual([[1, 2, 3], true]);
  });

  test('C39 the restart of a group counts one, also when a peer crashes before it is taken down', async () => {
    const hold = gate();
    const children = [life('a'), life('b'), life('c', [], { stop: () => hold.promise })];
    const running = await startTestSystem(supervisor('root', 'one-for-all', children, { intensity: 1 }));
    await crash(running, '/a');
    await crash(running, '/b');
    hold.resolve();
    await running.settle();
    expect(incarnations(running.system)).toEqual({ a: 2, b: 2, c: 2 });
    expect(running.system.inspect()[0]).toMatchObject({ restartsInWindow: 1 });
  });

  test('C40 a jump of the wall clock changes nothing', async () => {
    const running = await limited({ intensity: 1 });
    await crash(running, '/s/a');
    running.clock.jumpWall(-3_600_000_000);
    running.clock.jumpWall(7_200_000_000);
    await crash(running, '/s/b');
    expect(running.history()).toContain('gave-up /s');
  });

  test('C41 a spent budget stops the children in reverse and is one failure of the parent, level by level', async () => {
    const log: string[] = [];
    const once = { intensity: 1, periodMs: 1_000 };
    const low = supervisor('low', 'one-for-one', [life('a', log), life('b', log)], once);
    const running = await startTestSystem([
      supervisor('high', 'one-for-all', [life('peer', log), supervisor('mid', 'one-for-one', [low], once)], once),
    ]);
    await crash(running, '/high/mid/low/a');
    log.length = 0;
    await crash(running, '/high/mid/low/a');
    expect(log).toEqual(['stop a crash', 'stop b shutdown', 'start a', 'start b']);
    expect(running.history().filter((line) => line.startsWith('gave-up'))).toEqual(['gave-up /high/mid/low']);
    log.length = 0;
    await crash(running, '/high/mid/low/b', 2);
    expect(running.history().filter((line) => line.startsWith('gave-up'))).toEqual([
      'gave-up /high/mid/low',
      'gave-up /high/mid/low',
      'gave-up /high/mid',
    ]);
    // The peer of the middle one restarts with it: the strategy of each level is its own.
    expect(log.slice(-5)).toEqual(['stop a shutdown', 'stop peer shutdown', 'start peer', 'start a', 'start b']);
  });

  test('C42 the wait doubles with each failure in a row up to its cap, and starts anew after a stable period', async () => {
    const running = await limited({ intensity: 100, backoff: { firstMs: 10, maxMs: 35, jitter: 0 } });
    const waitOf = async (): Promise<number> => {
      await crash(running, '/s/a');
      const fromMs = running.clock.monotonicMs();
      while (statusOf(running.system, '/s/a') !== 'running') await running.advance(5);
      return running.clock.monotonicMs() - fromMs;
    };
    expect([await waitOf(), await waitOf(), await waitOf(), await waitOf()]).toEqual([10, 20, 35, 35]);
    await running.advance(1_001);
    expect(await waitOf()).toBe(10);
  });

  test('C41 the budget of a supervisor that comes back is whole again', async () => {
    const running = await limited({ intensity: 1 });
    await crash(running, '/s/a', 2);
    expect(running.system.inspect('/s')[0]).toMatchObject({ incarnation: 2, restartsInWindow: 0 });
    await crash(running, '/s/a');
    expect(running.history().filter((line) => line === 'gave-up /s')).toHaveLength(1);
  });

  test.each([
    ['permanent', 'running'],
    ['transient', 'running'],
    ['temporary', undefined],
  ] as const)('C41 giving up is a failure: a %s supervisor that gave up is %s', async (restart, status) => {
    const spec = supervisor('s', 'one-for-one', [life('a')], { intensity: 0 });
    const running = await startTestSystem([{ ...spec, restart }]);
    await crash(running, '/s/a');
    expect(statusOf(running.system, '/s')).toBe(status);
  });

  test('C41 a root that gives up ends the system, with its children stopped in reverse', async () => {
    const log: string[] = [];
    const running = await startTestSystem(
      supervisor('root', 'one-for-one', [life('a', log), life('b', log), life('c', log)], { intensity: 0 }),
    );
    log.length = 0;
    await crash(running, '/b');
    expect(log).toEqual(['stop b crash', 'stop c shutdown', 'stop a shutdown']);
    expect(running.history().slice(-1)).toEqual(['stopped /']);
  });

  test('C42 what it says of a restart is how long it waits, and who comes along', async () => {
    const running = await startTestSystem(
      supervisor('root', 'rest-for-one', [life('a'), life('b'), life('c')], {
        backoff: { firstMs: 10, maxMs: 35, jitter: 0 },
      }),
    );
    for (let time = 0; time < 4; time++) {
      await crash(running, '/b');
      await running.advance(35);
    }
    const told = running.events.flatMap((event) => (event.type === 'restarting' ? [event] : []));
    expect(told.map(({ path, child, afterMs, group }) => ({ path, child, afterMs, group }))).toEqual(
      [10, 20, 35, 35].map((afterMs) => ({ path: '/', child: '/b', afterMs, group: ['/b', '/c'] })),
    );
  });

  test('C42 chance takes at most its share off a wait', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.double({ min: 0, max: 0.999_999, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 8 }),
        async (chance, jitter, crashes) => {
          const clock = new VirtualClock();
          const system = createSystem({ name: 'jitter', clock, random: () => chance });
          const waitsMs: number[] = [];
          system.events.subscribe({ types: ['restarting'] }, (event) => {
            if (event.type === 'restarting') waitsMs.push(event.afterMs);
          });
          const backoff = { firstMs: 100, maxMs: 1_000, jitter };
          await system.start(supervisor('root', 'one-for-one', [life('a')], { periodMs: 1_000_000, backoff }));
          for (let time = 0; time < crashes; time++) {
            system.find<string>('/a')?.tell('crash');
            while (waitsMs.length <= time) await turn();
            clock.advance(1_000);
            while (statusOf(system, '/a') !== 'running') await turn();
          }
          await system.stop();
          const fullMs = [100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000].slice(0, crashes);
          for (const [at, waitMs] of waitsMs.entries()) {
            expect(waitMs).toBeLessThanOrEqual(fullMs[at]!);
            expect(waitMs).toBeGreaterThanOrEqual(fullMs[at]! * (1 - jitter));
            expect(waitMs).toBeCloseTo(fullMs[at]! * (1 - jitter * chance), 6);
          }
          expect(waitsMs).toHaveLength(crashes);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('a dynamic supervisor that restarts gives its children fresh budgets', async () => {
    const once = { intensity: 0, periodMs: 1_000 };
    const running = await startTestSystem([supervisor('s', 'dynamic', [life('a'), life('b')], once)]);
    await crash(running, '/s/a');
    expect(incarnations(running.system)).toEqual({ a: 2, b: 2 });
    expect(running.system.inspect('/s/a')[0]).toMatchObject({ status: 'running', restartsInWindow: 0 });
  });
});

describe('a child that never starts again', () => {
  const never = (log: string[]) =>
    life('never', log, inTurn(startWell, ...Array.from({ length: 1_000 }, () => failToStart)));

  test.each([
    ['C43', 'one-for-one'],
    ['C43', 'one-for-all'],
    ['C44', 'rest-for-one'],
    ['C44', 'dynamic'],
  ] as const)(
    '%s does not keep a %s supervisor from answering, terminating and stopping',
    async (_number, strategy) => {
      const backoff = { firstMs: 10, maxMs: 10, jitter: 0 };
      const running = await startTestSystem([supervisor('s', strategy, [life('first'), never([])], { backoff })]);
      const { system } = running;
      await crash(running, '/s/never');
      await running.advance(100);
      expect(system.list('/s')).toEqual(['/s/first', '/s/never']);
      expect(statusOf(system, '/s/never')).toBe('restarting');
      await expect(system.restartChild('/s/never')).rejects.toBeInstanceOf(ChildRunning);
      await system.spawn('/s', life('added'));
      await system.terminateChild('/s/never');
      await running.advance(100);
      expect(system.list('/s')).toEqual(
        strategy === 'dynamic' ? ['/s/first', '/s/added'] : ['/s/first', '/s/never', '/s/added'],
      );
      expect(statuses(system)).toMatchObject({ '/s/first': 'running', '/s/added': 'running' });
      await system.stopChild('/s');
      expect(system.list('/')).toEqual([]);
    },
  );

  test.each([
    ['C43', 'one-for-one'],
    ['C43', 'one-for-all'],
    ['C44', 'rest-for-one'],
    ['C44', 'dynamic'],
  ] as const)(
    '%s without a wait, too, leaves a %s supervisor time to answer, terminate and stop',
    async (_number, strategy) => {
      let attempts = 0;
      const start = (): void => {
        if (++attempts > 1 && attempts < 20_000) failToStart();
      };
      const policy = { intensity: 100_000, periodMs: 1_000 };
      const system = createSystem({ name: 'loop', clock: new VirtualClock() });
      await system.start(
        supervisor('root', 'one-for-one', [
          supervisor('s', strategy, [life('first'), life('never', [], { start })], policy),
        ]),
      );
      system.find<string>('/s/never')?.tell('crash');
      while (attempts < 10) await turn();
      expect(system.list('/s')).toEqual(['/s/first', '/s/never']);
      await system.terminateChild('/s/never');
      const before = attempts;
      for (let turns = 0; turns < 30; turns++) await turn();
      expect(attempts).toBe(before);
      expect(attempts).toBeLessThan(20_000);
      await system.stop();
      expect(statusOf(system, '/')).toBe('stopped');
    },
  );

  test('C43 while it loops, the supervisor restarts the others', async () => {
    const backoff = { firstMs: 10, maxMs: 10, jitter: 0 };
    const running = await startTestSystem(supervisor('root', 'one-for-one', [life('first'), never([])], { backoff }));
    await crash(running, '/never');
    await running.advance(25);
    await crash(running, '/first');
    await running.advance(10);
    expect(statuses(running.system)).toEqual({ '/first': 'running', '/never': 'restarting' });
  });

  test.each([
    ['one-for-one', 'stop of the system', ({ system }: TestSystem) => system.stop()],
    ['one-for-one', 'stop of the child', ({ system }: TestSystem) => system.stopChild('/s/a')],
    ['one-for-one', 'termination of the child', ({ system }: TestSystem) => system.terminateChild('/s/a')],
    ['one-for-one', 'termination of the supervisor', ({ system }: TestSystem) => system.terminateChild('/s')],
    ['dynamic', 'termination of the child', ({ system }: TestSystem) => system.terminateChild('/s/a')],
    ['one-for-all', 'stop of the system', ({ system }: TestSystem) => system.stop()],
    ['rest-for-one', 'termination of the supervisor', ({ system }: TestSystem) => system.terminateChild('/s')],
  ] as const)('C45 %s: a %s during the wait cancels the timer', async (strategy, _name, stop) => {
    const log: string[] = [];
    const backoff = { firstMs: 1_000, maxMs: 1_000, jitter: 0 };
    const running = await startTestSystem([supervisor('s', strategy, [life('a', log)], { backoff })]);
    await crash(running, '/s/a');
    expect(running.clock.pending).toBe(1);
    await stop(running);
    expect(running.clock.pending).toBe(0);
    await running.advance(10_000);
    expect(log).toEqual(['start a', 'stop a crash']);
  });

  test.each(['one-for-all', 'rest-for-one'] as const)(
    'C45 %s: a child that is terminated while one before it in its group starts stays down',
    async (strategy) => {
      const up = gate();
      const log: string[] = [];
      const children = [
        life(
          'a',
          log,
          inTurn(startWell, () => up.promise),
        ),
        life('b', log),
        life('c', log),
      ];
      const running = await startTestSystem(supervisor('root', strategy, children));
      await crash(running, '/a');
      log.length = 0;
      await running.system.terminateChild('/b');
      up.resolve();
      await running.settle();
      expect(statuses(running.system)).toEqual({ '/a': 'running', '/b': 'down', '/c': 'running' });
      expect(log).toEqual(['start c']);
    },
  );

  test('C45 a child that is terminated before its turn in the start of all stays down', async () => {
    const up = gate();
    const log: string[] = [];
    const running = await startTestSystem();
    const { system } = running;
    const children = [life('a', log, { start: () => up.promise }), life('b', log), life('c', log)];
    const started = system.spawn('/', supervisor('s', 'one-for-one', children));
    await running.settle();
    await system.terminateChild('/s/b');
    up.resolve();
    await started;
    expect(statuses(system)).toEqual({ '/s': 'running', '/s/a': 'running', '/s/b': 'down', '/s/c': 'running' });
    expect(log).toEqual(['start a', 'start c']);
  });

  test('C45 a child that is terminated during the wait of its group stays down, and the others come back', async () => {
    const backoff = { firstMs: 1_000, maxMs: 1_000, jitter: 0 };
    const running = await startTestSystem(
      supervisor('root', 'one-for-all', [life('a'), life('b'), life('c')], { backoff }),
    );
    await crash(running, '/a');
    await running.system.terminateChild('/a');
    await running.advance(1_000);
    expect(statuses(running.system)).toEqual({ '/a': 'down', '/b': 'running', '/c': 'running' });
  });
});

/** Whether nothing leads to it any more. */
async function isCollected(target: WeakRef<object>): Promise<boolean> {
  for (let attempt = 0; attempt < 20 && target.deref() !== undefined; attempt++) {
    await turn();
    collectGarbage();
  }
  return target.deref() === undefined;
}
