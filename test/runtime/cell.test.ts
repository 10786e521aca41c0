import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { ActorContext, ReplyTo } from '../../runtime/actor.ts';
import { ActorCrashed, ActorStopped, AskTimeout, MailboxFull } from '../../runtime/errors.ts';
import { controlLimit } from '../../runtime/mailbox.ts';
import { gate, handler, startTestSystem, supervisor, worker } from '../support/test-system.ts';

type Message =
  | { type: 'note'; value: number }
  | { type: 'crash' }
  | { type: 'wait'; on: Promise<void> }
  | { type: 'ask' };
const note = (value: number): Message => ({ type: 'note', value });
const crash: Message = { type: 'crash' };

/** Notes values, crashes and waits on request, and reports how many messages it handles at once. */
function recorder(notes: number[], inside = { now: 0, most: 0 }): ReturnType<typeof handler<Message>> {
  return handler<Message>(async (message, context) => {
    inside.most = Math.max(inside.most, ++inside.now);
    try {
      if (message.type === 'note') notes.push(message.value);
      if (message.type === 'crash') throw new Error('asked to crash');
      if (message.type === 'wait') await message.on;
      if (message.type === 'ask') context.reply('answer');
    } finally {
      inside.now--;
    }
  });
}

/** The same without promises. */
function syncRecorder(notes: number[]): ReturnType<typeof handler<Message>> {
  return handler<Message>((message) => {
    if (message.type === 'note') notes.push(message.value);
    if (message.type === 'crash') throw new Error('asked to crash');
  });
}

