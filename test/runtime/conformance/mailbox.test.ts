import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Log } from '../../../runtime/actor.ts';
import { MailboxFull, MailboxOverflow, MessageExpired } from '../../../runtime/errors.ts';
import type { MailboxSpec } from '../../../runtime/system.ts';
import { incarnations, life } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, handler, startTestSystem, worker } from '../../support/test-system.ts';

trapRejections();

const hung = (mailbox: MailboxSpec<string>) =>
  worker(
    'a',
    handler<string>(() => new Promise(() => {})),
    { mailbox },
  );
const timeoutMs = 60_000;

/** Handles one message at a time, each when it is let through. */
function turnstile(id: string, log: string[], mailbox: MailboxSpec<string>) {
  let waiting = gate();
  const behavior = handler<string>(async (message) => {
    log.push(message);
    await waiting.promise;
  });
  const pass = (): void => {
    const passed = waiting;
    waiting = gate();
    passed.resolve();
  };
  return { spec: worker(id, behavior, { mailbox }), pass };
}

describe('a full mailbox', () => {
  test.each([
    ['reject', ['full', 'full'], ['c', 'd'], 'full'],
    ['drop-new', ['dropped', 'dropped'], ['c', 'd'], 'full'],
    ['drop-oldest', ['dropped', 'dropped'], ['a', 'b'], 'let-go'],
    ['latest-by-key', ['dropped', 'full'], ['a', 'd'], 'let-go'],
    ['park-sender', ['full', 'full'], ['c', 'd'], 'full'],
  ] as const)(
    'C73 the capacity is exact; at it the policy %s decides, and control messages pass',
    async (whenFull, results, lost, reason) => {
      const keyOf = (message: string): string => (message === 'c' ? 'a' : message);
      const { system, ref, settle, deadLetters } = await startTestSystem([hung({ capacity: 2, whenFull, keyOf })]);
      const actor = ref<string>('/a');
      actor.tell('in hand');
      await settle();
      expect(['a', 'b'].map((message) => actor.tell(message))).toEqual(['queued', 'queued']);
      expect(['c', 'd'].map((message) => actor.tell(message))).toEqual(results);
      expect(deadLetters.map(({ message }) => message.shown)).toEqual(lost);
      expect(deadLetters[0]?.reason).toBe(reason);
      expect(actor.tell('cancel', { control: true })).toBe('queued');
      expect(system.inspect('/a')[0]?.mailbox).toMatchObject({ depth: 2, control: 1, dropped: 2, highWater: 2 });
    },
  );

  test('C73 that crashes its actor at the message too many keeps what waits, and it is handled after the restart', async () => {
    const log: string[] = [];
    const { ref, settle, system, deadLetters } = await startTestSystem([
      life('a', log, { mailbox: { capacity: 2, whenFull: 'crash' } }),
    ]);
    expect(['1', '2', '3'].map((message) => ref<string>('/a').tell(message))).toEqual(['queued', 'queued', 'full']);
    await settle();
    expect(log).toEqual(['start a', 'stop a crash', 'start a', 'a got 1', 'a got 2']);
    expect(system.inspectActor('/a')?.crashes).toMatchObject([{ error: { name: MailboxOverflow.name } }]);
    expect(deadLetters.map(({ reason, message }) => [reason, message.shown])).toEqual([['full', '3']]);
  });

  test.each([
    ['reject', 'full', 1],
    ['drop-new', 'dropped', 1],
    ['park-sender', 'full', 1],
    ['crash', 'full', 2],
  ] as const)(
    'C73 that is overfilled from inside its own handler does as it says: %s',
    async (whenFull, result, incarnation) => {
      const results: string[] = [];
      const handled: string[] = [];
      const behavior = handler<string>((message, context) => {
        if (message !== 'flood') return void handled.push(message);
        for (const each of ['1', '2', '3']) results.push(context.tell(context.self, each));
      });
      const { system, ref, settle, deadLetters } = await startTestSystem([
        worker('a', behavior, { mailbox: { capacity: 2, whenFull } }),
      ]);
      ref<string>('/a').tell('flood');
      await settle();
      expect(results).toEqual(['queued', 'queued', result]);
      expect(handled).toEqual(['1', '2']);
      expect(deadLetters.map(({ message }) => message.shown)).toContain('3');
      expect(incarnations(system)).toEqual({ a: incarnation });
    },
  );

  test.each(['reject', 'drop-new', 'park-sender', 'crash'] as const)(
    'C73 fails an ask at once, and one that it gives up for a newer message (%s)',
    async (whenFull) => {
      const { ref, settle } = await startTestSystem([hung({ capacity: 1, whenFull })]);
      for (const message of ['in hand', 'waits']) {
        ref<string>('/a').tell(message);
        await settle();
      }
      await expect(ref<string>('/a').ask('refused', { timeoutMs })).rejects.toBeInstanceOf(MailboxFull);
    },
  );

  test('C73 says once on the event stream that it is filling up', async () => {
    const { ref, settle, events } = await startTestSystem([hung({ capacity: 10, whenFull: 'reject' })]);
    ref<string>('/a').tell('in hand');
    await settle();
    for (let count = 0; count < 12; count++) ref<string>('/a').tell('x');
    expect(events.filter(({ type }) => type === 'mailbox-high')).toMatchObject([
      { path: '/a', depth: 8, capacity: 10 },
    ]);
  });

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

  test('C74 a key that cannot be told is reported, and its message is refused while full', async () => {
    const errors: string[] = [];
    const log: Log = { debug() {}, info() {}, warn() {}, error: (_fields, text) => void errors.push(text) };
    const keyOf = (): never => {
      throw new Error('no key');
    };
    const { ref, settle } = await startTestSystem([hung({ capacity: 1, whenFull: 'latest-by-key', keyOf })], log);
    ref<string>('/a').tell('in hand');
    await settle();
    expect(['1', '2'].map((message) => ref<string>('/a').tell(message))).toEqual(['queued', 'full']);
    expect(new Set(errors)).toEqual(new Set(['keyOf of a mailbox failed']));
  });
});

