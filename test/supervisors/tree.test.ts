/** Who restarts with whom, tried on the trees that the platform is made of. */
import { expect, test } from 'vitest';
import type { ChildSpec } from '../../runtime/spec.ts';
import { gateways } from '../../supervisors/gateways.ts';
import { marketData } from '../../supervisors/market-data.ts';
import { operations } from '../../supervisors/operations.ts';
import { platform } from '../../supervisors/platform.ts';
import { storage } from '../../supervisors/storage.ts';
import { accountsPath, tenantSubtree } from '../../supervisors/tenant.ts';
import { tenants, tenantsPath } from '../../supervisors/tenants.ts';
import { trading } from '../../supervisors/trading.ts';
import { handler, startTestSystem, worker, type TestSystem } from '../support/test-system.ts';

const crash = 'crash';
const actor = (id: string) =>
  worker(
    id,
    handler<string>((message) => {
      if (message === crash) throw new Error('told to crash');
    }),
  );
const account = (id: string) => trading(id, actor('account'), actor('broker-session'));

function tenant(slug: string): ChildSpec {
  return tenantSubtree(slug, {
    ...{
      tenant: actor('tenant'),
      audit: actor('audit'),
      router: actor('router'),
      desk: actor('desk'),
      budget: actor('budget'),
    },
    ...{ accounts: [account('a-1'), account('a-2')], providers: [actor('local')] },
  });
}

async function start(): Promise<TestSystem> {
  const system = await startTestSystem(
    platform({
      storage: storage(actor('database'), actor('journal-writer'), actor('projector'), actor('redis')),
      market: marketData([actor('EURUSD'), actor('GBPUSD')]),
      ...{ tenants: tenants(), operations: operations([actor('audit')]), gateways: gateways([actor('api')]) },
    }),
  );
  await system.system.spawn(tenantsPath, tenant('acme'));
  await system.system.spawn(tenantsPath, tenant('other'));
  return system;
}

/** Crashes an actor, and again as often as is said, each time after its restart. @returns paths that were started since */
async function crashed(system: TestSystem, path: string, times = 1): Promise<string[]> {
  const before = system.lifecycle.length;
  for (let i = 0; i < times; i++) {
    system.ref<string>(path).tell(crash);
    await system.advance(3_000);
  }
  const since = system.lifecycle.slice(before);
  return [...new Set(since.filter(({ type }) => type === 'restarted').map((event) => event.path))].toSorted();
}

test('the platform starts from storage to gateways, each standing on those before it', async () => {
  const { system } = await start();
  expect(system.list('/')).toEqual(['/storage', '/market', '/tenants', '/operations', '/gateways']);
  expect(system.list('/storage')).toEqual(
    ['database', 'journal-writer', 'projector', 'redis'].map((id) => `/storage/${id}`),
  );
});

test('a tenant owns its registry, its audit log, its accounts and its AI, and is found under its own path', async () => {
  const { system } = await start();
  expect(system.find('/tenants/acme')?.path).toBe('/tenants/acme/tenant');
  expect(system.list('/tenants/acme')).toEqual(
    ['tenant', 'audit', 'accounts', 'router'].map((id) => `/tenants/acme/${id}`),
  );
  expect(system.list(accountsPath('acme'))).toEqual(['/tenants/acme/accounts/a-1', '/tenants/acme/accounts/a-2']);
  expect(system.find('/tenants/acme/accounts/a-1')?.path).toBe('/tenants/acme/accounts/a-1/account');
  expect(system.find('/tenants/acme/router')?.path).toBe('/tenants/acme/router/router');
  expect(system.list('/tenants/acme/router/providers')).toEqual(['/tenants/acme/router/providers/local']);
});

test.each([
  ['/tenants/acme/accounts/a-1/account', ['account', 'broker-session']],
  ['/tenants/acme/accounts/a-1/broker-session', ['broker-session']],
])('with %s these restart and no more: %j', async (path, restarted) => {
  const system = await start();
  expect(await crashed(system, path)).toEqual(restarted.map((id) => `/tenants/acme/accounts/a-1/${id}`));
});

test.each([
  '/storage/database',
  '/storage/journal-writer',
  '/storage/projector',
  '/market/EURUSD',
  '/gateways/api',
  '/operations/audit',
  '/tenants/acme/tenant',
  '/tenants/acme/audit',
  '/tenants/acme/router/router',
  '/tenants/acme/router/providers/local',
])('%s restarts alone', async (path) => {
  const system = await start();
  expect(await crashed(system, path)).toEqual([path]);
});

test('an account that is given up leaves its neighbours running, in its tenant and in others', async () => {
  const system = await start();
  for (let i = 0; i < 20; i++) {
    system.ref<string>('/tenants/acme/accounts/a-1/account').tell(crash);
    await system.advance(30_000 / 20);
  }
  const running = system.system.inspect().filter(({ status }) => status === 'running');
  const paths = running.map(({ path }) => path);
  expect(paths).not.toContain('/tenants/acme/accounts/a-1/account');
  expect(paths).toEqual(
    expect.arrayContaining([
      ...['/tenants/acme/accounts/a-2/account', '/tenants/acme/tenant', '/tenants/other/accounts/a-1/account'],
      ...['/storage/database', '/market/EURUSD', '/gateways/api'],
    ]),
  );
});

test('a storage that is beyond its restarts takes everything behind it along', async () => {
  const system = await start();
  const before = system.lifecycle.length;
  for (let i = 0; i < 6; i++) {
    system.ref<string>('/storage/database').tell(crash);
    await system.advance(1_000);
  }
  await system.advance(5_000);
  const since = system.lifecycle.slice(before).map(({ type, path }) => `${type} ${path}`);
  expect(since).toEqual(expect.arrayContaining(['gave-up /storage', 'restarted /storage', 'restarted /gateways']));
  expect(system.system.inspect('/gateways/api')[0]?.status).toBe('running');
});
