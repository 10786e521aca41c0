import { describe, expect, test } from 'vitest';
import type { ActorContext, Terminated } from '../../../runtime/actor.ts';
import type { ActorRef } from '../../../runtime/ref.ts';
import { crash, incarnations, life } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, handler, startTestSystem, supervisor, type TestSystem, worker } from '../../support/test-system.ts';

trapRejections();

/** Watches and unwatches when it is told to, and writes down which ends it hears of. */
function observer(heard: string[], watched: () => ActorRef<never>, options: { readonly capacity?: number } = {}) {
  const { capacity = 100 } = options;
  const toMessage = ({ path, reason }: Terminated): string => `end ${path} ${reason.kind}`;
  const behavior = handler<string>((message, context) => {
    if (message.startsWith('end')) heard.push(message);
    if (message === 'watch') context.watch(watched(), toMessage);
    if (message === 'unwatch') context.unwatch(watched());
    if (message === 'crash') throw new Error(message);
    return message === 'hang' ? new Promise<void>(() => {}) : undefined;
  });
  return worker('observer', behavior, { mailbox: { capacity, whenFull: 'reject' } });
}

/** An observer, and the children of a supervisor, of which it watches `a`. */
async function startWatched(child = life('a'), policy = {}, capacity?: number) {
  const heard: string[] = [];
  const watched: ActorRef<never>[] = [];
  const running = await startTestSystem([
    observer(heard, () => watched[0]!, capacity === undefined ? {} : { capacity }),
    supervisor('s', 'one-for-one', [child], policy),
  ]);
  watched.push(running.system.find('/s/a')!);
  const tell = async (...messages: string[]): Promise<void> => {
    for (const message of messages) running.ref<string>('/observer').tell(message);
    await running.settle();
  };
  return { ...running, running, heard, tell };
}

describe('who watches an actor', () => {
  const stop = ({ system }: TestSystem) => system.stopChild('/s/a');
  test.each<[string, 'permanent' | 'temporary', (running: TestSystem) => Promise<unknown>, string]>([
    ['is stopped', 'permanent', stop, 'shutdown'],
    ['is terminated', 'permanent', ({ system }) => system.terminateChild('/s/a'), 'shutdown'],
    ['ends with its supervisor', 'permanent', ({ system }) => system.stopChild('/s'), 'shutdown'],
    ['crashes for good', 'temporary', (running) => crash(running, '/s/a'), 'crash'],
    [
      'is stopped by an operator',
      'permanent',
      ({ system }) => system.operate({ action: 'stop', path: '/s/a', by: 'test', reason: 'a test' }),
      'shutdown',
    ],
  ])('C77 hears exactly once that it has ended when it %s', async (_how, restart, end, reason) => {
    const { running, settle, heard, tell } = await startWatched(life('a', [], { restart }));
    await tell('watch');
    await end(running);
    await settle();
    await running.system.stopChild('/s');
    await settle();
    expect(heard).toEqual([`end /s/a ${reason}`]);
  });

  test('C77 hears it at once when it had ended before it was watched', async () => {
    const { running, heard, tell } = await startWatched();
    await stop(running);
    await tell('watch');
    expect(heard).toEqual(['end /s/a shutdown']);
  });

  test('C77 hears it when the restart budget is spent', async () => {
    const { running, heard, tell } = await startWatched(life('a'), { intensity: 0 });
    await tell('watch');
    await crash(running, '/s/a');
    expect(heard).toEqual(['end /s/a shutdown']);
  });

  test('C77 hears of a second life, when it watches that too', async () => {
    const { running, settle, heard, tell } = await startWatched();
    await tell('watch');
    await running.system.terminateChild('/s/a');
    await settle();
    await running.system.restartChild('/s/a');
    await tell('watch');
    await stop(running);
    await settle();
    expect(heard).toEqual(['end /s/a shutdown', 'end /s/a shutdown']);
  });

  test('C78 hears of it once however often it watches', async () => {
    const { running, settle, heard, tell, system } = await startWatched();
    await tell('watch', 'watch', 'watch');
    expect(system.inspectActor('/s/a')?.watchers).toEqual(['/observer']);
    expect(system.inspectActor('/observer')?.watching).toEqual(['/s/a']);
    await stop(running);
    await settle();
    expect(heard).toEqual(['end /s/a shutdown']);
  });

  test('C78 hears nothing after it has taken the watch back, not even what waits already', async () => {
    const { running, settle, heard, tell, system } = await startWatched();
    await tell('watch', 'unwatch');
    expect(system.inspectActor('/s/a')?.watchers).toEqual([]);
    await tell('watch');
    const request = { path: '/observer', by: 'test', reason: 'a test' };
    await system.operate({ ...request, action: 'suspend' });
    running.ref<string>('/observer').tell('unwatch', { control: true });
    await stop(running);
    expect(system.inspect('/observer')[0]?.mailbox.control).toBe(2);
    await system.operate({ ...request, action: 'resume' });
    await settle();
    expect([heard, system.inspect('/observer')[0]?.mailbox.control]).toEqual([[], 0]);
  });

  test('C78 that takes its watch back in the message before the end hears nothing', async () => {
    const heard: string[] = [];
    const hold = gate();
    const watched: ActorRef<never>[] = [];
    const behavior = handler<string>(async (message, context) => {
      if (message !== 'watch') return void heard.push(message);
      context.watch(watched[0]!, ({ path }) => path);
      await hold.promise;
      context.unwatch(watched[0]!);
    });
    const { system, ref, settle } = await startTestSystem([worker('observer', behavior), life('a')]);
    watched.push(system.find('/a')!);
    ref<string>('/observer').tell('watch');
    await settle();
    await system.stopChild('/a');
    await settle();
    expect(system.inspect('/observer')[0]?.mailbox.control).toBe(1);
    hold.resolve();
    await settle();
    expect([heard, system.inspect('/observer')[0]?.mailbox.control]).toEqual([[], 0]);
  });

  test('C79 hears nothing of its restarts', async () => {
    const { running, heard, tell, system } = await startWatched();
    await tell('watch');
    await crash(running, '/s/a', 3);
    await system.operate({ action: 'restart', path: '/s/a', by: 'test', reason: 'a test' });
    await running.settle();
    expect([incarnations(system)['a'], heard]).toEqual([5, []]);
    await stop(running);
    await running.settle();
    expect(heard).toEqual(['end /s/a shutdown']);
  });

  test('C80 hears of it although its mailbox is full', async () => {
    const { running, heard, tell, system } = await startWatched(life('a'), {}, 1);
    await tell('watch');
    const request = { path: '/observer', by: 'test', reason: 'a test' };
    await system.operate({ ...request, action: 'suspend' });
    await tell('x', 'x', 'x');
    expect(system.inspect('/observer')[0]?.mailbox).toMatchObject({ depth: 1, dropped: 2 });
    await stop(running);
    await system.operate({ ...request, action: 'resume' });
    await running.settle();
    expect(heard).toEqual(['end /s/a shutdown']);
  });

  test('C77 in an earlier incarnation is not told: the next one watches anew', async () => {
    const { running, settle, heard, tell, system } = await startWatched();
    await tell('watch', 'crash');
    expect(system.inspectActor('/s/a')?.watchers).toEqual([]);
    await stop(running);
    await settle();
    expect(heard).toEqual([]);
  });
});