describe('a full mailbox that parks its senders', () => {
  /** Tells what it is told to whom, and goes on with its own messages. */
  const sender = (id: string, to: string, results: string[], system: () => { find(path: string): unknown }) =>
    worker(
      id,
      handler<string>((message, context) => {
        results.push(`${id} ${message} ${context.tell(system().find(to) as never, `${message} of ${id}` as never)}`);
      }),
    );

  test('C73 has an actor wait for room before its own next message, and loses nothing', async () => {
    const [handled, results]: string[][] = [[], []];
    const { spec, pass } = turnstile('to', handled!, { capacity: 1, whenFull: 'park-sender' });
    const running = await startTestSystem([spec, sender('from', '/to', results!, () => running.system)]);
    for (const message of ['1', '2', '3', '4', '5']) running.ref<string>('/from').tell(message);
    await running.settle();
    // One in hand, one that waits, one parked: its sender stands still.
    expect(results).toEqual(['from 1 queued', 'from 2 parked', 'from 3 parked']);
    expect(running.system.inspect('/to')[0]?.mailbox).toMatchObject({ depth: 1, parked: 1, dropped: 0 });
    expect(running.system.inspect('/from')[0]?.mailbox.depth).toBe(2);
    pass();
    await running.settle();
    expect(results!.at(-1)).toBe('from 4 parked');
    for (let times = 0; times < 5; times++) {
      pass();
      await running.settle();
    }
    expect(handled).toEqual(['1', '2', '3', '4', '5'].map((message) => `${message} of from`));
    expect(running.deadLetters).toEqual([]);
  });

  test('C73 refuses whoever is no actor', async () => {
    const { ref, settle } = await startTestSystem([hung({ capacity: 1, whenFull: 'park-sender' })]);
    ref<string>('/a').tell('in hand');
    await settle();
    expect([ref<string>('/a').tell('1'), ref<string>('/a').tell('2')]).toEqual(['queued', 'full']);
  });

  test('C73 parks no more messages than it holds, and sends the rest to the dead letters', async () => {
    const results: string[] = [];
    const flooder = worker(
      'from',
      handler<string>((_message, context) => {
        for (const each of ['1', '2', '3', '4']) results.push(context.tell(running.ref<string>('/a'), each));
      }),
    );
    const running = await startTestSystem([hung({ capacity: 1, whenFull: 'park-sender' }), flooder]);
    running.ref<string>('/a').tell('in hand');
    await running.settle();
    running.ref<string>('/from').tell('flood');
    await running.settle();
    expect(results).toEqual(['queued', 'parked', 'full', 'full']);
    expect(running.deadLetters.map(({ message }) => message.shown)).toEqual(['3', '4']);
  });

  test.each([[['a', 'b']], [['a', 'b', 'c']]])(
    'C73 refuses the last of those that would wait for each other for ever: %j',
    async (ids) => {
      const log: string[] = [];
      const results: string[] = [];
      const holds = ids.map(() => gate());
      const members = ids.map((id, at) =>
        worker(
          id,
          handler<string>(async (message, context) => {
            log.push(`${id} ${message}`);
            if (message !== 'go') return;
            await holds[at]!.promise;
            const to = running.ref<string>(`/${ids[(at + 1) % ids.length]}`);
            for (const each of ['1', '2']) results.push(`${id} ${context.tell(to, each)}`);
          }),
          { mailbox: { capacity: 1, whenFull: 'park-sender' } },
        ),
      );
      const running = await startTestSystem(members);
      for (const id of ids) running.ref<string>(`/${id}`).tell('go');
      await running.settle();
      const last = ids.at(-1)!;
      const waiting = ids.slice(0, -1);
      for (const hold of holds.slice(0, -1)) hold.resolve();
      await running.settle();
      expect(results).toEqual(waiting.flatMap((id) => [`${id} queued`, `${id} parked`]));
      holds.at(-1)!.resolve();
      await running.settle();
      expect(results.slice(-2)).toEqual([`${last} queued`, `${last} full`]);
      const handled = [...ids.flatMap((id) => [`${id} go`, `${id} 1`]), ...ids.slice(1).map((id) => `${id} 2`)];
      expect(log.toSorted()).toEqual(handled.toSorted());
      expect(running.deadLetters.map(({ path, message }) => [path, message.shown])).toEqual([['/a', '2']]);
    },
  );

  test('C73 lets its senders go on when it is stopped, and what was parked becomes a dead letter', async () => {
    const [handled, results]: string[][] = [[], []];
    const { spec, pass } = turnstile('to', handled!, { capacity: 1, whenFull: 'park-sender' });
    const to: unknown[] = [];
    const running = await startTestSystem([spec, sender('from', '/to', results!, () => ({ find: () => to[0] }))]);
    to.push(running.system.find('/to'));
    for (const message of ['1', '2', '3', '4']) running.ref<string>('/from').tell(message);
    await running.settle();
    const stopped = running.system.stopChild('/to');
    pass();
    await stopped;
    await running.settle();
    expect(results!.slice(2)).toEqual(['from 3 parked', 'from 4 stopped']);
    expect(handled).toEqual(['1 of from']);
    expect(running.deadLetters.map(({ message }) => message.shown)).toEqual(['2 of from', '3 of from', '4 of from']);
  });
});

