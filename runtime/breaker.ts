/** Whether a call to a provider may go out: a circuit breaker's rule. Plain values, no clock. */
import { backoffMs, type RestartPolicy } from './supervision.ts';

export interface BreakerPolicy {
  /** How many of the last calls count, 1 or more; also the bound of what is kept. */
  readonly windowCalls: number;
  /** How long a call counts, above zero; one that ended exactly so long ago still does. Infinity: until newer ones push it out. */
  readonly windowMs: number;
  /** Calls within the window before it is judged, 1 to `windowCalls`. */
  readonly minimumCalls: number;
  /** Above 0 to 1: this share of failures, or more, opens. */
  readonly failureRate: number;
  /** A call that takes longer is slow, also when it succeeds. Zero or more; Infinity: none is. */
  readonly slowCallMs: number;
  /** Above 0 to 1: this share of slow calls, or more, opens. */
  readonly slowRate: number;
  /** When a call is given up, above zero, finite: a probe that hangs must not hold its permit for ever. */
  readonly callTimeoutMs: number;
  /** How long it stays open; doubles with each opening in a row. Bounds as in a restart policy, finite. */
  readonly reopen: RestartPolicy['backoff'];
  /** Calls let through while half-open, 1 or more. All must succeed; the first failure opens again. */
  readonly halfOpenProbes: number;
}

export type BreakerPhase =
  | { readonly type: 'closed' }
  /** `reopensAtMs`: monotonic; the first call from then on is a probe. No timer moves it: until that call it stays open. */
  | { readonly type: 'open'; readonly reopensAtMs: number }
  /** `given` counts the probes that are out or have succeeded. */
  | { readonly type: 'half-open'; readonly given: number; readonly succeeded: number; readonly slow: number };

export interface BreakerState {
  readonly phase: BreakerPhase;
  /** Wins over the phase until it is released. */
  readonly forced: 'open' | 'closed' | undefined;
  /** Rises with each transition: what was let through before says nothing about what came after. */
  readonly generation: number;
  /** Openings in a row. The row ends when `minimumCalls` calls after a closing have been judged and found good. */
  readonly streak: number;
  /** Openings ever. */
  readonly openings: number;
  readonly window: CallWindow;
  /** What brought it here, for people. */
  readonly why: string;
}

export interface BreakerStatus {
  readonly state: BreakerPhase['type'];
  readonly forced: BreakerState['forced'];
  /** Those that count now; while it is not closed, those that counted when it last was. */
  readonly calls: number;
  /** 0 to 1, of those calls; 0 without any. */
  readonly failureRate: number;
  readonly slowRate: number;
  readonly openings: number;
  /** Time left until it lets probes through; only while open and not forced. */
  readonly reopensInMs: number | undefined;
  readonly why: string;
}

/** To be settled once: a probe that is never settled keeps the breaker half-open. */
export interface Permit {
  readonly generation: number;
}

/** Why not, in figures. */
export interface Refusal extends BreakerStatus {
  /** Zero or more. While half-open the time in which its probes end; forced open, which nobody can foresee, the longest wait. */
  readonly retryAfterMs: number;
}

export type Permission =
  | { readonly permitted: true; readonly state: BreakerState; readonly permit: Permit }
  | { readonly permitted: false; readonly state: BreakerState; readonly refusal: Refusal };

export interface Outcome {
  /** `ignored` says nothing about the provider, such as a request that was wrong: it is not counted, and a probe goes back. */
  readonly type: 'success' | 'failure' | 'ignored';
  readonly durationMs: number;
}

interface Tally {
  readonly calls: number;
  readonly failures: number;
  readonly slow: number;
}

/**
 * The calls that count: a queue of two chains, the older one oldest first, the newer one newest first.
 * A call costs O(1) on average: each link is turned around once, when the older chain runs out.
 */
interface CallWindow extends Tally {
  /** Absent only when there are no calls. */
  readonly older: Link | undefined;
  readonly newer: Link | undefined;
}

interface Link {
  /** When the call ended, monotonic. */
  readonly atMs: number;
  readonly failed: boolean;
  readonly slow: boolean;
  readonly next: Link | undefined;
}

const emptyWindow: CallWindow = { older: undefined, newer: undefined, calls: 0, failures: 0, slow: 0 };
const probing = { type: 'half-open', given: 0, succeeded: 0, slow: 0 } as const satisfies BreakerPhase;

export const newBreaker: BreakerState = {
  ...{ phase: { type: 'closed' }, forced: undefined, generation: 0, streak: 0, openings: 0 },
  ...{ window: emptyWindow, why: 'new' },
};

/** May a call go out now? An open breaker whose wait is over becomes half-open, and the call is its first probe. */
export function permit(policy: BreakerPolicy, state: BreakerState, nowMs: number): Permission {
  const { phase, forced } = state;
  const refused = (retryAfterMs: number): Permission => {
    return { permitted: false, state, refusal: { ...statusOf(policy, state, nowMs), retryAfterMs } };
  };
  const permitted = (next: BreakerState): Permission => {
    return { permitted: true, state: next, permit: { generation: next.generation } };
  };
  if (forced === 'open') return refused(policy.reopen.maxMs);
  if (forced === 'closed' || phase.type === 'closed') return permitted(state);
  if (phase.type === 'open') {
    if (nowMs < phase.reopensAtMs) return refused(phase.reopensAtMs - nowMs);
    return permitted(moved(state, { ...probing, given: 1 }, 'its wait is over'));
  }
  if (phase.given >= policy.halfOpenProbes) return refused(policy.callTimeoutMs);
  return permitted({ ...state, phase: { ...phase, given: phase.given + 1 } });
}