describe('a name', () => {
  const named = (id: string, name: string, took: boolean[] = []) =>
    life(id, [], { start: (context) => void took.push(context.register(name)) });

  test('C81 leads to its actor over restarts, and nowhere after its end', async () => {
    const running = await startTestSystem([named('a', 'prices')]);
    const { system } = running;
    const before = system.named('prices');
    expect(before).toBe(system.find('/a'));
    await crash(running, '/a', 2);
    expect([system.named('prices'), incarnations(system)]).toEqual([before, { a: 3 }]);
    await system.stopChild('/a');
    expect([system.named('prices'), system.names('')]).toEqual([undefined, []]);
  });

  test('C81 belongs to the first who takes it, until that one ends', async () => {
    const took: boolean[] = [];
    const { system } = await startTestSystem([named('a', 'prices', took)]);
    await system.spawn('/', named('b', 'prices', took));
    expect([took, system.named('prices')?.path]).toEqual([[true, false], '/a']);
    await system.terminateChild('/a');
    await system.spawn('/', named('c', 'prices', took));
    expect([took.at(-1), system.named('prices')?.path]).toEqual([true, '/c']);
  });

  test('C81 is kept while its actor waits out a backoff', async () => {
    const backoff = { firstMs: 100, maxMs: 100, jitter: 0 };
    const running = await startTestSystem(supervisor('root', 'one-for-one', [named('a', 'prices')], { backoff }));
    await crash(running, '/a');
    expect(running.system.inspect('/a')[0]?.status).toBe('restarting');
    expect(running.system.named('prices')?.path).toBe('/a');
  });

  test('C81 the directory leads to an actor over its restarts, and nowhere after its stop', async () => {
    const running = await startTestSystem([life('a')]);
    const before = running.system.find('/a');
    await crash(running, '/a');
    expect(running.system.find('/a')).toBe(before);
    await running.system.stopChild('/a');
    expect(running.system.find('/a')).toBeUndefined();
  });

  test('C81 that is heard of by somebody who fails does not keep its actor from starting or ending', async () => {
    const { system, settle, history } = await startTestSystem();
    system.onNames('', () => {
      throw new Error('deaf');
    });
    const heard: string[] = [];
    system.onNames('', ({ type, name }) => void heard.push(`${type} ${name}`));
    await system.spawn('/', named('a', 'prices'));
    await system.stopChild('/a');
    await settle();
    expect(history()).toEqual(['started /', 'started /a', 'stopped /a']);
    expect(heard).toEqual(['added prices', 'removed prices']);
  });
});

