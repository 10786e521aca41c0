import { describe, expect, test } from 'vitest';
import type { ActorContext, Behavior } from '../../runtime/actor.ts';
import { ActorStopped } from '../../runtime/errors.ts';
import type { WorkerSpec } from '../../runtime/system.ts';
import { gate, startTestSystem, supervisor, type TestSystem, worker } from '../support/test-system.ts';

/** A worker that crashes when told `crash`, hangs when told `hang`, and writes what it lives through into `log`. */
function named(
  id: string,
  log: string[],
  options: Omit<Partial<WorkerSpec<void, string>>, 'id' | 'behavior'> & {
    start?: (context: ActorContext<string>) => void | Promise<void>;
    stop?: () => Promise<void>;
  } = {},
): WorkerSpec<void, string> {
  const { start, stop, ...spec } = options;
  const behavior: Behavior<void, string> = {
    start: (context) => {
      log.push(`start ${id}`);
      return start?.(context);
    },
    receive: (_state, message) => {
      if (message === 'crash') throw new Error(`${id} was asked to crash`);
      if (message === 'hang') return new Promise(() => {});
      log.push(`${id} got ${message}`);
      return undefined;
    },
    stop: (_state, reason) => {
      log.push(`stop ${id} ${reason.kind}`);
      return stop?.();
    },
  };
  return worker(id, behavior, spec);
}

const failing = (): never => {
  throw new Error('cannot start');
};

async function crash({ ref, settle }: TestSystem, path: string, times = 1): Promise<void> {
  for (let time = 0; time < times; time++) ref<string>(path).tell('crash');
  await settle();
}

const status = ({ system }: TestSystem, path: string): string | undefined => system.inspect(path)[0]?.status;
const incarnations = ({ system }: TestSystem): number[] =>
  system.inspect('/').flatMap((info) => (info.type === 'worker' ? [info.incarnation] : []));

describe('children', () => {
  test('start in order, each after the one before, and stop in reverse', async () => {
    const log: string[] = [];
    const slow = async (): Promise<void> => {
      await Promise.resolve();
      log.push('b is up');
    };
    const { system } = await startTestSystem([
      named('a', log),
      supervisor('s', 'one-for-one', [named('b', log, { start: slow }), named('c', log)]),
      named('d', log),
    ]);
    expect(log.splice(0)).toEqual(['start a', 'start b', 'b is up', 'start c', 'start d']);
    await system.stop();
    expect(log).toEqual(['d', 'c', 'b', 'a'].map((id) => `stop ${id} shutdown`));
  });

  test('that do not stop in time are left behind, and the rest stops all the same', async () => {
    const log: string[] = [];
    const signals: AbortSignal[] = [];
    const running = await startTestSystem([
      named('a', log),
      named('hangs', log, { shutdownMs: 300, start: (context) => void signals.push(context.signal) }),
      named('stops slowly', log, { shutdownMs: 200, stop: () => new Promise(() => {}) }),
    ]);
    const { system, ref, advance, history } = running;
    ref<string>('/hangs').tell('hang');
    let stopped = false;
    void system.stop().then(() => (stopped = true));
    await advance(200);
    expect(signals[0]?.aborted).toBe(false);
    expect(stopped).toBe(false);
    await advance(300);
    expect(signals[0]?.aborted).toBe(true);
    expect(stopped).toBe(true);
    expect(history().filter((line) => line.startsWith('abandoned'))).toEqual([
      'abandoned /stops slowly',
      'abandoned /hangs',
    ]);
    expect(log.at(-1)).toBe('stop a shutdown');
  });

  test('may finish the message in hand before they stop', async () => {
    const { promise, resolve } = gate();
    let finished = false;
    const { system, ref, settle } = await startTestSystem([
      worker('actor', {
        start: () => undefined,
        receive: async (_state, _message: string) => {
          await promise;
          finished = true;
          return undefined;
        },
        stop: () => expect(finished).toBe(true),
      }),
    ]);
    ref<string>('/actor').tell('work');
    await settle();
    const stopped = system.stopChild('/actor');
    resolve();
    await stopped;
    expect(finished).toBe(true);
  });

  test('may be stopped while they clean up after a start that failed', async () => {
    const { promise, resolve } = gate();
    const start = (context: ActorContext<string>): void => context.crash(new Error('on second thoughts'));
    const running = await startTestSystem([supervisor('pool', 'dynamic', [])]);
    const spawned = running.system.spawn('/pool', named('a', [], { start, stop: () => promise }));
    await running.settle();
    const stopped = running.system.stopChild('/pool/a');
    resolve();
    await Promise.all([spawned, stopped]);
    expect(running.system.list('/pool')).toEqual([]);
  });

  test('of a tree whose permanent child does not start are stopped again, in reverse', async () => {
    const log: string[] = [];
    const children = [
      named('a', log),
      supervisor('s', 'one-for-one', [named('b', log), named('c', log, { start: failing })]),
      named('d', log),
    ];
    await expect(startTestSystem(children)).rejects.toMatchObject({
      name: 'StartFailed',
      path: '/s/c',
      cause: { message: 'cannot start' },
    });
    expect(log).toEqual(['start a', 'start b', 'start c', 'stop b shutdown', 'stop a shutdown']);
  });
});

