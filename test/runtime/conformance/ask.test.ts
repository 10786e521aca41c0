import { describe, expect, test } from 'vitest';
import type { ActorContext, ReplyTo } from '../../../runtime/actor.ts';
import {
  ActorCrashed,
  ActorStopped,
  AskCycle,
  AskTimeout,
  AskUnanswered,
  MailboxFull,
} from '../../../runtime/errors.ts';
import { crash, life, statusOf } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, handler, startTestSystem, supervisor, type TestSystem, worker } from '../../support/test-system.ts';

trapRejections();

const timeoutMs = 60_000;
const outcome = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

describe('an ask', () => {
  test('C84 fails at once where nobody will answer, else at its deadline, and a late reply is a dead letter', async () => {
    const hold = gate();
    const behavior = handler<string>(async (message, context) => {
      if (message === 'crash') throw new Error(message);
      if (message === 'late') await hold.promise;
      context.reply('answer');
    });
    const { system, ref, settle, advance, deadLetters } = await startTestSystem([
      worker('a', behavior, { mailbox: { capacity: 1, whenFull: 'reject' } }),
      life('gone'),
    ]);
    const ask = (path: string, message: string) => outcome(ref<string>(path).ask(message, { timeoutMs: 100 }));
    const gone = ref<string>('/gone');
    await system.stopChild('/gone');
    expect(await outcome(gone.ask('x', { timeoutMs: 100 }))).toBeInstanceOf(ActorStopped);
    expect(await ask('/a', 'crash')).toBeInstanceOf(ActorCrashed);
    await settle();
    const late = ask('/a', 'late');
    await settle();
    const waits = ask('/a', 'waits');
    expect(await ask('/a', 'too many')).toBeInstanceOf(MailboxFull);
    await advance(100);
    expect([await late, await waits]).toEqual([
      expect.objectContaining({ name: AskTimeout.name, where: 'handler' }),
      expect.objectContaining({ name: AskTimeout.name, where: 'queue' }),
    ]);
    hold.resolve();
    await settle();
    expect(deadLetters.filter(({ reason }) => reason === 'late-reply')).toHaveLength(2);
  });

  test.each([NaN, -1, -Infinity, undefined as unknown as number])(
    'with a time limit of %s is refused as the mistake it is, and is not sent',
    async (limitMs) => {
      const { system, ref } = await startTestSystem([life('a')]);
      expect(() => ref<string>('/a').ask('x', { timeoutMs: limitMs })).toThrow(
        new RangeError(`timeoutMs must be 0 or more, was ${limitMs}`),
      );
      expect(system.inspect('/a')[0]).toMatchObject({ handled: 0, mailbox: { depth: 0 } });
    },
  );

  test.each<[string, (running: TestSystem) => unknown]>([
    ['is stopped', ({ system }) => system.stopChild('/s/a')],
    ['is terminated', ({ system }) => system.terminateChild('/s/a')],
    ['has its supervisor stopped', ({ system }) => system.stopChild('/s')],
    ['spends its restart budget', (running) => crash(running, '/s/b')],
  ])('C84 that waits in the mailbox fails without its deadline when the actor %s', async (_how, end) => {
    const running = await startTestSystem([
      supervisor('s', 'one-for-one', [life('a', [], { shutdownMs: 0 }), life('b')], { intensity: 0 }),
    ]);
    running.ref<string>('/s/a').tell('hang');
    await running.settle();
    const asked = outcome(running.ref<string>('/s/a').ask('question', { timeoutMs: Infinity }));
    void end(running);
    await running.advance(0);
    await running.advance(0);
    expect(await asked).toBeInstanceOf(ActorStopped);
  });

  test('C84 survives a restart while it waits in the mailbox', async () => {
    const behavior = handler<string>((message, context) => {
      if (message === 'crash') throw new Error(message);
      context.reply(`answer of ${context.incarnation}`);
    });
    const { ref } = await startTestSystem([worker('a', behavior)]);
    ref<string>('/a').tell('crash');
    expect(await ref<string>('/a').ask('question', { timeoutMs })).toBe('answer of 2');
  });

  test.each([
    ['sync', () => {}],
    ['async', async () => Promise.resolve()],
  ])('C84 whose message was handled without a reply fails at once (%s)', async (_how, receive) => {
    const { ref } = await startTestSystem([worker('a', handler<{ type: string }>(receive))]);
    const asked = outcome(ref<{ type: string }>('/a').ask({ type: 'question' }, { timeoutMs }));
    expect(await asked).toBeInstanceOf(AskUnanswered);
    expect(await asked).toMatchObject({ message: 'actor /a handled question without a reply' });
  });

  test('C84 that is kept is answered once; a second reply, and one after the deadline, are dead letters', async () => {
    const kept: ReplyTo[] = [];
    const behavior = handler<string>((_message, context) => void kept.push(context.replyLater()));
    const { system, ref, settle, advance, deadLetters } = await startTestSystem([worker('a', behavior)]);
    const first = ref<string>('/a').ask('first', { timeoutMs: 100 });
    const second = outcome(ref<string>('/a').ask('second', { timeoutMs: 100, traceId: 'trace' }));
    await settle();
    expect(system.inspect('/a')[0]?.openReplies).toBe(2);
    kept[0]!.reply('one');
    kept[0]!.fail(new Error('two'));
    expect(await first).toBe('one');
    await advance(100);
    expect(await second).toBeInstanceOf(AskTimeout);
    kept[1]!.reply('late');
    expect(deadLetters.map(({ reason, message }) => [reason, message.shown, message.traceId])).toEqual([
      ['late-reply', 'first', undefined],
      ['late-reply', 'second', 'trace'],
    ]);
    expect(system.inspect('/a')[0]?.openReplies).toBe(0);
  });

  test('C84 of an actor fails for it alone: the one it asks goes on', async () => {
    const hold = gate();
    const slow = handler<string>(async (_message, context) => {
      await hold.promise;
      context.reply('late');
    });
    const results: unknown[] = [];
    const asker = handler<string>(async (message, context) => {
      results.push(await outcome(context.ask(running.ref<string>('/slow'), message, { timeoutMs: 100 })));
    });
    const running = await startTestSystem([worker('slow', slow), worker('asker', asker)]);
    running.ref<string>('/asker').tell('go');
    await running.settle();
    expect(running.system.inspectActor('/asker')?.openAsks).toEqual([{ path: '/slow', timeoutMs: 100 }]);
    await running.advance(100);
    expect(results).toEqual([expect.any(AskTimeout)]);
    expect(running.system.inspectActor('/asker')?.openAsks).toEqual([]);
    hold.resolve();
    await running.settle();
    expect(statusOf(running.system, '/slow')).toBe('running');
    expect(running.deadLetters.map(({ path, reason }) => [path, reason])).toEqual([['/slow', 'late-reply']]);
  });
});