describe('a message that waits too long', () => {
  const mailbox: MailboxSpec<string> = { capacity: 10, whenFull: 'reject', ttlMs: 100 };

  test('C75 is a dead letter, its ask fails, and those behind it are handled', async () => {
    const log: string[] = [];
    const { spec, pass } = turnstile('a', log, mailbox);
    const { ref, settle, advance, deadLetters } = await startTestSystem([spec]);
    ref<string>('/a').tell('in hand');
    await settle();
    ref<string>('/a').tell('old');
    const asked = ref<string>('/a')
      .ask('old question', { timeoutMs })
      .catch((error: unknown) => error);
    await advance(1);
    ref<string>('/a').tell('just in time');
    await advance(100);
    pass();
    await settle();
    expect(log).toEqual(['in hand', 'just in time']);
    expect(await asked).toBeInstanceOf(MessageExpired);
    expect(deadLetters.map(({ reason, message }) => [reason, message.shown])).toEqual([
      ['expired', 'old'],
      ['expired', 'old question'],
    ]);
  });

  test('C75 by its own limit expires, whatever the mailbox says; a control message does not', async () => {
    const log: string[] = [];
    const { spec, pass } = turnstile('a', log, { capacity: 10, whenFull: 'reject' });
    const { ref, settle, advance, deadLetters } = await startTestSystem([spec]);
    ref<string>('/a').tell('in hand');
    await settle();
    ref<string>('/a').tell('short', { ttlMs: 10 });
    ref<string>('/a').tell('long', { ttlMs: 11 });
    ref<string>('/a').tell('control', { ttlMs: 10, control: true });
    const asked = ref<string>('/a')
      .ask('question', { timeoutMs, ttlMs: 5 })
      .catch((error: unknown) => error);
    await advance(11);
    for (let times = 0; times < 3; times++) {
      pass();
      await settle();
    }
    expect(log).toEqual(['in hand', 'control', 'long']);
    expect(await asked).toBeInstanceOf(MessageExpired);
    expect(deadLetters.map(({ reason, message }) => [reason, message.shown])).toEqual([
      ['expired', 'short'],
      ['expired', 'question'],
    ]);
  });

  test('C75 that expires leaves room for one that is parked', async () => {
    const log: string[] = [];
    const { spec, pass } = turnstile('to', log, { capacity: 1, whenFull: 'park-sender', ttlMs: 100 });
    const from = worker(
      'from',
      handler<string>((message, context) => void context.tell(running.ref<string>('/to'), message)),
    );
    const running = await startTestSystem([spec, from]);
    for (const message of ['in hand', 'old', 'parked']) {
      running.ref<string>('/from').tell(message);
      await running.advance(51);
    }
    pass();
    await running.settle();
    pass();
    await running.settle();
    expect(log).toEqual(['in hand', 'parked']);
    expect(running.deadLetters.map(({ message }) => message.shown)).toEqual(['old']);
  });
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

test('C73 under every policy a message is handled, waits, or is a dead letter that is counted as dropped', async () => {
  const policy = fc.constantFrom<MailboxSpec<string>['whenFull']>(
    ...(['reject', 'drop-new', 'drop-oldest', 'latest-by-key', 'park-sender', 'crash'] as const),
  );
  const act = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom('x', 'y', 'z') },
    { weight: 1, arbitrary: fc.constant('settle') },
  );
  await fc.assert(
    fc.asyncProperty(
      policy,
      fc.integer({ min: 1, max: 4 }),
      fc.array(act, { maxLength: 30 }),
      async (whenFull, capacity, acts) => {
        const handled: string[] = [];
        const mailbox: MailboxSpec<string> = { capacity, whenFull, keyOf: (message) => message[0] };
        const { system, ref, settle, deadLetters } = await startTestSystem([
          worker(
            'a',
            handler<string>((message) => void handled.push(message)),
            { mailbox },
          ),
        ]);
        const sent: string[] = [];
        for (const action of acts) {
          if (action === 'settle') await settle();
          else {
            sent.push(`${action}${sent.length}`);
            ref<string>('/a').tell(sent.at(-1)!);
            expect(system.inspect('/a')[0]!.mailbox.depth).toBeLessThanOrEqual(capacity);
          }
        }
        await settle();
        const lost = deadLetters.map(({ message }) => String(message.shown));
        expect([...handled, ...lost].toSorted()).toEqual(sent.toSorted());
        expect(system.inspect('/a')[0]!.mailbox.dropped).toBe(lost.length);
        await system.stop();
      },
    ),
    { numRuns: 100 },
  );
});
