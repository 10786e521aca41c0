import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ActorContext, Log } from '../../../runtime/actor.ts';
import { ActorCrashed, ActorStopped, HandlerTimeout } from '../../../runtime/errors.ts';
import { crash, failToStart, incarnations, life, statusOf } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, handler, startTestSystem, supervisor, worker } from '../../support/test-system.ts';

trapRejections();

const hang = (): Promise<never> => new Promise(() => {});

/** Handles words, crashes on `crash`, and stashes everything until `open`. */
function doorman(log: string[]) {
  let isOpen = false;
  return {
    start: (context: ActorContext<string>) => void log.push(`start ${context.incarnation}`),
    receive: (_state: void, message: string, context: ActorContext<string>) => {
      if (message === 'crash') throw new Error(message);
      if (message === 'open') {
        isOpen = true;
        context.unstashAll();
      } else if (isOpen) log.push(message);
      else context.stash();
    },
  };
}

/** A log that keeps what the runtime complains about. */
function complaints(): { readonly log: Log; readonly errors: string[] } {
  const errors: string[] = [];
  return { log: { debug() {}, info() {}, warn() {}, error: (_fields, text) => void errors.push(text) }, errors };
}

describe('one message at a time', () => {
  test('C65 an actor handles one message at a time, whatever happens to it meanwhile', async () => {
    const act = fc.constantFrom('tell', 'crash', 'suspend', 'resume', 'restart', 'turn', 'settle');
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 25 }), async (acts) => {
        let inside = 0;
        let most = 0;
        const slow = worker(
          'slow',
          handler<string>(async (message) => {
            most = Math.max(most, ++inside);
            await turn();
            inside--;
            if (message === 'crash') throw new Error(message);
          }),
        );
        const { system, ref, settle, deadLetters } = await startTestSystem([slow]);
        let sent = 0;
        for (const action of acts) {
          if (action === 'turn') await turn();
          else if (action === 'settle') await settle();
          else if (action === 'tell' || action === 'crash') {
            ref<string>('/slow').tell(action);
            sent++;
          } else void system.operate({ action, path: '/slow', by: 'test', reason: 'chance' });
        }
        void system.operate({ action: 'resume', path: '/slow', by: 'test', reason: 'the end' });
        await settle();
        while (system.inspect('/slow')[0]!.mailbox.depth > 0) await settle();
        const [{ handled } = { handled: 0 }] = system.inspect('/slow');
        expect([most, inside, handled + deadLetters.length]).toEqual([sent > 0 ? 1 : 0, 0, sent]);
        await system.stop();
      }),
      { numRuns: 60 },
    );
  });

  test('C65 a message that waits for an async handler is not handled when that handler is stopped', async () => {
    const hold = gate();
    const log: string[] = [];
    const slow = handler<string>(async (message) => {
      log.push(`${message} begins`);
      await hold.promise;
      log.push(`${message} ends`);
    });
    const { system, ref, settle } = await startTestSystem([worker('a', slow)]);
    for (const message of ['one', 'two']) ref<string>('/a').tell(message);
    await settle();
    const stopped = system.stopChild('/a');
    await settle();
    hold.resolve();
    await stopped;
    expect(log).toEqual(['one begins', 'one ends']);
  });

  test('C66 the messages of a sender stay in order, across restarts too', async () => {
    const log: string[] = [];
    const { ref, settle } = await startTestSystem([life('a', log)]);
    for (const message of ['1', 'crash', '2', '3', 'crash', '4']) ref<string>('/a').tell(message);
    await settle();
    expect(log.filter((line) => line.includes('got'))).toEqual(['a got 1', 'a got 2', 'a got 3', 'a got 4']);
  });
});

