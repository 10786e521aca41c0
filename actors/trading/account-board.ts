/**
 * What is durable of every account of this node that has something working or open: looked at by whoever must see many accounts at once.
 * An account that has neither is not in it.
 */
import type { Account } from './account.ts';

export interface BoardedAccount {
  readonly tenantId: number;
  readonly tenant: string;
  readonly accountId: number;
  readonly account: string;
  readonly state: Account;
}

export class AccountBoard {
  readonly #accounts = new Map<string, BoardedAccount>();

  set(entry: BoardedAccount): void {
    const key = `${entry.tenantId}/${entry.accountId}`;
    if (entry.state.orders.size > 0 || entry.state.positions.size > 0) this.#accounts.set(key, entry);
    else this.#accounts.delete(key);
  }

  get(tenantId: number, accountId: number): BoardedAccount | undefined {
    return this.#accounts.get(`${tenantId}/${accountId}`);
  }

  /** In no order that means anything; may be changed meanwhile. */
  values(): Iterable<BoardedAccount> {
    return this.#accounts.values();
  }

  get size(): number {
    return this.#accounts.size;
  }
}
