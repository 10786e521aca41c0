import { describe, expect, test } from 'vitest';
import { createSystem, type OperatorRequest } from '../../runtime/system.ts';
import { crash, failToStart, inTurn, life, startWell, statuses, statusOf, watched } from '../support/lives.ts';
import { trapRejections } from '../support/rejections.ts';
import { gate, settle, startTestSystem, supervisor, type TestSystem } from '../support/test-system.ts';

trapRejections();

const inASecond = { intensity: 3, periodMs: 60_000, backoff: { firstMs: 1_000, maxMs: 1_000, jitter: 0 } };

function order(action: OperatorRequest['action'], path: string): OperatorRequest {
  return { action, path, by: 'olga', reason: 'a test' };
}

const gaveUp = ({ history }: TestSystem): string[] => history().filter((event) => event.startsWith('gave-up'));

describe('a new spec', () => {
  test('keeps a child that is spawned while it stops another: whoever runs is stopped with the supervisor', async () => {
    const log: string[] = [];
    const hold = gate();
    const running = await startTestSystem([
      supervisor('s', 'one-for-one', [life('a', log, { stop: () => hold.promise })]),
    ]);
    const updated = running.system.updateSpec('/s', supervisor('s', 'one-for-one', []));
    await running.settle();
    await running.system.spawn('/s', life('x', log));
    hold.resolve();
    await updated;
    expect(statuses(running.system)).toEqual({ '/s': 'running', '/s/x': 'running' });
    await running.system.stop();
    expect(log).toEqual(['start a', 'stop a shutdown', 'start x', 'stop x shutdown']);
  });

  test('waits for the one before: of two at once the second holds, and nothing of the first is left', async () => {
    const log: string[] = [];
    const hold = gate();
    const { system, settle: rest } = await startTestSystem([
      supervisor('s', 'one-for-one', [life('a', log, { stop: () => hold.promise })]),
    ]);
    const updates = ['x', 'y'].map((id) => system.updateSpec('/s', supervisor('s', 'one-for-one', [life(id, log)])));
    await rest();
    hold.resolve();
    await Promise.all(updates);
    expect(statuses(system)).toEqual({ '/s': 'running', '/s/y': 'running' });
    expect([statusOf(system, '/s/x'), log.at(-2)]).toEqual([undefined, 'stop x shutdown']);
  });

  test('leaves nobody behind when its supervisor is stopped meanwhile', async () => {
    const log: string[] = [];
    const hold = gate();
    const { system, settle: rest } = await startTestSystem([
      supervisor('s', 'one-for-one', [life('a', log, { stop: () => hold.promise })]),
    ]);
    const updates = ['x', 'y'].map((id) => system.updateSpec('/s', supervisor('s', 'one-for-one', [life(id, log)])));
    const outcomes = Promise.allSettled(updates);
    const stopped = system.stopChild('/s');
    await rest();
    hold.resolve();
    await stopped;
    await system.spawn('/', supervisor('s', 'one-for-one', [life('a', log)]));
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(statuses(system)).toEqual({ '/s': 'running', '/s/a': 'running' });
    expect([system.find('/s/x'), system.find('/s/y')]).toEqual([undefined, undefined]);
    expect(log).toEqual(['start a', 'stop a shutdown', 'start a']);
  });

  test('is carried out for the rest when a child below does not start, and says so at the end', async () => {
    const { system } = await startTestSystem([
      supervisor('s', 'one-for-one', [life('x'), supervisor('n', 'one-for-one', [])]),
    ]);
    const below = supervisor('n', 'one-for-one', [life('bad', [], { start: failToStart })]);
    const updated = system.updateSpec('/s', supervisor('s', 'one-for-one', [below, life('z')]));
    await expect(updated).rejects.toThrow('actor /s/n/bad did not start');
    expect(statuses(system)).toEqual({ '/s': 'running', '/s/n': 'running', '/s/z': 'running' });
  });

  test('makes a supervisor a pool, and changes the routing under a ref that is held', async () => {
    const got: string[] = [];
    const workers = ['a', 'b'].map((id) => life(id, got));
    const { system, settle: rest } = await startTestSystem([supervisor('s', 'one-for-one', workers)]);
    const become = (front: object): Promise<void> =>
      system.updateSpec('/s', { ...supervisor('s', 'one-for-one', workers), ...front });
    expect(system.find('/s')).toBeUndefined();
    await become({ front: { route: 'round-robin' } });
    const ref = system.find<string>('/s');
    await become({ front: { route: 'consistent-hash', keyOf: () => 'always' } });
    for (let message = 0; message < 4; message++) ref?.tell('hello');
    await rest();
    expect(new Set(got.slice(2)).size).toBe(1);
    await become({});
    expect(system.find('/s')).toBeUndefined();
  });

  test('says from the next start on how long an actor may be idle', async () => {
    const spec = (passivateAfterMs: number) => supervisor('s', 'one-for-one', [life('a', [], { passivateAfterMs })]);
    const { system, advance } = await startTestSystem([spec(100)]);
    await system.updateSpec('/s', spec(100_000));
    await system.operate(order('restart', '/s/a'));
    for (let times = 0; times < 5; times++) await advance(100);
    expect(statusOf(system, '/s/a')).toBe('running');
  });
});