describe('a message that crashes its actor', () => {
  test('C67 is not given to it again', async () => {
    const running = await startTestSystem([life('a')]);
    await crash(running, '/a');
    expect(incarnations(running.system)).toEqual({ a: 2 });
    expect(running.system.inspect('/a')[0]?.mailbox.depth).toBe(0);
    expect(running.deadLetters.map(({ reason }) => reason)).toEqual(['poison']);
  });

  test('C67 is tried as often as its spec says, in its old place, and is a dead letter then', async () => {
    const log: string[] = [];
    const behavior = handler<string>((message, context) => {
      log.push(`${message} in ${context.incarnation}`);
      if (message === 'poison') throw new Error(message);
    });
    const { ref, settle, deadLetters } = await startTestSystem([worker('a', behavior, { maxAttempts: 3 })]);
    const asked = ref<string>('/a')
      .ask('poison', { timeoutMs: 1_000 })
      .catch((error: unknown) => error);
    ref<string>('/a').tell('next');
    await settle();
    expect(log).toEqual(['poison in 1', 'poison in 2', 'poison in 3', 'next in 4']);
    expect(deadLetters.map(({ reason, message }) => [reason, message.shown])).toEqual([['poison', 'poison']]);
    expect(await asked).toBeInstanceOf(ActorCrashed);
  });

  test('C67 that succeeds when it is tried again answers its ask, and the next one has all its attempts', async () => {
    let failures = 0;
    const behavior = handler<string>((message, context) => {
      if (failures < 1 || (message === 'second' && failures < 2)) {
        failures++;
        throw new Error(message);
      }
      context.reply(`${message} in ${context.incarnation}`);
    });
    const { ref, deadLetters } = await startTestSystem([worker('a', behavior, { maxAttempts: 2 })]);
    const ask = (message: string) => ref<string>('/a').ask(message, { timeoutMs: 1_000 });
    expect(await Promise.all([ask('first'), ask('second')])).toEqual(['first in 2', 'second in 3']);
    expect(deadLetters).toEqual([]);
  });

  test('C67 after it had been put aside is a dead letter, and does not come back', async () => {
    const log: string[] = [];
    const behavior = handler<string>((message, context) => {
      log.push(message);
      context.stash();
      throw new Error(message);
    });
    const { ref, settle, deadLetters } = await startTestSystem([worker('a', behavior)]);
    ref<string>('/a').tell('poison');
    await settle();
    expect(log).toEqual(['poison']);
    expect(deadLetters.map(({ reason }) => reason)).toEqual(['poison']);
  });

  test.each([
    ['resume', ['1 in 1', '2 in 1'], 'running', ['crashed /a']],
    ['restart', ['1 in 1', '2 in 2'], 'running', ['crashed /a', 'restarted /a']],
    ['stop', ['1 in 1'], 'down', ['crashed /a', 'down /a']],
    ['escalate', ['1 in 1'], 'stopped', ['crashed /a', 'gave-up /', 'stopped /a', 'stopped /']],
  ] as const)('C67 onError says what it does about it: %s', async (directive, handled, status, after) => {
    const log: string[] = [];
    const asked: unknown[] = [];
    const behavior = handler<string>((message, context) => {
      if (message === 'crash') throw new RangeError(message);
      log.push(`${message} in ${context.incarnation}`);
    });
    const { system, ref, settle, history, deadLetters } = await startTestSystem([
      worker('a', behavior, {
        onError: (error, message) => {
          asked.push([(error as Error).name, message]);
          return directive;
        },
      }),
    ]);
    const before = history().length;
    for (const message of ['1', 'crash', '2']) ref<string>('/a').tell(message);
    await settle();
    expect(asked).toEqual([['RangeError', 'crash']]);
    expect(log).toEqual(handled);
    expect(statusOf(system, '/a')).toBe(status);
    expect(history().slice(before)).toEqual(after);
    expect(deadLetters[0]).toMatchObject({ reason: 'poison', message: { shown: 'crash' } });
    expect(system.inspectActor('/a')?.crashes.map((entry) => entry.directive)).toEqual([directive]);
  });

  test('C67 an async handler that fails keeps its state when onError resumes', async () => {
    const counter = {
      start: () => 0,
      receive: async (count: number, message: string, context: ActorContext<string>) => {
        await Promise.resolve();
        if (message === 'crash') throw new Error(message);
        context.reply(count + 1);
        return count + 1;
      },
    };
    const { ref, settle } = await startTestSystem([worker('a', counter, { onError: () => 'resume' })]);
    ref<string>('/a').tell('add');
    const failed = ref<string>('/a').ask('crash', { timeoutMs: 1_000 });
    await expect(failed).rejects.toBeInstanceOf(ActorCrashed);
    expect(await ref<string>('/a').ask('add', { timeoutMs: 1_000 })).toBe(2);
    await settle();
  });
});

