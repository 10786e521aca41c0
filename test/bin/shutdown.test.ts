import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { platformShutdown, stopBounds } from '../../bin/shutdown.ts';
import { limits } from '../../config/limits.ts';
import { serviceNames } from '../../config/ports.ts';
import { Readiness } from '../../runtime/readiness.ts';
import type { ShutdownReport } from '../../runtime/shutdown.ts';
import { trapRejections } from '../support/rejections.ts';
import { gate, startTestSystem, supervisor, worker, type TestSystem } from '../support/test-system.ts';

trapRejections();

const hang = (): Promise<void> => new Promise(() => {});
const { gatewayMs, treeMs } = stopBounds(limits.shutdown);

interface Parts {
  /** What a gateway, an account and the database do when they are closed. */
  readonly drain?: (service: string) => Promise<void> | void;
  readonly stopAccount?: () => Promise<void> | void;
  readonly close?: () => Promise<void> | void;
}

/** A platform in small: the same tree, of workers that say when they stop. */
async function start({ drain, stopAccount, close }: Parts = {}): Promise<
  TestSystem & { readonly log: string[]; readonly readiness: Readiness; stop(): Promise<ShutdownReport> }
> {
  const log: string[] = [];
  const part = (id: string, stop?: () => Promise<void> | void, shutdownMs = 5_000) =>
    worker(id, { start: () => {}, receive: () => {}, stop: () => (log.push(id), stop?.()) }, { shutdownMs });
  const children = [
    supervisor('storage', 'one-for-one', [part('database')]),
    supervisor('tenants', 'dynamic', [part('account', stopAccount)]),
    supervisor(
      'gateways',
      'one-for-one',
      serviceNames.map((service) => part(service, drain && (() => drain(service)), gatewayMs)),
    ),
  ];
  const test = await startTestSystem({ ...supervisor('platform', 'rest-for-one', children), shutdownMs: treeMs });
  const readiness = new Readiness(test.clock, ['platform']);
  readiness.set('platform', 'ready');
  const storage = { close: async () => (log.push('storage'), close?.()) };
  const lock = { release: () => void log.push('lock') };
  const shutdown = platformShutdown({ system: test.system, readiness, storage, lock }, limits.shutdown);
  return { ...test, log, readiness, stop: () => shutdown.run('test') };
}

test('nothing is ready any more, then all ports drain at once, then the tree stops, then the database, then the folder is given back', async () => {
  const open = gate();
  const { log, readiness, system, stop, settle } = await start({ drain: () => open.promise });
  const stopping = stop();
  expect(readiness.reasons).toEqual(['shutdown: the platform is stopping']);
  await settle();
  expect(log.toSorted()).toEqual([...serviceNames].toSorted());
  expect(system.find('/tenants/account')?.tell(0 as never)).toBe('queued');
  open.resolve();
  expect(await stopping).toMatchObject({ isClean: true, tookMs: 0 });
  expect(log.slice(serviceNames.length)).toEqual(['account', 'database', 'storage', 'lock']);
});

test('what comes up during a stop does not make the platform ready again', async () => {
  const { readiness, stop } = await start();
  const stopping = stop();
  readiness.set('platform', 'ready');
  expect(readiness.isReady).toBe(false);
  await stopping;
});

test('a gateway that does not drain is left behind within its phase, and the others do not wait for it one after another', async () => {
  const { history, stop, advance } = await start({ drain: (service) => (service === 'api' ? undefined : hang()) });
  const stopping = stop();
  await advance(gatewayMs);
  const report = await stopping;
  expect(report.phases.map(({ phase, tookMs }) => [phase, tookMs])).toEqual([
    ['before-stop', 0],
    ['drain-requests', gatewayMs],
    ['stop-actors', 0],
    ['stop-database', 0],
  ]);
  expect(history().filter((line) => line.startsWith('abandoned'))).toHaveLength(serviceNames.length - 1);
});

test('actors that do not stop leave the database its time: the whole tree is down before it is closed', async () => {
  const { log, history, stop, advance } = await start({ stopAccount: hang });
  const stopping = stop();
  await advance(treeMs);
  expect((await stopping).isClean).toBe(true);
  expect(history()).toContain('abandoned /tenants/account');
  expect(history()).toContain('stopped /storage/database');
  expect(log.slice(-2)).toEqual(['storage', 'lock']);
});

test.each<[string, () => Promise<void>, number, object]>([
  ['fails to close', () => Promise.reject(new Error('broken')), 0, { failed: [{ task: 'storage' }], abandoned: [] }],
  ['does not close', hang, limits.shutdown.stopDatabaseMs, { failed: [], abandoned: ['storage'] }],
])(
  'a database that %s is reported, and the folder stays taken while its server may run',
  async (_how, close, afterMs, last) => {
    const { log, stop, advance } = await start({ close });
    const stopping = stop();
    await advance(afterMs);
    const report = await stopping;
    expect(report.isClean).toBe(false);
    expect(report.phases.at(-1)).toMatchObject(last);
    expect(log).not.toContain('lock');
  },
);

test('when everything hangs the report is there before the process has to end', async () => {
  const { stop, clock } = await start({ drain: hang, stopAccount: hang, close: hang });
  let report: ShutdownReport | undefined;
  void stop().then((given) => (report = given));
  const { drainMs, marginMs } = limits.shutdown;
  for (let nowMs = 0; nowMs <= drainMs && !report; nowMs += 50) {
    for (let turns = 0; turns < 30; turns++) await turn();
    clock.advance(50);
  }
  expect(report?.tookMs).toBeLessThan(drainMs - marginMs);
  expect(report?.phases.at(-1)).toMatchObject({ abandoned: ['storage'] });
});