describe('a restart by an operator', () => {
  test('of a temporary actor that does not start again brings back the others of its group', async () => {
    const a = life('a', [], { ...inTurn(startWell, failToStart), restart: 'temporary' });
    const { system, settle: rest } = await startTestSystem([supervisor('s', 'rest-for-one', [a, life('b')])]);
    await system.operate(order('restart', '/s/a'));
    await rest();
    expect(statuses(system)).toEqual({ '/s': 'running', '/s/b': 'running' });
  });

  test('does not lose sight of another actor whose start, under way, fails then', async () => {
    const hold = gate();
    const b = life(
      'b',
      [],
      inTurn(startWell, () => hold.promise, startWell),
    );
    const { system, settle: rest } = await startTestSystem([supervisor('s', 'rest-for-one', [b, life('c')])]);
    for (const path of ['/s/b', '/s/c']) {
      await system.operate(order('restart', path));
      await rest();
    }
    hold.reject(new Error('cannot start'));
    await rest();
    expect(statuses(system)).toEqual({ '/s': 'running', '/s/b': 'running', '/s/c': 'running' });
  });

  test('takes the place of the one that waits for its backoff', async () => {
    const running = await startTestSystem([supervisor('s', 'one-for-one', [life('a'), life('b')], inASecond)]);
    await crash(running, '/s/a');
    await running.system.operate(order('restart', '/s/a'));
    await running.settle();
    expect(statusOf(running.system, '/s/a')).toBe('running');
    for (let times = 0; times < 6; times++) await running.advance(1_000);
    expect([gaveUp(running), statusOf(running.system, '/s/a')]).toEqual([[], 'running']);
  });

  test('and by a group leave one restart of an actor that waited for its own', async () => {
    const running = await startTestSystem([supervisor('s', 'one-for-one', [life('a'), life('b')], inASecond)]);
    await crash(running, '/s/a');
    const backoff = { firstMs: 100, maxMs: 100, jitter: 0 };
    const children = [life('a'), life('b')];
    await running.system.updateSpec('/s', supervisor('s', 'one-for-all', children, { ...inASecond, backoff }));
    await crash(running, '/s/b');
    for (let times = 0; times < 20; times++) await running.advance(100);
    expect(running.history().filter((event) => event === 'restarted /s/a')).toHaveLength(1);
    expect(gaveUp(running)).toEqual([]);
  });

  test('is refused while the supervisor starts, which goes on', async () => {
    const hold = gate();
    const { system, settle: rest } = await startTestSystem();
    const children = [life('a'), life('b', [], { start: () => hold.promise }), life('c')];
    const spawned = watched(system.spawn('/', supervisor('s', 'one-for-one', children)));
    await rest();
    const refused = { type: 'refused', code: 'NOT_RUNNING' };
    expect(await system.operate(order('restart', '/s/a'))).toMatchObject(refused);
    expect(await system.operate({ ...order('restart', '/s/a'), dryRun: true })).toMatchObject(refused);
    hold.resolve();
    await rest();
    expect(spawned).toEqual({ done: true });
    const running = Object.fromEntries(['/s', '/s/a', '/s/b', '/s/c'].map((path) => [path, 'running']));
    expect(statuses(system)).toEqual(running);
  });

  test('is refused while the system starts, which goes on', async () => {
    const hold = gate();
    const system = createSystem({ name: 'starting' });
    const children = [life('a'), life('b', [], { start: () => hold.promise }), life('c')];
    const started = watched(system.start(supervisor('root', 'one-for-one', children)));
    await settle();
    const result = await system.operate(order('restart', '/a'));
    hold.resolve();
    await settle();
    expect([result.type, started, statusOf(system, '/c')]).toEqual(['refused', { done: true }, 'running']);
    await system.stop();
  });

  test('is refused below a supervisor that is down: nothing would be done', async () => {
    const tree = supervisor('s', 'one-for-one', [life('a')], { intensity: 0 });
    const running = await startTestSystem(supervisor('root', 'one-for-one', [tree], inASecond));
    await crash(running, '/s/a');
    const result = await running.system.operate(order('restart', '/s/a'));
    expect(result).toMatchObject({ type: 'refused', code: 'NOT_RUNNING' });
    await running.advance(1_000);
    expect(statusOf(running.system, '/s/a')).toBe('running');
  });

  test('is refused for an actor that is being taken down, which stays down', async () => {
    const hold = gate();
    const { system, settle: rest } = await startTestSystem([life('a', [], { stop: () => hold.promise })]);
    const down = system.terminateChild('/a');
    await rest();
    expect(await system.operate(order('restart', '/a'))).toMatchObject({ type: 'refused', code: 'NOT_RUNNING' });
    hold.resolve();
    await down;
    await rest();
    expect(statusOf(system, '/a')).toBe('down');
  });

  test('does not wait for another, below one-for-one, that stops slowly', async () => {
    const hold = gate();
    const running = await startTestSystem([life('a', [], { stop: () => hold.promise }), life('b')]);
    const slow = watched(running.system.operate(order('restart', '/a')));
    await running.settle();
    await running.system.operate(order('restart', '/b'));
    await running.settle();
    expect([slow.done, statusOf(running.system, '/b')]).toEqual([false, 'running']);
    hold.resolve();
    await running.settle();
    expect(running.history().slice(-2)).toEqual(['restarted /b', 'restarted /a']);
  });

  test('is given up for a stop that overtakes it', async () => {
    const hold = gate();
    const running = await startTestSystem([life('a', [], { stop: () => hold.promise })]);
    const restarted = watched(running.system.operate(order('restart', '/a')));
    await running.settle();
    const down = watched(running.system.terminateChild('/a'));
    hold.resolve();
    await running.settle();
    expect([restarted.done, down.done, statusOf(running.system, '/a')]).toEqual([true, true, 'down']);
  });

  test('that fails to start costs as much as a crash, and is tried again', async () => {
    const start = inTurn(startWell, failToStart, startWell);
    const running = await startTestSystem([supervisor('s', 'one-for-one', [life('a', [], start)], inASecond)]);
    await running.system.operate(order('restart', '/s/a'));
    await running.settle();
    expect(statusOf(running.system, '/s/a')).toBe('restarting');
    await running.advance(1_000);
    expect([gaveUp(running), statusOf(running.system, '/s/a')]).toEqual([[], 'running']);
  });

  test('does not wait for the backoff of those alone that it restarts', async () => {
    const running = await startTestSystem([supervisor('s', 'rest-for-one', [life('a'), life('b')], inASecond)]);
    await crash(running, '/s/a');
    await running.system.operate(order('restart', '/s/a'));
    await running.settle();
    expect(statuses(running.system)).toMatchObject({ '/s/a': 'running', '/s/b': 'running' });
    await running.advance(1_000);
    expect(running.history().filter((event) => event.startsWith('restarted'))).toHaveLength(2);
  });

  test('does not cut short the backoff of others that it joins', async () => {
    const running = await startTestSystem([supervisor('s', 'rest-for-one', [life('a'), life('b')], inASecond)]);
    await crash(running, '/s/a');
    await running.system.operate(order('restart', '/s/b'));
    await running.advance(999);
    expect(statuses(running.system)).toMatchObject({ '/s/a': 'restarting', '/s/b': 'restarting' });
    await running.advance(1);
    expect(statuses(running.system)).toMatchObject({ '/s/a': 'running', '/s/b': 'running' });
  });
});