describe('restart types', () => {
  test('permanent and transient children come back after a crash, temporary ones are forgotten', async () => {
    const log: string[] = [];
    const types = ['permanent', 'transient', 'temporary'] as const;
    const running = await startTestSystem(types.map((restart) => named(restart, log, { restart })));
    const temporary = running.ref<string>('/temporary');
    for (const restart of types) await crash(running, `/${restart}`);
    expect(running.system.list('/')).toEqual(['/permanent', '/transient']);
    expect(incarnations(running)).toEqual([2, 2]);
    expect(temporary.tell('anyone?')).toBe('stopped');
  });

  test('a transient child whose first start fails does not fail the tree, and is tried again', async () => {
    let starts = 0;
    const start = (): void => {
      if (++starts < 3) failing();
    };
    const running = await startTestSystem(
      supervisor('root', 'one-for-one', [named('a', [], { restart: 'transient', start })], {
        intensity: 5,
        backoff: { firstMs: 100, maxMs: 1_000, jitter: 0 },
      }),
    );
    expect(status(running, '/a')).toBe('restarting');
    await running.advance(100);
    await running.advance(200);
    expect(status(running, '/a')).toBe('running');
  });
});

describe('strategies', () => {
  const children = (log: string[]): WorkerSpec<void, string>[] => ['a', 'b', 'c'].map((id) => named(id, log));

  test('one-for-one restarts nobody else', async () => {
    const log: string[] = [];
    const running = await startTestSystem(supervisor('root', 'one-for-one', children(log)));
    await crash(running, '/b');
    expect(incarnations(running)).toEqual([1, 2, 1]);
  });

  test('rest-for-one restarts those started later, stopped in reverse and started in order', async () => {
    const log: string[] = [];
    const running = await startTestSystem(supervisor('root', 'rest-for-one', children(log)));
    log.length = 0;
    await crash(running, '/b');
    expect(log).toEqual(['stop b crash', 'stop c shutdown', 'start b', 'start c']);
    expect(incarnations(running)).toEqual([1, 2, 2]);
  });

  test('one-for-all restarts everybody, and counts it once', async () => {
    const log: string[] = [];
    const running = await startTestSystem(supervisor('root', 'one-for-all', children(log), { intensity: 1 }));
    log.length = 0;
    await crash(running, '/b');
    expect(log).toEqual(['stop b crash', 'stop c shutdown', 'stop a shutdown', 'start a', 'start b', 'start c']);
    expect(running.system.inspect('/')[0]).toMatchObject({ restartsInWindow: 1, intensity: 1, status: 'running' });
  });

  test('a group restart keeps the messages of those it restarts', async () => {
    const log: string[] = [];
    const running = await startTestSystem(
      supervisor('root', 'one-for-all', children(log), { backoff: { firstMs: 100, maxMs: 100, jitter: 0 } }),
    );
    await crash(running, '/a');
    expect(running.ref<string>('/c').tell('while down')).toBe('queued');
    expect(status(running, '/c')).toBe('restarting');
    await running.advance(100);
    expect(log.at(-1)).toBe('c got while down');
  });

  test('a group restart keeps the messages below a supervisor that it restarts', async () => {
    const log: string[] = [];
    const running = await startTestSystem(
      supervisor('root', 'one-for-all', [named('a', log), supervisor('s', 'one-for-one', [named('b', log)])], {
        backoff: { firstMs: 100, maxMs: 100, jitter: 0 },
      }),
    );
    await crash(running, '/a');
    running.ref<string>('/s/b').tell('while down');
    await running.advance(100);
    expect(log.at(-1)).toBe('b got while down');
    expect(incarnations(running)).toEqual([2, 2]);
  });

  test('a temporary bystander of a group restart is gone', async () => {
    const running = await startTestSystem(
      supervisor('root', 'one-for-all', [named('a', []), named('b', [], { restart: 'temporary' })]),
    );
    await crash(running, '/a');
    expect(running.system.list('/')).toEqual(['/a']);
  });

  test('a crash while the group is down widens the group instead of starting it twice', async () => {
    const log: string[] = [];
    const running = await startTestSystem(
      supervisor('root', 'rest-for-one', children(log), { backoff: { firstMs: 100, maxMs: 1_000, jitter: 0 } }),
    );
    await crash(running, '/b');
    await running.advance(50);
    log.length = 0;
    await crash(running, '/a');
    await running.advance(100);
    expect(log).toEqual(['stop a crash']);
    await running.advance(100);
    expect(log.slice(1)).toEqual(['start a', 'start b', 'start c']);
  });

  test('a crash while the group is on its way down starts everybody once, in order', async () => {
    const log: string[] = [];
    const { promise, resolve } = gate();
    const running = await startTestSystem(
      supervisor('root', 'rest-for-one', [named('a', log), named('b', log), named('c', log, { stop: () => promise })]),
    );
    await crash(running, '/b');
    await crash(running, '/a');
    log.length = 0;
    resolve();
    await running.settle();
    expect(log).toEqual(['start a', 'start b', 'start c']);
    expect(incarnations(running)).toEqual([2, 2, 2]);
  });

  test('a start that fails in a group restart takes the others down again and counts', async () => {
    const log: string[] = [];
    let starts = 0;
    const start = (): void => {
      if (++starts === 2) failing();
    };
    const running = await startTestSystem(
      supervisor('root', 'one-for-all', [named('a', log), named('b', log, { start })], { intensity: 2 }),
    );
    log.length = 0;
    await crash(running, '/a');
    expect(log).toEqual([
      ...['stop a crash', 'stop b shutdown', 'start a', 'start b'],
      ...['stop a shutdown', 'start a', 'start b'],
    ]);
    expect(running.system.inspect('/')[0]).toMatchObject({ restartsInWindow: 2 });
  });
});