describe('messages', () => {
  test.each([recorder, syncRecorder])('are handled in the order in which they were told (%o)', async (behavior) => {
    const notes: number[] = [];
    const { ref, settle } = await startTestSystem([worker('actor', behavior(notes))]);
    const values = Array.from({ length: 500 }, (_, at) => at);
    for (const value of values) expect(ref<Message>('/actor').tell(note(value))).toBe('queued');
    await settle();
    while (notes.length < values.length) await turn();
    expect(notes).toEqual(values);
  });

  test.each([recorder, syncRecorder])('outlive a crash, all but the one that crashed (%o)', async (behavior) => {
    const notes: number[] = [];
    const { system, ref, settle } = await startTestSystem([worker('actor', behavior(notes))]);
    const actor = ref<Message>('/actor');
    for (const message of [note(1), crash, note(2), crash, note(3)]) actor.tell(message);
    await settle();
    expect(notes).toEqual([1, 2, 3]);
    expect(system.inspect('/actor')[0]).toMatchObject({ incarnation: 3, restarts: 2, handled: 3, status: 'running' });
    expect(system.find('/actor')).toBe(actor);
  });

  test('are handled one at a time, across async handlers and restarts', async () => {
    const notes: number[] = [];
    const inside = { now: 0, most: 0 };
    const { ref, settle } = await startTestSystem([worker('actor', recorder(notes, inside))]);
    const actor = ref<Message>('/actor');
    const { promise, resolve, reject } = gate();
    actor.tell({ type: 'wait', on: promise });
    await settle();
    actor.tell(note(1));
    await settle();
    expect(notes).toEqual([]);
    resolve();
    await settle();
    const broken = gate();
    actor.tell({ type: 'wait', on: broken.promise });
    await settle();
    actor.tell(note(2));
    await settle();
    expect(notes).toEqual([1]);
    broken.reject(new Error('broken'));
    await settle();
    expect(notes).toEqual([1, 2]);
    expect(inside.most).toBe(1);
    reject();
  });

  test('in the control lane go first, also past a full mailbox', async () => {
    const notes: number[] = [];
    const { ref, settle } = await startTestSystem([
      worker('actor', recorder(notes), { mailbox: { capacity: 2, whenFull: 'reject' } }),
    ]);
    const actor = ref<Message>('/actor');
    const { promise, resolve } = gate();
    actor.tell({ type: 'wait', on: promise });
    await settle();
    expect([1, 2, 3].map((value) => actor.tell(note(value)))).toEqual(['queued', 'queued', 'full']);
    expect(actor.tell(note(9), { control: true })).toBe('queued');
    resolve();
    await settle();
    expect(notes).toEqual([9, 1, 2]);
  });

  test('a state that threw leaves no trace', async () => {
    const seen: number[] = [];
    const { ref, settle } = await startTestSystem([
      worker('counter', {
        start: () => 0,
        receive: (state: number, message: Message) => {
          seen.push(state);
          if (message.type === 'crash') throw new Error('asked to crash');
          return state + 1;
        },
      }),
    ]);
    for (const message of [note(1), note(1), crash, note(1)]) ref<Message>('/counter').tell(message);
    await settle();
    expect(seen).toEqual([0, 1, 2, 0]);
  });

  test('that nobody handles are counted and published without their bodies', async () => {
    const { system, ref, settle, deadLetters } = await startTestSystem([
      worker(
        'small',
        handler<{ type: string; secret: string }>(() => new Promise<void>(() => {})),
        { mailbox: { capacity: 1, whenFull: 'drop-oldest' }, shutdownMs: 0, showMessage: ({ type }) => ({ type }) },
      ),
    ]);
    const small = ref<{ type: string; secret: string }>('/small');
    small.tell({ type: 'first', secret: 's3cret' });
    await settle();
    small.tell({ type: 'second', secret: 's3cret' });
    expect(small.tell({ type: 'third', secret: 's3cret' }, { traceId: 't1' })).toBe('dropped');
    const stopped = system.stopChild('/small');
    expect(small.tell({ type: 'fourth', secret: 's3cret' }, { traceId: 't2' })).toBe('stopped');
    await settle();
    void stopped;
    expect(deadLetters.map(({ reason, message }) => [reason, message.type, message.traceId])).toEqual([
      ['let-go', 'second', undefined],
      ['stopped', 'fourth', 't2'],
    ]);
    expect(system.deadLetters.count).toBe(2);
    expect(JSON.stringify(deadLetters)).not.toContain('s3cret');
  });

  test('in a control lane that only grows crash the actor and are given up', async () => {
    const notes: number[] = [];
    const { system, ref, settle } = await startTestSystem([worker('actor', recorder(notes))]);
    const actor = ref<Message>('/actor');
    for (let sent = 0; sent < controlLimit; sent++) actor.tell(note(sent), { control: true });
    expect(actor.tell(note(-1), { control: true })).toBe('full');
    await settle();
    actor.tell(note(7));
    await settle();
    expect(notes).toEqual([7]);
    expect(system.inspect('/actor')[0]).toMatchObject({ incarnation: 2, lastFailure: { name: 'AssertionError' } });
  });
});

