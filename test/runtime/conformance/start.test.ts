import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ActorStopped } from '../../../runtime/errors.ts';
import { DuplicateChild, InvalidSpec, NoSuchSupervisor, StartFailed } from '../../../runtime/spec.ts';
import { type ChildSpec, createSystem, type SupervisorSpec } from '../../../runtime/system.ts';
import { failToStart, life, statusOf } from '../../support/lives.ts';
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
    system.events.subscribe('lifecycle', ({ type, path }) => {
      if (type === 'stopped') stopped.push(path);
    });
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

  test('a system that was stopped before its start does not start', async () => {
    const system = createSystem({ name: 'start' });
    await system.stop();
    await expect(system.start(supervisor('root', 'one-for-one', []))).rejects.toBeInstanceOf(ActorStopped);
  });
});

describe('spec checks', () => {
  const spec = (fault: object): ChildSpec => ({ ...life('a'), ...fault }) as ChildSpec;
  const group = (fault: object): SupervisorSpec => ({ ...supervisor('s', 'one-for-one', []), ...fault });
  const policy = (fault: object): SupervisorSpec =>
    group({ policy: { ...supervisor('s', 'dynamic', []).policy, ...fault } });

  test.each([
    ['C8 an empty id', spec({ id: '' })],
    ['C8 an unknown restart type', spec({ restart: 'sometimes' })],
    ['C8 a negative shutdown', spec({ shutdownMs: -1 })],
    ['C8 a shutdown that is no number', spec({ shutdownMs: Number.NaN })],
    ['C8 a mailbox without room', spec({ mailbox: { capacity: 0, whenFull: 'reject' } })],
    ['C8 an id that occurs twice', group({ children: [life('a'), life('a')] })],
    ['C9 an unknown strategy', group({ strategy: 'all-for-none' })],
    ['C9 an intensity below zero', policy({ intensity: -1 })],
    ['C9 a period of zero', policy({ periodMs: 0 })],
    ['C9 a longest wait below the first', policy({ backoff: { firstMs: 2, maxMs: 1, jitter: 0 } })],
  ])('%s is refused before anything starts', async (_name, faulty) => {
    const log: string[] = [];
    const { system } = await startTestSystem();
    const tree = supervisor('tree', 'one-for-one', [life('first', log), faulty]);
    await expect(system.spawn('/', tree)).rejects.toBeInstanceOf(InvalidSpec);
    expect([log, system.list('/')]).toEqual([[], []]);
  });

  test('C8 a key that nobody knows is tolerated', async () => {
    const { system } = await startTestSystem([spec({ colour: 'blue' })]);
    expect(statusOf(system, '/a')).toBe('running');
  });
});

describe('administration', () => {
  test('C11 a child cannot be added twice, whether it runs or is dormant', async () => {
    const { system } = await startTestSystem([life('runs'), life('rests', [], { onDemand: true })]);
    for (const id of ['runs', 'rests']) {
      await expect(system.spawn('/', life(id))).rejects.toBeInstanceOf(DuplicateChild);
    }
  });

  test('C15 an unknown id is told apart everywhere', async () => {
    const { system } = await startTestSystem();
    await expect(system.spawn('/nobody', life('a'))).rejects.toBeInstanceOf(NoSuchSupervisor);
    await expect(system.stopChild('/nobody')).resolves.toBeUndefined();
    expect([system.find('/nobody'), system.inspectState('/nobody')]).toEqual([undefined, undefined]);
    expect([system.list('/nobody'), system.inspect('/nobody')]).toEqual([[], []]);
  });

  test('C16 the list of children is exact, with those that restart and those that are supervisors', async () => {
    const backoff = { firstMs: 50, maxMs: 50, jitter: 0 };
    const { system, ref, settle, advance } = await startTestSystem(
      supervisor('root', 'one-for-one', [life('a'), supervisor('s', 'dynamic', [life('b')]), life('c')], { backoff }),
    );
    ref<string>('/a').tell('crash');
    await settle();
    expect(system.list('/')).toEqual(['/a', '/s', '/c']);
    const seen = (): unknown[] => system.inspect().map(({ path, type, status }) => [path, type, status]);
    expect(seen()).toEqual([
      ['/', 'supervisor', 'running'],
      ['/a', 'worker', 'restarting'],
      ['/s', 'supervisor', 'running'],
      ['/s/b', 'worker', 'running'],
      ['/c', 'worker', 'running'],
    ]);
    await advance(50);
    expect(statusOf(system, '/a')).toBe('running');
  });
});