describe('the restart budget', () => {
  test('lets messages wait while it backs off, longer each time', async () => {
    const log: string[] = [];
    const running = await startTestSystem(
      supervisor('root', 'one-for-one', [named('a', log)], {
        intensity: 10,
        periodMs: 60_000,
        backoff: { firstMs: 100, maxMs: 300, jitter: 0 },
      }),
    );
    for (const waitMs of [100, 200, 300, 300]) {
      await crash(running, '/a');
      expect(running.ref<string>('/a').tell('hello')).toBe('queued');
      await running.advance(waitMs - 1);
      expect(status(running, '/a')).toBe('restarting');
      await running.advance(1);
      expect(status(running, '/a')).toBe('running');
    }
    expect(log.filter((line) => line === 'a got hello')).toHaveLength(4);
  });

  test('when spent ends the supervisor, and its parent restarts it with fresh children behind the same refs', async () => {
    const log: string[] = [];
    const running = await startTestSystem([
      named('bystander', log),
      supervisor('s', 'one-for-one', [named('a', log), named('b', log)], { intensity: 1 }),
    ]);
    const [a, b] = [running.ref<string>('/s/a'), running.ref<string>('/s/b')];
    log.length = 0;
    await crash(running, '/s/a', 2);
    expect(log).toEqual(['stop a crash', 'start a', 'stop a crash', 'stop b shutdown', 'start a', 'start b']);
    expect(running.history()).toContain('gave-up /s');
    expect(running.system.inspect('/s')[0]).toMatchObject({ incarnation: 2, restarts: 1, restartsInWindow: 0 });
    expect(incarnations(running)).toEqual([1, 3, 2]);
    for (const ref of [a, b]) expect(ref.tell('hello')).toBe('queued');
    await running.settle();
    expect(log.slice(-2)).toEqual(['a got hello', 'b got hello']);
  });

  test('when spent fails the asks that wait, at once', async () => {
    const running = await startTestSystem([
      supervisor('s', 'one-for-one', [named('a', []), named('b', [])], { intensity: 0 }),
    ]);
    const [a, b] = [running.ref<string>('/s/a'), running.ref<string>('/s/b')];
    b.tell('hang');
    const asks = [a, b].map(async (ref, at) => {
      if (at === 0) ref.tell('crash');
      return ref.ask('question', { timeoutMs: 60_000 }).catch((error: unknown) => error);
    });
    await running.advance(5_000);
    for (const outcome of await Promise.all(asks)) expect(outcome).toBeInstanceOf(ActorStopped);
  });

  test('when spent everywhere goes up to the root and ends the system', async () => {
    const running = await startTestSystem(
      supervisor(
        'root',
        'one-for-one',
        [
          supervisor('s', 'one-for-one', [supervisor('t', 'one-for-one', [named('a', [])], { intensity: 0 })], {
            intensity: 0,
          }),
        ],
        { intensity: 0 },
      ),
    );
    await crash(running, '/s/t/a');
    expect(running.history().filter((line) => line.startsWith('gave-up'))).toEqual([
      'gave-up /s/t',
      'gave-up /s',
      'gave-up /',
    ]);
    expect(status(running, '/')).toBe('stopped');
    expect(running.system.find<string>('/s/t/a')?.tell('hello')).toBe('stopped');
  });

  test('counts starts that fail, and a stop gets through meanwhile', async () => {
    const log: string[] = [];
    let broken = false;
    const start = (): void => {
      if (broken) failing();
    };
    const running = await startTestSystem(
      supervisor('root', 'one-for-one', [named('a', log, { start }), named('b', log)], {
        intensity: 3,
        backoff: { firstMs: 10, maxMs: 10, jitter: 0 },
      }),
    );
    broken = true;
    await crash(running, '/a');
    await running.advance(10);
    await running.advance(10);
    expect(running.system.inspect('/a')[0]).toMatchObject({ status: 'restarting', restartsInWindow: 3, restarts: 0 });
    await running.system.stop();
    expect(running.clock.pending).toBe(0);
    expect(status(running, '/b')).toBe('stopped');
  });

  test('ignores jumps of the wall clock', async () => {
    const running = await startTestSystem(supervisor('root', 'one-for-one', [named('a', [])], { intensity: 1 }));
    await crash(running, '/a');
    running.clock.jumpWall(3_600_000_000);
    expect(running.system.inspect('/')[0]?.restartsInWindow).toBe(1);
  });
});

