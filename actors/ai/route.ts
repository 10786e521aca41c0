/** Which target is asked next: what a request needs, what is known of each target, and the tenant's policy. */
import { permit, statusOf, type BreakerPolicy, type BreakerState } from '../../runtime/breaker.ts';
import type { Latency } from './latency.ts';
import type { Allowance, CompletionRequest } from './provider.ts';

/** A model at a provider, asked with one key. */
export interface Target {
  /** `provider/key/model`: no two of a tenant have the same. */
  readonly id: string;
  readonly provider: string;
  /** Names the key; it is not the key. */
  readonly key: string;
  /** As the provider names it. */
  readonly model: string;
  /** What callers may call it, the model's name and `provider/model` included. */
  readonly names: readonly string[];
  /** Lower ones are asked first. */
  readonly priority: number;
  /** Share among those of one priority; zero or more. */
  readonly weight: number;
  /** Tokens that question and answer may have together. */
  readonly contextTokens: number;
  readonly canCallTools: boolean;
  readonly canFollowSchema: boolean;
  /** What is sent there is read by somebody else. */
  readonly leavesPlatform: boolean;
}

/** What is known of one target. */
export interface TargetState {
  readonly breaker: BreakerState;
  /** Monotonic: it is not asked before. */
  readonly restsUntilMs: number;
  readonly why: string | undefined;
  readonly underWay: number;
  readonly failuresInRow: number;
  readonly latency: Latency;
  readonly allowance: (Allowance & { readonly atMs: number }) | undefined;
}

export type RoutePolicy = 'priority' | 'weighted' | 'least-busy' | 'latency' | 'cost';

export interface RouteQuestion {
  readonly policy: RoutePolicy;
  readonly breaker: BreakerPolicy;
  /** Tokens that the request takes: what the provider must have left. */
  readonly tokens: number;
  readonly nowMs: number;
  /** What a target would cost, for `cost`; undefined is dearer than any. */
  costOf(target: Target): bigint | undefined;
  /** 0 up to 1. */
  random(): number;
}

/** Whether the model can do at all what is asked. */
export function canDo(target: Target, request: CompletionRequest, tokens: number): boolean {
  const wantsTools = (request.tools?.length ?? 0) > 0 && request.toolChoice !== 'none';
  return (
    tokens <= target.contextTokens &&
    (!wantsTools || target.canCallTools) &&
    (request.output.type !== 'json-schema' || target.canFollowSchema)
  );
}

/** Whether it may be asked now. A breaker whose wait is over lets one probe through. */
export function mayAsk(state: TargetState, { breaker, tokens, nowMs }: RouteQuestion): boolean {
  if (nowMs < state.restsUntilMs || isSpent(state, tokens, nowMs)) return false;
  return permit(breaker, state.breaker, nowMs).permitted;
}

/** The provider has said that what is left until its reset does not suffice. */
function isSpent({ allowance }: TargetState, tokens: number, nowMs: number): boolean {
  if (!allowance?.resetMs || nowMs >= allowance.atMs + allowance.resetMs) return false;
  return allowance.requests === 0 || (allowance.tokens !== undefined && allowance.tokens < tokens);
}

/**
 * The targets in the order in which they are to be asked. Where none may be asked, the one that may be soonest: an answer that is
 * unlikely is better than none.
 */
export function inOrder(
  targets: readonly Target[],
  stateOf: (target: Target) => TargetState,
  question: RouteQuestion,
): readonly Target[] {
  const open = targets.filter((target) => mayAsk(stateOf(target), question));
  if (open.length === 0) return soonest(targets, stateOf, question);
  const priorities = [...new Set(open.map(({ priority }) => priority))].toSorted((a, b) => a - b);
  return priorities.flatMap((priority) =>
    ranked(
      open.filter((target) => target.priority === priority),
      stateOf,
      question,
    ),
  );
}

function ranked(
  targets: readonly Target[],
  stateOf: (target: Target) => TargetState,
  { policy, costOf, random }: RouteQuestion,
): readonly Target[] {
  switch (policy) {
    case 'priority':
      return targets;
    case 'weighted':
      return drawn(targets, ({ weight }) => weight, random);
    case 'least-busy':
      return targets.toSorted((a, b) => stateOf(a).underWay - stateOf(b).underWay);
    case 'cost':
      return targets.toSorted((a, b) => compare(costOf(a), costOf(b)));
    case 'latency': {
      // The better of two that chance picks: the best one of all would get everything at once.
      const [first, second, ...others] = drawn(targets, () => 1, random);
      const load = (target: Target): number => stateOf(target).latency.peakMs * (stateOf(target).underWay + 1);
      if (!first || !second || load(first) <= load(second))
        return [first, second, ...others].filter((one) => one !== undefined);
      return [second, first, ...others];
    }
  }
}

/** In a random order in which the heavier ones tend to come first. */
function drawn(
  targets: readonly Target[],
  weightOf: (target: Target) => number,
  random: () => number,
): readonly Target[] {
  // Efraimidis and Spirakis: the keys u^(1/w), largest first, are a weighted draw without replacement.
  const keys = new Map(
    targets.map((target) => [target, weightOf(target) > 0 ? random() ** (1 / weightOf(target)) : -1]),
  );
  return targets.toSorted((a, b) => keys.get(b)! - keys.get(a)!);
}

function soonest(
  targets: readonly Target[],
  stateOf: (target: Target) => TargetState,
  { breaker, nowMs }: RouteQuestion,
): readonly Target[] {
  const waitMs = (target: Target): number => {
    const state = stateOf(target);
    return Math.max(state.restsUntilMs - nowMs, statusOf(breaker, state.breaker, nowMs).reopensInMs ?? 0);
  };
  return targets.toSorted((a, b) => waitMs(a) - waitMs(b)).slice(0, 1);
}

function compare(a: bigint | undefined, b: bigint | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  return b === undefined || a < b ? -1 : 1;
}
