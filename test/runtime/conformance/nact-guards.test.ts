import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { ReplyTo } from '../../../runtime/actor.ts';
import { ActorCrashed, ActorStopped } from '../../../runtime/errors.ts';
import { createSystem, type WorkerSpec } from '../../../runtime/system.ts';
import { crash, failToStart, incarnations, life, statusOf } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, handler, startTestSystem, supervisor, worker } from '../../support/test-system.ts';

trapRejections();

describe('what nact gets wrong does not show', () => {
  const family = (log: string[]) =>
    supervisor('grandparent', 'one-for-one', [supervisor('parent', 'one-for-one', [life('child', log)])]);

  test('C96 the stop of a parent, or of the system, reaches the whole subtree', async () => {
    for (const end of ['/grandparent', '/']) {
      const log: string[] = [];
      const { system, ref } = await startTestSystem([family(log)]);
      const child = ref<string>('/grandparent/parent/child');
      child.tell('queued');
      await system.stopChild(end);
      expect(log.at(-1)).toBe('stop child shutdown');
      expect(child.tell('hello')).toBe('stopped');
    }
  });

  test('C96 a restart of a group reaches the whole subtree', async () => {
    const log: string[] = [];
    const running = await startTestSystem(supervisor('root', 'one-for-all', [life('peer', log), family(log)]));
    log.length = 0;
    await crash(running, '/peer');
    expect(log).toEqual(['stop peer crash', 'stop child shutdown', 'start peer', 'start child']);
  });

  test.each(['one-for-one', 'rest-for-one', 'one-for-all', 'dynamic'] as const)(
    'C97 no second handler runs beside one that waits, whatever the supervisor does (%s)',
    async (strategy) => {
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
      const running = await startTestSystem(supervisor('root', strategy, [life('first'), slow]));
      for (const message of ['a', 'crash', 'b', 'crash', 'c']) running.ref<string>('/slow').tell(message);
      await crash(running, '/first');
      await running.settle();
      expect([most, inside]).toEqual([1, 0]);
      expect(running.system.inspect('/slow')[0]?.mailbox.depth).toBe(0);
    },
  );

  test('C98 after an escalation no child is left stuck', async () => {
    const log: string[] = [];
    const once = { intensity: 0 };
    const running = await startTestSystem([supervisor('s', 'one-for-one', [life('a', log), life('b', log)], once)]);
    await crash(running, '/s/a');
    for (const path of ['/s/a', '/s/b']) running.ref<string>(path).tell('hello');
    await running.settle();
    expect(log.slice(-2)).toEqual(['a got hello', 'b got hello']);
  });

  test('C99 a crash while an actor stops, and a child that is gone already, disturb nobody', async () => {
    const hold = gate();
    const late = worker(
      'late',
      handler<string>(async () => {
        await hold.promise;
        throw new Error('too late');
      }),
    );
    const running = await startTestSystem([late, life('gone', [], { restart: 'temporary' })]);
    running.ref<string>('/late').tell('x');
    running.ref<string>('/gone').tell('crash');
    const stopped = Promise.all([running.system.stopChild('/gone'), running.system.stopChild('/late')]);
    await running.settle();
    hold.resolve();
    await stopped;
    expect(running.system.list('/')).toEqual([]);
  });

  test('C100 a start that always fails lets the event loop turn, and ends at the limit of restarts', async () => {
    let starts = 0;
    let turns = 0;
    const start = (): void => {
      if (++starts > 1) failToStart();
    };
    const once = { intensity: 0 };
    const system = createSystem({ name: 'guards' });
    const children = [supervisor('s', 'one-for-one', [life('a', [], { start })], { intensity: 200 })];
    await system.start(supervisor('root', 'one-for-one', children, once));
    system.find<string>('/s/a')?.tell('crash');
    while (statusOf(system, '/') !== 'stopped') {
      turns++;
      await turn();
    }
    expect(starts).toBeGreaterThan(200);
    expect(turns).toBeGreaterThan(3);
  });

  test('C101 what is sent to a dead actor, or waits when one stops, becomes dead letters', async () => {
    const { system, ref, settle, advance, deadLetters } = await startTestSystem([life('a', [], { shutdownMs: 0 })]);
    const a = ref<string>('/a');
    for (const message of ['hang', 'one', 'two']) a.tell(message);
    await settle();
    void system.stopChild('/a');
    expect(a.tell('three')).toBe('stopped');
    await advance(0);
    expect(deadLetters.map(({ message }) => String(message.shown)).toSorted()).toEqual(['hang', 'one', 'three', 'two']);
  });

  test('C102 an ask fails at once when its actor crashes or stops', async () => {
    const hung = worker(
      'hung',
      handler<string>(() => new Promise(() => {})),
      { shutdownMs: 0 },
    );
    const { system, ref, settle, advance } = await startTestSystem([hung, life('a')]);
    await expect(ref<string>('/a').ask('crash', { timeoutMs: 60_000 })).rejects.toBeInstanceOf(ActorCrashed);
    const inHand = ref<string>('/hung').ask('one', { timeoutMs: 60_000 });
    const waits = ref<string>('/hung').ask('two', { timeoutMs: 60_000 });
    const outcomes = Promise.allSettled([inHand, waits]);
    await settle();
    void system.stopChild('/hung');
    await advance(0);
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: expect.any(ActorStopped) });
  });

  test('C103 a state that failed is gone after the restart, and what stops an actor sees the last good one', async () => {
    const stops: unknown[] = [];
    const hold = gate();
    const counter = worker('counter', {
      start: () => 0,
      receive: async (count: number, message: string) => {
        if (message === 'crash') throw new Error(message);
        if (message === 'slow') await hold.promise;
        return count + 1;
      },
      stop: (count, { kind }) => void stops.push([count, kind]),
      inspect: (count) => count,
    });
    const { system, ref, settle } = await startTestSystem([counter]);
    for (const message of ['one', 'crash', 'two', 'slow']) ref<string>('/counter').tell(message);
    await settle();
    expect(system.inspectActor('/counter')?.state).toBe(1);
    const stopped = system.stop();
    await settle();
    hold.resolve();
    await stopped;
    expect(stops).toEqual([
      [1, 'crash'],
      [2, 'shutdown'],
    ]);
  });

  test.each(['a:b', 'a/b', 'a@b', 'Ünïcode', '漢字 🙂', '%2F', 'constructor', '__proto__'])(
    'C104 an id may be %j',
    async (id) => {
      const running = await startTestSystem([life(id)]);
      const path = running.system.list('/')[0]!;
      await crash(running, path);
      expect(incarnations(running.system)[id]).toBe(2);
      expect(running.system.inspect(path)[0]?.id).toBe(id);
    },
  );

  test('C96 a restart by the supervisor above stops grandchildren before it starts them again', async () => {
    const log: string[] = [];
    const running = await startTestSystem([family(log)]);
    await running.system.operate({ action: 'restart', path: '/grandparent', by: 'test', reason: 'a test' });
    await running.settle();
    expect(log).toEqual(['start child', 'stop child shutdown', 'start child']);
    expect(running.system.inspect('/grandparent').map(({ incarnation }) => incarnation)).toEqual([2, 2, 2]);
  });

  test('C97 no second handler runs when a peer crashes while one waits, nor when an operator restarts it', async () => {
    const hold = gate();
    const log: string[] = [];
    const slow = handler<string>(async (message, context) => {
      log.push(`${message} begins in ${context.incarnation}`);
      await hold.promise;
      log.push(`${message} ends in ${context.incarnation}`);
    });
    const running = await startTestSystem(supervisor('root', 'one-for-all', [life('peer'), worker('slow', slow)]));
    for (const message of ['one', 'two']) running.ref<string>('/slow').tell(message);
    await crash(running, '/peer');
    void running.system.operate({ action: 'restart', path: '/slow', by: 'test', reason: 'a test' });
    await running.settle();
    expect(log).toEqual(['one begins in 1']);
    hold.resolve();
    await running.settle();
    expect(log).toEqual(['one begins in 1', 'one ends in 1', 'two begins in 2', 'two ends in 2']);
  });

  test('C98 an error that a policy escalates takes the supervisor, and every child comes back with it', async () => {
    const log: string[] = [];
    const children = [life('a', log, { onError: () => 'escalate' }), life('b', log)];
    const running = await startTestSystem([supervisor('s', 'one-for-one', children)]);
    running.ref<string>('/s/a').tell('crash');
    running.ref<string>('/s/a').tell('behind the crash');
    await running.settle();
    for (const path of ['/s/a', '/s/b']) running.ref<string>(path).tell('hello');
    await running.settle();
    expect(log.slice(-2)).toEqual(['a got hello', 'b got hello']);
    expect(running.system.inspect('/s').map(({ status }) => status)).toEqual(['running', 'running', 'running']);
  });

  test.each<[string, WorkerSpec<void, string>['onError']]>([
    ['throws', failToStart],
    ['rejects', (() => Promise.reject(new Error('no policy'))) as never],
    ['answers nothing', (() => undefined) as never],
  ])('C99 a policy that %s has its actor restarted, and rejects nothing', async (_how, onError) => {
    const running = await startTestSystem([life('a', [], { onError: onError! })]);
    await crash(running, '/a', 2);
    expect(incarnations(running.system)).toEqual({ a: 3 });
  });

  test('C100 a start that always fails, with a backoff, ends at the limit of restarts as well', async () => {
    let starts = 0;
    const start = (): void => {
      if (++starts > 1) failToStart();
    };
    const policy = { intensity: 5, periodMs: 60_000, backoff: { firstMs: 10, maxMs: 40, jitter: 0 } };
    const running = await startTestSystem([supervisor('s', 'one-for-one', [life('a', [], { start })], policy)]);
    await crash(running, '/s/a');
    for (let times = 0; times < 10; times++) await running.advance(40);
    expect(running.history()).toContain('gave-up /s');
    expect(starts).toBeGreaterThanOrEqual(6);
  });

  test('C101 a stale ref never reaches the next actor of that name, and what it is told becomes a dead letter', async () => {
    const log: string[] = [];
    const { system, ref, settle, deadLetters } = await startTestSystem([life('a', log)]);
    const stale = ref<string>('/a');
    await system.stopChild('/a');
    await system.spawn('/', life('a', log));
    expect([stale.tell('stale'), ref<string>('/a').tell('fresh')]).toEqual(['stopped', 'queued']);
    await expect(stale.ask('stale', { timeoutMs: 60_000 })).rejects.toBeInstanceOf(ActorStopped);
    await settle();
    expect(log.filter((line) => line.includes('got'))).toEqual(['a got fresh']);
    expect(deadLetters.map(({ reason, message }) => [reason, message.shown])).toEqual([
      ['stopped', 'stale'],
      ['stopped', 'stale'],
    ]);
  });

  test('C102 an answer reaches whoever asked, though a thousand asks with the same message are open', async () => {
    const kept: ReplyTo[] = [];
    const behavior = handler<string>((_message, context) => void kept.push(context.replyLater()));
    const { ref, settle } = await startTestSystem([worker('a', behavior)]);
    const answers = Array.from({ length: 1_000 }, () => ref<string>('/a').ask('same', { timeoutMs: 60_000 }));
    await settle();
    // Backwards: nothing but the ask itself ties an answer to its question.
    for (const [at, to] of [...kept.entries()].toReversed()) to.reply(at);
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 1_000 }, (_, at) => at));
  });

  test('C103 a handler that never settles is found, aborted, and left behind; what waits goes on', async () => {
    const log: string[] = [];
    let signal: AbortSignal | undefined;
    const behavior = handler<string>((message, context) => {
      if (message !== 'hang') return void log.push(message);
      ({ signal } = context);
      return new Promise<void>(() => {});
    });
    const { ref, advance, history } = await startTestSystem([
      worker('a', behavior, { handlerTimeoutMs: 10_000, shutdownMs: 1_000 }),
    ]);
    for (const message of ['hang', 'next']) ref<string>('/a').tell(message);
    await advance(9_999);
    expect([log, signal?.aborted]).toEqual([[], false]);
    await advance(1);
    await advance(1_000);
    expect([log, signal?.aborted]).toEqual([['next'], true]);
    expect(history().slice(-3)).toEqual(['crashed /a', 'abandoned /a', 'restarted /a']);
  });

  test('C103 what a start gives is new each time: a change made in place is gone after the restart', async () => {
    const seen: string[] = [];
    const behavior = {
      start: (): string[] => [],
      receive: (notes: string[], message: string) => {
        seen.push(notes.join());
        notes.push(message);
        if (message === 'crash') throw new Error(message);
        return notes;
      },
    };
    const { ref, settle } = await startTestSystem([worker('a', behavior)]);
    for (const message of ['one', 'crash', 'two', 'three']) ref<string>('/a').tell(message);
    await settle();
    expect(seen).toEqual(['', 'one', '', 'two']);
  });

  test('C104 a logger is there, the one the system was given, and hears of crashes', async () => {
    const lines: string[] = [];
    const note = (level: string) => (fields: object, message: string) =>
      void lines.push(`${level} ${'path' in fields ? String(fields.path) : ''} ${message}`);
    const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
    const behavior = handler<string>((message, context) => {
      context.log.info({ path: context.path }, message);
      if (message === 'crash') throw new Error(message);
    });
    const { ref, settle } = await startTestSystem([worker('a', behavior)], log);
    for (const message of ['hello', 'crash']) ref<string>('/a').tell(message);
    await settle();
    expect(lines).toEqual(['info /a hello', 'info /a crash', 'warn /a actor crashed']);
  });
});
