import { describe, expect, test } from 'vitest';
import { ActorStopped } from '../../runtime/errors.ts';
import { DuplicateChild, InvalidSpec, NoSuchSupervisor, StartFailed } from '../../runtime/spec.ts';
import { AlreadyStarted, createSystem, type ChildSpec } from '../../runtime/system.ts';
import { handler, lenient, startTestSystem, supervisor, worker } from '../support/test-system.ts';

const idle = handler<string>(() => {});

describe('finding', () => {
  test('gives the same ref as long as the actor lives, across restarts', async () => {
    const { system, ref, settle } = await startTestSystem([
      worker(
        'a',
        handler<string>(() => {
          throw new Error('asked to crash');
        }),
      ),
    ]);
    const before = ref<string>('/a');
    before.tell('crash');
    await settle();
    expect(system.inspect('/a')[0]?.incarnation).toBe(2);
    expect(system.find('/a')).toBe(before);
  });

  test('works for ids of any text', async () => {
    const { system, ref } = await startTestSystem([worker('EUR/USD 100%', idle), worker('漢字', idle)]);
    expect(system.list('/')).toEqual(['/EUR%2FUSD 100%25', '/漢字']);
    for (const path of system.list('/')) expect(ref<string>(path).tell('hello')).toBe('queued');
  });

  test('finds nothing where there is no actor', async () => {
    const { system } = await startTestSystem([supervisor('s', 'one-for-one', [])]);
    expect(system.find('/nobody')).toBeUndefined();
    expect(system.find('/s')).toBeUndefined();
    expect(system.list('/nobody')).toEqual([]);
    expect(system.inspect('/nobody')).toEqual([]);
    expect(system.inspectActor('/nobody')).toBeUndefined();
  });
});

describe('an on-demand actor', () => {
  test('is known but does not run before its first message, which it then handles', async () => {
    const notes: string[] = [];
    const { system, ref, settle } = await startTestSystem([
      worker(
        'a',
        { start: () => void notes.push('start'), receive: (_state, message: string) => void notes.push(message) },
        { onDemand: true },
      ),
    ]);
    expect(system.inspect('/a')[0]).toMatchObject({ status: 'dormant', incarnation: 0 });
    expect(ref<string>('/a').tell('one')).toBe('queued');
    expect(ref<string>('/a').tell('two')).toBe('queued');
    await settle();
    expect(notes).toEqual(['start', 'one', 'two']);
    expect(system.inspect('/a')[0]).toMatchObject({ status: 'running', incarnation: 1 });
  });

  test('answers an ask that starts it, also when its first start fails', async () => {
    let starts = 0;
    const start = (): undefined => {
      if (++starts === 1) throw new Error('cannot start');
    };
    const { ref } = await startTestSystem([
      worker('a', { ...handler<string>((_message, context) => context.reply('here')), start }, { onDemand: true }),
    ]);
    expect(await ref<string>('/a').ask('are you there?', { timeoutMs: 1_000 })).toBe('here');
  });

  test('that never ran is stopped without a trace', async () => {
    const { system, history, ref } = await startTestSystem([worker('a', idle, { onDemand: true })]);
    const a = ref<string>('/a');
    await system.stop();
    expect(a.tell('hello')).toBe('stopped');
    expect(history()).toEqual(['started /', 'stopped /']);
  });
});

describe('spawn', () => {
  test('adds actors and subtrees at run time', async () => {
    const { system } = await startTestSystem([supervisor('pool', 'dynamic', [])]);
    await system.spawn('/pool', worker('a', idle));
    await system.spawn('/pool', supervisor('s', 'one-for-one', [worker('b', idle)]));
    expect(system.inspect('/pool').map((info) => [info.path, info.status])).toEqual([
      ['/pool', 'running'],
      ['/pool/a', 'running'],
      ['/pool/s', 'running'],
      ['/pool/s/b', 'running'],
    ]);
  });

  test('refuses what cannot be', async () => {
    const { system } = await startTestSystem([worker('a', idle)]);
    await expect(system.spawn('/', worker('a', idle))).rejects.toBeInstanceOf(DuplicateChild);
    await expect(system.spawn('/a', worker('b', idle))).rejects.toBeInstanceOf(NoSuchSupervisor);
    await expect(system.spawn('/', worker('', idle))).rejects.toBeInstanceOf(InvalidSpec);
    await system.stop();
    await expect(system.spawn('/', worker('b', idle))).rejects.toBeInstanceOf(ActorStopped);
  });

  test('leaves nothing of a permanent actor that does not start', async () => {
    const { system } = await startTestSystem();
    const start = (): never => {
      throw new Error('cannot start');
    };
    const spec = supervisor('s', 'one-for-one', [worker('a', idle), worker('b', { ...idle, start })]);
    await expect(system.spawn('/', spec)).rejects.toBeInstanceOf(StartFailed);
    expect(system.inspect().map((info) => info.path)).toEqual(['/']);
    expect(system.find('/s/a')).toBeUndefined();
  });
});