/**
 * The state once a permitted call has ended. A permit from before the last transition changes nothing.
 * @param chance 0 up to 1, from a source of randomness
 */
export function settle(
  policy: BreakerPolicy,
  state: BreakerState,
  permit: Permit,
  outcome: Outcome,
  nowMs: number,
  chance: number,
): BreakerState {
  if (permit.generation !== state.generation) return state;
  const { phase, forced } = state;
  const call = { atMs: nowMs, failed: outcome.type === 'failure', slow: outcome.durationMs > policy.slowCallMs };
  if ((forced ?? phase.type) === 'closed') {
    if (outcome.type === 'ignored') return state;
    const window = counted(policy, state.window, call);
    // Forced closed counts, so that its figures tell when to release it; what they mean is decided after that.
    if (forced === 'closed' || window.calls < policy.minimumCalls) return { ...state, window };
    const fault = faultOf(policy, window);
    return fault ? trip(policy, { ...state, window }, fault, nowMs, chance) : { ...state, window, streak: 0 };
  }
  // Nobody holds a permit that was given while open.
  if (phase.type !== 'half-open') return state;
  if (outcome.type === 'ignored') return { ...state, phase: { ...phase, given: phase.given - 1 } };
  if (call.failed) return trip(policy, state, 'a probe failed', nowMs, chance);
  const succeeded = phase.succeeded + 1;
  const slow = phase.slow + Number(call.slow);
  if (succeeded < policy.halfOpenProbes) return { ...state, phase: { ...phase, succeeded, slow } };
  // What opens for being slow must not close on probes that are as slow.
  const fault = faultOf(policy, { calls: succeeded, failures: 0, slow });
  return fault
    ? trip(policy, state, `${fault} as probes`, nowMs, chance)
    : closed(state, `${succeeded} probes succeeded`);
}

/** Opens, for a wait that begins now; open already, it is one more opening in a row. A forced state still wins. */
export function trip(
  policy: BreakerPolicy,
  state: BreakerState,
  why: string,
  nowMs: number,
  chance: number,
): BreakerState {
  const streak = state.streak + 1;
  const reopensAtMs = nowMs + backoffMs(policy.reopen, streak, chance);
  return { ...moved(state, { type: 'open', reopensAtMs }, why), streak, openings: state.openings + 1 };
}

/** Closes, and forgets what it has seen. A forced state still wins. */
export function reset(state: BreakerState, why: string): BreakerState {
  return { ...closed(state, why), streak: 0 };
}

/** Forces it open or closed, or releases it with `undefined`; it goes on in the phase it was in. The same again changes nothing. */
export function force(state: BreakerState, to: BreakerState['forced'], why: string): BreakerState {
  if (to === state.forced) return state;
  // Results of the probes that are out will come too late to count, so they must not hold their permits.
  return { ...moved(state, state.phase.type === 'half-open' ? probing : state.phase, why), forced: to };
}

export function statusOf(policy: BreakerPolicy, state: BreakerState, nowMs: number): BreakerStatus {
  const { phase, forced, openings, why } = state;
  const shown = forced ?? phase.type;
  // What closed it to calls explains each refusal, until calls count again.
  const { calls, failures, slow } = shown === 'closed' ? fresh(policy, state.window, nowMs) : state.window;
  return {
    ...{ state: shown, forced, openings, calls, why },
    failureRate: failures / Math.max(1, calls),
    slowRate: slow / Math.max(1, calls),
    reopensInMs: phase.type === 'open' && !forced ? Math.max(0, phase.reopensAtMs - nowMs) : undefined,
  };
}

function moved(state: BreakerState, phase: BreakerPhase, why: string): BreakerState {
  return { ...state, phase, why, generation: state.generation + 1 };
}

function closed(state: BreakerState, why: string): BreakerState {
  return { ...moved(state, { type: 'closed' }, why), window: emptyWindow };
}

function faultOf(policy: BreakerPolicy, { calls, failures, slow }: Tally): string | undefined {
  if (failures / calls >= policy.failureRate) return `${failures} of ${calls} calls failed`;
  if (slow / calls >= policy.slowRate) return `${slow} of ${calls} calls took over ${policy.slowCallMs} ms`;
  return undefined;
}

function counted(policy: BreakerPolicy, window: CallWindow, call: Omit<Link, 'next'>): CallWindow {
  const { older, newer } = window;
  const next = {
    older: older ?? { ...call, next: undefined },
    newer: older && { ...call, next: newer },
    calls: window.calls + 1,
    failures: window.failures + Number(call.failed),
    slow: window.slow + Number(call.slow),
  };
  return fresh(policy, next, call.atMs);
}

/** Without the calls that no longer count. */
function fresh(policy: BreakerPolicy, window: CallWindow, nowMs: number): CallWindow {
  let { older, newer, calls, failures, slow } = window;
  for (; older && (calls > policy.windowCalls || older.atMs < nowMs - policy.windowMs); calls--) {
    failures -= Number(older.failed);
    slow -= Number(older.slow);
    older = older.next;
    if (!older) for (; newer; newer = newer.next) older = { ...newer, next: older };
  }
  return { older, newer, calls, failures, slow };
}
