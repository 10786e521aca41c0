import { expect, test } from 'vitest';
import { database, type DatabaseMessage } from '../../actors/database.ts';
import { VirtualClock } from '../../runtime/clock.ts';
import { Readiness } from '../../runtime/readiness.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import { gate, startTestSystem, worker, type TestSystem } from '../support/test-system.ts';

class Fatal extends Error {}

interface Rig {
  readonly test: TestSystem;
  readonly ref: ActorRef<DatabaseMessage>;
  readonly readiness: Readiness;
  readonly calls: string[];
  /** How the next runs of a step, or pings, fail. */
  readonly failures: { connect: Error[]; migrate: Error[]; ping: Error[] };
  readonly fatal: unknown[];
  holdConnect: Promise<void> | undefined;
}

async function start(prepare: (rig: Rig) => void = () => {}): Promise<Rig> {
  const readiness = new Readiness(new VirtualClock(), ['database']);
  const rig = {
    ...{ readiness, calls: [], fatal: [], holdConnect: undefined },
    failures: { connect: [], migrate: [], ping: [] },
  } as unknown as Rig;
  prepare(rig);
  const call = (name: keyof Rig['failures']) => async (): Promise<void> => {
    rig.calls.push(name);
    if (name === 'connect') await rig.holdConnect;
    const failure = rig.failures[name].shift();
    if (failure) throw failure;
  };
  const behavior = database({
    readiness,
    steps: [
      { doing: 'connecting to the database', run: call('connect') },
      { doing: 'applying migrations', run: call('migrate') },
    ],
    ping: call('ping'),
    isFatal: (error) => error instanceof Fatal,
    onFatal: (error) => void rig.fatal.push(error),
    ...{ pingMs: 1_000, retry: { firstMs: 100, maxMs: 300 } },
  });
  const system = await startTestSystem([worker('database', behavior)]);
  return Object.assign(rig, { test: system, ref: system.ref<DatabaseMessage>('/database') });
}

const state = (rig: Rig) => rig.readiness.components.get('database');

test('the steps run in order, and the database is ready once it has answered', async () => {
  const rig = await start();
  await rig.test.settle();
  expect(rig.calls).toEqual(['connect', 'migrate', 'ping']);
  expect(state(rig)).toMatchObject({ state: 'ready' });
  expect(rig.test.system.inspectActor('/database')?.state).toEqual({ doing: 'serving', failures: 0 });
});

test('while a step runs the reason says which', async () => {
  const held = gate();
  const rig = await start((one) => void (one.holdConnect = held.promise));
  await rig.test.settle();
  expect(state(rig)).toMatchObject({ state: 'starting', reason: 'connecting to the database' });
  held.resolve();
  await rig.test.settle();
  expect(rig.readiness.isReady).toBe(true);
});

test('a step that fails is tried again, after pauses that double up to their bound, and those before it are not', async () => {
  const rig = await start((one) => one.failures.migrate.push(...[1, 2, 3, 4].map((n) => new Error(`failure ${n}`))));
  await rig.test.settle();
  expect(state(rig)).toMatchObject({ state: 'down', reason: 'applying migrations: failure 1' });
  for (const [n, pauseMs] of [100, 200, 300].entries()) {
    await rig.test.advance(pauseMs - 1);
    expect(rig.calls).toHaveLength(n + 2);
    await rig.test.advance(1);
    expect(rig.calls).toHaveLength(n + 3);
    expect(state(rig)).toMatchObject({ state: 'down', reason: `applying migrations: failure ${n + 2}` });
  }
  await rig.test.advance(300);
  expect(rig.readiness.isReady).toBe(true);
  expect(rig.calls.filter((name) => name === 'connect')).toHaveLength(1);
});

test('a failure that no retry can mend is told', async () => {
  const fault = new Fatal('migration 1 has changed');
  const rig = await start((one) => one.failures.migrate.push(fault));
  await rig.test.settle();
  expect(rig.fatal).toEqual([fault]);
  expect(state(rig)).toMatchObject({ state: 'down' });
});

test('a database that stops answering is down until it answers again, and its steps are not repeated', async () => {
  const rig = await start();
  await rig.test.settle();
  rig.failures.ping.push(new Error('gone'), new Error('gone'));
  await rig.test.advance(1_000);
  expect(state(rig)).toMatchObject({ state: 'down', reason: 'the database cannot serve: gone' });
  await rig.test.advance(100);
  expect(state(rig)).toMatchObject({ state: 'down' });
  await rig.test.advance(200);
  expect(state(rig)).toMatchObject({ state: 'ready', reason: undefined });
  expect(rig.calls.filter((name) => name !== 'ping')).toEqual(['connect', 'migrate']);
  rig.failures.ping.push(new Error('gone'));
  await rig.test.advance(1_000);
  await rig.test.advance(100);
  expect(state(rig)).toMatchObject({ state: 'ready' });
});

test('after a crash everything is brought up anew', async () => {
  const rig = await start();
  await rig.test.settle();
  rig.ref.tell(undefined as never);
  await rig.test.settle();
  expect(rig.calls).toEqual(['connect', 'migrate', 'ping', 'connect', 'migrate', 'ping']);
});
