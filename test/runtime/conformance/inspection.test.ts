/** What can be seen of a running system, and what cannot. */
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ActorContext, Behavior, Log } from '../../../runtime/actor.ts';
import type { WorkerSpec } from '../../../runtime/system.ts';
import { crash, life } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, handler, startTestSystem, supervisor, type TestSystem, worker } from '../../support/test-system.ts';

trapRejections();

describe('inspection', () => {
  test('shows the tree parents first, in start order, or the part below a path', async () => {
    const { system } = await startTestSystem([
      supervisor('s', 'rest-for-one', [life('a'), supervisor('t', 'dynamic', [life('b')])]),
      life('c'),
    ]);
    expect(system.inspect().map(({ path, type, kind }) => [path, type, kind])).toEqual([
      ['/', 'supervisor', 'one-for-one'],
      ['/s', 'supervisor', 'rest-for-one'],
      ['/s/a', 'worker', 'test'],
      ['/s/t', 'supervisor', 'dynamic'],
      ['/s/t/b', 'worker', 'test'],
      ['/c', 'worker', 'test'],
    ]);
    expect(system.inspect('/s/t').map(({ path, children }) => [path, children])).toEqual([
      ['/s/t', ['/s/t/b']],
      ['/s/t/b', []],
    ]);
  });

  test('shows restarts in the window against the budget, and when the next start comes', async () => {
    const policy = { intensity: 3, periodMs: 1_000, backoff: { firstMs: 100, maxMs: 400, jitter: 0 } };
    const running = await startTestSystem(supervisor('root', 'one-for-one', [life('a'), life('b')], policy));
    const { system, advance } = running;
    await crash(running, '/a');
    expect(system.inspect('/a')[0]).toMatchObject({
      ...{ status: 'restarting', restartsInMs: 100, restartsInWindow: 1, intensity: 3, periodMs: 1_000 },
    });
    await advance(60);
    expect(system.inspect('/a')[0]?.restartsInMs).toBe(40);
    await advance(40);
    expect(system.inspect('/a')[0]).toMatchObject({ status: 'running', restarts: 1, failed: 1 });
    expect(system.inspect('/a')[0]).not.toHaveProperty('restartsInMs');
    expect(system.inspect('/b')[0]).toMatchObject({ restartsInWindow: 1, restarts: 0 });
    await advance(1_001);
    expect(system.inspect('/a')[0]?.restartsInWindow).toBe(0);
  });

  test('shows what a failure now would do, and to whom', async () => {
    const running = await startTestSystem([
      supervisor('s', 'rest-for-one', [life('a'), life('b'), life('c')], { intensity: 1 }),
    ]);
    const outlook = (path: string) => running.system.inspectActor(path)?.nextFailure;
    expect(outlook('/s/b')).toEqual({ directive: 'restart', group: ['/s/b', '/s/c'] });
    await crash(running, '/s/c');
    expect(outlook('/s/b')).toEqual({ directive: 'escalate', group: ['/s/b', '/s/c'] });
  });

  test('shows the last ten crashes with what was in hand, oldest first', async () => {
    const running = await startTestSystem([life('a')]);
    await crash(running, '/a', 12);
    const crashes = running.system.inspectActor('/a')!.crashes;
    expect(crashes.map(({ incarnation }) => incarnation)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(crashes[0]).toMatchObject({ directive: 'restart', error: { name: 'Error' }, message: { shown: 'crash' } });
    expect(running.system.inspect('/a')[0]?.lastFailure?.message).toBe('a was told to crash');
  });

  test('shows wait and handling apart', async () => {
    const hold = gate();
    const { system, ref, settle, clock } = await startTestSystem([
      worker(
        'a',
        handler<string>(() => hold.promise),
      ),
    ]);
    ref<string>('/a').tell('x');
    await settle();
    expect(system.inspectActor('/a')).not.toHaveProperty('handleMs');
    clock.advance(70);
    hold.resolve();
    await settle();
    const { handleMs } = system.inspectActor('/a')!;
    expect(handleMs).toMatchObject({ count: 1, max: 70 });
  });

  test('shows stash, control lane, timers, kept asks, and the age of the oldest message', async () => {
    const behavior = handler<string>((message, context) => {
      if (message === 'aside') context.stash();
      if (message === 'keep') context.replyLater();
      if (message === 'time') context.every(60_000, 'tick', 'key');
    });
    const { system, ref, settle, clock } = await startTestSystem([worker('a', behavior)]);
    const a = ref<string>('/a');
    for (const message of ['aside', 'time']) a.tell(message);
    void a.ask('keep', { timeoutMs: Infinity }).catch(() => {});
    await settle();
    await system.operate({ action: 'suspend', path: '/a', by: 'test', reason: 'a test' });
    a.tell('old');
    clock.advance(30);
    a.tell('new', { control: true });
    clock.advance(5);
    expect(system.inspect('/a')[0]).toMatchObject({
      ...{ status: 'suspended', timers: 1, openReplies: 1 },
      mailbox: { depth: 1, control: 1, stashed: 1, oldestMs: 35, received: 5, dropped: 0 },
    });
    expect(system.peek('/a', 10).map(({ shown, waitedMs }) => [shown, waitedMs])).toEqual([
      ['new', 5],
      ['old', 35],
    ]);
    expect(system.peek('/a', 1)).toHaveLength(1);
    expect(system.peek('/nobody', 1)).toEqual([]);
  });

  test('shows a copy of the state, which does not change with it, and hides what is outside of a part', async () => {
    const state = { list: [1] };
    const { system } = await startTestSystem([
      worker('a', { start: () => state, receive: (same) => same, inspect: (same) => same }),
    ]);
    const seen = system.inspectActor('/a')?.state;
    state.list.push(2);
    expect(seen).toEqual({ list: [1] });
    expect(system.inspectActor('/a', '/b')).toBeUndefined();
    expect(system.inspectActor('/a', '/a')).toMatchObject({ path: '/a' });
  });

  test('changes nothing: who looks at a hundred actors wakes none of them', async () => {
    const ids = Array.from({ length: 100 }, (_, at) => `a${at}`);
    const { system, settle, events } = await startTestSystem(ids.map((id) => life(id, [], { onDemand: true })));
    const before = [system.scheduler().slices, events.length];
    for (const { path } of system.inspect()) system.inspectActor(path);
    await settle();
    expect([system.scheduler().slices, events.length]).toEqual(before);
    expect(
      new Set(
        system
          .inspect()
          .slice(1)
          .map(({ status }) => status),
      ),
    ).toEqual(new Set(['dormant']));
  });
});

/** Everything that a person could see of a system, as one text. */
function everything(running: TestSystem, lines: readonly string[]): string {
  const { system, events } = running;
  const paths = system.inspect().map(({ path }) => path);
  return [
    ...lines,
    ...[events, system.events.since(0), system.deadLetters.list({ limit: 10_000 }), system.inspect()].map(print),
    ...paths.flatMap((path) => [print(system.inspectActor(path)), print(system.peek(path, 1_000))]),
    print(system.names('')),
  ].join('\n');
}

function print(value: unknown): string {
  return `${JSON.stringify(value)}\n${inspect(value, { depth: 20, maxStringLength: null, maxArrayLength: null })}`;
}

/** What stands in front of the secret, where it is seen. */
function leaks(text: string, secret: string): string[] {
  const before = text.split(secret).slice(0, -1);
  return [...new Set(before.map((part) => part.slice(-60)))].slice(0, 5);
}

function recordingLog(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  const note = (fields: object, message: string): void => void lines.push(print(fields), message);
  return { log: { debug: note, info: note, warn: note, error: note }, lines };
}

interface Planted {
  readonly type: string;
  readonly does: string;
}
type State = { readonly key: string };

/** Does with its message whatever may go wrong with one; keeps the secret it was told last. */
function careless(secret: string, to: () => TestSystem): Behavior<State, unknown> {
  return {
    start: () => ({ key: secret }),
    receive: async (state, message, context) => {
      const does = doing(message);
      const cause = new TypeError(`cause ${secret}`);
      if (does === 'throw') throw new Error(`bad key ${secret}`);
      if (does === 'throw later') {
        await Promise.resolve();
        throw new RangeError(`${secret} is bad`);
      }
      if (does === 'throw a cause') throw new Error('bad key', { cause });
      if (does === 'throw text') throw secret as unknown as Error;
      if (does === 'name the error') throw Object.assign(new Error('bad'), { name: secret });
      if (does === 'hang') await new Promise(() => {});
      if (does === 'stash') context.stash();
      if (does === 'fail') context.replyLater().fail(new Error(secret));
      if (does === 'keep') context.replyLater();
      if (does === 'reply') context.reply(secret);
      if (does === 'pipe') context.pipe(Promise.reject(new Error(secret)), (result) => [result, secret]);
      if (does === 'time') context.after(5, { type: 'timer', does: 'throw', secret });
      if (does === 'tell') context.tell(to().ref('/s/other'), { type: 'told', does: 'throw', secret });
      if (does === 'log') context.log.info({ path: context.path }, 'handles a message');
      return state;
    },
  };
}

function doing(message: unknown): string {
  const [first] = Array.isArray(message) ? (message as unknown[]) : [message];
  return typeof first === 'object' && first !== null && 'does' in first ? String(first.does) : 'throw';
}

const shapes: Record<string, (secret: string, does: string) => unknown> = {
  'a bare text': (secret) => secret,
  'a field': (secret, does) => ({ type: 'login', does, password: secret }),
  'a nested field': (secret, does) => ({ type: 'login', does, with: { the: { key: secret } } }),
  'a field deep below': (secret, does) => ({ does, a: { b: { c: { d: { e: secret } } } } }),
  'an item of a list': (secret, does) => [{ does } satisfies Omit<Planted, 'type'>, 'word', secret],
  'a list of records': (secret, does) => ({ type: 'batch', does, keys: [{ key: 'short' }, { key: secret }] }),
  'a map': (secret, does) => ({ type: 'map', does, keys: new Map([['key', secret]]) }),
};
const acts = [
  ...['throw', 'throw later', 'throw a cause', 'throw text', 'name the error', 'hang', 'stash', 'fail', 'keep'],
  ...['reply', 'pipe', 'time', 'tell', 'log', 'nothing'],
];
const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const secretText = fc
  .array(fc.constantFrom(...Array.from(alphabet)), { minLength: 8, maxLength: 40 })
  .map((letters) => letters.join(''));

const hides: readonly [
  string,
  Omit<Partial<WorkerSpec<State, unknown>>, 'id' | 'behavior'>,
  Partial<Behavior<State, unknown>>,
][] = [
  ['by default', {}, {}],
  [
    'though what is to show it fails',
    {
      showMessage: (message) => {
        throw new Error(`cannot show ${print(message)}`);
      },
    },
    {
      inspect: () => {
        throw new Error('cannot show');
      },
    },
  ],
  [
    'though what is to show it gives what cannot be copied',
    {
      showMessage: () => ({
        size: 1n,
        self: Symbol('x'),
        toJSON: () => {
          throw new Error('no JSON');
        },
      }),
    },
    {
      inspect: () => {
        const loop: Record<string, unknown> = {};
        loop['loop'] = loop;
        return loop;
      },
    },
  ],
];

describe.each(hides)('P7 a planted secret is seen nowhere, %s:', (_how, options, parts) => {
  const unshown = 'showMessage' in options ? options : { showMessage: undefined as never };

  async function leaksOf(
    secret: string,
    steps: readonly { shape: string; does: string; how: string }[],
    intensity: number,
  ): Promise<string[]> {
    const { log, lines } = recordingLog();
    const spec = (id: string) =>
      worker(
        id,
        { ...careless(secret, () => running), ...parts },
        {
          ...unshown,
          ...{
            mailbox: { capacity: 4, whenFull: 'drop-oldest' },
            stashCapacity: 1,
            handlerTimeoutMs: 50,
            shutdownMs: 10,
          },
        },
      );
    const running: TestSystem = await startTestSystem(
      [supervisor('s', 'one-for-one', [spec('a'), spec('other')], { intensity }), life('c')],
      log,
    );
    const { system, advance, settle } = running;
    const a = running.ref<unknown>('/s/a');
    const results: unknown[] = [];
    const found: string[] = [];
    for (const { shape, does, how } of steps) {
      const message = shapes[shape]!(secret, does);
      if (how === 'ask') void a.ask(message, { timeoutMs: 20 }).catch(() => {});
      else a.tell(message, { control: how === 'control' });
      if (how === 'wait') await advance(7);
      found.push(...leaks(everything(running, lines), secret));
      const request = { path: '/s/a', by: 'test', reason: 'a test', dryRun: true } as const;
      for (const action of ['stop', 'restart'] as const) results.push(await system.operate({ ...request, action }));
    }
    for (let times = 0; times < 5; times++) await advance(20);
    await settle();
    found.push(...leaks(everything(running, lines) + print(results), secret));
    const stopped = system.stop();
    await advance(100);
    await stopped;
    return [...found, ...leaks(everything(running, lines), secret)];
  }

  const step = fc.record({
    shape: fc.constantFrom(...Object.keys(shapes)),
    does: fc.constantFrom(...acts),
    how: fc.constantFrom('tell', 'control', 'ask', 'wait'),
  });

  test('P7 whatever messages it is in, and whatever goes wrong with them', async () => {
    await fc.assert(
      fc.asyncProperty(secretText, fc.array(step, { maxLength: 12 }), async (secret, steps) => {
        expect(await leaksOf(secret, steps, 1_000)).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  test('P7 though the restart budget of its actor is spent', async () => {
    const steps = Object.keys(shapes).map((shape) => ({ shape, does: 'throw', how: 'wait' }));
    expect(await leaksOf('PLANTED2SECRET', steps, 0)).toEqual([]);
  });

  test.each(acts)('P7 though its actor is told to %s', async (does) => {
    const steps = Object.keys(shapes).map((shape) => ({ shape, does, how: 'wait' }));
    expect(await leaksOf('PLANTED2SECRET', steps, 1_000)).toEqual([]);
  });
});

describe('P7 a planted secret is seen nowhere although it is quoted by', () => {
  const secret = 'PLANTED2SECRET';
  const quote = (): never => {
    throw new Error(`cannot do it with ${secret}`);
  };
  const message = { type: 'login', password: secret };
  const idle: Behavior<State, unknown> = { start: () => ({ key: secret }), receive: (state) => state };
  const failing: Behavior<State, unknown> = { ...idle, receive: quote };

  /** Looks at a system in which `/s/a` was told the secret, and another one asks it. */
  async function look(
    behavior: Behavior<State, unknown>,
    options: Omit<Partial<WorkerSpec<State, unknown>>, 'id' | 'behavior'> = {},
    intensity = 1_000,
  ): Promise<string> {
    const { log, lines } = recordingLog();
    const asker = handler<string>(async (_message, context: ActorContext<string>) => {
      await context.ask(running.ref<unknown>('/s/a'), message, { timeoutMs: 60_000 });
    });
    const specs = [worker('a', behavior, { showMessage: undefined as never, ...options }), worker('asker', asker)];
    const running: TestSystem = await startTestSystem([supervisor('s', 'one-for-one', specs, { intensity })], log);
    running.system.inspectActor('/s/a');
    running.ref<unknown>('/s/a').tell(message);
    running.ref<unknown>('/s/a').tell(message);
    await running.advance(20);
    const seen = everything(running, lines);
    const stopped = running.system.stop();
    await running.advance(0);
    await stopped;
    return seen + everything(running, lines);
  }

  test('P7 an error that spends the restart budget', async () => {
    expect(leaks(await look(failing, {}, 0), secret)).toEqual([]);
  });

  test('P7 an error that a policy escalates', async () => {
    expect(leaks(await look(failing, { onError: () => 'escalate' }), secret)).toEqual([]);
  });

  test('P7 an error that crashes the one who asked, too', async () => {
    const { log, lines } = recordingLog();
    const asker = handler<string>(async (_message, context: ActorContext<string>) => {
      await context.ask(running.ref<unknown>('/a'), message, { timeoutMs: 60_000 });
    });
    const running: TestSystem = await startTestSystem(
      [worker('a', failing, { showMessage: () => 'shown' }), worker('asker', asker)],
      log,
    );
    running.ref<string>('/asker').tell('go');
    await running.settle();
    expect(running.history()).toContain('crashed /asker');
    expect(leaks(everything(running, lines), secret)).toEqual([]);
  });

  test('P7 a policy that fails', async () => {
    expect(leaks(await look(failing, { onError: quote }), secret)).toEqual([]);
  });

  test('P7 a policy that answers nonsense', async () => {
    expect(leaks(await look(failing, { onError: () => secret as never }), secret)).toEqual([]);
  });

  test('P7 a key that cannot be told', async () => {
    const mailbox = { capacity: 1, whenFull: 'latest-by-key' as const, keyOf: quote };
    expect(leaks(await look(idle, { mailbox }), secret)).toEqual([]);
  });

  test('P7 what is to show the state, and fails', async () => {
    expect(leaks(await look({ ...idle, inspect: quote }), secret)).toEqual([]);
  });

  test('P7 what is to say whether it is idle, and fails', async () => {
    expect(leaks(await look({ ...idle, isIdle: quote }, { passivateAfterMs: 10 }), secret)).toEqual([]);
  });

  test('P7 the stop of its behavior, which fails', async () => {
    expect(leaks(await look({ ...idle, stop: quote }), secret)).toEqual([]);
  });

  test('P7 an error about the state, while another message is in hand', async () => {
    const { log, lines } = recordingLog();
    const running = await startTestSystem([worker('a', failing)], log);
    running.ref<unknown>('/a').tell({ type: 'use' });
    await running.settle();
    expect(leaks(everything(running, lines), secret)).toEqual([]);
  });

  test('P7 an error inside of the message that crashes it', async () => {
    const behavior: Behavior<State, unknown> = {
      ...idle,
      receive: (_state, failed) => {
        throw new Error('it failed', { cause: (failed as { error: Error }).error });
      },
    };
    const { log, lines } = recordingLog();
    const running = await startTestSystem([worker('a', behavior, { showMessage: undefined as never })], log);
    running.ref<unknown>('/a').tell({ type: 'failed', error: new Error(`no login with ${secret}`) });
    await running.settle();
    expect(leaks(everything(running, lines), secret)).toEqual([]);
  });
});