describe('actors that ask each other', () => {
  type Question = { readonly type: 'go'; readonly way: readonly string[] };

  /** Asks the first of the way, and gives the rest of it to that one; answers when there is none. */
  const asks = (answers: unknown[] = []) =>
    handler<Question>(async ({ way: [next, ...way] }, context) => {
      if (next === undefined) return context.reply('end of the way');
      const to = running!.ref<Question>(next);
      try {
        context.reply(await context.ask(to, { type: 'go', way }, { timeoutMs }));
      } catch (error) {
        answers.push((error as AskCycle).cycle ?? error);
        context.reply('it failed');
      }
    });
  let running: TestSystem | undefined;

  test.each([
    [['/a'], ['/a', '/a']],
    [
      ['/b', '/a'],
      ['/b', '/a', '/b'],
    ],
    [
      ['/b', '/c', '/a'],
      ['/c', '/a', '/b', '/c'],
    ],
    [
      ['/b', '/c', '/b'],
      ['/c', '/b', '/c'],
    ],
  ])('C85 along %j are told at once that they would wait for each other', async (way, cycle) => {
    const answers: unknown[] = [];
    running = await startTestSystem(['a', 'b', 'c'].map((id) => worker(id, asks(answers))));
    const asked = outcome(running.ref<Question>('/a').ask({ type: 'go', way }, { timeoutMs }));
    expect(await asked).toBe('it failed');
    expect(answers).toEqual([cycle]);
    await running.settle();
    // The ask that was taken back is not handled after all.
    expect(running.system.inspect().map(({ mailbox }) => mailbox.depth)).toEqual([0, 0, 0, 0]);
    expect(running.deadLetters).toEqual([]);
  });

  test('C85 the error says what it is, and that trying again is no use', () => {
    const error = new AskCycle(['/a', '/b', '/a']);
    expect(error.message).toBe('an ask would wait for itself: /a → /b → /a');
    expect(error.name).toBe('AskCycle');
  });

  test('C85 in one direction, or side by side, are left alone', async () => {
    const answers: unknown[] = [];
    running = await startTestSystem(['a', 'b', 'c'].map((id) => worker(id, asks(answers))));
    const ask = (path: string, way: string[]) => running!.ref<Question>(path).ask({ type: 'go', way }, { timeoutMs });
    expect(await Promise.all([ask('/a', ['/c']), ask('/b', ['/c']), ask('/a', ['/b', '/c'])])).toEqual([
      ...['end of the way', 'end of the way', 'end of the way'],
    ]);
    expect(answers).toEqual([]);
  });

  /** `a` asks `b` as `how` says; `b` asks `a` back and waits for the answer. */
  async function startPair(how: (context: ActorContext<string>, to: TestSystem) => void): Promise<{
    readonly pair: TestSystem;
    readonly answers: unknown[];
  }> {
    const answers: unknown[] = [];
    const a = handler<string>((message, context) => {
      if (message === 'go') return how(context, pair);
      if (message === 'back') return context.reply('a answers');
      if (message.startsWith('answer')) answers.push(message);
    });
    const b = handler<string>(async (_message, context) => {
      context.reply(await context.ask(pair.ref<string>('/a'), 'back', { timeoutMs }));
    });
    const pair = await startTestSystem([worker('a', a), worker('b', b)]);
    pair.ref<string>('/a').tell('go');
    await pair.settle();
    return { pair, answers };
  }

  test('C85 are left alone when the first pipes its answer, and so waits for nothing', async () => {
    const { answers } = await startPair((context, pair) =>
      context.pipe(context.ask(pair.ref<string>('/b'), 'ask me', { timeoutMs }), (result) =>
        result.ok ? `answer: ${String(result.value)}` : `answer: ${String(result.error)}`,
      ),
    );
    expect(answers).toEqual(['answer: a answers']);
  });

  test('C85 are left alone when the open ask is of an earlier message, and another one is in hand', async () => {
    const hold = gate();
    const answers: unknown[] = [];
    const a = handler<string>((message, context) => {
      if (message === 'go') {
        const asked = context.ask(pair.ref<string>('/b'), 'ask me', { timeoutMs });
        context.pipe(asked, (result) => `answer: ${JSON.stringify(result)}`);
      } else if (message === 'work') return hold.promise;
      else if (message === 'back') context.reply('a answers');
      else answers.push(message);
      return undefined;
    });
    const b = handler<string>(async (_message, context) => {
      context.reply(await outcome(context.ask(pair.ref<string>('/a'), 'back', { timeoutMs })));
    });
    const pair = await startTestSystem([worker('a', a), worker('b', b)]);
    for (const message of ['go', 'work']) pair.ref<string>('/a').tell(message);
    await pair.settle();
    expect(answers).toEqual([]);
    hold.resolve();
    await pair.settle();
    expect(answers).toEqual(['answer: {"ok":true,"value":"a answers"}']);
  });

  test('C85 that hear of their cycle can go on, and so can those who asked them', async () => {
    running = await startTestSystem(['a', 'b'].map((id) => worker(id, asks())));
    const ask = (way: string[]) => running!.ref<Question>('/a').ask({ type: 'go', way }, { timeoutMs });
    expect(await ask(['/b', '/a'])).toBe('it failed');
    expect(await ask(['/b'])).toBe('end of the way');
  });

  test('C85 over a pool are told too', async () => {
    const answers: unknown[] = [];
    const pooled = {
      ...supervisor('pool', 'one-for-one', [worker('0', asks(answers))]),
      front: { route: 'round-robin' as const },
    };
    running = await startTestSystem([worker('a', asks(answers)), pooled]);
    await running.ref<Question>('/a').ask({ type: 'go', way: ['/pool', '/a'] }, { timeoutMs });
    expect(answers).toEqual([['/pool/0', '/a', '/pool/0']]);
  });
});

