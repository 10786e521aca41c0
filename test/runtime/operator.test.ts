import { describe, expect, test } from 'vitest';
import { Breaker, breakerSpec } from '../../runtime/breaker-node.ts';
import { VirtualClock } from '../../runtime/clock.ts';
import type { ReplyTo } from '../../runtime/actor.ts';
import { ActorStopped } from '../../runtime/errors.ts';
import type { OperatorRequest, OperatorResult } from '../../runtime/system.ts';
import { failToStart, incarnations, life, statusOf } from '../support/lives.ts';
import { trapRejections } from '../support/rejections.ts';
import { gate, handler, startTestSystem, supervisor, type TestSystem, worker } from '../support/test-system.ts';

trapRejections();

const actions = ['suspend', 'resume', 'restart', 'stop', 'drain', 'trip', 'reset'] as const;
type Action = OperatorRequest['action'];

function act(
  { system }: TestSystem,
  action: Action,
  path: string,
  options: Partial<OperatorRequest> = {},
): Promise<OperatorResult> {
  return system.operate({ action, path, by: 'ada', reason: 'a test', ...options });
}

/** A tenant of three, of which the first has one message in hand, two that wait, and an ask that is kept. */
async function startBusy(strategy: 'one-for-one' | 'rest-for-one' | 'one-for-all' = 'one-for-one') {
  const log: string[] = [];
  const hold = gate();
  const kept: ReplyTo[] = [];
  const behavior = handler<string>(async (message, context) => {
    log.push(message);
    if (message === 'keep') return void kept.push(context.replyLater());
    if (message === 'hold') await hold.promise;
    context.reply(message);
    return undefined;
  });
  const running = await startTestSystem([
    supervisor('s', strategy, [worker('a', behavior), worker('b', behavior), life('c')]),
    life('other'),
  ]);
  const outcomes: Record<string, unknown> = {};
  const ask = (message: string): void => {
    const note = (value: unknown): unknown => (outcomes[message] = value);
    void running.ref<string>('/s/b').ask(message, { timeoutMs: Infinity }).then(note, note);
  };
  ask('keep');
  await running.settle();
  ask('hold');
  await running.settle();
  ask('waits');
  running.ref<string>('/s/b').tell('told');
  return { ...running, running, log, hold, kept, outcomes };
}

describe('an operator', () => {
  test.each(actions)('must say who and why: %s', async (action) => {
    const running = await startTestSystem([life('a')]);
    for (const missing of [{ reason: ' ' }, { by: '' }]) {
      expect(await act(running, action, '/a', missing)).toEqual({ type: 'refused', code: 'REASON_MISSING' });
    }
    expect([incarnations(running.system), statusOf(running.system, '/a')]).toEqual([{ a: 1 }, 'running']);
  });

  test.each(actions)('is told when there is nobody: %s', async (action) => {
    expect(await act(await startTestSystem(), action, '/nobody')).toEqual({ type: 'refused', code: 'NOT_FOUND' });
  });

  test.each(actions)('does not touch another incarnation than the one that was looked at: %s', async (action) => {
    const running = await startTestSystem([life('a')]);
    await act(running, 'restart', '/a');
    await running.settle();
    const before = running.events.length;
    expect(await act(running, action, '/a', { ifIncarnation: 1 })).toEqual({
      ...{ type: 'refused', code: 'INCARNATION_CHANGED', incarnation: 2 },
    });
    expect([incarnations(running.system), running.events.length]).toEqual([{ a: 2 }, before]);
    if (action !== 'trip' && action !== 'reset') {
      expect(await act(running, action, '/a', { ifIncarnation: 2 })).toMatchObject({ type: 'done' });
    }
  });

  test.each(['restart', 'stop', 'drain'] as const)('does not end the root: %s', async (action) => {
    const running = await startTestSystem([life('a')]);
    expect(await act(running, action, '/')).toMatchObject({ type: 'refused', code: 'IS_ROOT' });
    expect(running.system.inspect().map(({ status }) => status)).toEqual(['running', 'running']);
  });

  test.each([
    ['suspend', 'resume'],
    ['resume', 'suspend'],
    ['restart', undefined],
    ['stop', 'restart'],
    ['drain', 'restart'],
  ] as const)(
    'who says %s leaves an event with the name and the reason, and hears what takes it back',
    async (action, undo) => {
      const running = await startTestSystem([life('a')]);
      const result = await act(running, action, '/a');
      const event = running.events.find(({ type }) => type === 'operator-action');
      expect(event).toMatchObject({ path: '/a', incarnation: 1, action, by: 'ada', reason: 'a test' });
      expect(result).toMatchObject({ type: 'done', isDryRun: false, seq: event?.seq, undo });
    },
  );

  test.each(['suspend', 'resume', 'restart', 'stop', 'drain'] as const)(
    'changes nothing with a dry run: %s',
    async (action) => {
      const { running, system, events, log, settle } = await startBusy();
      const before = [events.length, system.inspect(), log.length];
      const result = await act(running, action, '/s/b', { dryRun: true });
      await settle();
      expect(result).toMatchObject({ type: 'done', isDryRun: true, seq: undefined, radius: { notIdle: [] } });
      expect([events.length, system.inspect(), log.length]).toEqual(before);
    },
  );
});

