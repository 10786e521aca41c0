import { describe, expect, test } from 'vitest';
import { crash, failToStart, incarnations, life, statusOf } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, startTestSystem, supervisor } from '../../support/test-system.ts';

trapRejections();

describe('restart types', () => {
  test.each([
    ['C20', 'permanent', 2],
    ['C23', 'transient', 2],
    ['C26', 'temporary', undefined],
  ] as const)('%s after a crash a %s child is in incarnation %s', async (_number, restart, incarnation) => {
    const running = await startTestSystem([life('a', [], { restart })]);
    await crash(running, '/a');
    expect(incarnations(running.system)['a']).toBe(incarnation);
  });

  test.each([
    ['C19', 'permanent'],
    ['C22', 'transient'],
    ['C25', 'temporary'],
  ] as const)('%s a %s child that is told to stop does not come back', async (_number, restart) => {
    const { system, settle } = await startTestSystem([life('a', [], { restart })]);
    await system.stopChild('/a');
    await settle();
    expect(system.list('/')).toEqual([]);
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

  test('C35 peers of a crash are stopped as by a shutdown', async () => {
    const log: string[] = [];
    const running = await startTestSystem(supervisor('root', 'one-for-all', trio(log)));
    await crash(running, '/c');
    expect(log.filter((line) => line.startsWith('stop'))).toEqual([
      'stop c crash',
      'stop b shutdown',
      'stop a shutdown',
    ]);
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

  test('a dynamic supervisor that restarts gives its children fresh budgets', async () => {
    const once = { intensity: 0, periodMs: 1_000 };
    const running = await startTestSystem([supervisor('s', 'dynamic', [life('a'), life('b')], once)]);
    await crash(running, '/s/a');
    expect(incarnations(running.system)).toEqual({ a: 2, b: 2 });
    expect(running.system.inspect('/s/a')[0]).toMatchObject({ status: 'running', restartsInWindow: 0 });
  });
});

describe('a child that never starts again', () => {
  const never = (log: string[]) => {
    let starts = 0;
    return life('never', log, {
      start: () => {
        if (++starts > 1) failToStart();
      },
    });
  };

  test.each([
    ['C43', 'one-for-one'],
    ['C44', 'rest-for-one'],
    ['C44', 'dynamic'],
  ] as const)('%s does not keep a %s supervisor from answering and stopping', async (_number, strategy) => {
    const log: string[] = [];
    const backoff = { firstMs: 10, maxMs: 10, jitter: 0 };
    const running = await startTestSystem([supervisor('s', strategy, [life('first', log), never(log)], { backoff })]);
    await crash(running, '/s/never');
    await running.advance(100);
    expect(running.system.list('/s')).toEqual(['/s/first', '/s/never']);
    await running.system.stopChild('/s/never');
    expect(running.system.list('/s')).toEqual(['/s/first']);
    expect(statusOf(running.system, '/s/first')).toBe('running');
    await running.system.stopChild('/s');
    expect(running.system.list('/')).toEqual([]);
  });

  test('C45 a stop during its backoff cancels the timer', async () => {
    const backoff = { firstMs: 1_000, maxMs: 1_000, jitter: 0 };
    const running = await startTestSystem(supervisor('root', 'one-for-one', [life('a')], { backoff }));
    await crash(running, '/a');
    expect(running.clock.pending).toBe(1);
    await running.system.stop();
    expect(running.clock.pending).toBe(0);
  });
});
