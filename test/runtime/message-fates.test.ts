/** Each message comes to one end, whatever its handler does before it throws, hangs or is left behind. */
import { expect, test } from 'vitest';
import type { Behavior } from '../../runtime/actor.ts';
import { life, statusOf, watched } from '../support/lives.ts';
import { gate, handler, startTestSystem, supervisor, type TestSystem, worker } from '../support/test-system.ts';

const lost = (t: TestSystem): string[] =>
  t.deadLetters.map(({ reason, message }) => `${reason} ${String(message.shown)}`);

test('a full stash and a throw after it cost only the message in hand', async () => {
  const full = handler<string>((message, context) => {
    context.stash();
    if (message === 'y') throw new Error('y');
  });
  const t = await startTestSystem([worker('a', full, { stashCapacity: 1, onError: () => 'resume' })]);
  const x = watched(t.ref<string>('/a').ask('x' as never, { timeoutMs: 1e6 }));
  t.ref<string>('/a').tell('y');
  await t.settle();
  expect(t.system.inspect('/a')[0]!.mailbox.stashed).toBe(1);
  expect(lost(t)).toEqual(['poison y']);
  expect(x.done).toBe(false);
});

test('a message that was put aside and whose handler then times out is tried once more, not twice', async () => {
  const got: string[] = [];
  const hangs = handler<string>((message, context) => {
    if (got.push(message) > 1) return undefined;
    context.stash();
    return new Promise<void>(() => {});
  });
  const t = await startTestSystem([worker('a', hangs, { handlerTimeoutMs: 100, shutdownMs: 100, maxAttempts: 2 })]);
  t.ref<string>('/a').tell('x');
  for (let round = 0; round < 3; round++) await t.advance(100);
  expect(got).toEqual(['x', 'x']);
  expect(lost(t)).toEqual([]);
});

test('a message that was put aside by a handler that is left behind is given up, not handled as well', async () => {
  const got: string[] = [];
  const hangs = handler<string>((message, context) => {
    if (got.push(message) > 1) return undefined;
    context.stash();
    return new Promise<void>(() => {});
  });
  const t = await startTestSystem([worker('a', hangs, { shutdownMs: 100 })]);
  t.ref<string>('/a').tell('x');
  await t.settle();
  void t.system.operate({ action: 'restart', path: '/a', by: 'test', reason: 'it hangs' });
  for (let round = 0; round < 3; round++) await t.advance(100);
  expect(got).toEqual(['x']);
  expect(lost(t)).toEqual(['stopped x']);
});

test('taking the stash out leaves the message in hand alone', async () => {
  const got: string[] = [];
  const t = await startTestSystem([
    worker(
      'a',
      handler<string>((message, context) => {
        got.push(message);
        context.stash();
        context.unstashAll();
        throw new Error('no');
      }),
      { onError: () => 'resume' },
    ),
  ]);
  t.ref<string>('/a').tell('x');
  await t.settle();
  expect(got).toEqual(['x']);
  expect(lost(t)).toEqual(['poison x']);
});

test('attempts are counted although other messages are handled between them', async () => {
  let attempts = 0;
  const greeting: Behavior<undefined, string> = {
    start(context) {
      context.tell(context.self, 'hello', { control: true });
      return undefined;
    },
    receive(_state, message) {
      if (message !== 'poison') return undefined;
      attempts++;
      throw new Error('poison');
    },
  };
  const spec = worker<undefined, string>('a', greeting, { maxAttempts: 2 });
  const t = await startTestSystem(supervisor('root', 'one-for-one', [spec], { intensity: 20 }));
  t.ref<string>('/a').tell('poison');
  for (let round = 0; round < 10; round++) await t.settle();
  expect(attempts).toBe(2);
  expect(lost(t)).toEqual(['poison poison']);
});

test('a watch that has been heard of is forgotten, and keeps nobody awake', async () => {
  const watching = handler<string>((message, context) => {
    if (message === 'go') context.watch(x() as never, () => 'gone');
  });
  const t = await startTestSystem([worker('w', watching, { passivateAfterMs: 100 }), life('x')]);
  const x = (): unknown => t.ref('/x');
  t.ref<string>('/w').tell('go');
  await t.settle();
  await t.system.stopChild('/x');
  await t.settle();
  expect(t.system.inspectActor('/w')!.watching).toEqual([]);
  for (let round = 0; round < 3; round++) await t.advance(100);
  expect(statusOf(t.system, '/w')).toBe('dormant');
});