describe('the blast radius', () => {
  test.each([
    ['one-for-one', ['/s/b']],
    ['rest-for-one', ['/s/b', '/s/c']],
    ['one-for-all', ['/s/a', '/s/b', '/s/c']],
  ] as const)('of a restart takes in whom the strategy does: %s', async (strategy, restarted) => {
    const { running } = await startBusy(strategy);
    const radius = async (action: Action, path: string) => {
      const result = await act(running, action, path, { dryRun: true });
      return result.type === 'done' ? result.radius : undefined;
    };
    // One ask is in hand and one is kept; the messages outlive it, and the ask among them.
    expect(await radius('restart', '/s/b')).toEqual({ actors: restarted, queued: 0, openAsks: 2, notIdle: [] });
    expect(await radius('stop', '/s/b')).toEqual({ actors: ['/s/b'], queued: 2, openAsks: 3, notIdle: [] });
    expect(await radius('stop', '/s')).toMatchObject({
      actors: ['/s', '/s/a', '/s/b', '/s/c'],
      queued: 2,
      openAsks: 3,
    });
    expect(await radius('suspend', '/s')).toMatchObject({
      actors: ['/s', '/s/a', '/s/b', '/s/c'],
      queued: 0,
      openAsks: 0,
    });
    expect(await radius('drain', '/s/b')).toMatchObject({ queued: 0, openAsks: 0 });
  });

  test('of a stop is what comes of it', async () => {
    const { running, system, outcomes, deadLetters, hold, settle } = await startBusy();
    const said = await act(running, 'stop', '/s/b', { dryRun: true });
    const done = act(running, 'stop', '/s/b');
    hold.resolve();
    await done;
    await settle();
    expect(said).toMatchObject({ radius: { queued: deadLetters.length } });
    expect(outcomes).toEqual({
      keep: expect.any(ActorStopped),
      hold: expect.anything(),
      waits: expect.any(ActorStopped),
    });
    expect([statusOf(system, '/s/b'), statusOf(system, '/s/a')]).toEqual(['down', 'running']);
  });

  test('counts what was put aside, and asks among it', async () => {
    const running = await startTestSystem([
      worker(
        'a',
        handler<string>((_message, context) => void context.stash()),
      ),
    ]);
    void running
      .ref<string>('/a')
      .ask('aside', { timeoutMs: Infinity })
      .catch(() => {});
    await running.settle();
    expect(await act(running, 'stop', '/a', { dryRun: true })).toMatchObject({ radius: { queued: 1, openAsks: 1 } });
  });
});

