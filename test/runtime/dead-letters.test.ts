import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { ActorStopped } from '../../runtime/errors.ts';
import { type ReplyTo, silentLog } from '../../runtime/actor.ts';
import { Ask } from '../../runtime/ask.ts';
import { Envelope } from '../../runtime/envelope.ts';
import { crash, life } from '../support/lives.ts';
import { trapRejections } from '../support/rejections.ts';
import { handler, startTestSystem, supervisor, type TestSystem, worker } from '../support/test-system.ts';

trapRejections();

/** An actor that takes one message at a time and hangs on it, so that a mailbox of one is full with the second. */
const full = () =>
  worker(
    'full',
    handler<string>(() => new Promise(() => {})),
    { mailbox: { capacity: 1, whenFull: 'reject' }, shutdownMs: 0 },
  );

async function refuse({ ref, settle }: TestSystem, path: string, messages: readonly string[]): Promise<void> {
  for (const message of ['in hand', 'waits', ...messages]) {
    ref<string>(path).tell(message);
    await settle();
  }
}

const shown = ({ system }: TestSystem, options = {}): unknown[] =>
  system.deadLetters.list(options).map(({ message }) => message.shown);

test('dead letters are listed newest first, with why, where, when, and how long they waited', async () => {
  const running = await startTestSystem([full()]);
  await refuse(running, '/full', ['1']);
  running.clock.advance(5);
  running.ref<string>('/full').tell('2', { traceId: 'trace' });
  expect(running.system.deadLetters.list()).toEqual([
    {
      ...{ id: 2, reason: 'full', path: '/full', incarnation: 1, atMicros: 1_800_000_000_005_000, replays: 0 },
      message: { type: 'string', shown: '2', waitedMs: 0, traceId: 'trace' },
    },
    expect.objectContaining({ id: 1, atMicros: 1_800_000_000_000_000 }),
  ]);
});

test('how long a dead letter had waited does not grow while it lies there', async () => {
  const running = await startTestSystem([full()]);
  await refuse(running, '/full', ['1']);
  running.clock.advance(60_000);
  expect(running.system.deadLetters.list()[0]?.message.waitedMs).toBe(0);
});

test('a thousand dead letters are kept and the oldest give way, but all are counted', async () => {
  const running = await startTestSystem([full()]);
  const messages = Array.from({ length: 1_005 }, (_, at) => String(at));
  running.ref<string>('/full').tell('in hand');
  await running.settle();
  running.ref<string>('/full').tell('waits');
  for (const message of messages) running.ref<string>('/full').tell(message);
  expect(running.system.deadLetters.count).toBe(1_005);
  expect(shown(running, { limit: 10_000 })).toEqual(messages.slice(5).toReversed());
  expect(shown(running)).toEqual(messages.slice(-100).toReversed());
  expect(shown(running, { limit: 2 })).toEqual(['1004', '1003']);
  expect(running.system.deadLetters.replay(1)).toMatchObject({ type: 'refused', code: 'NOT_FOUND' });
});

test('a list for a path shows what was for actors there and below it', async () => {
  const children = ['a', 'ab'].map((id) => supervisor(id, 'one-for-one', [life('x')]));
  const running = await startTestSystem([...children, life('b')]);
  for (const path of ['/a/x', '/ab/x', '/b']) await crash(running, path);
  const within = (path: string): string[] => running.system.deadLetters.list({ within: path }).map((each) => each.path);
  expect(within('/a')).toEqual(['/a/x']);
  expect(within('/a/x')).toEqual(['/a/x']);
  expect(within('/')).toEqual(['/b', '/ab/x', '/a/x']);
  expect(within('/c')).toEqual([]);
});

test('nobody need listen for dead letters to be kept', async () => {
  const running = await startTestSystem([life('a')]);
  await crash(running, '/a');
  expect(running.deadLetters.map(({ id, reason }) => [id, reason])).toEqual([[1, 'poison']]);
  expect(running.system.deadLetters.list()).toMatchObject([{ id: 1, reason: 'poison' }]);
});