describe('what waits', () => {
  test('C68 outlives a restart in its order, also when the restart fails at first', async () => {
    const log: string[] = [];
    let starts = 0;
    const start = (): void => {
      if (++starts === 2 || starts === 3) failToStart();
    };
    const { ref, settle } = await startTestSystem([life('a', log, { start })]);
    for (const message of ['crash', '1', '2', '3']) ref<string>('/a').tell(message);
    await settle();
    expect(log.slice(-4)).toEqual(['start a', 'a got 1', 'a got 2', 'a got 3']);
  });

  test('C68 what was put aside outlives restarts that fail, and comes back by itself in front of what waits', async () => {
    const log: string[] = [];
    let starts = 0;
    const behavior = doorman(log);
    const start = (context: ActorContext<string>): void => {
      if (++starts === 2 || starts === 3) failToStart();
      behavior.start(context);
      if (starts > 3) behavior.receive(undefined, 'open', context);
    };
    const { system, ref, settle } = await startTestSystem([worker('a', { ...behavior, start })]);
    for (const message of ['1', '2']) ref<string>('/a').tell(message);
    await settle();
    expect(system.inspect('/a')[0]?.mailbox).toMatchObject({ stashed: 2, depth: 0 });
    for (const message of ['crash', '3', '4']) ref<string>('/a').tell(message);
    await settle();
    expect(log).toEqual(['start 1', 'start 4', '1', '2', '3', '4']);
    expect(system.inspect('/a')[0]?.mailbox.stashed).toBe(0);
  });

  test('C68 what was put aside comes back in front, in its order, when the actor asks for it', async () => {
    const log: string[] = [];
    const { ref, settle } = await startTestSystem([worker('a', doorman(log))]);
    for (const message of ['1', '2', 'open', '3']) ref<string>('/a').tell(message);
    await settle();
    expect(log).toEqual(['start 1', '1', '2', '3']);
  });

  test('C68 the stash is bounded: what does not fit is a dead letter, and its ask fails', async () => {
    const stashed: boolean[] = [];
    const behavior = handler<string>((_message, context) => void stashed.push(context.stash()));
    const { ref, settle, deadLetters } = await startTestSystem([worker('a', behavior, { stashCapacity: 2 })]);
    for (const message of ['1', '2']) ref<string>('/a').tell(message);
    const refused = ref<string>('/a').ask('3', { timeoutMs: 1_000 });
    await expect(refused).rejects.toMatchObject({ name: 'MailboxFull' });
    await settle();
    expect(stashed).toEqual([true, true, false]);
    expect(deadLetters.map(({ reason, message }) => [reason, message.shown])).toEqual([['stash-full', '3']]);
  });

  test('C68 a message that is put aside twice is there once', async () => {
    const log: string[] = [];
    const behavior = handler<string>((message, context) => {
      if (message === 'open') return context.unstashAll();
      log.push(message);
      if (log.length > 1) return;
      context.stash();
      context.stash();
    });
    const { ref, settle } = await startTestSystem([worker('a', behavior)]);
    for (const message of ['note', 'open']) ref<string>('/a').tell(message);
    await settle();
    expect(log).toEqual(['note', 'note']);
  });

  test('C68 an ask that was put aside is answered after the restart', async () => {
    const behavior = handler<string>((message, context) => {
      if (message === 'crash') throw new Error(message);
      if (context.incarnation === 1) context.stash();
      else context.reply(`answer of ${context.incarnation}`);
    });
    const { ref, settle } = await startTestSystem([worker('a', behavior)]);
    const asked = ref<string>('/a').ask('question', { timeoutMs: 1_000 });
    await settle();
    ref<string>('/a').tell('crash');
    expect(await asked).toBe('answer of 2');
  });

  test('C69 when the budget is spent everything that waits becomes dead letters, and says why', async () => {
    const policy = { intensity: 0 };
    const { ref, settle, deadLetters } = await startTestSystem([
      supervisor('s', 'one-for-one', [life('a'), life('b')], policy),
    ]);
    for (const message of ['crash', 'one', 'two']) ref<string>('/s/a').tell(message);
    await settle();
    expect(deadLetters.map(({ path, reason, message }) => [path, reason, message.shown])).toEqual([
      ['/s/a', 'poison', 'crash'],
      ['/s/a', 'stopped', 'one'],
      ['/s/a', 'stopped', 'two'],
    ]);
  });

  test('C69 when the budget is spent what was put aside becomes dead letters too, and asks among it fail', async () => {
    const policy = { intensity: 0 };
    const { ref, settle, deadLetters } = await startTestSystem([
      supervisor('s', 'one-for-one', [worker('a', doorman([]))], policy),
    ]);
    const outcome = ref<string>('/s/a')
      .ask('aside', { timeoutMs: 60_000 })
      .catch((error: unknown) => error);
    await settle();
    for (const message of ['crash', 'queued']) ref<string>('/s/a').tell(message);
    await settle();
    expect(await outcome).toBeInstanceOf(ActorStopped);
    expect(deadLetters.map(({ reason, message }) => [reason, message.shown])).toEqual([
      ['poison', 'crash'],
      ['stopped', 'aside'],
      ['stopped', 'queued'],
    ]);
  });
});