describe('suspend and resume', () => {
  test('let messages wait and go on, for everything below a supervisor, once each', async () => {
    const log: string[] = [];
    const running = await startTestSystem([
      supervisor('s', 'one-for-one', [life('a', log), life('b', log)]),
      life('c', log),
    ]);
    await act(running, 'suspend', '/s');
    await act(running, 'suspend', '/s');
    for (const path of ['/s/a', '/s/b', '/c']) running.ref<string>(path).tell('hello');
    await running.settle();
    expect(log.filter((line) => line.includes('got'))).toEqual(['c got hello']);
    expect(statusOf(running.system, '/s/a')).toBe('suspended');
    await act(running, 'resume', '/s');
    await act(running, 'resume', '/s');
    await running.settle();
    expect(log.filter((line) => line.includes('got'))).toEqual(['c got hello', 'a got hello', 'b got hello']);
    const said = running.events.filter(({ type }) => type === 'suspended' || type === 'resumed');
    expect(said.map(({ type, path }) => `${type} ${path}`)).toEqual([
      ...['suspended /s/a', 'suspended /s/b', 'resumed /s/a', 'resumed /s/b'],
    ]);
  });

  test('hold over a restart', async () => {
    const log: string[] = [];
    const running = await startTestSystem([life('a', log)]);
    await act(running, 'suspend', '/a');
    running.ref<string>('/a').tell('hello');
    await act(running, 'restart', '/a');
    await running.settle();
    expect([statusOf(running.system, '/a'), log]).toEqual(['suspended', ['start a', 'stop a shutdown', 'start a']]);
    await act(running, 'resume', '/a');
    await running.settle();
    expect(log.at(-1)).toBe('a got hello');
  });
});

describe('restart', () => {
  test('starts afresh without costing budget, and keeps what waits', async () => {
    const log: string[] = [];
    const root = supervisor('root', 'rest-for-one', [life('a', log), life('b', log), life('c', log)], { intensity: 0 });
    const running = await startTestSystem(root);
    await act(running, 'suspend', '/b');
    running.ref<string>('/b').tell('hello');
    await act(running, 'restart', '/b');
    await act(running, 'resume', '/b');
    await running.settle();
    expect(log.slice(3)).toEqual(['stop c shutdown', 'stop b shutdown', 'start b', 'start c', 'b got hello']);
    expect(incarnations(running.system)).toEqual({ a: 1, b: 2, c: 2 });
    expect(running.system.inspect('/b')[0]?.restartsInWindow).toBe(0);
  });

  test('of one that is down brings it back', async () => {
    const running = await startTestSystem([life('a')]);
    await act(running, 'stop', '/a');
    expect(running.ref<string>('/a').tell('hello')).toBe('stopped');
    expect(await act(running, 'restart', '/a')).toMatchObject({ type: 'done' });
    expect([statusOf(running.system, '/a'), running.ref<string>('/a').tell('hello')]).toEqual(['running', 'queued']);
  });

  test('of one that is down and does not start leaves it down, and rejects nothing', async () => {
    let starts = 0;
    const start = (): void => {
      if (++starts > 1) failToStart();
    };
    const running = await startTestSystem([life('a', [], { start })]);
    await act(running, 'stop', '/a');
    const result = await act(running, 'restart', '/a').catch((error: unknown) => error);
    expect(result).not.toBeInstanceOf(Error);
    expect(statusOf(running.system, '/a')).toBe('down');
  });

  test('of a supervisor and of what is below it at the same time disturb each other in nothing', async () => {
    const inner = supervisor('t', 'rest-for-one', [life('b'), life('c')]);
    const running = await startTestSystem([supervisor('s', 'one-for-all', [life('a'), inner])]);
    await act(running, 'stop', '/s');
    await running.settle();
    const results = await Promise.allSettled([act(running, 'restart', '/s'), act(running, 'restart', '/s/t')]);
    await running.settle();
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect(running.system.inspect('/s').map(({ status }) => status)).toEqual(Array(5).fill('running'));
  });
});

