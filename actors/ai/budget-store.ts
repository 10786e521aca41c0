/** Where budgets outlive a process: open reservations, what was spent a day, and a ledger row for each attempt. */
import type { Reservation, Spent } from './budget.ts';
import type { TokenUsage } from './provider.ts';

/** One attempt, as the ledger has it. */
export interface AiCall {
  readonly id: string;
  readonly timeMicros: number;
  readonly subjectId: string;
  readonly purpose: string;
  readonly provider: string;
  readonly model: string;
  /** `answered`, `lost` with its process, or why it failed. */
  readonly outcome: string;
  /** Undefined: nothing was counted. */
  readonly usage: TokenUsage | undefined;
  /** In 10^-12 US dollars; undefined: there is no price. */
  readonly costPicoUsd: bigint | undefined;
  /** What the budgets were charged: the cost, or where none is known what was set aside. */
  readonly chargedPicoUsd: bigint;
  readonly chargedTokens: number;
  readonly priceVersion: string;
  readonly latencyMs: number;
  readonly day: number;
}

export interface BudgetBatch {
  readonly reservations: readonly Reservation[];
  /** Each ends the reservation of its id. */
  readonly calls: readonly AiCall[];
}

export interface BudgetStore {
  /**
   * Books what was reserved and never settled, in full, as `lost`: the process that asked is gone, and whether its calls were answered is
   * not known. @returns what has been spent, by subject, model and day
   */
  open(nowMicros: number): Promise<readonly Spent[]>;
  /** All of it or nothing. A call that is booked already is not booked again. */
  write(batch: BudgetBatch): Promise<void>;
}

/** For tests, and for gateways that keep nothing. */
export class MemoryBudgetStore implements BudgetStore {
  readonly calls = new Map<string, AiCall>();
  readonly reservations = new Map<string, Reservation>();

  async open(nowMicros: number): Promise<readonly Spent[]> {
    for (const lost of this.reservations.values()) this.calls.set(lost.id, lostCall(lost, nowMicros));
    this.reservations.clear();
    return [...this.calls.values()].map(({ subjectId, model, day, chargedTokens, chargedPicoUsd }) => ({
      ...{ subjectId, model, day, tokens: chargedTokens, picoUsd: chargedPicoUsd },
    }));
  }

  async write({ reservations, calls }: BudgetBatch): Promise<void> {
    for (const one of reservations) this.reservations.set(one.id, one);
    for (const call of calls) {
      this.reservations.delete(call.id);
      if (!this.calls.has(call.id)) this.calls.set(call.id, call);
    }
  }
}

function lostCall(lost: Reservation, timeMicros: number): AiCall {
  const { id, subjectId, provider, model, day, tokens, picoUsd } = lost;
  return {
    ...{ id, timeMicros, subjectId, provider, model, day, purpose: '', outcome: 'lost', usage: undefined },
    ...{ costPicoUsd: undefined, chargedPicoUsd: picoUsd, chargedTokens: tokens, priceVersion: '', latencyMs: 0 },
  };
}