// A million with TEST_SCALE at 1; each round leaves some late, refused or crashed among them.
const rounds = Math.ceil(100 * Number(process.env['TEST_SCALE'] ?? 1));

test('C86 of a million asks none is answered twice or to another caller', async () => {
  const echo = worker(
    'echo',
    handler<{ readonly number: number }>(({ number }, context) => context.reply(number)),
    { mailbox: { capacity: 10_000, whenFull: 'reject' } },
  );
  const { ref, deadLetters } = await startTestSystem([echo]);
  let wrong = 0;
  for (let round = 0; round < rounds; round++) {
    const numbers = Array.from({ length: 10_000 }, (_, at) => round * 10_000 + at);
    const answers: unknown[] = await Promise.all(
      numbers.map((number) => ref<{ number: number }>('/echo').ask({ number }, { timeoutMs: 1_000 })),
    );
    for (const [at, answer] of answers.entries()) if (answer !== numbers[at]) wrong++;
  }
  expect([wrong, deadLetters.length]).toEqual([0, 0]);
});

test('C86 each ask settles once, with its own answer or its own failure, when some are late, refused or crash', async () => {
  type Numbered = { readonly number: number };
  const kept: { readonly number: number; readonly to: ReplyTo }[] = [];
  const behavior = handler<Numbered>(({ number }, context) => {
    if (number % 7 === 0) throw new Error(`crash ${number}`);
    if (number % 5 === 0) kept.push({ number, to: context.replyLater() });
    else if (number % 3 !== 0) context.reply(number);
  });
  const { ref, settle, advance } = await startTestSystem([
    worker('a', behavior, { mailbox: { capacity: 50, whenFull: 'reject' } }),
  ]);
  const settled = new Map<number, unknown[]>();
  for (let number = 1; number <= 500; number++) {
    const asked = ref<Numbered>('/a').ask({ number }, { timeoutMs: 100 });
    const note = (value: unknown): void => void settled.set(number, [...(settled.get(number) ?? []), value]);
    void asked.then(note, note);
    if (number % 60 === 0) await settle();
    if (number % 120 === 0) for (const { number: own, to } of kept.splice(0)) to.reply(own);
    if (number % 200 === 0) await advance(100);
  }
  await settle();
  await advance(100);
  expect([...settled.keys()].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, at) => at + 1));
  const kinds = new Set<string>();
  for (const [number, outcomes] of settled) {
    expect(outcomes).toHaveLength(1);
    const [value] = outcomes;
    kinds.add(value instanceof Error ? value.name : 'answer');
    if (!(value instanceof Error)) expect(value).toBe(number);
    else if (value instanceof ActorCrashed && number % 7 === 0) {
      expect((value.cause as Error).message).toBe(`crash ${number}`);
    }
  }
  expect(kinds).toEqual(new Set(['answer', 'MailboxFull', 'ActorCrashed', 'AskUnanswered', 'AskTimeout']));
});