test('an ask that is kept is let go when its caller has given up', async () => {
  const t = await startTestSystem([
    worker(
      'a',
      handler<string>((_message, context) => void context.replyLater()),
    ),
  ]);
  const asked = watched(t.ref<string>('/a').ask('q' as never, { timeoutMs: 100 }));
  await t.settle();
  expect(t.system.inspect('/a')[0]!.openReplies).toBe(1);
  await t.advance(100);
  expect(asked.done).toBe(true);
  expect(t.system.inspect('/a')[0]!.openReplies).toBe(0);
});

test('a receive timeout does not ring while there is something to do', async () => {
  const got: string[] = [];
  const hold = gate();
  const t = await startTestSystem([
    worker<undefined, string>('a', {
      start: (context): undefined => {
        context.receiveTimeout(100, 'idle');
      },
      receive: (_state, message) => {
        got.push(message);
        return message === 'hold' ? hold.promise.then(() => undefined) : undefined;
      },
    }),
  ]);
  t.ref<string>('/a').tell('hold');
  await t.settle();
  t.ref<string>('/a').tell('next');
  await t.advance(150);
  hold.resolve();
  await t.settle();
  expect(got).toEqual(['hold', 'next']);
  await t.advance(99);
  expect(got).toEqual(['hold', 'next']);
  await t.advance(1);
  expect(got).toEqual(['hold', 'next', 'idle']);
});

test('a promise is no answer', async () => {
  const promising = handler<string>((_message, context) => context.reply(new Promise(() => {})));
  const t = await startTestSystem([worker('a', promising)]);
  const asked = watched(t.ref<string>('/a').ask('q' as never, { timeoutMs: 100 }));
  await t.settle();
  expect(asked.error).toMatchObject({ name: 'TypeError', message: expect.stringContaining('not with a promise') });
});

test('an overflow that crashes is not forgotten when the message in hand is forgiven', async () => {
  const hold = gate();
  const t = await startTestSystem([
    worker(
      'a',
      handler<string>((message) => (message === 'hold' ? hold.promise : undefined)),
      { onError: () => 'resume', mailbox: { capacity: 1, whenFull: 'crash' } },
    ),
  ]);
  const a = t.ref<string>('/a');
  a.tell('hold');
  await t.settle();
  a.tell('1');
  a.tell('2');
  hold.reject(new Error('forgiven'));
  await t.settle();
  expect(t.history()).toContain('restarted /a');
});

test('a pipe whose result has no message does not take the message in hand with it', async () => {
  const hold = gate();
  const piped = gate();
  const t = await startTestSystem([
    worker(
      'a',
      handler<string>((message, context) => {
        if (message === 'innocent') return hold.promise;
        return context.pipe(piped.promise, () => {
          throw new Error('no message');
        });
      }),
    ),
  ]);
  t.ref<string>('/a').tell('pipe');
  t.ref<string>('/a').tell('innocent');
  await t.settle();
  piped.resolve();
  await t.settle();
  hold.resolve();
  await t.settle();
  expect(lost(t)).toEqual([]);
  expect(t.history()).toContain('restarted /a');
});

test('asks that a flood of control messages washes away hear of a full mailbox, for the actor lives', async () => {
  const t = await startTestSystem([
    worker(
      'a',
      handler<string>(() => {}),
    ),
  ]);
  await t.system.operate({ action: 'suspend', path: '/a', by: 'test', reason: 'to let it fill' });
  const a = t.ref<string>('/a');
  const asked = watched(a.ask('q' as never, { timeoutMs: 1e9 }));
  for (let sent = 0; sent <= 100_000; sent++) a.tell('c', { control: true });
  await t.settle();
  expect(asked.error).toMatchObject({ name: 'MailboxFull' });
});

test('a mailbox that drops the oldest never exceeds its capacity, even when whoever hears of it tells again', async () => {
  const t = await startTestSystem([
    worker(
      'a',
      handler<string>(() => {}),
      { mailbox: { capacity: 2, whenFull: 'drop-oldest' } },
    ),
  ]);
  const a = t.ref<string>('/a');
  let told = false;
  t.system.events.subscribe({ types: ['dead-letter'] }, () => {
    if (told) return;
    told = true;
    a.tell('again');
  });
  await t.system.operate({ action: 'suspend', path: '/a', by: 'test', reason: 'to let it fill' });
  for (const message of ['1', '2', '3']) a.tell(message);
  expect(t.system.inspect('/a')[0]!.mailbox.depth).toBe(2);
});