describe('a dynamic supervisor', () => {
  const own = { intensity: 1, periodMs: 1_000, backoff: { firstMs: 0, maxMs: 0, jitter: 0 } };

  test('gives every child a budget of its own, and up on the one that spends it', async () => {
    const log: string[] = [];
    const running = await startTestSystem([
      supervisor(
        'pool',
        'dynamic',
        ['a', 'b', 'c'].map((id) => named(id, log, { policy: own })),
      ),
    ]);
    await crash(running, '/pool/a');
    await crash(running, '/pool/b', 2);
    expect(['a', 'b', 'c'].map((id) => status(running, `/pool/${id}`))).toEqual(['running', 'stopped', 'running']);
    expect(running.history()).toContain('gave-up /pool/b');
    expect(running.system.inspect('/pool/a')[0]).toMatchObject({ restartsInWindow: 1, intensity: 1 });
    expect(status(running, '/pool')).toBe('running');
  });

  test('gives up itself when too many children do', async () => {
    const running = await startTestSystem([
      supervisor(
        'pool',
        'dynamic',
        ['a', 'b', 'c'].map((id) => named(id, [], { policy: own })),
        { intensity: 1 },
      ),
    ]);
    await crash(running, '/pool/a', 2);
    expect(running.history()).not.toContain('gave-up /pool');
    await crash(running, '/pool/b', 2);
    expect(running.history()).toContain('gave-up /pool');
    expect(running.history()).toContain('restarted /pool');
  });

  test('stops its children together under one deadline', async () => {
    const hang = (): Promise<void> => new Promise(() => {});
    const running = await startTestSystem([
      supervisor(
        'pool',
        'dynamic',
        ['a', 'b', 'c'].map((id) => named(id, [], { stop: hang, shutdownMs: 100 })),
      ),
    ]);
    let stopped = false;
    void running.system.stop().then(() => (stopped = true));
    await running.advance(99);
    expect(stopped).toBe(false);
    await running.advance(1);
    expect(stopped).toBe(true);
  });
});
