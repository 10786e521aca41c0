import { expect, test } from 'vitest';
import { Registry, RegistryNotLoaded } from '../../bin/registry.ts';

const trader = { subjectId: 'trader@demo.example', role: 'trader', tenantId: 1, tenant: 'demo' } as const;

test('before it has been read, nobody is told that an account does not exist', () => {
  const registry = new Registry();
  expect(() => registry.findAccount(trader, 'demo-1')).toThrow(RegistryNotLoaded);
  expect(() => registry.accountsOf(trader)).toThrow(RegistryNotLoaded);
});
