import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ActorStopped } from '../../../runtime/errors.ts';
import { InvalidSpec, StartFailed } from '../../../runtime/spec.ts';
import { type ChildSpec, createSystem, type SupervisorSpec } from '../../../runtime/system.ts';
import { crash, decline, end, failToStart, inTurn, life, startWell, statuses, statusOf } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, startTestSystem, supervisor } from '../../support/test-system.ts';

trapRejections();

describe('start', () => {
  test('C1 an empty supervisor starts and stops', async () => {
    const { system, history } = await startTestSystem();
    await system.stop();
    expect(history()).toEqual(['started /', 'stopped /']);
  });

  test('C2 children start in the order of the list, each when the one before is up', async () => {
    const log: string[] = [];
    const start = async (): Promise<void> => {
      await Promise.resolve();
      log.push('up');
    };
    await startTestSystem([life('a', log, { start }), life('b', log, { start }), life('c', log, { start })]);
    expect(log).toEqual(['start a', 'up', 'start b', 'up', 'start c', 'up']);
  });

  test('C2 an on-demand child that is told something before its turn starts in its turn', async () => {
    const up = gate();
    const log: string[] = [];
    const system = createSystem({ name: 'start' });
    const started = system.start(
      supervisor('root', 'one-for-one', [
        life('slow', log, { start: () => up.promise }),
        life('asked', log, { onDemand: true }),
      ]),
    );
    await turn();
    expect(system.find<string>('/asked')?.tell('hello')).toBe('queued');
    await turn();
    expect(log).toEqual(['start slow']);
    up.resolve();
    await started;
    await system.idle();
    expect(log).toEqual(['start slow', 'start asked', 'asked got hello']);
    await system.stop();
  });

  test('C3 a third child that does not start has the first two stopped in reverse, and the start says which and why', async () => {
    const log: string[] = [];
    const children = [life('a', log), life('b', log), life('c', log, { start: failToStart }), life('d', log)];
    const failure = await startTestSystem(children).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StartFailed);
    expect(failure).toMatchObject({ path: '/c', cause: { message: 'cannot start' } });
    expect(log).toEqual(['start a', 'start b', 'start c', 'stop b shutdown', 'stop a shutdown']);
  });

  test('C3 a supervisor whose turn never came is stopped without a trace', async () => {
    const system = createSystem({ name: 'start' });
    const stopped: string[] = [];
    system.events.subscribe({ types: ['stopped'] }, ({ path }) => void stopped.push(path));
    const children = [life('a'), life('b', [], { start: failToStart }), supervisor('later', 'one-for-one', [])];
    await expect(system.start(supervisor('root', 'one-for-one', children))).rejects.toBeInstanceOf(StartFailed);
    expect(stopped).toEqual(['/b', '/a', '/']);
  });

  test('C4 a supervisor with a nonsensical spec is refused with a typed error and leaves nothing running', async () => {
    const log: string[] = [];
    const system = createSystem({ name: 'start' });
    const nonsense = supervisor('s', 'one-for-one', [], { periodMs: Number.NaN });
    await expect(system.start(supervisor('root', 'one-for-one', [life('a', log), nonsense]))).rejects.toBeInstanceOf(
      InvalidSpec,
    );
    expect([log, system.inspect()]).toEqual([[], []]);
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'root'],
    ['an object without anything', {}],
  ])('C4 %s instead of a spec is refused with a typed error, as a root and as a child', async (_name, nonsense) => {
    const log: string[] = [];
    const system = createSystem({ name: 'start' });
    await expect(system.start(nonsense as never)).rejects.toBeInstanceOf(InvalidSpec);
    const children = [life('a', log), nonsense as never];
    await expect(system.start(supervisor('root', 'one-for-one', children))).rejects.toBeInstanceOf(InvalidSpec);
    expect([log, system.inspect()]).toEqual([[], []]);
    await system.start(supervisor('root', 'one-for-one', []));
    await expect(system.spawn('/', nonsense as never)).rejects.toBeInstanceOf(InvalidSpec);
    await system.stop();
  });

  test('C4 a supervisor below the root that does not start leaves nothing running, wherever it fails', async () => {
    const log: string[] = [];
    const low = supervisor('low', 'one-for-one', [life('c', log), life('d', log, { start: failToStart })]);
    const failure = await startTestSystem([
      life('a', log),
      supervisor('mid', 'one-for-all', [life('b', log), low]),
    ]).catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: 'StartFailed', path: '/mid/low/d' });
    expect(log.slice(4)).toEqual(['stop c shutdown', 'stop b shutdown', 'stop a shutdown']);
  });

  test.each([
    ['permanent', 'one-for-one', { '/before': 'running', '/a': 'down', '/z': 'running' }],
    ['transient', 'one-for-one', { '/before': 'running', '/a': 'down', '/z': 'running' }],
    ['temporary', 'one-for-one', { '/before': 'running', '/z': 'running' }],
    ['permanent', 'dynamic', { '/before': 'running', '/z': 'running' }],
  ] as const)(
    'C5 a child may decline to start: a %s one of a %s supervisor leaves %o',
    async (restart, strategy, expected) => {
      const log: string[] = [];
      const running = await startTestSystem(
        supervisor('root', strategy, [life('before'), life('a', log, { restart, start: decline }), life('z')]),
      );
      expect(statuses(running.system)).toEqual(expected);
      await running.advance(10_000);
      expect(log).toEqual(['start a', 'stop a normal']);
      expect(running.history()).not.toContain('crashed /a');
      expect(running.system.inspect('/')[0]).toMatchObject({ restartsInWindow: 0 });
    },
  );

  test('C5 a child that has declined starts when it is told to by hand', async () => {
    const { system } = await startTestSystem([life('a', [], inTurn(decline))]);
    await system.restartChild('/a');
    expect(statusOf(system, '/a')).toBe('running');
  });

  test('C5 a child may decline to come back after a crash', async () => {
    const log: string[] = [];
    const running = await startTestSystem([life('a', log, inTurn(startWell, decline))]);
    await crash(running, '/a');
    expect(log).toEqual(['start a', 'stop a crash', 'start a', 'stop a normal']);
    expect(statusOf(running.system, '/a')).toBe('down');
  });

  test('C5 a child that declines may do so after a while, and has the next one wait', async () => {
    const log: string[] = [];
    const start = async (context: Parameters<typeof decline>[0]): Promise<void> => {
      decline(context);
      await turn();
      log.push('thought about it');
    };
    const { system } = await startTestSystem([life('a', log, { start }), life('b', log)]);
    expect(log).toEqual(['start a', 'thought about it', 'stop a normal', 'start b']);
    expect(statuses(system)).toEqual({ '/a': 'down', '/b': 'running' });
  });

  test('C6 a start by hand that fails says why and leaves the child down, without another attempt', async () => {
    const log: string[] = [];
    const running = await startTestSystem([life('a', log, inTurn(startWell, failToStart))]);
    const { system } = running;
    await system.terminateChild('/a');
    const failure = await system.restartChild('/a').catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StartFailed);
    expect(failure).toMatchObject({ path: '/a', cause: { message: 'cannot start' } });
    await running.advance(10_000);
    expect([log.slice(2), statusOf(system, '/a')]).toEqual([['start a'], 'down']);
    expect(system.inspect()[0]).toMatchObject({ restartsInWindow: 0 });
    await system.restartChild('/a');
    expect(statusOf(system, '/a')).toBe('running');
  });

  test('C7 a child is permanent, and has 5 seconds to stop, unless its spec says otherwise', async () => {
    const { system, ref, settle, advance, history } = await startTestSystem([life('a')]);
    ref<string>('/a').tell('crash');
    await settle();
    expect(statusOf(system, '/a')).toBe('running');
    ref<string>('/a').tell('hang');
    await settle();
    void system.stop();
    await advance(4_999);
    expect(history()).not.toContain('abandoned /a');
    await advance(1);
    expect(history()).toContain('abandoned /a');
  });

  test('C7 a supervisor is permanent, waits for ever for its children, and does not end by itself, unless its spec says otherwise', async () => {
    const hold = gate();
    const children = [
      life('slow', [], { shutdownMs: Infinity, stop: () => hold.promise }),
      life('a', [], { restart: 'transient' }),
    ];
    const running = await startTestSystem([supervisor('s', 'one-for-one', children, { intensity: 0 })]);
    await end(running, '/s/a');
    expect(statuses(running.system)).toEqual({ '/s': 'running', '/s/slow': 'running', '/s/a': 'down' });
    void running.system.stopChild('/s');
    await running.advance(365 * 86_400_000);
    expect(statusOf(running.system, '/s')).toBe('stopping');
    hold.resolve();
    const other = await startTestSystem([supervisor('s', 'one-for-one', [life('a')], { intensity: 0 })]);
    await crash(other, '/s/a');
    expect(other.system.inspect('/s')[0]).toMatchObject({ status: 'running', incarnation: 2 });
  });

  test('a system that was stopped before its start does not start', async () => {
    const system = createSystem({ name: 'start' });
    await system.stop();
    await expect(system.start(supervisor('root', 'one-for-one', []))).rejects.toBeInstanceOf(ActorStopped);
  });
});

