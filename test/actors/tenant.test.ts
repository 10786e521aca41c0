import { expect, test } from 'vitest';
import { tenant, type RegisteredAccount, type Tenant, type TenantMessage } from '../../actors/tenant.ts';
import { startTestSystem, worker } from '../support/test-system.ts';

const account = (accountId: number): RegisteredAccount => ({
  ...{ accountId, account: `a-${accountId}`, currency: 'USD', owner: 'u', streamEpoch: 'e', aiMayOrder: false },
});
const registered: Tenant = {
  ...{ tenantId: 1, tenant: 'acme', name: 'Acme', status: 'active' },
  accounts: new Map([['a-1', account(1)]]),
};

test('a tenant knows the accounts of the registry and those that are registered later', async () => {
  const { ref, settle, system } = await startTestSystem([
    worker(
      'acme',
      tenant(() => registered),
    ),
  ]);
  const acme = ref<TenantMessage>('/acme');
  expect(await acme.ask({ type: 'get-tenant' }, { timeoutMs: 1_000 })).toEqual(registered);
  acme.tell({ type: 'account-registered', account: account(2) });
  await settle();
  const { accounts } = await acme.ask({ type: 'get-tenant' }, { timeoutMs: 1_000 });
  expect([...accounts.keys()]).toEqual(['a-1', 'a-2']);
  expect(registered.accounts.size).toBe(1);
  expect(system.inspectActor('/acme')?.state).toMatchObject({ tenant: 'acme', accounts: ['a-1', 'a-2'] });
});
