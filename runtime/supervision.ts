/** What a supervisor does about a failure: OTP's restart window, and a backoff between restarts. Plain values, no clock. */

export interface RestartPolicy {
  /** Restarts allowed within the period; one more failure is too much. Zero allows none. */
  readonly intensity: number;
  /** Length of the sliding window, above zero. A failure exactly one period ago still counts. */
  readonly periodMs: number;
  readonly backoff: {
    /** Wait before the first restart; it doubles with every further failure. Zero always restarts at once. */
    readonly firstMs: number;
    /** The longest wait. */
    readonly maxMs: number;
    /** 0 to 1: the share of a wait that chance may take off it, so that many actors do not come back in step. */
    readonly jitter: number;
  };
}

export interface FailureHistory {
  /** Monotonic times of the failures within the window, oldest first. */
  readonly failuresMs: readonly number[];
  /** Failures in a row, without a stable period in between. */
  readonly streak: number;
  /** When the last restart was due, monotonic. */
  readonly restartedMs: number;
}

export const noFailures: FailureHistory = { failuresMs: [], streak: 0, restartedMs: 0 };

export type Directive =
  | { readonly do: 'restart'; readonly afterMs: number }
  | { readonly do: 'stop' }
  | { readonly do: 'escalate'; readonly reason: string };

export interface Failure {
  /** Monotonic. */
  readonly nowMs: number;
  /** `permanent` and `transient` come back after a failure, `temporary` never does. */
  readonly restart: 'permanent' | 'transient' | 'temporary';
  /** 0 up to 1, from a source of randomness. */
  readonly chance: number;
}

/** What to do about a failure, and the history that includes it. A failure that restarts nothing costs no budget. */
export function judge(
  policy: RestartPolicy,
  history: FailureHistory,
  failure: Failure,
): { readonly directive: Directive; readonly history: FailureHistory } {
  if (failure.restart === 'temporary') return { directive: { do: 'stop' }, history };
  const { nowMs, chance } = failure;
  const failuresMs = [...inWindow(policy, history, nowMs), nowMs];
  // The wait itself is not stable time: the streak ends when the restarted one has lived for a whole period.
  const stable = nowMs - history.restartedMs > policy.periodMs;
  const streak = stable ? 1 : history.streak + 1;
  const afterMs = backoffMs(policy.backoff, streak, chance);
  const next: FailureHistory = { failuresMs, streak, restartedMs: nowMs + afterMs };
  if (failuresMs.length > policy.intensity) {
    const reason = `${failuresMs.length} failures within ${policy.periodMs} ms, ${policy.intensity} allowed`;
    return { directive: { do: 'escalate', reason }, history: next };
  }
  return { directive: { do: 'restart', afterMs }, history: next };
}

/** Wait before the restart after the `streak`th failure in a row. Never above `maxMs`. */
export function backoffMs(backoff: RestartPolicy['backoff'], streak: number, chance: number): number {
  // A streak may be long, and zero times infinity is not a number.
  const fullMs = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(streak - 1, 1_000));
  return fullMs * (1 - backoff.jitter * chance);
}

/** The failures that still count at a moment. */
export function inWindow(policy: RestartPolicy, history: FailureHistory, nowMs: number): readonly number[] {
  return history.failuresMs.filter((atMs) => atMs >= nowMs - policy.periodMs);
}