describe('a handler that takes too long', () => {
  const slow = (log: string[], hold: Promise<void>) => ({
    start: () => 'fresh',
    receive: async (state: string, message: string, context: ActorContext<string>) => {
      if (message !== 'slow') {
        log.push(`${message} with ${state}`);
        return 'used';
      }
      context.signal.addEventListener('abort', () => void log.push(`aborted at ${context.clock.monotonicMs()}`));
      await hold;
      log.push('late');
      context.reply('late');
      return 'late';
    },
    stop: (state: string, { kind }: { readonly kind: string }) => void log.push(`stop ${kind} with ${state}`),
  });

  test('C70 is told to abort, crashes the actor, and its late result is worth nothing', async () => {
    const log: string[] = [];
    const hold = gate();
    const options = { handlerTimeoutMs: 100, shutdownMs: 50 };
    const running = await startTestSystem([worker('a', slow(log, hold.promise), options)]);
    const { system, ref, settle, advance, lifecycle } = running;
    const asked = ref<string>('/a')
      .ask('slow', { timeoutMs: 60_000 })
      .catch((error: unknown) => error);
    ref<string>('/a').tell('next');
    await advance(99);
    expect(log).toEqual([]);
    await advance(1);
    expect(log).toEqual(['aborted at 100']);
    await advance(50);
    expect(log).toEqual(['aborted at 100', 'next with fresh']);
    expect(await asked).toMatchObject({ name: 'ActorCrashed', cause: { name: HandlerTimeout.name } });
    hold.resolve();
    await settle();
    ref<string>('/a').tell('after');
    await settle();
    expect(log).toEqual(['aborted at 100', 'next with fresh', 'late', 'after with used']);
    expect(incarnations(system)).toEqual({ a: 2 });
    expect(lifecycle.map(({ type }) => type).slice(-3)).toEqual(['crashed', 'abandoned', 'restarted']);
    expect(system.inspectActor('/a')?.crashes).toMatchObject([
      { error: { name: 'HandlerTimeout' }, message: { shown: 'slow' } },
    ]);
  });

  test('C70 and was left behind by a restart changes nothing in the next incarnation', async () => {
    const log: string[] = [];
    const hold = gate();
    const running = await startTestSystem([worker('a', slow(log, hold.promise), { shutdownMs: 50 })]);
    const { system, ref, settle, advance } = running;
    ref<string>('/a').tell('slow');
    await settle();
    void system.operate({ action: 'restart', path: '/a', by: 'test', reason: 'a test' });
    await advance(50);
    ref<string>('/a').tell('next');
    await settle();
    expect(log).toEqual(['aborted at 50', 'next with fresh']);
    hold.resolve();
    await settle();
    ref<string>('/a').tell('after');
    await settle();
    expect(log.slice(2)).toEqual(['late', 'after with used']);
    expect(system.inspect('/a')[0]).toMatchObject({ incarnation: 2, handled: 2 });
    expect(system.scheduler().underWay).toBe(0);
  });

  test('C70 but ends soon after it was told to abort gives its state back and is not left behind', async () => {
    const log: string[] = [];
    const hold = gate();
    const options = { handlerTimeoutMs: 100, shutdownMs: 50 };
    const { ref, advance, settle, history } = await startTestSystem([worker('a', slow(log, hold.promise), options)]);
    ref<string>('/a').tell('slow');
    await advance(100);
    hold.resolve();
    await settle();
    expect(log).toEqual(['aborted at 100', 'late', 'stop crash with fresh']);
    expect(history()).not.toContain('abandoned /a');
    expect(history()).toContain('restarted /a');
  });

  test('C70 also at its start, crashes it', async () => {
    let starts = 0;
    const start = (): Promise<void> | void => (++starts === 2 ? hang() : undefined);
    const options = { start, handlerTimeoutMs: 100, shutdownMs: 50 };
    const running = await startTestSystem([life('a', [], options)]);
    await crash(running, '/a');
    expect(statusOf(running.system, '/a')).toBe('starting');
    await running.advance(100);
    await running.advance(50);
    expect([statusOf(running.system, '/a'), starts]).toEqual(['running', 3]);
    expect(running.system.inspectActor('/a')?.crashes.at(-1)?.error.message).toContain('its start');
  });

  test('C70 is reported as stuck once a message, before and without a timeout', async () => {
    const { ref, advance, system, events } = await startTestSystem([worker('a', handler<string>(hang))]);
    ref<string>('/a').tell('slow');
    await advance(4_999);
    expect(events.filter(({ type }) => type === 'stuck')).toEqual([]);
    await advance(1);
    expect(events.filter(({ type }) => type === 'stuck')).toMatchObject([
      { path: '/a', runningMs: 5_000, message: { shown: 'slow' } },
    ]);
    await advance(60_000);
    expect(events.filter(({ type }) => type === 'stuck')).toHaveLength(1);
    expect(system.inspect('/a')[0]).toMatchObject({ status: 'running', inFlight: { runningMs: 65_000 } });
  });

  test('C70 is reported as stuck for each message that is', async () => {
    const holds = [gate(), gate()];
    const behavior = handler<number>((message) => holds[message]!.promise);
    const { ref, advance, settle, events } = await startTestSystem([
      worker('a', behavior, { handlerTimeoutMs: 9_000 }),
    ]);
    for (const message of [0, 1]) ref<number>('/a').tell(message);
    await advance(5_000);
    holds[0]!.resolve();
    await settle();
    await advance(5_000);
    expect(events.filter(({ type }) => type === 'stuck').map(({ atMicros }) => atMicros)).toHaveLength(2);
    await advance(4_000);
    expect(events.filter(({ type }) => type === 'crashed')).toMatchObject([{ error: { name: 'HandlerTimeout' } }]);
  });
});