describe('stopChild', () => {
  test('reaches the whole subtree, children first, and forgets it', async () => {
    const stops: string[] = [];
    const leaf = (id: string): ChildSpec => worker(id, { ...idle, stop: () => void stops.push(id) });
    const { system, ref } = await startTestSystem([
      supervisor('tenant', 'one-for-one', [leaf('a'), supervisor('accounts', 'dynamic', [leaf('b')]), leaf('c')]),
    ]);
    const b = ref<string>('/tenant/accounts/b');
    await system.stopChild('/tenant');
    expect(stops).toEqual(['c', 'b', 'a']);
    expect(system.inspect().map((info) => info.path)).toEqual(['/']);
    expect(system.find('/tenant/accounts/b')).toBeUndefined();
    expect(b.tell('hello')).toBe('stopped');
  });

  test('makes room for another actor of the id, which an old ref does not reach', async () => {
    const notes: string[] = [];
    const { system, ref, settle } = await startTestSystem([worker('a', idle)]);
    const old = ref<string>('/a');
    await system.stopChild('/a');
    await system.spawn(
      '/',
      worker(
        'a',
        handler<string>((message) => void notes.push(message)),
      ),
    );
    expect(old.tell('to the old one')).toBe('stopped');
    ref<string>('/a').tell('to the new one');
    await settle();
    expect(notes).toEqual(['to the new one']);
  });

  test('may come twice, and where nothing is', async () => {
    const { system } = await startTestSystem([worker('a', idle)]);
    await Promise.all([system.stopChild('/a'), system.stopChild('/a')]);
    await system.stopChild('/a');
    expect(system.list('/')).toEqual([]);
  });

  test('by the actor itself lets it finish its message, and stops it with the state that follows', async () => {
    const ends: number[] = [];
    const { system, ref, settle } = await startTestSystem([
      worker('a', {
        start: () => 0,
        receive: (state: number, message: string) => {
          if (message === 'leave') void system.stopChild('/a');
          return state + 1;
        },
        stop: (state) => void ends.push(state),
      }),
    ]);
    for (const message of ['work', 'leave', 'never handled']) ref<string>('/a').tell(message);
    await settle();
    expect(ends).toEqual([2]);
    expect(system.find('/a')).toBeUndefined();
  });

  test('overtakes a crash that is under way', async () => {
    const { system, ref, settle, lifecycle } = await startTestSystem([
      worker(
        'a',
        handler<string>(() => {
          throw new Error('asked to crash');
        }),
      ),
    ]);
    ref<string>('/a').tell('crash');
    await Promise.resolve();
    await system.stopChild('/a');
    await settle();
    expect(lifecycle.map((event) => `${event.type} ${event.path}`)).toEqual([
      ...['started /a', 'started /', 'crashed /a', 'stopped /a'],
    ]);
  });
});