describe('stop', () => {
  test('is refused while something is under way below, which is named, and does nothing then', async () => {
    const busy = { ...handler<string>(() => {}), isIdle: () => false };
    const running = await startTestSystem([supervisor('s', 'one-for-one', [life('a'), worker('busy', busy)])]);
    for (const path of ['/s', '/s/busy']) {
      expect(await act(running, 'stop', path)).toMatchObject({
        ...{ type: 'refused', code: 'NOT_IDLE', radius: { notIdle: ['/s/busy'] } },
      });
    }
    expect(await act(running, 'stop', '/s/a')).toMatchObject({ type: 'done' });
    expect(running.system.inspect('/s').map(({ status }) => status)).toEqual(['running', 'down', 'running']);
  });

  test('keeps the spec of a temporary and of a dynamic actor, so that an operator can have it back', async () => {
    const running = await startTestSystem([
      supervisor('d', 'dynamic', [life('a')]),
      life('t', [], { restart: 'temporary' }),
    ]);
    for (const path of ['/d/a', '/t']) {
      await act(running, 'stop', path);
      expect(statusOf(running.system, path)).toBe('down');
      await act(running, 'restart', path);
      expect(statusOf(running.system, path)).toBe('running');
    }
  });
});

describe('drain', () => {
  test('handles what waits then, takes nothing new, and is down; a restart brings it back', async () => {
    const { running, system, log, hold, ref, outcomes, kept, settle } = await startBusy();
    const done = act(running, 'drain', '/s/b');
    await settle();
    expect([statusOf(system, '/s/b'), ref<string>('/s/b').tell('new')]).toEqual(['draining', 'stopped']);
    kept[0]!.reply('kept');
    hold.resolve();
    expect(await done).toMatchObject({ type: 'done', undo: 'restart' });
    expect(log).toEqual(['keep', 'hold', 'waits', 'told']);
    expect(outcomes).toEqual({ keep: 'kept', hold: 'hold', waits: 'waits' });
    expect(statusOf(system, '/s/b')).toBe('down');
    await act(running, 'restart', '/s/b');
    await settle();
    expect([statusOf(system, '/s/b'), ref<string>('/s/b').tell('again')]).toEqual(['running', 'queued']);
  });

  test('waits for an ask that is kept, and ends when it is answered', async () => {
    const { running, system, hold, kept, settle } = await startBusy();
    hold.resolve();
    await settle();
    void act(running, 'drain', '/s/b');
    await settle();
    expect(statusOf(system, '/s/b')).toBe('draining');
    kept[0]!.reply('at last');
    await settle();
    expect(statusOf(system, '/s/b')).toBe('down');
  });

  test('of one that is suspended goes on first', async () => {
    const log: string[] = [];
    const running = await startTestSystem([life('a', log)]);
    await act(running, 'suspend', '/a');
    running.ref<string>('/a').tell('waits');
    await act(running, 'drain', '/a');
    expect(log).toEqual(['start a', 'a got waits', 'stop a shutdown']);
  });

  test('ends at its deadline, whatever is still under way, and what waits then becomes dead letters', async () => {
    const running = await startTestSystem([life('a', [], { shutdownMs: 10 })]);
    for (const message of ['hang', 'waits']) running.ref<string>('/a').tell(message);
    void act(running, 'drain', '/a', { drainMs: 1_000 });
    await running.advance(999);
    expect(statusOf(running.system, '/a')).toBe('draining');
    await running.advance(1);
    await running.advance(10);
    expect(statusOf(running.system, '/a')).toBe('down');
    expect(running.deadLetters.map(({ message }) => message.shown)).toEqual(['hang', 'waits']);
  });

  test('has half a minute by default', async () => {
    const running = await startTestSystem([life('a', [], { shutdownMs: 0 })]);
    running.ref<string>('/a').tell('hang');
    void act(running, 'drain', '/a');
    await running.advance(29_999);
    expect(statusOf(running.system, '/a')).toBe('draining');
    await running.advance(1);
    await running.advance(0);
    expect(statusOf(running.system, '/a')).toBe('down');
  });

  test('goes on after a crash on the way: what waits is handled, nothing new is taken, and it ends', async () => {
    const log: string[] = [];
    const running = await startTestSystem([life('a', log)]);
    await act(running, 'suspend', '/a');
    for (const message of ['one', 'crash', 'two']) running.ref<string>('/a').tell(message);
    const done = act(running, 'drain', '/a');
    const late: string[] = [];
    running.system.events.subscribe({ types: ['restarted'] }, () => {
      late.push(running.ref<string>('/a').tell('new'));
    });
    await running.settle();
    expect(late).toEqual(['stopped']);
    expect(log.filter((line) => line.includes('got'))).toEqual(['a got one', 'a got two']);
    expect(statusOf(running.system, '/a')).toBe('down');
    await running.advance(30_000);
    await done;
  });

  test('ends when the last message crashes it', async () => {
    const running = await startTestSystem([life('a')]);
    await act(running, 'suspend', '/a');
    running.ref<string>('/a').tell('crash');
    const done = act(running, 'drain', '/a');
    await running.settle();
    expect(statusOf(running.system, '/a')).toBe('down');
    await running.advance(30_000);
    await done;
  });

  test('of a supervisor drains everything below, and then stops it in reverse', async () => {
    const log: string[] = [];
    const running = await startTestSystem([supervisor('s', 'one-for-one', [life('a', log), life('b', log)])]);
    for (const path of ['/s/a', '/s/b']) running.ref<string>(path).tell('hello');
    await act(running, 'drain', '/s');
    expect(log).toEqual(['start a', 'start b', 'a got hello', 'b got hello', 'stop b shutdown', 'stop a shutdown']);
    expect(running.system.inspect('/s').map(({ status }) => status)).toEqual(['down', 'down', 'down']);
  });
});