describe('what a spec gets wrong', () => {
  const boom = (): never => {
    throw new Error('boom');
  };
  const rejects = async (): Promise<never> => {
    await Promise.resolve();
    return boom();
  };

  test.each([
    ['sync', () => Promise.resolve()],
    ['async', undefined],
  ])('C71 whatever is thrown is a crash, also what has no text (%s)', async (_how, before) => {
    const nameless: unknown = Object.create(null);
    const behavior = handler<string>((_message) => {
      if (!before) throw nameless;
      return before().then(() => {
        throw nameless;
      });
    });
    const { system, ref, settle } = await startTestSystem([worker('a', behavior)]);
    await expect(ref<string>('/a').ask('x', { timeoutMs: 1_000 })).rejects.toBeInstanceOf(ActorCrashed);
    await settle();
    expect(statusOf(system, '/a')).toBe('running');
    expect(incarnations(system)).toEqual({ a: 2 });
  });

  test.each([
    ['throws', boom, 'onError of a spec failed'],
    ['answers nonsense', () => 'explode' as never, 'onError of a spec answered nonsense'],
  ])('C71 a policy that %s restarts the actor, and is reported', async (_how, onError, complaint) => {
    const { log, errors } = complaints();
    const running = await startTestSystem([life('a', [], { onError })], log);
    await crash(running, '/a');
    expect(incarnations(running.system)).toEqual({ a: 2 });
    expect(errors).toEqual([complaint]);
  });

  test.each([
    ['throws', boom],
    ['rejects', rejects],
  ])('C71 a stop that %s is reported, and neither a restart nor a stop suffers', async (_how, stop) => {
    const { log, errors } = complaints();
    const running = await startTestSystem([life('a', [], { stop })], log);
    await crash(running, '/a');
    expect(incarnations(running.system)).toEqual({ a: 2 });
    await running.system.stopChild('/a');
    expect(running.system.list('/')).toEqual([]);
    expect(errors).toEqual(['stop of a behavior failed', 'stop of a behavior failed']);
  });

  test('C71 a behavior that fails to show its state shows none', async () => {
    const { log, errors } = complaints();
    const { system } = await startTestSystem([worker('a', { ...handler<string>(() => {}), inspect: boom })], log);
    expect(system.inspectActor('/a')).not.toHaveProperty('state');
    expect(errors).toEqual(['inspect of a behavior failed']);
  });

  test('C71 a spec that fails to show a message shows none, and the message is handled', async () => {
    const log: string[] = [];
    const { system, ref, settle } = await startTestSystem([life('a', log, { showMessage: boom })]);
    for (const message of ['one', 'crash', 'hang']) ref<string>('/a').tell(message);
    ref<string>('/a').tell('waits');
    await settle();
    expect(log).toContain('a got one');
    expect(system.peek('/a', 10).map(({ shown }) => shown)).toEqual(['[unshown]']);
    expect(system.inspectActor('/a')).toMatchObject({
      inFlight: { message: { shown: '[unshown]' } },
      crashes: [{ message: { shown: '[unshown]' } }],
    });
    expect(system.deadLetters.list().map(({ message }) => message.shown)).toEqual(['[unshown]']);
  });

  test('C71 a behavior that cannot tell whether it is idle is not taken to be', async () => {
    const { log, errors } = complaints();
    const behavior = { ...handler<string>(() => {}), isIdle: boom };
    const { system, advance } = await startTestSystem([worker('a', behavior, { passivateAfterMs: 80 })], log);
    await advance(1_000);
    expect(statusOf(system, '/a')).toBe('running');
    const refused = await system.operate({ action: 'stop', path: '/a', by: 'test', reason: 'a test' });
    expect(refused).toMatchObject({ type: 'refused', code: 'NOT_IDLE' });
    expect(new Set(errors)).toEqual(new Set(['isIdle of a behavior failed']));
  });

  test('C71 a watcher whose message cannot be made does not keep the one it watches from ending', async () => {
    const heard: string[] = [];
    const watcher = (id: string, toMessage: () => string) =>
      worker(
        id,
        handler<string>((message, context) => {
          if (message === 'watch') context.watch(watched!, toMessage);
          else heard.push(`${id} ${message}`);
        }),
      );
    const running = await startTestSystem([life('a'), watcher('broken', boom), watcher('sound', () => 'it has ended')]);
    const watched = running.system.find('/a');
    for (const path of ['/broken', '/sound']) running.ref<string>(path).tell('watch');
    await running.settle();
    await running.system.stopChild('/a');
    await running.settle();
    expect(heard).toEqual(['sound it has ended']);
    expect(running.history()).toContain('stopped /a');
    expect(running.system.list('/')).toEqual(['/broken', '/sound']);
  });

  test('C72 nothing an actor or its spec does wrong ends as an unhandled rejection', async () => {
    const pipe = (_state: void, _message: string, context: ActorContext<string>): void =>
      context.pipe(Promise.reject(new Error('down')), boom);
    const idle = { start: () => undefined, receive: () => undefined };
    const wrong = {
      throws: { behavior: { ...idle, receive: boom } },
      rejects: { behavior: { ...idle, receive: rejects } },
      pipes: { behavior: { ...idle, receive: pipe } },
      stops: { behavior: { ...idle, receive: boom, stop: boom } },
      'stops later': { behavior: { ...idle, receive: boom, stop: rejects } },
      'has a policy that rejects': { behavior: { ...idle, receive: boom }, onError: rejects as never },
      'is a nonsensical policy': { behavior: { ...idle, receive: boom }, onError: () => null as never },
      'asks itself': {
        behavior: {
          ...idle,
          receive: async (_state: void, _message: string, context: ActorContext<string>) => {
            await context.ask(context.self, 'again', { timeoutMs: 1_000 });
          },
        },
      },
      'hangs in its handler': { behavior: { ...idle, receive: hang }, handlerTimeoutMs: 10, shutdownMs: 10 },
      'hangs in its stop': { behavior: { ...idle, receive: boom, stop: hang }, shutdownMs: 10 },
    };
    const { system, advance } = await startTestSystem();
    for (const [id, { behavior, ...options }] of Object.entries(wrong)) {
      const peer = worker('peer', { ...idle, stop: boom });
      await system.spawn(
        '/',
        supervisor(id, 'one-for-all', [worker('actor', behavior, options), peer], { intensity: 1 }),
      );
      for (let times = 0; times < 4; times++) system.find<string>(`/${id}/actor`)?.tell('go');
      await advance(100);
      const stopped = system.stopChild(`/${id}`);
      await advance(100);
      await stopped;
    }
    await expect(system.spawn('/', worker('unborn', { ...idle, start: rejects }))).rejects.toThrow(/did not start/);
    expect(system.list('/')).toEqual([]);
  });
});