describe('an ask', () => {
  const timeoutMs = 1_000;
  const outcome = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

  test('is answered by the reply, at once or later', async () => {
    const kept: ReplyTo[] = [];
    const { ref, settle } = await startTestSystem([
      worker(
        'actor',
        handler<{ type: string }>((message, context) => {
          if (message.type === 'later') kept.push(context.replyLater());
          else context.reply(`${message.type} by ${context.traceId}`);
        }),
      ),
    ]);
    const actor = ref<{ type: string }>('/actor');
    expect(await actor.ask({ type: 'now' }, { timeoutMs, traceId: 't1' })).toBe('now by t1');
    const later = actor.ask({ type: 'later' }, { timeoutMs });
    await settle();
    kept[0]?.reply('kept');
    expect(await later).toBe('kept');
  });

  test('fails with what the actor fails it with', async () => {
    const { ref } = await startTestSystem([
      worker(
        'actor',
        handler((_message, context) => context.replyLater().fail(new RangeError('too much'))),
      ),
    ]);
    expect(await outcome(ref('/actor').ask(undefined as never, { timeoutMs }))).toBeInstanceOf(RangeError);
  });

  test('is rejected at once by a full mailbox, also when a newer message pushes it out', async () => {
    const never = handler<string>(() => new Promise<void>(() => {}));
    const { ref, settle } = await startTestSystem([
      worker('reject', never, { mailbox: { capacity: 1, whenFull: 'reject' } }),
      worker('drop', never, { mailbox: { capacity: 1, whenFull: 'drop-oldest' } }),
    ]);
    const [reject, drop] = [ref<string>('/reject'), ref<string>('/drop')];
    reject.tell('in hand');
    drop.tell('in hand');
    await settle();
    reject.tell('waits');
    expect(await outcome(reject.ask('refused', { timeoutMs }))).toBeInstanceOf(MailboxFull);
    const pushedOut = outcome(drop.ask('waits', { timeoutMs }));
    drop.tell('newer');
    expect(await pushedOut).toBeInstanceOf(MailboxFull);
  });

  test('is rejected at once when the handler crashes, also if the ask was kept for later', async () => {
    const { ref, settle } = await startTestSystem([
      worker(
        'actor',
        handler<string>((message, context) => {
          if (message === 'keep') context.replyLater();
          else throw new Error('asked to crash');
        }),
      ),
    ]);
    const actor = ref<string>('/actor');
    const kept = outcome(actor.ask('keep', { timeoutMs }));
    const crashed = await outcome(actor.ask('crash', { timeoutMs }));
    expect(crashed).toBeInstanceOf(ActorCrashed);
    expect(crashed).toMatchObject({ cause: { message: 'asked to crash' } });
    await settle();
    expect(await kept).toBeInstanceOf(ActorCrashed);
  });

  test('is rejected at once by an actor that is stopped, or stops before it handles it', async () => {
    const { promise, resolve } = gate();
    const { system, ref, settle } = await startTestSystem([worker('actor', recorder([]))]);
    const actor = ref<Message>('/actor');
    actor.tell({ type: 'wait', on: promise });
    const waiting = outcome(actor.ask({ type: 'ask' }, { timeoutMs }));
    await settle();
    const stopped = system.stopChild('/actor');
    resolve();
    expect(await waiting).toBeInstanceOf(ActorStopped);
    await stopped;
    expect(await outcome(actor.ask({ type: 'ask' }, { timeoutMs }))).toBeInstanceOf(ActorStopped);
  });

  test('times out in the queue or in the handler, and says which', async () => {
    const { ref, settle, advance } = await startTestSystem([
      worker(
        'actor',
        handler(() => new Promise<void>(() => {})),
      ),
    ]);
    const inHandler = outcome(ref<string>('/actor').ask('first', { timeoutMs }));
    const inQueue = outcome(ref<string>('/actor').ask('second', { timeoutMs }));
    await settle();
    await advance(timeoutMs - 1);
    expect(await Promise.race([inHandler, Promise.resolve('open')])).toBe('open');
    await advance(1);
    expect(await inHandler).toMatchObject({ name: AskTimeout.name, where: 'handler' });
    expect(await inQueue).toMatchObject({ name: AskTimeout.name, where: 'queue' });
  });

  test('keeps its own deadline beside earlier ones with the same timeout', async () => {
    const { ref, advance } = await startTestSystem([
      worker(
        'actor',
        handler((_message, context) => void context.replyLater()),
      ),
    ]);
    const settled: string[] = [];
    for (const question of ['first', 'second']) {
      void outcome(ref<string>('/actor').ask(question, { timeoutMs })).then(() => settled.push(question));
      await advance(400);
    }
    await advance(200);
    expect(settled).toEqual(['first']);
    await advance(400);
    expect(settled).toEqual(['first', 'second']);
  });

  test('in the hands of a handler that is left behind fails when it is', async () => {
    const hang = handler<string>(() => new Promise<void>(() => {}));
    const { system, ref, settle, advance } = await startTestSystem([worker('actor', hang, { shutdownMs: 10 })]);
    const asked = outcome(ref<string>('/actor').ask('question', { timeoutMs }));
    await settle();
    const stopped = system.stopChild('/actor');
    await advance(10);
    expect(await asked).toBeInstanceOf(ActorStopped);
    await stopped;
  });

  test('with a shorter timeout does not wait for one with a longer', async () => {
    const { ref, advance } = await startTestSystem([
      worker(
        'actor',
        handler((_message, context) => void context.replyLater()),
      ),
    ]);
    const settled: number[] = [];
    for (const ms of [300, 100, 200]) {
      void outcome(ref<string>('/actor').ask('mute', { timeoutMs: ms })).then(() => settled.push(ms));
    }
    for (let step = 0; step < 3; step++) await advance(100);
    expect(settled).toEqual([100, 200, 300]);
  });

  test('that is answered too late, or twice, leaves a dead letter', async () => {
    const kept: ReplyTo[] = [];
    const { ref, advance, deadLetters } = await startTestSystem([
      worker(
        'actor',
        handler((_message, context) => void kept.push(context.replyLater())),
      ),
    ]);
    const late = outcome(ref<string>('/actor').ask('question', { timeoutMs, traceId: 't1' }));
    await advance(timeoutMs);
    expect(await late).toBeInstanceOf(AskTimeout);
    kept[0]?.reply('late');
    expect(deadLetters).toMatchObject([{ reason: 'late-reply', path: '/actor', message: { traceId: 't1' } }]);
  });

  test('of many is answered once and to whom it belongs', async () => {
    const { ref } = await startTestSystem([
      worker(
        'actor',
        handler<number>((message, context) => context.reply(message)),
        {
          mailbox: { capacity: 50_000, whenFull: 'reject' },
        },
      ),
    ]);
    const numbers = Array.from({ length: 50_000 }, (_, at) => at);
    const answers = await Promise.all(numbers.map((number) => ref<number>('/actor').ask(number, { timeoutMs })));
    expect(answers).toEqual(numbers);
  });
});

