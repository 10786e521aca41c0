/** The emergency stop: what is latched, and what it stops. */
import type { KillSwitch, TradingSubject } from './account.ts';

/** A switch that has been thrown. Whose it is goes by its scope; the platform's has neither tenant nor account. */
export interface LatchedSwitch extends KillSwitch {
  readonly tenantId?: number;
  readonly accountId?: number;
  readonly strategyId?: string;
  /** Of a tenant, or, without one, of the whole platform. */
  readonly symbol?: string;
  readonly flatten: boolean;
  readonly reason: string;
  readonly by: string;
  readonly latchedMicros: number;
  /** Who has agreed to its release so far: at platform level it takes two. */
  readonly releasedBy: readonly string[];
}

/** Whose order it is. */
export interface SwitchSubject extends TradingSubject {
  readonly tenantId: number;
  readonly accountId: number;
}

/** Persons who have to agree before trading goes on. */
export function releasesNeeded({ scope, tenantId }: LatchedSwitch): number {
  return scope === 'platform' || tenantId === undefined ? 2 : 1;
}

/** Whom a switch or a bound is for. Absent: whoever it is. */
export type Scoped = Pick<Partial<SwitchSubject>, 'tenantId' | 'accountId' | 'strategyId' | 'symbol'>;

export function covers({ tenantId, accountId, strategyId, symbol }: Scoped, subject: SwitchSubject): boolean {
  return (
    (tenantId === undefined || tenantId === subject.tenantId) &&
    (accountId === undefined || accountId === subject.accountId) &&
    (strategyId === undefined || strategyId === subject.strategyId) &&
    (symbol === undefined || symbol === subject.symbol)
  );
}

/** Of one node, in memory: in force from the moment it is set, whatever else is away. */
export class KillSwitchBoard {
  #latched: readonly LatchedSwitch[] = [];

  latch(thrown: LatchedSwitch): void {
    this.#latched = [...this.#latched.filter(({ id }) => id !== thrown.id), thrown];
  }

  release(id: string): void {
    this.#latched = this.#latched.filter((latched) => latched.id !== id);
  }

  get(id: string): LatchedSwitch | undefined {
    return this.#latched.find((latched) => latched.id === id);
  }

  get all(): readonly LatchedSwitch[] {
    return this.#latched;
  }

  /** The first that stands against it. Asked for every order, and nearly always of an empty board. */
  find(subject: SwitchSubject): LatchedSwitch | undefined {
    if (this.#latched.length === 0) return undefined;
    return this.#latched.find((latched) => covers(latched, subject));
  }
}
