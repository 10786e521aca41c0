import { describe, expect, test } from 'vitest';
import {
  ChildRunning,
  DuplicateChild,
  DynamicChild,
  InvalidSpec,
  NoSuchActor,
  NoSuchSupervisor,
  StartFailed,
} from '../../../runtime/spec.ts';
import {
  crash,
  end,
  failToStart,
  incarnations,
  inTurn,
  life,
  startWell,
  statuses,
  statusOf,
} from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { gate, startTestSystem, supervisor } from '../../support/test-system.ts';

trapRejections();

const backoff = { firstMs: 50, maxMs: 50, jitter: 0 };

describe('administration', () => {
  test('C11 a child cannot be added twice, whether it runs, restarts, is dormant or is down: the error says which', async () => {
    const children = ['runs', 'restarts', 'ended'].map((id) => life(id, [], { restart: 'transient' }));
    const running = await startTestSystem(
      supervisor('root', 'one-for-one', [...children, life('rests', [], { onDemand: true })], { backoff }),
    );
    await crash(running, '/restarts');
    await end(running, '/ended');
    const log: string[] = [];
    for (const [id, status] of Object.entries({
      ...{ runs: 'running', restarts: 'restarting', ended: 'down', rests: 'dormant' },
    })) {
      const failure = await running.system.spawn('/', life(id, log)).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(DuplicateChild);
      expect(failure).toMatchObject({ status });
    }
    expect(log).toEqual([]);
  });

  test('C12 a child that is terminated is down and stays down, with its spec and its place', async () => {
    const log: string[] = [];
    const running = await startTestSystem(['a', 'b', 'c'].map((id) => life(id, log)));
    const { system, ref } = running;
    const before = ref<string>('/b');
    await system.terminateChild('/b');
    await system.terminateChild('/b');
    await crash(running, '/a');
    await running.advance(10_000);
    expect(statuses(system)).toEqual({ '/a': 'running', '/b': 'down', '/c': 'running' });
    expect(before.tell('hello')).toBe('stopped');
    expect(system.inspect()[0]).toMatchObject({ restartsInWindow: 0 });
    await system.restartChild('/b');
    expect(system.list('/')).toEqual(['/a', '/b', '/c']);
    expect([before.tell('hello'), incarnations(system)]).toEqual(['queued', { a: 2, b: 2, c: 1 }]);
    expect(log.filter((line) => line.includes(' b'))).toEqual(['start b', 'stop b shutdown', 'start b']);
  });

  test('C12 a supervisor that is terminated is down with all below it, and comes back with all below it', async () => {
    const log: string[] = [];
    const { system } = await startTestSystem([supervisor('s', 'one-for-one', [life('a', log), life('b', log)])]);
    await system.terminateChild('/s');
    expect(statuses(system)).toEqual({ '/s': 'down', '/s/a': 'down', '/s/b': 'down' });
    await expect(system.restartChild('/s/a')).rejects.toBeInstanceOf(Error);
    expect(statuses(system)).toEqual({ '/s': 'down', '/s/a': 'down', '/s/b': 'down' });
    await system.restartChild('/s');
    expect(statuses(system)).toEqual({ '/s': 'running', '/s/a': 'running', '/s/b': 'running' });
    expect(log).toEqual(['start a', 'start b', 'stop b shutdown', 'stop a shutdown', 'start a', 'start b']);
  });

  test('C12 a temporary child that is terminated is forgotten', async () => {
    const { system } = await startTestSystem([life('a', [], { restart: 'temporary' })]);
    await system.terminateChild('/a');
    expect(system.list('/')).toEqual([]);
    await expect(system.restartChild('/a')).rejects.toBeInstanceOf(NoSuchActor);
  });

  test('C12 a child that waits for its restart is down for good once it is terminated', async () => {
    const log: string[] = [];
    const running = await startTestSystem(supervisor('root', 'one-for-one', [life('a', log)], { backoff }));
    await crash(running, '/a');
    await running.system.terminateChild('/a');
    await running.advance(10_000);
    expect([log, statusOf(running.system, '/a')]).toEqual([['start a', 'stop a crash'], 'down']);
  });

  test.each([
    ['C13 restarted', 'restartChild'],
    ['C14 deleted', 'deleteChild'],
  ] as const)(
    '%s is only what is down: not what runs, starts, waits for its restart, or stops',
    async (_name, call) => {
      const up = gate();
      const hold = gate();
      const children = [life('runs'), life('waits'), life('stops', [], { stop: () => hold.promise })];
      const running = await startTestSystem(supervisor('root', 'one-for-one', children, { backoff }));
      const { system, settle } = running;
      const starting = system.spawn('/', life('starts', [], { start: () => up.promise }));
      await crash(running, '/waits');
      const stopping = system.terminateChild('/stops');
      await settle();
      const before = statuses(system);
      expect(before).toEqual({
        '/runs': 'running',
        '/waits': 'restarting',
        '/stops': 'stopping',
        '/starts': 'starting',
      });
      for (const [path, status] of Object.entries(before)) {
        const failure = await system[call](path).catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(ChildRunning);
        expect(String(failure)).toContain(status);
      }
      expect(statuses(system)).toEqual(before);
      up.resolve();
      hold.resolve();
      await Promise.all([starting, stopping]);
      expect(incarnations(system)).toMatchObject({ runs: 1, starts: 1 });
    },
  );

  test('C14 a child that is down can be deleted, and its id is free', async () => {
    const log: string[] = [];
    const { system, ref } = await startTestSystem([life('a', log), life('b')]);
    const before = ref<string>('/a');
    await system.terminateChild('/a');
    await system.deleteChild('/a');
    expect([system.list('/'), system.find('/a')]).toEqual([['/b'], undefined]);
    await system.spawn('/', life('a'));
    expect([system.list('/'), incarnations(system), before.tell('hello')]).toEqual([
      ['/b', '/a'],
      { b: 1, a: 1 },
      'stopped',
    ]);
  });

  test('C14 nothing is left below a supervisor that is deleted', async () => {
    const { system } = await startTestSystem([supervisor('s', 'one-for-one', [life('a')])]);
    await system.terminateChild('/s');
    await system.deleteChild('/s');
    expect([system.find('/s/a'), system.inspect()]).toMatchObject([undefined, [{ path: '/' }]]);
  });

  test('C15 an unknown id is told apart everywhere', async () => {
    const { system } = await startTestSystem([life('worker')]);
    for (const path of ['/nobody', '/nobody/below', '/worker/below', '']) {
      await expect(system.terminateChild(path)).rejects.toBeInstanceOf(NoSuchActor);
      await expect(system.restartChild(path)).rejects.toBeInstanceOf(NoSuchActor);
      await expect(system.deleteChild(path)).rejects.toBeInstanceOf(NoSuchActor);
      await expect(system.spawn(path, life('a'))).rejects.toBeInstanceOf(NoSuchSupervisor);
      await expect(system.updateSpec(path, supervisor('s', 'dynamic', []))).rejects.toBeInstanceOf(NoSuchSupervisor);
      await expect(system.stopChild(path)).resolves.toBeUndefined();
      expect([system.find(path), system.inspectActor(path)]).toEqual([undefined, undefined]);
      expect([system.list(path), system.inspect(path)]).toEqual([[], []]);
    }
    await expect(system.spawn('/worker', life('a'))).rejects.toBeInstanceOf(NoSuchSupervisor);
    expect(statuses(system)).toEqual({ '/worker': 'running' });
  });

  test('C16 the list of children is exact, with those that restart, are down, or are supervisors', async () => {
    const running = await startTestSystem(
      supervisor(
        'root',
        'one-for-one',
        [life('a'), supervisor('s', 'dynamic', [life('b')]), life('c'), life('d', [], { onDemand: true })],
        { backoff },
      ),
    );
    const { system, advance } = running;
    await crash(running, '/a');
    await system.terminateChild('/c');
    expect(system.list('/')).toEqual(['/a', '/s', '/c', '/d']);
    expect(system.inspect().map(({ path, type, status }) => [path, type, status])).toEqual([
      ['/', 'supervisor', 'running'],
      ['/a', 'worker', 'restarting'],
      ['/s', 'supervisor', 'running'],
      ['/s/b', 'worker', 'running'],
      ['/c', 'worker', 'down'],
      ['/d', 'worker', 'dormant'],
    ]);
    await advance(50);
    expect(statusOf(system, '/a')).toBe('running');
  });

  test('C17 the children of a dynamic supervisor are spawned and terminated, and whatever else is wanted of them is refused', async () => {
    const { system } = await startTestSystem([supervisor('s', 'dynamic', [])]);
    await system.spawn('/s', life('a'));
    await expect(system.restartChild('/s/a')).rejects.toBeInstanceOf(ChildRunning);
    await expect(system.deleteChild('/s/a')).rejects.toBeInstanceOf(DynamicChild);
    await expect(system.spawn('/s', life('a'))).rejects.toBeInstanceOf(DuplicateChild);
    expect(statuses(system)).toEqual({ '/s': 'running', '/s/a': 'running' });
    await system.terminateChild('/s/a');
    expect(system.list('/s')).toEqual([]);
    await system.spawn('/s', life('a'));
    expect(statuses(system)).toEqual({ '/s': 'running', '/s/a': 'running' });
  });

  test('C17 a child of a dynamic supervisor that has ended is forgotten, whatever its restart type', async () => {
    const running = await startTestSystem([
      supervisor('s', 'dynamic', [life('a', [], { restart: 'transient' }), life('b', [], { restart: 'temporary' })]),
    ]);
    await end(running, '/s/a');
    await end(running, '/s/b');
    expect(running.system.list('/s')).toEqual([]);
  });
});