describe('a system', () => {
  test('is started once', async () => {
    const { system } = await startTestSystem();
    await expect(system.start(supervisor('again', 'one-for-one', []))).rejects.toBeInstanceOf(AlreadyStarted);
  });

  test('that is stopped while it starts has nothing running, and has given back what it took', async () => {
    const system = createSystem({ name: 'test' });
    const held = new Set<string>();
    let stopping: Promise<void> | undefined;
    const holder = (id: string, onStart?: () => void): ChildSpec =>
      worker(id, {
        start: () => {
          onStart?.();
          held.add(id);
        },
        receive: () => undefined,
        stop: () => void held.delete(id),
      });
    const children = [holder('a'), holder('b', () => void (stopping = system.stop())), holder('c')];
    await expect(system.start(supervisor('root', 'one-for-one', children))).rejects.toBeInstanceOf(ActorStopped);
    await stopping;
    expect(system.inspect().map((info) => info.status)).toEqual(['stopped', 'stopped', 'stopped', 'stopped']);
    expect(held).toEqual(new Set());
  });

  test('stops once, however often it is told to', async () => {
    const { system, history } = await startTestSystem([worker('a', idle)]);
    await Promise.all([system.stop(), system.stop()]);
    await system.stop();
    expect(history().filter((line) => line.startsWith('stopped'))).toEqual(['stopped /a', 'stopped /']);
  });

  test('lives beside another of the same name', async () => {
    const first = await startTestSystem([worker('a', idle)]);
    const second = await startTestSystem([worker('a', idle)]);
    await first.system.stop();
    await second.system.spawn('/', worker('b', idle));
    expect(second.system.list('/')).toEqual(['/a', '/b']);
  });

  test.each([
    ['two children of one id', supervisor('s', 'one-for-one', [worker('a', idle), worker('a', idle)])],
    ['an intensity below zero', supervisor('s', 'one-for-one', [], { intensity: -1 })],
    ['no period', supervisor('s', 'one-for-one', [], { periodMs: 0 })],
    ['a jitter above one', supervisor('s', 'one-for-one', [], { backoff: { firstMs: 0, maxMs: 0, jitter: 1.1 } })],
    [
      'a longest wait below the first',
      supervisor('s', 'one-for-one', [], { backoff: { firstMs: 2, maxMs: 1, jitter: 0 } }),
    ],
    ['a mailbox without room', worker('a', idle, { mailbox: { capacity: 0, whenFull: 'reject' } })],
    ['a negative shutdown time', worker('a', idle, { shutdownMs: -1 })],
  ])('refuses %s before it starts anything', async (_name, spec) => {
    let started = 0;
    const first = worker('first', {
      ...idle,
      start: () => {
        started++;
        return undefined;
      },
    });
    const system = createSystem({ name: 'test' });
    await expect(
      system.start({ id: 'root', strategy: 'one-for-one', policy: lenient, children: [first, spec] }),
    ).rejects.toBeInstanceOf(InvalidSpec);
    expect(started).toBe(0);
  });
});

test('inspection shows an actor as it is, and its state when asked', async () => {
  const { system, clock, ref, settle } = await startTestSystem([
    worker(
      'a',
      {
        start: () => ({ balance: 7, secret: 's3cret' }),
        receive: (state, message: string) => (message === 'hang' ? new Promise(() => {}) : state),
        inspect: ({ balance }) => ({ balance }),
      },
      { kind: 'account', mailbox: { capacity: 2, whenFull: 'reject' } },
    ),
  ]);
  const a = ref<string>('/a');
  a.tell('hello');
  a.tell('hang');
  await settle();
  for (const message of ['x', 'y', 'z']) a.tell(message);
  a.tell('urgent', { control: true });
  clock.advance(250);
  const info = {
    path: '/a',
    id: 'a',
    type: 'worker',
    kind: 'account',
    status: 'running',
    incarnation: 1,
    startedMicros: 1_800_000_000_000_000,
    mailbox: {
      ...{ depth: 2, highWater: 2, capacity: 2, control: 1, parked: 0, stashed: 0 },
      ...{ oldestMs: 250, received: 5, dropped: 1 },
    },
    handled: 1,
    failed: 0,
    restarts: 0,
    restartsInWindow: 0,
    intensity: 1_000,
    periodMs: 1_000,
    inFlight: { runningMs: 250, message: { type: 'string', shown: 'hang', waitedMs: 250 } },
    timers: 0,
    openReplies: 0,
    children: [],
  };
  expect(system.inspect()).toEqual([
    expect.objectContaining({ path: '/', children: ['/a'], kind: 'one-for-one' }),
    info,
  ]);
  expect(system.inspectActor('/a')).toMatchObject({ ...info, state: { balance: 7 } });
});

test('a system is idle once every message has been handled, also those that wait for a promise', async () => {
  const notes: number[] = [];
  const { system, ref } = await startTestSystem([
    worker(
      'a',
      handler<number>(async (message, context) => {
        await Promise.resolve();
        notes.push(message);
        if (message < 100) context.tell(context.self, message + 1);
      }),
    ),
  ]);
  ref<number>('/a').tell(1);
  await system.idle();
  expect(notes).toHaveLength(100);
});
