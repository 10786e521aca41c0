/** The tenants and accounts of this platform as the gateways look them up: a copy in memory of what the database registers. */
import type { RegisteredAccount, Tenant } from '../actors/tenant.ts';
import { Retryable } from '../runtime/errors.ts';
import { listAccounts, listTenants } from '../transports/drivers/provisioning.ts';
import type { AccountEntry, Principal } from '../transports/services.ts';
import type { Database } from '../transports/drivers/postgres.ts';

/** The database has not been read yet: whether there is such an account cannot be told. */
export class RegistryNotLoaded extends Retryable {
  constructor() {
    super('the tenants and accounts are not loaded yet', { retryAfterMs: 1_000 });
  }
}

export class Registry {
  #isLoaded = false;
  #tenants = new Map<number, Tenant>();
  /** By tenant and name: one value for each account as long as it is registered, so that others may keep things by it. */
  #entries = new Map<number, Map<string, AccountEntry>>();

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
    this.#entries = new Map([...tenants].map(([tenantId, tenant]) => [tenantId, entriesOf(tenant)]));
    this.#isLoaded = true;
    return [...tenants.values()];
  }

  tenant(tenantId: number): Tenant | undefined {
    return this.#tenants.get(tenantId);
  }

  tenants(): readonly Tenant[] {
    return [...this.#tenants.values()];
  }

  /** @throws RegistryNotLoaded. Traders see the accounts they own, everybody else of the tenant all of them; platform roles none. */
  accountsOf(principal: Principal): readonly AccountEntry[] {
    return [...(this.#entriesOf(principal)?.values() ?? [])].filter((account) => isSeenBy(principal, account));
  }

  /** @throws RegistryNotLoaded */
  findAccount(principal: Principal, name: string): AccountEntry | undefined {
    const account = this.#entriesOf(principal)?.get(name);
    return account && isSeenBy(principal, account) ? account : undefined;
  }

  #entriesOf({ tenantId }: Principal): ReadonlyMap<string, AccountEntry> | undefined {
    if (!this.#isLoaded) throw new RegistryNotLoaded();
    return tenantId === undefined ? undefined : this.#entries.get(tenantId);
  }
}

function isSeenBy(principal: Principal, account: AccountEntry): boolean {
  return principal.role !== 'trader' || account.owner === principal.subjectId;
}

function entriesOf({ tenantId, tenant, accounts }: Tenant): Map<string, AccountEntry> {
  return new Map([...accounts].map(([name, account]) => [name, { tenantId, tenant, ...account }]));
}