describe('spec checks', () => {
  const { policy, ...bare } = supervisor('s', 'one-for-one', []);
  const spec = (fields: object): ChildSpec => ({ ...life('a'), ...fields }) as ChildSpec;
  const group = (fields: object): SupervisorSpec => ({ ...supervisor('s', 'one-for-one', []), ...fields });
  const limits = (fields: object): SupervisorSpec => group({ policy: { ...policy, ...fields } });
  const waits = (fields: object): SupervisorSpec => limits({ backoff: { ...policy.backoff, ...fields } });
  const mailbox = (fields: object): ChildSpec => spec({ mailbox: { capacity: 1, whenFull: 'reject', ...fields } });
  const transient = (fields: object): ChildSpec => spec({ restart: 'transient', ...fields });

  test.each<[string, unknown]>([
    ['C8 a missing id', spec({ id: undefined })],
    ['C8 an id that is no text', spec({ id: 7 })],
    ['C8 an empty id', spec({ id: '' })],
    ['C8 a missing behavior', spec({ behavior: undefined })],
    ['C8 a behavior without start', spec({ behavior: { receive() {} } })],
    ['C8 a behavior without receive', spec({ behavior: { start() {} } })],
    ['C8 an unknown restart type', spec({ restart: 'sometimes' })],
    ['C8 an unknown restart type of a supervisor', group({ restart: 'sometimes' })],
    ['C8 a negative shutdown', spec({ shutdownMs: -1 })],
    ['C8 a shutdown that is no number', spec({ shutdownMs: Number.NaN })],
    ['C8 a shutdown in words', spec({ shutdownMs: 'soon' })],
    ['C8 a negative shutdown of a supervisor', group({ shutdownMs: -1 })],
    ['C8 a mailbox without room', mailbox({ capacity: 0 })],
    ['C8 a mailbox with room for half a message', mailbox({ capacity: 1.5 })],
    ['C8 a mailbox without an end', mailbox({ capacity: Infinity })],
    ['C8 an unknown policy of a mailbox', mailbox({ whenFull: 'forget' })],
    ['C8 messages that are never worth handling', mailbox({ ttlMs: 0 })],
    ['C8 a stash below zero', spec({ stashCapacity: -1 })],
    ['C8 a stash without an end', spec({ stashCapacity: Infinity })],
    ['C8 no attempt', spec({ maxAttempts: 0 })],
    ['C8 an attempt and a half', spec({ maxAttempts: 1.5 })],
    ['C8 a handler without time', spec({ handlerTimeoutMs: 0 })],
    ['C8 a rest after no time', spec({ passivateAfterMs: 0 })],
    ['C8 a policy of a worker with a fault', spec({ policy: { ...policy, intensity: -1 } })],
    ['C8 an id that occurs twice', group({ children: [life('a'), life('a')] })],
    ['C8 missing children', group({ children: undefined })],
    ['C8 a front that is none of the children', group({ children: [life('a')], front: 'b' })],
    ['C8 an unknown route', group({ children: [life('a')], front: { route: 'at-random' } })],
    ['C9 an unknown strategy', group({ strategy: 'all-for-none' })],
    ['C9 a missing policy', bare],
    ['C9 a missing backoff', limits({ backoff: undefined })],
    ['C9 an intensity below zero', limits({ intensity: -1 })],
    ['C9 half an intensity', limits({ intensity: 0.5 })],
    ['C9 an intensity without an end', limits({ intensity: Infinity })],
    ['C9 a period of zero', limits({ periodMs: 0 })],
    ['C9 a period that is no number', limits({ periodMs: Number.NaN })],
    ['C9 a first wait below zero', waits({ firstMs: -1 })],
    ['C9 a longest wait below the first', waits({ firstMs: 2, maxMs: 1 })],
    ['C9 a jitter below zero', waits({ jitter: -0.1 })],
    ['C9 a jitter above one', waits({ jitter: 1.1 })],
    ['C10 an unknown auto-shutdown', group({ autoShutdown: 'sometimes' })],
    ['C10 a significant child without auto-shutdown', group({ children: [transient({ significant: true })] })],
    [
      'C10 a significant child that is permanent by default',
      group({ autoShutdown: 'any-significant', children: [spec({ significant: true })] }),
    ],
    [
      'C10 a significant supervisor that is permanent',
      group({ autoShutdown: 'all-significant', children: [group({ restart: 'permanent', significant: true })] }),
    ],
  ])('%s is refused before anything starts', async (_name, faulty) => {
    const log: string[] = [];
    const { system } = await startTestSystem();
    const tree = supervisor('tree', 'one-for-one', [life('first', log), faulty as ChildSpec]);
    await expect(system.spawn('/', tree)).rejects.toBeInstanceOf(InvalidSpec);
    await expect(system.spawn('/', faulty as ChildSpec)).rejects.toBeInstanceOf(InvalidSpec);
    expect([log, system.list('/')]).toEqual([[], []]);
  });

  test.each<[string, ChildSpec]>([
    ['C8 an id of any text', spec({ id: '/%. ü' })],
    ['C8 a restart type that is permanent', spec({ restart: 'permanent' })],
    ['C8 a restart type that is transient', spec({ restart: 'transient' })],
    ['C8 a restart type that is temporary', spec({ restart: 'temporary' })],
    ['C8 a shutdown at once', spec({ shutdownMs: 0 })],
    ['C8 a shutdown without a limit', spec({ shutdownMs: Infinity })],
    ['C8 a supervisor that stops at once', group({ shutdownMs: 0 })],
    ['C8 a mailbox for one message', mailbox({ capacity: 1 })],
    ['C8 messages worth handling for a moment', mailbox({ ttlMs: 0.001 })],
    ['C8 no stash', spec({ stashCapacity: 0 })],
    ['C8 one attempt', spec({ maxAttempts: 1 })],
    ['C8 a handler with a moment', spec({ handlerTimeoutMs: 0.001 })],
    ['C8 a handler without a limit', spec({ handlerTimeoutMs: Infinity })],
    ['C8 a rest after a moment', spec({ passivateAfterMs: 0.001 })],
    ['C8 a front that is a child', group({ children: [life('a')], front: 'a' })],
    ['C8 the same id below different supervisors', group({ children: [life('a'), group({ children: [life('a')] })] })],
    ['C9 an intensity of zero', limits({ intensity: 0 })],
    ['C9 a period of a moment', limits({ periodMs: 0.001 })],
    ['C9 a period without an end', limits({ periodMs: Infinity })],
    ['C9 a first wait of zero', waits({ firstMs: 0, maxMs: 0 })],
    ['C9 a longest wait that is the first', waits({ firstMs: 2, maxMs: 2 })],
    ['C9 a jitter of zero', waits({ jitter: 0 })],
    ['C9 a jitter of one', waits({ jitter: 1 })],
    [
      'C10 a significant transient child',
      group({ autoShutdown: 'any-significant', children: [transient({ significant: true })] }),
    ],
    [
      'C10 a significant temporary supervisor',
      group({ autoShutdown: 'all-significant', children: [group({ restart: 'temporary', significant: true })] }),
    ],
    [
      'C10 auto-shutdown without a significant child',
      group({ autoShutdown: 'any-significant', children: [life('a')] }),
    ],
    ['C8 a key that nobody knows', spec({ colour: 'blue' })],
  ])('%s is taken', async (_name, sound) => {
    const { system } = await startTestSystem([sound]);
    expect(Object.values(statuses(system)).filter((status) => status !== 'running')).toEqual([]);
    expect(system.list('/')).toHaveLength(1);
  });
});