test('who hears of dead letters and cannot take one does not make them without end', async () => {
  const office = { ...full(), id: 'office' };
  const { system, ref, settle, deadLetters } = await startTestSystem([office, life('gone')]);
  const gone = ref<string>('/gone');
  await system.stopChild('/gone');
  system.events.subscribe({ types: ['dead-letter'] }, ({ path }) => void ref<string>('/office').tell(path));
  for (let count = 0; count < 4; count++) {
    gone.tell('hello');
    await settle();
  }
  expect(deadLetters.map(({ path }) => path)).toEqual(['/gone', '/gone', '/gone', '/gone']);
  expect(system.deadLetters.count).toBe(6);
});

test('a dead letter keeps neither the ask nor the token of its message, which lead to an actor that may be gone', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { system, settle } = await startTestSystem();
  const give = (): WeakRef<object>[] => {
    const token = { verdict: () => 'outdated' as const };
    const ask = new Ask({ path: '/a', lateReply() {} }, 'hello', Infinity, undefined, undefined);
    const to = { path: '/a', incarnation: 1, show: undefined };
    system.deadLetters.add('stopped', to, new Envelope('hello', 'trace', ask, 0, token));
    return [new WeakRef(token), new WeakRef(ask)];
  };
  const refs = give();
  await settle();
  collect();
  expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined]);
  expect(system.deadLetters.list()).toMatchObject([{ path: '/a', message: { type: 'string', traceId: 'trace' } }]);
});

test('a log that throws loses its line and nothing else: dead letters are told and crashes restarted', async () => {
  const boom = (): never => {
    throw new Error('no log');
  };
  const running = await startTestSystem([life('a')], { ...silentLog, warn: boom, error: boom });
  running.system.events.subscribe({ types: ['dead-letter'] }, boom);
  await crash(running, '/a');
  await crash(running, '/a');
  expect(running.deadLetters).toHaveLength(2);
  expect(running.system.inspect('/a')[0]).toMatchObject({ status: 'running', incarnation: 3 });
});

