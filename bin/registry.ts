/** The tenants and accounts of this platform as the gateways look them up: a copy in memory of what the database registers. */
import type { RegisteredAccount, Tenant } from '../actors/tenant.ts';
import { listAccounts, listTenants } from '../transports/drivers/provisioning.ts';
import type { AccountEntry, Principal } from '../transports/services.ts';
import type { Database } from '../transports/drivers/postgres.ts';

export class Registry {
  #tenants = new Map<number, Tenant>();

  async load(database: Database): Promise<readonly Tenant[]> {
    const tenants = new Map<number, Tenant>();
    for (const { tenantId, slug, name, status } of await listTenants(database)) {
      if (status !== 'active' && status !== 'suspended') continue;
      const accounts = new Map<string, RegisteredAccount>();
      for (const { slug: account, accountId, currency, owner, streamEpoch, aiMayOrder } of await listAccounts(
        database,
        tenantId,
      )) {
        accounts.set(account, { account, accountId, currency, owner, streamEpoch, aiMayOrder });
      }
      tenants.set(tenantId, { tenantId, tenant: slug, name, status, accounts });
    }
    this.#tenants = tenants;
    return [...tenants.values()];
  }

  tenant(tenantId: number): Tenant | undefined {
    return this.#tenants.get(tenantId);
  }

  tenants(): readonly Tenant[] {
    return [...this.#tenants.values()];
  }

  /** Traders see the accounts they own, everybody else of the tenant all of them; platform roles none. */
  accountsOf(principal: Principal): readonly AccountEntry[] {
    const tenant = principal.tenantId === undefined ? undefined : this.#tenants.get(principal.tenantId);
    if (!tenant) return [];
    return [...tenant.accounts.values()]
      .filter((account) => isSeenBy(principal, account))
      .map((account) => entry(tenant, account));
  }

  findAccount(principal: Principal, name: string): AccountEntry | undefined {
    const tenant = principal.tenantId === undefined ? undefined : this.#tenants.get(principal.tenantId);
    const account = tenant?.accounts.get(name);
    return tenant && account && isSeenBy(principal, account) ? entry(tenant, account) : undefined;
  }
}

function isSeenBy(principal: Principal, account: RegisteredAccount): boolean {
  return principal.role !== 'trader' || account.owner === principal.subjectId;
}

function entry({ tenantId, tenant }: Tenant, account: RegisteredAccount): AccountEntry {
  return { tenantId, tenant, ...account };
}