describe('an actor with nothing to do', () => {
  const passivateAfterMs = 800;

  test('rests after its time and wakes at the next message: nobody is told, its name stays, and nothing is lost', async () => {
    const log: string[] = [];
    const heard: unknown[] = [];
    const watcher = worker(
      'watcher',
      handler<string>((message, context) => {
        if (message === 'watch') context.watch(a!, ({ path }) => `${path} has ended`);
        else heard.push(message);
      }),
    );
    const sleeper = life('a', log, { start: (context) => void context.register('sleeper'), passivateAfterMs });
    const { system, ref, settle, advance, history } = await startTestSystem([sleeper, watcher]);
    const a = system.find('/a');
    ref<string>('/watcher').tell('watch');
    await settle();
    await advance(passivateAfterMs / 2);
    ref<string>('/a').tell('one');
    await advance(passivateAfterMs - 1);
    expect(statusOf(system, '/a')).toBe('running');
    await advance(1 + passivateAfterMs / 8);
    expect(statusOf(system, '/a')).toBe('dormant');
    expect(history().at(-1)).toBe('resting /a');
    expect([heard, system.named('sleeper')]).toEqual([[], a]);
    for (const message of ['two', 'three']) expect(ref<string>('/a').tell(message)).toBe('queued');
    await settle();
    expect(log).toEqual(['start a', 'a got one', 'stop a resting', 'start a', 'a got two', 'a got three']);
    expect(incarnations(system)).toMatchObject({ a: 2 });
    expect(heard).toEqual([]);
  });

  test('does not rest while its behavior says that something is under way, a timer runs, or an ask is kept', async () => {
    const busy = { value: true };
    const behaviors = {
      busy: { ...handler<string>(() => {}), isIdle: () => !busy.value },
      timed: {
        ...handler<string>(() => {}),
        start: (context: ActorContext<string>) => void context.every(900, 'tick'),
      },
      keeping: handler<string>((_message, context) => void context.replyLater()),
      aside: handler<string>((_message, context) => void context.stash()),
      free: handler<string>(() => {}),
    };
    const specs = Object.entries(behaviors).map(([id, behavior]) => worker(id, behavior, { passivateAfterMs }));
    const { system, ref, advance } = await startTestSystem(specs);
    const kept = ref<string>('/keeping')
      .ask('x', { timeoutMs: Infinity })
      .catch((error: unknown) => error);
    ref<string>('/aside').tell('x');
    await advance(3_000);
    const running = (): string[] => Object.keys(behaviors).filter((id) => statusOf(system, `/${id}`) === 'running');
    expect(running()).toEqual(['busy', 'timed', 'keeping', 'aside']);
    busy.value = false;
    await advance(3_000);
    expect(running()).toEqual(['timed', 'keeping', 'aside']);
    await system.stop();
    expect(await kept).toBeInstanceOf(ActorStopped);
  });

  test('does not rest while it is suspended, and loses nothing that comes while it goes to rest', async () => {
    const log: string[] = [];
    const hold = gate();
    const stop = (): Promise<void> => hold.promise;
    const { system, ref, settle, advance } = await startTestSystem([life('a', log, { stop, passivateAfterMs })]);
    const request = { path: '/a', by: 'test', reason: 'a test' };
    await system.operate({ ...request, action: 'suspend' });
    await advance(3_000);
    expect(statusOf(system, '/a')).toBe('suspended');
    await system.operate({ ...request, action: 'resume' });
    await advance(1_000);
    expect(statusOf(system, '/a')).toBe('resting');
    expect(ref<string>('/a').tell('in between')).toBe('queued');
    await settle();
    hold.resolve();
    await settle();
    expect(log).toEqual(['start a', 'stop a resting', 'start a', 'a got in between']);
  });

  test('is told so when it has had no message for its receive timeout, again and again, until it says stop', async () => {
    const log: string[] = [];
    const behavior = {
      start: (context: ActorContext<string>) => context.receiveTimeout(100, 'idle'),
      receive: (_state: void, message: string, context: ActorContext<string>) => {
        log.push(`${message} at ${context.clock.monotonicMs()}`);
        if (message === 'enough') context.receiveTimeout(Infinity, 'idle');
      },
    };
    const { ref, advance } = await startTestSystem([worker('a', behavior)]);
    await advance(99);
    ref<string>('/a').tell('note');
    await advance(99);
    await advance(1);
    await advance(100);
    ref<string>('/a').tell('enough');
    await advance(1_000);
    expect(log).toEqual(['note at 99', 'idle at 199', 'idle at 299', 'enough at 299']);
  });
});