describe('a replay', () => {
  test('tells a message once more, with its trace, to whoever is at the path now, and forgets it', async () => {
    const log: unknown[] = [];
    const note = worker(
      'a',
      handler<string>((message, context) => void log.push([message, context.traceId, context.incarnation])),
    );
    const { system, ref, settle } = await startTestSystem([note]);
    const old = ref<string>('/a');
    await system.stopChild('/a');
    old.tell('hello', { traceId: 'trace' });
    const [{ id } = { id: 0 }] = system.deadLetters.list();
    expect(system.deadLetters.replay(id)).toMatchObject({ type: 'refused', code: 'NOT_FOUND' });
    await system.spawn('/', note);
    expect(system.deadLetters.replay(id)).toEqual({ type: 'replayed', result: 'queued' });
    await settle();
    expect(log).toEqual([['hello', 'trace', 1]]);
    expect(system.deadLetters.list()).toEqual([]);
    expect(system.deadLetters.replay(id)).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('of a message that fails each time is allowed three times', async () => {
    const running = await startTestSystem([life('a')]);
    await crash(running, '/a');
    const { deadLetters } = running.system;
    for (let replays = 0; replays < 3; replays++) {
      const [letter] = deadLetters.list();
      expect(letter).toMatchObject({ reason: 'poison', replays });
      expect(deadLetters.replay(letter!.id)).toEqual({ type: 'replayed', result: 'queued' });
      await running.settle();
    }
    const [last] = deadLetters.list();
    expect(deadLetters.replay(last!.id)).toEqual({ type: 'refused', code: 'REPLAYED_TOO_OFTEN', replays: 3 });
    expect(deadLetters.list()).toHaveLength(1);
    expect(running.system.inspect('/a')[0]?.incarnation).toBe(5);
  });

  test('to a pool whose workers are all down is allowed three times', async () => {
    const routing = { route: 'round-robin' } as const;
    const running = await startTestSystem([{ ...supervisor('pool', 'one-for-one', [life('0')]), front: routing }]);
    await running.system.terminateChild('/pool/0');
    running.ref<string>('/pool').tell('hello', { traceId: 'trace' });
    const { deadLetters } = running.system;
    for (let replays = 0; replays < 3; replays++) {
      const [letter] = deadLetters.list();
      expect(letter).toMatchObject({ path: '/pool', replays, message: { traceId: 'trace' } });
      expect(deadLetters.replay(letter!.id)).toEqual({ type: 'replayed', result: 'stopped' });
    }
    const [last] = deadLetters.list();
    expect(deadLetters.replay(last!.id)).toEqual({ type: 'refused', code: 'REPLAYED_TOO_OFTEN', replays: 3 });
    await running.system.restartChild('/pool/0');
    expect(deadLetters.discard(last!.id)).toBe(true);
  });

  test('that finds the mailbox full again is a dead letter again', async () => {
    const running = await startTestSystem([full()]);
    await refuse(running, '/full', ['1']);
    expect(running.system.deadLetters.replay(1)).toEqual({ type: 'replayed', result: 'full' });
    expect(running.system.deadLetters.list()).toMatchObject([{ id: 2, reason: 'full', replays: 1 }]);
  });

  test('of a message that has expired is handled: who asks for it wants it now', async () => {
    const log: string[] = [];
    const running = await startTestSystem([life('a', log)]);
    const request = { path: '/a', by: 'test', reason: 'a test' };
    await running.system.operate({ ...request, action: 'suspend' });
    running.ref<string>('/a').tell('old', { ttlMs: 5 });
    await running.advance(6);
    await running.system.operate({ ...request, action: 'resume' });
    await running.settle();
    expect(running.system.deadLetters.list()).toMatchObject([{ reason: 'expired' }]);
    running.system.deadLetters.replay(1);
    await running.settle();
    expect(log).toEqual(['start a', 'a got old']);
  });

  test('of an ask is a message without one: the ask has long failed', async () => {
    const answers: unknown[] = [];
    const behavior = handler<string>((message, context) => void answers.push(message, context.reply('answer')));
    const { system, ref, settle } = await startTestSystem([worker('a', behavior)]);
    const old = ref<string>('/a');
    await system.terminateChild('/a');
    await expect(old.ask('question', { timeoutMs: 1_000 })).rejects.toBeInstanceOf(ActorStopped);
    await system.restartChild('/a');
    expect(system.deadLetters.replay(1)).toMatchObject({ type: 'replayed' });
    await settle();
    expect(answers).toEqual(['question', undefined]);
    expect(system.deadLetters.count).toBe(1);
  });

  test('of a late reply is refused: there is nobody to hear it', async () => {
    const kept: ReplyTo[] = [];
    const behavior = handler<string>((_message, context) => void kept.push(context.replyLater()));
    const { system, ref, advance } = await startTestSystem([worker('a', behavior)]);
    const asked = ref<string>('/a')
      .ask('question', { timeoutMs: 10 })
      .catch(() => {});
    await advance(10);
    await asked;
    kept[0]!.reply('late');
    expect(system.deadLetters.replay(1)).toEqual({ type: 'refused', code: 'NOT_REPLAYABLE', replays: 0 });
    expect(system.deadLetters.list()).toHaveLength(1);
  });

  test('of one that was discarded finds nothing', async () => {
    const running = await startTestSystem([life('a')]);
    await crash(running, '/a', 2);
    expect([running.system.deadLetters.discard(1), running.system.deadLetters.discard(1)]).toEqual([true, false]);
    expect(running.system.deadLetters.list().map(({ id }) => id)).toEqual([2]);
    expect(running.system.deadLetters.replay(1)).toEqual({ type: 'refused', code: 'NOT_FOUND', replays: 0 });
  });
});