describe('a breaker', () => {
  async function startBreaker() {
    const policy = {
      ...{ windowCalls: 10, windowMs: 60_000, minimumCalls: 3, failureRate: 0.5, slowCallMs: 500, slowRate: 1 },
      ...{ callTimeoutMs: 1_000, reopen: { firstMs: 5_000, maxMs: 60_000, jitter: 0 }, halfOpenProbes: 2 },
    };
    const breaker = new Breaker({ name: 'provider', policy, clock: new VirtualClock(), random: () => 0.5 });
    const running = await startTestSystem([breakerSpec(breaker), life('a')]);
    return { breaker, running };
  }

  test('is tripped and reset, with who and why, and says so', async () => {
    const { breaker, running } = await startBreaker();
    expect(await act(running, 'trip', '/provider')).toMatchObject({ type: 'done', undo: 'reset' });
    await running.settle();
    expect(breaker.status()).toMatchObject({ state: 'open', why: expect.stringContaining('ada: a test') });
    expect(await act(running, 'reset', '/provider')).toMatchObject({ type: 'done', undo: undefined });
    await running.settle();
    expect(breaker.status().state).toBe('closed');
    expect(running.events.filter(({ type }) => type === 'breaker')).toMatchObject([
      { path: '/provider', from: 'closed', to: 'open' },
      { path: '/provider', from: 'open', to: 'closed' },
    ]);
  });

  test.each(['trip', 'reset'] as const)('is the only thing that can be told to %s', async (action) => {
    const { running } = await startBreaker();
    for (const path of ['/a', '/']) {
      expect(await act(running, action, path)).toMatchObject({ type: 'refused', code: 'NOT_A_BREAKER' });
    }
  });

  test('is not tripped by a dry run', async () => {
    const { breaker, running } = await startBreaker();
    expect(await act(running, 'trip', '/provider', { dryRun: true })).toMatchObject({ type: 'done', isDryRun: true });
    await running.settle();
    expect(breaker.status().state).toBe('closed');
  });

  test('whose node is down is not said to be tripped when it is not', async () => {
    const { breaker, running } = await startBreaker();
    await act(running, 'stop', '/provider');
    const result = await act(running, 'trip', '/provider');
    await running.settle();
    expect(result.type === 'done').toBe(breaker.status().state === 'open');
  });
});