describe('a timer', () => {
  /** Does what it is told to its timers, and writes down what they bring. */
  function timed(log: string[]) {
    const acts: Record<string, (context: ActorContext<string>) => unknown> = {
      set: (context) => context.after(10, 'once', 'key'),
      replace: (context) => context.after(10, 'replaced', 'key'),
      cancel: (context) => context.cancel('key'),
      'set another': (context) => context.after(10, 'another', 'other key'),
      repeat: (context) => context.every(10, 'beat', 'key'),
    };
    const behavior = handler<string>((message, context) => {
      const act = acts[message];
      if (message === 'crash') throw new Error(message);
      if (act) act(context);
      else log.push(`${message} at ${context.clock.monotonicMs()}`);
    });
    return worker('a', behavior);
  }

  test('C82 of an old incarnation never reaches the next one, also when it has rung already', async () => {
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
    expect(running.deadLetters.map(({ reason }) => reason)).toEqual(['poison', 'outdated']);
  });

  test('C82 ends with its actor and leaves nothing on the clock', async () => {
    const log: string[] = [];
    const running = await startTestSystem([timed(log)]);
    const before = running.clock.pending;
    for (const message of ['set', 'set another', 'repeat']) running.ref<string>('/a').tell(message);
    await running.settle();
    expect(running.system.inspect('/a')[0]?.timers).toBe(2);
    await crash(running, '/a');
    expect([running.clock.pending, running.system.inspect('/a')[0]?.timers]).toEqual([before, 0]);
    await running.advance(100);
    expect(log).toEqual([]);
  });

  test.each([
    ['rings once', ['set'], ['once at 10']],
    ['rings each period', ['repeat'], ['beat at 10', 'beat at 20', 'beat at 30']],
    ['is replaced by one of the same key', ['set', 'replace'], ['replaced at 10']],
    ['is not replaced by one of another key', ['set', 'set another'], ['once at 10', 'another at 10']],
    ['is stopped by its key', ['set', 'cancel'], []],
    ['that repeats is stopped by its key', ['repeat', 'cancel'], []],
    ['may be canceled when there is none', ['cancel', 'set'], ['once at 10']],
  ])('C83 %s', async (_what, messages, heard) => {
    const log: string[] = [];
    const { ref, advance } = await startTestSystem([timed(log)]);
    for (const message of messages) ref<string>('/a').tell(message);
    for (let step = 0; step < 3; step++) await advance(10);
    expect(log).toEqual(heard);
  });

  test.each([
    ['canceled', 'cancel', []],
    ['replaced', 'replace', ['replaced at 20']],
  ])('C83 that is %s after it has rung takes back its message, which waits already', async (_how, act, heard) => {
    const log: string[] = [];
    const { system, ref, settle, advance } = await startTestSystem([timed(log)]);
    const request = { path: '/a', by: 'test', reason: 'a test' };
    ref<string>('/a').tell('set');
    await settle();
    await system.operate({ ...request, action: 'suspend' });
    ref<string>('/a').tell(act, { control: true });
    await advance(10);
    expect(system.inspect('/a')[0]?.mailbox.control).toBe(2);
    await system.operate({ ...request, action: 'resume' });
    await settle();
    await advance(10);
    expect(log).toEqual(heard);
  });

  test('C83 that was canceled by its handle does not stop the one that has its key now', async () => {
    const log: string[] = [];
    const behavior = handler<string>((message, context) => {
      if (message !== 'go') return void log.push(message);
      const first = context.after(10, 'first', 'key');
      context.after(10, 'second', 'key');
      first.cancel();
      context.after(10, 'third').cancel();
    });
    const { ref, advance } = await startTestSystem([worker('a', behavior)]);
    ref<string>('/a').tell('go');
    await advance(10);
    expect(log).toEqual(['second']);
  });

  test('C82 a full mailbox does not lose one that rings once, and lets one that repeats miss a beat', async () => {
    const hold = gate();
    const log: string[] = [];
    const behavior = {
      start: (context: ActorContext<string>) => {
        context.after(10, 'timer');
        context.every(10, 'beat');
      },
      receive: async (_state: void, message: string) => {
        log.push(message);
        await hold.promise;
      },
    };
    const mailbox = { capacity: 1, whenFull: 'reject' } as const;
    const { ref, settle, advance, deadLetters } = await startTestSystem([worker('a', behavior, { mailbox })]);
    ref<string>('/a').tell('first');
    await settle();
    ref<string>('/a').tell('second');
    await advance(10);
    hold.resolve();
    await settle();
    expect(log).toEqual(['first', 'timer', 'second']);
    expect(deadLetters.map(({ reason, message }) => [reason, message.shown])).toEqual([['full', 'beat']]);
  });
});
