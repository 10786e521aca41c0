import { describe, expect, test } from 'vitest';
import { ActorCrashed, ActorStopped, AskTimeout, MailboxFull } from '../../../runtime/errors.ts';
import type { MailboxSpec } from '../../../runtime/system.ts';
import { crash, failToStart, incarnations, life, statusOf } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, handler, startTestSystem, supervisor, worker } from '../../support/test-system.ts';

trapRejections();

describe('cell', () => {
  test('C66 the messages of a sender stay in order, across restarts too', async () => {
    const log: string[] = [];
    const { ref, settle } = await startTestSystem([life('a', log)]);
    for (const message of ['1', 'crash', '2', '3', 'crash', '4']) ref<string>('/a').tell(message);
    await settle();
    expect(log.filter((line) => line.includes('got'))).toEqual(['a got 1', 'a got 2', 'a got 3', 'a got 4']);
  });

  test('C67 the message that crashed an actor is not given to it again', async () => {
    const running = await startTestSystem([life('a')]);
    await crash(running, '/a');
    expect(incarnations(running.system)).toEqual({ a: 2 });
    expect(running.system.inspect('/a')[0]?.mailbox.depth).toBe(0);
  });

  test('C68 what waits outlives a restart in its order, also when the restart fails at first', async () => {
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

  test('C69 when the budget is spent everything that waits becomes dead letters, and says why', async () => {
    const policy = { intensity: 0 };
    const { ref, settle, deadLetters } = await startTestSystem([
      supervisor('s', 'one-for-one', [life('a'), life('b')], policy),
    ]);
    for (const message of ['crash', 'one', 'two']) ref<string>('/s/a').tell(message);
    await settle();
    expect(deadLetters.map(({ path, reason, messageType }) => [path, reason, messageType])).toEqual([
      ['/s/a', 'stopped', 'one'],
      ['/s/a', 'stopped', 'two'],
    ]);
  });

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

  test('C71 a behavior that fails to show its state shows none', async () => {
    const { system } = await startTestSystem([worker('a', { ...handler<string>(() => {}), inspect: failToStart })]);
    expect(system.inspectState('/a')).toMatchObject({ path: '/a', status: 'running', state: undefined });
  });
});

describe('mailbox', () => {
  const hung = (mailbox: MailboxSpec<string>) =>
    worker(
      'a',
      handler<string>(() => new Promise(() => {})),
      { mailbox },
    );

  test.each([
    ['reject', 'full', ['c']],
    ['drop-oldest', 'dropped', ['a']],
  ] as const)(
    'C73 the capacity is exact; at it the policy %s decides, and control messages pass',
    async (whenFull, result, lost) => {
      const { system, ref, settle, deadLetters } = await startTestSystem([hung({ capacity: 2, whenFull })]);
      const actor = ref<string>('/a');
      actor.tell('in hand');
      await settle();
      expect(['a', 'b', 'c'].map((message) => actor.tell(message))).toEqual(['queued', 'queued', result]);
      expect(deadLetters.map(({ messageType }) => messageType)).toEqual(lost);
      expect(actor.tell('cancel', { control: true })).toBe('queued');
      expect(system.inspect('/a')[0]?.mailbox).toMatchObject({ depth: 2, control: 1, dropped: 1 });
    },
  );

  test('C74 latest by key keeps the newest of each key, where its first one stood', async () => {
    const hold = gate();
    const log: string[] = [];
    const behavior = handler<string>(async (message) => {
      log.push(message);
      await hold.promise;
    });
    const mailbox: MailboxSpec<string> = { capacity: 2, whenFull: 'latest-by-key', keyOf: (message) => message[0] };
    const { ref, settle } = await startTestSystem([worker('a', behavior, { mailbox })]);
    ref<string>('/a').tell('-');
    await settle();
    for (const message of ['x1', 'y1', 'y2', 'x2', 'x3']) ref<string>('/a').tell(message);
    hold.resolve();
    await settle();
    expect(log).toEqual(['-', 'x3', 'y2']);
  });

  test('C76 an actor that is flooded delays another by one slice at most', async () => {
    const log: string[] = [];
    const note = (id: string) =>
      worker(
        id,
        handler<string>(() => void log.push(id)),
      );
    const { ref, settle } = await startTestSystem([note('flooded'), note('other')]);
    for (let count = 0; count < 1_000; count++) ref<string>('/flooded').tell('x');
    ref<string>('/other').tell('x');
    await settle();
    expect(log.indexOf('other')).toBeLessThanOrEqual(64);
    expect(log).toHaveLength(1_001);
  });
});

describe('timers and asks', () => {
  test('C81 the directory leads to an actor over its restarts, and nowhere after its stop', async () => {
    const running = await startTestSystem([life('a')]);
    const before = running.system.find('/a');
    await crash(running, '/a');
    expect(running.system.find('/a')).toBe(before);
    await running.system.stopChild('/a');
    expect(running.system.find('/a')).toBeUndefined();
  });

  test('C82 a timer of an old incarnation never reaches the next one, also when it has rung already', async () => {
    const hold = gate();
    const log: string[] = [];
    const running = await startTestSystem([
      worker('a', {
        start: (context) => void context.after(10, `of ${context.incarnation}`),
        receive: async (_state: void, message: string) => {
          if (message !== 'crash') return void log.push(message);
          await hold.promise;
          throw new Error(message);
        },
      }),
    ]);
    running.ref<string>('/a').tell('crash');
    await running.advance(10);
    hold.resolve();
    await running.settle();
    await running.advance(10);
    expect(log).toEqual(['of 2']);
    expect(running.deadLetters.map(({ reason }) => reason)).toEqual(['outdated']);
  });

  test('a full mailbox does not lose a timer', async () => {
    const hold = gate();
    const log: string[] = [];
    const { ref, settle, advance } = await startTestSystem([
      worker(
        'a',
        {
          start: (context) => void context.after(10, 'timer'),
          receive: async (_state: void, message: string) => {
            log.push(message);
            await hold.promise;
          },
        },
        { mailbox: { capacity: 1, whenFull: 'reject' } },
      ),
    ]);
    ref<string>('/a').tell('first');
    await settle();
    ref<string>('/a').tell('second');
    await advance(10);
    hold.resolve();
    await settle();
    expect(log).toEqual(['first', 'timer', 'second']);
  });

  test('C84 an ask fails at once where nobody will answer, else at its deadline, and a late reply is a dead letter', async () => {
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
    const ask = (path: string, message: string) =>
      ref<string>(path)
        .ask(message, { timeoutMs: 100 })
        .catch((error: unknown) => error);
    const gone = ref<string>('/gone');
    await system.stopChild('/gone');
    await expect(gone.ask('x', { timeoutMs: 100 })).rejects.toBeInstanceOf(ActorStopped);
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

  test('C86 of a million asks none is answered twice or to another caller', async () => {
    const echo = worker(
      'echo',
      handler<{ readonly number: number }>(({ number }, context) => context.reply(number)),
      { mailbox: { capacity: 10_000, whenFull: 'reject' } },
    );
    const { ref, deadLetters } = await startTestSystem([echo]);
    let wrong = 0;
    for (let first = 0; first < 1_000_000; first += 10_000) {
      const numbers = Array.from({ length: 10_000 }, (_, at) => first + at);
      const answers: unknown[] = await Promise.all(
        numbers.map((number) => ref<{ number: number }>('/echo').ask({ number }, { timeoutMs: 1_000 })),
      );
      for (const [at, answer] of answers.entries()) if (answer !== first + at) wrong++;
    }
    expect([wrong, deadLetters.length]).toEqual([0, 0]);
  });

  test('who hears of dead letters and cannot take one does not make them without end', async () => {
    const office = worker(
      'office',
      handler<string>(() => new Promise(() => {})),
      {
        mailbox: { capacity: 1, whenFull: 'reject' },
      },
    );
    const { system, ref, settle, deadLetters } = await startTestSystem([office, life('gone')]);
    const gone = ref<string>('/gone');
    await system.stopChild('/gone');
    system.events.subscribe('dead-letter', ({ messageType }) => void ref<string>('/office').tell(messageType));
    for (let count = 0; count < 4; count++) {
      gone.tell('hello');
      await settle();
    }
    expect(deadLetters.map(({ path }) => path)).toEqual(['/gone', '/gone', '/gone', '/gone']);
    expect(system.deadLetters).toBe(6);
  });
});