describe('an incarnation', () => {
  test('takes its timers with it, also when they have rung already', async () => {
    const notes: string[] = [];
    const { ref, clock, settle, advance, deadLetters } = await startTestSystem([
      worker('actor', {
        start: (context: ActorContext<string>) => {
          context.after(100, `once of ${context.incarnation}`);
          context.every(100, `tick of ${context.incarnation}`);
        },
        receive: (_state, message: string) => {
          if (message === 'crash') throw new Error('asked to crash');
          notes.push(message);
        },
      }),
    ]);
    await advance(100);
    expect(notes).toEqual(['once of 1', 'tick of 1']);
    ref<string>('/actor').tell('crash');
    // Rings while the crash is still in the mailbox.
    clock.advance(100);
    await settle();
    expect(notes).toHaveLength(2);
    expect(deadLetters).toMatchObject([{ reason: 'poison' }, { reason: 'outdated', message: { shown: 'tick of 1' } }]);
    expect(clock.pending).toBe(2);
    await advance(100);
    expect(notes.slice(2)).toEqual(['once of 2', 'tick of 2']);
  });

  test('hears the outcome of a promise as a message in the control lane', async () => {
    const notes: unknown[] = [];
    const { ref, settle } = await startTestSystem([
      worker(
        'actor',
        handler<unknown>((message, context) => {
          if (message instanceof Promise) context.pipe(message, (result) => result);
          else notes.push(message);
        }),
      ),
    ]);
    const actor = ref<unknown>('/actor');
    actor.tell(Promise.resolve(1));
    await settle();
    actor.tell(Promise.reject(new Error('down')));
    await settle();
    expect(notes).toEqual([
      { ok: true, value: 1 },
      { ok: false, error: new Error('down') },
    ]);
  });

  test('never hears of a promise of an earlier one', async () => {
    const notes: unknown[] = [];
    const { promise, resolve } = gate<string>();
    const { ref, settle } = await startTestSystem([
      worker(
        'actor',
        handler<unknown>((message, context) => {
          if (message === 'pipe') context.pipe(promise, (result) => result);
          else if (message === 'crash') throw new Error('asked to crash');
          else notes.push(message);
        }),
      ),
    ]);
    for (const message of ['pipe', 'crash', 'next']) ref<string>('/actor').tell(message);
    await settle();
    resolve('late');
    await settle();
    expect(notes).toEqual(['next']);
  });

  test('aborts its signal when it ends', async () => {
    const signals: AbortSignal[] = [];
    const { system, ref, settle } = await startTestSystem([
      worker(
        'actor',
        handler<string>((message, context) => {
          signals.push(context.signal);
          if (message === 'crash') throw new Error('asked to crash');
        }),
      ),
    ]);
    for (const message of ['crash', 'next']) ref<string>('/actor').tell(message);
    await settle();
    expect(signals.map((signal) => signal.aborted)).toEqual([true, false]);
    await system.stopChild('/actor');
    expect(signals.map((signal) => signal.aborted)).toEqual([true, true]);
  });

  test('gives back what it took, after a crash and at a stop, with the last good state', async () => {
    const ends: unknown[] = [];
    const { system, ref, settle } = await startTestSystem([
      worker('actor', {
        start: () => 0,
        receive: (state: number, message: string) => {
          if (message === 'crash') throw new Error('asked to crash');
          return state + 1;
        },
        stop: (state, reason) => void ends.push([state, reason.kind]),
      }),
    ]);
    for (const message of ['add', 'add', 'crash', 'add']) ref<string>('/actor').tell(message);
    await settle();
    await system.stopChild('/actor');
    expect(ends).toEqual([
      [2, 'crash'],
      [1, 'shutdown'],
    ]);
  });

  test('crashes after the message in hand when the behavior asks for it', async () => {
    const notes: string[] = [];
    const { system, ref, settle } = await startTestSystem([
      worker(
        'actor',
        handler<string>((message, context) => {
          if (message === 'crash') context.crash(new Error('no use going on'));
          notes.push(message);
        }),
      ),
    ]);
    for (const message of ['crash', 'next']) ref<string>('/actor').tell(message);
    await settle();
    expect(notes).toEqual(['crash', 'next']);
    expect(system.inspect('/actor')[0]).toMatchObject({
      incarnation: 2,
      handled: 1,
      lastFailure: { message: 'no use going on' },
    });
  });

  test('carries the trace id of the message in hand to whom it tells', async () => {
    const traces: (string | undefined)[] = [];
    const { ref, settle } = await startTestSystem([
      worker(
        'to',
        handler((_message, context) => void traces.push(context.traceId)),
      ),
      worker(
        'from',
        handler((_message, context) => void context.tell(ref('/to'), 'hello')),
      ),
    ]);
    ref<string>('/from').tell('go', { traceId: 't1' });
    ref<string>('/from').tell('go');
    await settle();
    expect(traces).toEqual(['t1', undefined]);
  });
});

