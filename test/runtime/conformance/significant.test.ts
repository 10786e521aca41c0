import { describe, expect, test } from 'vitest';
import type { SupervisorSpec } from '../../../runtime/system.ts';
import {
  crash,
  decline,
  end,
  failToStart,
  household,
  inTurn,
  life,
  startWell,
  statuses,
  statusOf,
} from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, startTestSystem, supervisor, type TestSystem } from '../../support/test-system.ts';

trapRejections();

type AutoShutdown = NonNullable<SupervisorSpec['autoShutdown']>;

const significant = { restart: 'transient', significant: true } as const;

/** A transient supervisor `/s` with two significant children, `a` and `b`, and one that is not, `plain`. */
function family(
  autoShutdown: AutoShutdown,
  log: string[] = [],
  more: Partial<SupervisorSpec> = {},
): Promise<TestSystem> {
  const children = [
    life('a', log, significant),
    life('plain', log, { restart: 'transient' }),
    life('b', log, significant),
  ];
  const spec = { ...supervisor('s', 'one-for-one', children), restart: 'transient', autoShutdown, ...more } as const;
  return startTestSystem([spec, life('neighbour')]);
}

describe('a supervisor whose significant children end', () => {
  test.each(['transient', 'temporary'] as const)(
    'C55 any: the end of one %s ends it, the others stopped in reverse',
    async (restart) => {
      const log: string[] = [];
      const children = ['a', 'b', 'c', 'd'].map((id) =>
        life(id, log, { ...(id === 'b' && { restart, significant: true }) }),
      );
      const running = await startTestSystem([
        { ...supervisor('s', 'one-for-one', children), restart: 'transient', autoShutdown: 'any-significant' },
      ]);
      log.length = 0;
      await end(running, '/s/b');
      expect(log).toEqual(['stop b normal', 'stop d shutdown', 'stop c shutdown', 'stop a shutdown']);
      expect(statusOf(running.system, '/s')).toBe('down');
      expect(running.history()).not.toContain('gave-up /s');
    },
  );

  test('C56 all: the end of the last ends it, the ends before do not', async () => {
    const log: string[] = [];
    const running = await family('all-significant', log);
    await end(running, '/s/b');
    expect(statuses(running.system)).toMatchObject({ '/s': 'running', '/s/a': 'running', '/s/b': 'down' });
    log.length = 0;
    await end(running, '/s/a');
    expect(log).toEqual(['stop a normal', 'stop plain shutdown']);
    expect(statuses(running.system)).toMatchObject({ '/s': 'down', '/neighbour': 'running' });
  });

  test('C56 all: one that was started again by hand counts again', async () => {
    const running = await family('all-significant');
    await end(running, '/s/b');
    await running.system.restartChild('/s/b');
    await end(running, '/s/a');
    expect(statusOf(running.system, '/s')).toBe('running');
    await end(running, '/s/b');
    expect(statusOf(running.system, '/s')).toBe('down');
  });

  test.each<AutoShutdown>(['never', 'any-significant', 'all-significant'])(
    'C57 %s: it never ends with one that is not significant',
    async (autoShutdown) => {
      const running = await startTestSystem([
        {
          ...supervisor('s', 'one-for-one', [
            life('a', [], { restart: 'transient' }),
            life('b', [], { restart: 'temporary' }),
          ]),
          autoShutdown,
        },
      ]);
      await end(running, '/s/a');
      await end(running, '/s/b');
      expect(running.system.inspect('/s').map(({ path, status }) => [path, status])).toEqual([
        ['/s', 'running'],
        ['/s/a', 'down'],
      ]);
    },
  );

  test.each<AutoShutdown>(['any-significant', 'all-significant'])(
    'C58 %s: a crash after which the child comes back is no end',
    async (autoShutdown) => {
      const running = await family(autoShutdown);
      await crash(running, '/s/a', 2);
      await crash(running, '/s/b', 2);
      expect(statuses(running.system)).toMatchObject({ '/s': 'running', '/s/a': 'running', '/s/b': 'running' });
    },
  );

  test('C58 all: a child that waits for its restart has not ended', async () => {
    const backoff = { firstMs: 100, maxMs: 100, jitter: 0 };
    const running = await family('all-significant', [], {
      policy: { intensity: 5, periodMs: 1_000, backoff },
    });
    await crash(running, '/s/a');
    await end(running, '/s/b');
    expect(statuses(running.system)).toMatchObject({ '/s': 'running', '/s/a': 'restarting' });
    await running.advance(100);
    expect(statuses(running.system)).toMatchObject({ '/s': 'running', '/s/a': 'running' });
  });

  test('C58 a crash after which the child does not come back is an end', async () => {
    const running = await startTestSystem([
      {
        ...supervisor('s', 'one-for-one', [life('a', [], { restart: 'temporary', significant: true }), life('b')]),
        restart: 'transient',
        autoShutdown: 'any-significant',
      },
    ]);
    await crash(running, '/s/a');
    expect(statusOf(running.system, '/s')).toBe('down');
  });

  test('C58 a child of a dynamic supervisor that has spent its own budget does not come back: that is an end', async () => {
    const child = life('a', [], {
      ...significant,
      policy: { intensity: 0, periodMs: 1_000, backoff: { firstMs: 0, maxMs: 0, jitter: 0 } },
    });
    const running = await startTestSystem([
      { ...supervisor('s', 'dynamic', [child, life('b')]), restart: 'transient', autoShutdown: 'any-significant' },
    ]);
    await crash(running, '/s/a');
    expect(statusOf(running.system, '/s')).toBe('down');
  });

  test.each<AutoShutdown>(['any-significant', 'all-significant'])(
    'C58 %s: a child that declines to start has not ended, nor has a temporary one whose first start fails',
    async (autoShutdown) => {
      const children = [
        life('a', [], { ...significant, ...inTurn(decline) }),
        life('b', [], { restart: 'temporary', significant: true, start: failToStart }),
        life('c'),
      ];
      const running = await startTestSystem([{ ...supervisor('s', 'one-for-one', children), autoShutdown }]);
      await running.settle();
      expect(running.history()).not.toContain('down /s');
      expect(running.system.inspect('/s')[0]).toMatchObject({ status: 'running', incarnation: 1 });
      await running.system.spawn('/s', life('d', [], { ...significant, start: decline }));
      await running.settle();
      expect(running.system.inspect('/s')[0]).toMatchObject({ status: 'running', incarnation: 1 });
    },
  );

  test('C58 any: a child that declines to come back after a crash has not ended', async () => {
    const children = [life('a', [], { ...significant, ...inTurn(startWell, decline) }), life('b')];
    const running = await startTestSystem([
      { ...supervisor('s', 'one-for-one', children), restart: 'transient', autoShutdown: 'any-significant' },
    ]);
    await crash(running, '/s/a');
    expect(statuses(running.system)).toEqual({ '/s': 'running', '/s/a': 'down', '/s/b': 'running' });
  });

  test.each<AutoShutdown>(['any-significant', 'all-significant'])(
    'C59 %s: a bystander that a group restart drops has not ended by itself',
    async (autoShutdown) => {
      const children = [life('a'), life('b', [], { restart: 'temporary', significant: true })];
      const running = await startTestSystem([{ ...supervisor('s', 'one-for-all', children), autoShutdown }]);
      await crash(running, '/s/a');
      expect(running.system.inspect('/s').map(({ path, status, incarnation }) => [path, status, incarnation])).toEqual([
        ['/s', 'running', 1],
        ['/s/a', 'running', 2],
      ]);
    },
  );

  test.each(['end', 'crash'])(
    'C59 any: a bystander that is told to %s while its group is on its way down is as one that was stopped',
    async (message) => {
      const hold = gate();
      const log: string[] = [];
      const children = [life('a', log), life('b', log, significant), life('c', log, { stop: () => hold.promise })];
      const running = await startTestSystem([
        {
          ...supervisor('s', 'one-for-all', children, { intensity: 1 }),
          restart: 'transient',
          autoShutdown: 'any-significant',
        },
      ]);
      await crash(running, '/s/a');
      running.ref<string>('/s/b').tell(message);
      await running.settle();
      hold.resolve();
      await running.settle();
      expect(statuses(running.system)).toEqual({
        ...{ '/s': 'running', '/s/a': 'running', '/s/b': 'running', '/s/c': 'running' },
      });
      expect(running.history()).not.toContain('down /s/b');
      expect(running.system.inspect('/s')[0]).toMatchObject({ restartsInWindow: 1 });
    },
  );

  test.each(['terminateChild', 'stopChild'] as const)('C60 any: %s by hand is no end of its own', async (call) => {
    const running = await family('any-significant');
    await running.system[call]('/s/a');
    await running.system[call]('/s/b');
    await running.settle();
    expect(statuses(running.system)).toMatchObject({ '/s': 'running', '/s/plain': 'running' });
  });

  test('C60 all: of those that are left, the last that ends by itself ends it', async () => {
    const running = await family('all-significant');
    await running.system.terminateChild('/s/a');
    await end(running, '/s/b');
    expect(statusOf(running.system, '/s')).toBe('down');
  });

  test('C61 its own end goes up: a significant one ends the supervisor above, level by level', async () => {
    const log: string[] = [];
    const low = { ...household('low', log, significant) };
    const mid = {
      ...supervisor('mid', 'one-for-one', [life('peer', log), low]),
      ...significant,
      autoShutdown: 'any-significant',
    } as const;
    const running = await startTestSystem([
      { ...supervisor('high', 'one-for-one', [mid]), restart: 'transient', autoShutdown: 'all-significant' },
      life('neighbour', log),
    ]);
    log.length = 0;
    await end(running, '/high/mid/low/heart');
    expect(log).toEqual(['stop low normal', 'stop peer shutdown']);
    expect(statuses(running.system)).toEqual({
      ...{ '/high': 'down', '/high/mid': 'down', '/high/mid/low': 'down', '/high/mid/low/door': 'down' },
      ...{ '/high/mid/low/heart': 'down', '/high/mid/peer': 'down', '/neighbour': 'running' },
    });
    expect(running.history().filter((line) => line.startsWith('gave-up'))).toEqual([]);
  });

  test('C61 its own end goes up: a permanent one comes back at the cost of the budget above', async () => {
    const log: string[] = [];
    const running = await startTestSystem([supervisor('s', 'one-for-one', [household('h', log)], { intensity: 1 })]);
    await end(running, '/s/h/heart');
    expect(statuses(running.system)).toMatchObject({ '/s': 'running', '/s/h': 'running', '/s/h/heart': 'running' });
    expect(running.system.inspect('/s')[0]).toMatchObject({ restartsInWindow: 1 });
    await end(running, '/s/h/heart');
    expect(running.history()).toContain('gave-up /s');
  });

  test('C61 its own end goes up: that of the root ends the system', async () => {
    const running = await startTestSystem({
      ...supervisor('root', 'one-for-one', [life('a', [], significant), life('b')]),
      autoShutdown: 'any-significant',
    });
    await end(running, '/a');
    expect(running.history().slice(-3)).toEqual(['down /a', 'down /b', 'stopped /']);
    expect(statusOf(running.system, '/')).toBe('stopped');
  });

  test('comes back whole when its supervisor starts it again, and counts anew', async () => {
    const running = await family('all-significant');
    await end(running, '/s/a');
    await end(running, '/s/b');
    await running.system.restartChild('/s');
    expect(statuses(running.system)).toMatchObject({ '/s': 'running', '/s/a': 'running', '/s/b': 'running' });
    await end(running, '/s/a');
    expect(statusOf(running.system, '/s')).toBe('running');
  });
});