describe('C64 another spec at run time', () => {
  test('C64 keeps running whom it names, stops the rest in reverse, starts the new ones in order, and stands in its order', async () => {
    const log: string[] = [];
    const running = await startTestSystem(['a', 'b', 'c', 'd'].map((id) => life(id, log)));
    log.length = 0;
    const next = ['x', 'd', 'a', 'y'].map((id) => life(id, log));
    await running.system.updateSpec('/', supervisor('root', 'rest-for-one', next));
    expect(log).toEqual(['stop c shutdown', 'stop b shutdown', 'start x', 'start y']);
    expect(running.system.list('/')).toEqual(['/x', '/d', '/a', '/y']);
    expect(incarnations(running.system)).toEqual({ x: 1, d: 1, a: 1, y: 1 });
    log.length = 0;
    await crash(running, '/d');
    expect(log).toEqual(['stop d crash', 'stop y shutdown', 'stop a shutdown', 'start d', 'start a', 'start y']);
  });

  test('C64 has those that run take their new spec at their next start', async () => {
    const [before, after]: [string[], string[]] = [[], []];
    const running = await startTestSystem([life('a', before)]);
    await running.system.updateSpec(
      '/',
      supervisor('root', 'one-for-one', [life('a', after, { restart: 'temporary' })]),
    );
    expect([before, after]).toEqual([['start a'], []]);
    await crash(running, '/a');
    expect(running.system.list('/')).toEqual([]);
  });

  test('C64 keeps who is down down', async () => {
    const log: string[] = [];
    const { system } = await startTestSystem([life('a', log), life('b', log)]);
    await system.terminateChild('/a');
    log.length = 0;
    await system.updateSpec('/', supervisor('root', 'one-for-one', [life('b', log), life('a', log)]));
    expect([log, statuses(system)]).toEqual([[], { '/b': 'running', '/a': 'down' }]);
  });

  test('C64 reaches below, and puts a new one where the kind has changed', async () => {
    const log: string[] = [];
    const inner = (...ids: string[]) =>
      supervisor(
        's',
        'one-for-one',
        ids.map((id) => life(id, log)),
      );
    const { system } = await startTestSystem([inner('a', 'b'), life('t', log)]);
    log.length = 0;
    await system.updateSpec('/', supervisor('root', 'one-for-one', [inner('b', 'c'), supervisor('t', 'dynamic', [])]));
    expect(log).toEqual(['stop t shutdown', 'stop a shutdown', 'start c']);
    expect(statuses(system)).toEqual({ '/s': 'running', '/s/b': 'running', '/s/c': 'running', '/t': 'running' });
  });

  test('C64 changes its budget at once', async () => {
    const running = await startTestSystem([supervisor('s', 'one-for-one', [life('a')], { intensity: 5 })]);
    await running.system.updateSpec('/s', supervisor('s', 'one-for-one', [life('a')], { intensity: 1 }));
    await crash(running, '/s/a', 2);
    expect(running.history()).toContain('gave-up /s');
  });

  test('C64 changes nothing when it is faulty, or for another supervisor', async () => {
    const log: string[] = [];
    const { system } = await startTestSystem([supervisor('s', 'one-for-one', [life('a', log)])]);
    const faulty = supervisor('s', 'one-for-one', [life('b', log), life('b', log)]);
    await expect(system.updateSpec('/s', faulty)).rejects.toBeInstanceOf(InvalidSpec);
    await expect(system.updateSpec('/s', supervisor('t', 'one-for-one', []))).rejects.toBeInstanceOf(InvalidSpec);
    await expect(system.updateSpec('/s/a', supervisor('a', 'one-for-one', []))).rejects.toBeInstanceOf(
      NoSuchSupervisor,
    );
    expect([log, system.list('/s')]).toEqual([['start a'], ['/s/a']]);
  });

  test('C64 with a child that does not start leaves the others in its order, and the failed one out', async () => {
    const log: string[] = [];
    const running = await startTestSystem(supervisor('root', 'rest-for-one', [life('a', log), life('b', log)]));
    log.length = 0;
    const children = [life('a', log), life('x', log, inTurn(failToStart)), life('b', log), life('y', log)];
    const failure = running.system.updateSpec('/', supervisor('root', 'rest-for-one', children));
    await expect(failure).rejects.toBeInstanceOf(StartFailed);
    expect(running.system.list('/')).toEqual(['/a', '/b']);
    expect(log).toEqual(['start x']);
    await running.system.updateSpec('/', supervisor('root', 'rest-for-one', children));
    expect([running.system.list('/'), log.slice(1)]).toEqual([
      ['/a', '/x', '/b', '/y'],
      ['start x', 'start y'],
    ]);
  });

  test('C64 finds a restart that waits where it was, and lets it go on', async () => {
    const log: string[] = [];
    const children = () => [life('a', log, inTurn(startWell)), life('b', log)];
    const running = await startTestSystem(supervisor('root', 'one-for-all', children(), { backoff }));
    await crash(running, '/a');
    log.length = 0;
    await running.system.updateSpec('/', supervisor('root', 'one-for-all', children(), { backoff }));
    expect(statuses(running.system)).toEqual({ '/a': 'restarting', '/b': 'restarting' });
    await running.advance(50);
    expect([log, statuses(running.system)]).toEqual([['start a', 'start b'], { '/a': 'running', '/b': 'running' }]);
  });
});