test('an actor that is started by hand while its group is taken down runs on', async () => {
  const hold = gate();
  const children = [life('a'), life('b', [], { stop: () => hold.promise }), life('c')];
  const running = await startTestSystem([supervisor('s', 'one-for-all', children)]);
  await running.system.terminateChild('/s/a');
  await crash(running, '/s/c');
  await running.system.restartChild('/s/a');
  hold.resolve();
  await running.settle();
  expect(statuses(running.system)).toMatchObject({ '/s/a': 'running', '/s/b': 'running', '/s/c': 'running' });
});

describe('a crash during the start of the supervisor', () => {
  async function crashWhileStarting() {
    const hold = gate();
    const running = await startTestSystem();
    const children = [life('a'), life('b', [], { start: () => hold.promise })];
    const spawned = watched(running.system.spawn('/', supervisor('s', 'one-for-one', children, inASecond)));
    await running.settle();
    await crash(running, '/s/a');
    return { running, hold, spawned };
  }

  test('is dealt with after it', async () => {
    const { running, hold, spawned } = await crashWhileStarting();
    hold.resolve();
    await running.advance(1_000);
    expect([spawned, statusOf(running.system, '/s/a')]).toEqual([{ done: true }, 'running']);
  });

  test('is forgotten when the actor has been terminated since: it stays down', async () => {
    const { running, hold } = await crashWhileStarting();
    await running.system.terminateChild('/s/a');
    hold.resolve();
    await running.advance(1_000);
    expect(statusOf(running.system, '/s/a')).toBe('down');
  });

  test('is forgotten when the actor has been started again since: it is not started twice', async () => {
    const { running, hold } = await crashWhileStarting();
    await running.system.terminateChild('/s/a');
    await running.system.restartChild('/s/a');
    hold.resolve();
    for (let times = 0; times < 6; times++) await running.advance(1_000);
    expect([gaveUp(running), statusOf(running.system, '/s/a')]).toEqual([[], 'running']);
    expect(running.history().filter((event) => event === 'restarted /s/a')).toHaveLength(1);
  });
});