test('nothing an actor does wrong ends as an unhandled rejection', async () => {
  const unhandled: unknown[] = [];
  const trap = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', trap);
  const boom = (): never => {
    throw new Error('boom');
  };
  const rejects = async (): Promise<never> => boom();
  const { system, settle, advance } = await startTestSystem(supervisor('root', 'one-for-one', [], { intensity: 1 }));
  const kinds = { receive: boom, receiveLater: rejects, stop: boom, stopLater: rejects, pipe: boom };
  for (const [id, fail] of Object.entries(kinds)) {
    await system.spawn(
      '/',
      supervisor(id, 'one-for-all', [
        worker('actor', {
          start: () => undefined,
          receive: (_state, _message: string, context: ActorContext<string>) => {
            if (id !== 'pipe') return fail();
            context.pipe(Promise.resolve(), boom);
            return undefined;
          },
          stop: () => (id.startsWith('stop') ? fail() : undefined),
        }),
        worker('peer', { start: () => undefined, receive: () => undefined, stop: fail }),
      ]),
    );
    for (let times = 0; times < 3; times++) system.find<string>(`/${id}/actor`)?.tell('go');
    await settle();
  }
  await expect(system.spawn('/', worker('unborn', { start: rejects, receive: () => undefined }))).rejects.toThrow();
  await advance(10_000);
  await system.stop();
  await settle();
  process.off('unhandledRejection', trap);
  expect(unhandled).toEqual([]);
});