test('C84 on a virtual clock a slow machine moves no deadline', async () => {
  const busy = handler<string>((_message, context) => {
    context.replyLater();
    for (const endMs = performance.now() + 5; performance.now() < endMs;);
  });
  const { ref, advance, clock } = await startTestSystem([worker('a', busy)]);
  // Far beyond what the machine's own clock has counted.
  clock.advance(1e12);
  const failure = ref<string>('/a')
    .ask('question', { timeoutMs: 1_000 })
    .catch((error: unknown) => error);
  await advance(999);
  expect(await Promise.race([failure, Promise.resolve('open')])).toBe('open');
  await advance(1);
  expect(await Promise.race([failure, Promise.resolve('open')])).toBeInstanceOf(AskTimeout);
});

describe('an actor that waits for room and one that waits for its answer', () => {
  type Told = 'go' | 'question' | '1' | '2';

  /** `a` tells `b` twice, and so more than it has room for; `b` asks `a` and goes on when it has an answer. */
  async function meet(whileAsked: 'a is parked' | 'a is busy' | 'a answers') {
    const log: unknown[] = [];
    const [aMayTell, bMayAsk] = [gate(), gate()];
    const a = handler<Told>(async (message, context) => {
      if (message === 'go') await aMayTell.promise;
      if (message === 'go' || whileAsked === 'a answers') {
        for (const told of ['1', '2'] as const) log.push(context.tell(running.ref<Told>('/b'), told));
      }
      if (message === 'question') context.reply('answer');
    });
    const b = handler<Told>(async (message, context) => {
      if (message !== 'go') return;
      await bMayAsk.promise;
      const answer = context.ask(running.ref<Told>('/a'), 'question', { timeoutMs: Infinity });
      log.push(await answer.catch((error: Error) => error.message));
    });
    const running: TestSystem = await startTestSystem([
      worker('a', a),
      worker('b', b, { mailbox: { capacity: 1, whenFull: 'park-sender' } }),
    ]);
    const { ref, settle, system } = running;
    ref<Told>('/b').tell('go');
    if (whileAsked !== 'a answers') ref<Told>('/a').tell('go');
    await settle();
    for (const open of whileAsked === 'a is parked' ? [aMayTell, bMayAsk] : [bMayAsk, aMayTell]) {
      open.resolve();
      await settle();
    }
    expect(system.inspect('/').map(({ path, status }) => [path, status])).toContainEqual(['/a', 'running']);
    return { log, handled: ['/a', '/b'].map((path) => system.inspect(path)[0]?.handled) };
  }

  test('do not wait for each other: an ask of one that is parked is refused', async () => {
    const { log, handled } = await meet('a is parked');
    expect(log).toEqual(['queued', 'parked', expect.stringContaining('/b')]);
    expect(handled).toEqual([1, 3]);
  });

  test('do not wait for each other: who is asked is not parked', async () => {
    const { log, handled } = await meet('a is busy');
    expect(log).toEqual(['queued', 'full', 'answer']);
    expect(handled).toEqual([2, 2]);
  });

  test('may both wait when the question is in hand: it is answered all the same', async () => {
    const { log, handled } = await meet('a answers');
    expect(log).toEqual(['queued', 'parked', 'answer']);
    expect(handled).toEqual([1, 3]);
  });
});
