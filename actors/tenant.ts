/** One a tenant: its status and the accounts it owns; who asks for an account finds out here whether it exists. */
import type { Behavior } from '../runtime/actor.ts';
import type { Asks } from '../runtime/ref.ts';

/** An account as the registry has it; its money is with the account's own actor. */
export interface RegisteredAccount {
  readonly accountId: number;
  readonly account: string;
  readonly currency: string;
  /** Subject that owns it; traders see their own accounts only. */
  readonly owner: string;
  /** Identity of the account's journal: the epoch of its channels. */
  readonly streamEpoch: string;
  readonly aiMayOrder: boolean;
}

export interface Tenant {
  readonly tenantId: number;
  readonly tenant: string;
  readonly name: string;
  readonly status: 'active' | 'suspended';
  readonly accounts: ReadonlyMap<string, RegisteredAccount>;
}

export type TenantMessage =
  | { readonly type: 'account-registered'; readonly account: RegisteredAccount }
  | ({ readonly type: 'get-tenant' } & Asks<Tenant>);

export function tenantPath(tenant: string): string {
  return `/tenants/${tenant}`;
}

/** `registry` reads what the tenant was when this actor started; what is registered later is told. */
export function tenant(registry: () => Tenant): Behavior<Tenant, TenantMessage> {
  return {
    start: registry,

    receive(state, message, context) {
      switch (message.type) {
        case 'account-registered':
          return { ...state, accounts: new Map(state.accounts).set(message.account.account, message.account) };
        case 'get-tenant':
          context.reply(state);
          return state;
      }
    },

    inspect: ({ accounts, ...rest }) => ({ ...rest, accounts: [...accounts.keys()] }),
  };
}
