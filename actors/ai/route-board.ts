/** What a tenant's router knows of its targets. It outlives the router and the providers: a restart resets no breaker. */
import { newBreaker, permit, settle, statusOf, trip, type BreakerPolicy, type Permit } from '../../runtime/breaker.ts';
import { newLatency, observed } from './latency.ts';
import type { Allowance } from './provider.ts';
import type { Consequence } from './retry.ts';
import type { Target, TargetState } from './route.ts';

const newTarget: TargetState = {
  ...{ breaker: newBreaker, restsUntilMs: -Infinity, why: undefined, underWay: 0, failuresInRow: 0 },
  ...{ latency: newLatency, allowance: undefined },
};

/** So many failures in a row open a breaker, however many calls went well before. */
const mostFailuresInRow = 3;

/** A call that is under way; to be ended once. */
export interface Underway {
  readonly target: Target;
  readonly permit: Permit | undefined;
}

export class RouteBoard {
  readonly #policy: BreakerPolicy;
  readonly #states = new Map<string, TargetState>();

  constructor(policy: BreakerPolicy) {
    this.#policy = policy;
  }

  get policy(): BreakerPolicy {
    return this.#policy;
  }

  of({ id }: Pick<Target, 'id'>): TargetState {
    return this.#states.get(id) ?? newTarget;
  }

  begin(target: Target, nowMs: number): Underway {
    const state = this.of(target);
    const permission = permit(this.#policy, state.breaker, nowMs);
    this.#set(target, { ...state, breaker: permission.state, underWay: state.underWay + 1 });
    return { target, permit: permission.permitted ? permission.permit : undefined };
  }

  succeeded(underway: Underway, tookMs: number, allowance: Allowance | undefined, nowMs: number): void {
    const state = this.#ended(underway);
    const outcome = { type: 'success', durationMs: tookMs } as const;
    this.#set(underway.target, {
      ...state,
      breaker: underway.permit
        ? settle(this.#policy, state.breaker, underway.permit, outcome, nowMs, 0)
        : state.breaker,
      ...{ failuresInRow: 0, restsUntilMs: -Infinity, why: undefined, latency: observed(state.latency, tookMs, nowMs) },
      allowance: allowance ? { ...allowance, atMs: nowMs } : state.allowance,
    });
  }

  /** @param of others that share its key are marked too, where the key is at fault @param chance 0 up to 1 */
  failed(
    underway: Underway,
    failure: { readonly code: string; readonly tookMs: number; readonly allowance?: Allowance | undefined },
    consequence: Pick<Consequence, 'counts' | 'mark'>,
    { of: all, nowMs, chance }: { readonly of: readonly Target[]; readonly nowMs: number; readonly chance: number },
  ): void {
    const { target } = underway;
    const state = this.#ended(underway);
    const outcome = { type: consequence.counts ? 'failure' : 'ignored', durationMs: failure.tookMs } as const;
    const failuresInRow = consequence.counts ? state.failuresInRow + 1 : state.failuresInRow;
    const settled = underway.permit
      ? settle(this.#policy, state.breaker, underway.permit, outcome, nowMs, chance)
      : state.breaker;
    const isTooMuch = consequence.counts && failuresInRow >= mostFailuresInRow && settled.phase.type === 'closed';
    this.#set(target, {
      ...state,
      failuresInRow,
      breaker: isTooMuch ? trip(this.#policy, settled, `${failuresInRow} failures in a row`, nowMs, chance) : settled,
      allowance: failure.allowance ? { ...failure.allowance, atMs: nowMs } : state.allowance,
    });
    const { mark } = consequence;
    if (!mark) return;
    const marked =
      mark.scope === 'key' ? all.filter((one) => one.provider === target.provider && one.key === target.key) : [target];
    for (const one of marked) this.#rest(one, nowMs + mark.forMs, failure.code);
  }

  /** A call that was withdrawn says nothing of its target. */
  withdrawn(underway: Underway, nowMs: number): void {
    const state = this.#ended(underway);
    const outcome = { type: 'ignored', durationMs: 0 } as const;
    if (!underway.permit) return this.#set(underway.target, state);
    this.#set(underway.target, {
      ...state,
      breaker: settle(this.#policy, state.breaker, underway.permit, outcome, nowMs, 0),
    });
  }

  /** For whoever looks. */
  view(target: Target, nowMs: number): object {
    const { breaker, restsUntilMs, why, underWay, latency, failuresInRow } = this.of(target);
    const { state, failureRate, openings, reopensInMs } = statusOf(this.#policy, breaker, nowMs);
    return {
      ...{ id: target.id, provider: target.provider, key: target.key, model: target.model },
      ...{ breaker: state, failureRate, openings, reopensInMs: reopensInMs ?? null, failuresInRow, underWay },
      ...{ restsForMs: restsUntilMs > nowMs ? Math.round(restsUntilMs - nowMs) : 0, why: why ?? null },
      latencyMs: Math.round(latency.peakMs * 10) / 10,
    };
  }

  /** A longer rest wins over a shorter one. */
  #rest(target: Target, untilMs: number, why: string): void {
    const state = this.of(target);
    if (untilMs > state.restsUntilMs) this.#set(target, { ...state, restsUntilMs: untilMs, why });
  }

  #ended({ target }: Underway): TargetState {
    const state = this.of(target);
    return { ...state, underWay: Math.max(0, state.underWay - 1) };
  }

  #set({ id }: Target, state: TargetState): void {
    this.#states.set(id, state);
  }
}
