/**
 * What is done about a failed attempt: the one table of failures. A failure of the caller's making is never sent again, one of a key
 * goes to another key, one of a server counts against it; a refusal of the model is no failure and not routed around.
 */
import type { CompletionFailure, CompletionFailureCode } from './provider.ts';

export interface Consequence {
  /**
   * `same`: the same target again, after `waitMs`. `elsewhere`: another one, now. `larger`: one with a larger context. `end`: the
   * failure is the answer.
   */
  readonly next: 'same' | 'elsewhere' | 'larger' | 'end';
  readonly waitMs: number;
  /** What it says of the target. `key`: of all targets of its key. */
  readonly mark?: { readonly scope: 'target' | 'key'; readonly forMs: number };
  /** Whether the target's breaker counts it. */
  readonly counts: boolean;
}

export interface Situation {
  /** Attempts at this target before this one. */
  readonly repeats: number;
  /** Whether another target may be asked now. */
  readonly hasAlternative: boolean;
  /** Until the deadline of all attempts. */
  readonly leftMs: number;
  /** Whether the caller has been told a part of the answer: another one would begin with something else. */
  readonly isBegun: boolean;
  /** 0 up to 1, from a source of randomness. */
  readonly chance: number;
}

/** How long a key is left alone that was not accepted, or has nothing left to spend; and a model that is not there. */
export const deadKeyMs = 600_000;
const missingModelMs = 300_000;
/** Of a limit that the provider gives no time for. */
const usualCooldownMs = 1_000;
const firstBackoffMs = 500;
const longestBackoffMs = 5_000;
const mostBackoffs = 2;
const longestPauseMs = 250;

const end: Consequence = { next: 'end', waitMs: 0, counts: false };

export function consequenceOf(
  failure: Pick<CompletionFailure, 'code' | 'retryAfterMs'>,
  situation: Situation,
): Consequence {
  const found = byCode(failure.code, failure.retryAfterMs, situation);
  if (situation.isBegun || found.waitMs >= situation.leftMs) return { ...found, next: 'end', waitMs: 0 };
  if (found.next === 'elsewhere' && !situation.hasAlternative) return { ...found, next: 'end' };
  return found;
}

function byCode(code: CompletionFailureCode, retryAfterMs: number | undefined, situation: Situation): Consequence {
  const { repeats, hasAlternative, chance } = situation;
  const onceMore = (waitMs: number, counts: boolean): Consequence =>
    repeats === 0 ? { next: 'same', waitMs, counts } : { next: 'elsewhere', waitMs: 0, counts };
  const away = { next: 'elsewhere', waitMs: 0 } as const;
  switch (code) {
    case 'unreachable':
      return onceMore(0, true);
    // A silent route is tried once.
    case 'timeout':
    case 'stalled':
    case 'stream-broken':
    case 'malformed':
      return { ...away, counts: true };
    case 'server-error':
      return onceMore(chance * longestPauseMs, true);
    case 'overloaded': {
      const mark = retryAfterMs === undefined ? {} : { mark: { scope: 'target', forMs: retryAfterMs } as const };
      if (hasAlternative || repeats >= mostBackoffs) return { ...away, ...mark, counts: true };
      const waitMs = Math.max(retryAfterMs ?? 0, chance * Math.min(longestBackoffMs, firstBackoffMs * 2 ** repeats));
      return { next: 'same', waitMs, counts: true };
    }
    case 'busy':
      return { ...away, counts: false };
    case 'rate-limited': {
      const forMs = retryAfterMs ?? usualCooldownMs;
      const mark = { scope: 'target', forMs } as const;
      // Never sooner than the provider says; a little later, so that not all come at once.
      if (hasAlternative || repeats >= mostBackoffs) return { ...away, mark, counts: false };
      return { next: 'same', waitMs: forMs + chance * longestPauseMs, mark, counts: false };
    }
    case 'quota-exhausted':
    case 'payment-required':
    case 'unauthenticated':
      return { ...away, mark: { scope: 'key', forMs: Math.max(deadKeyMs, retryAfterMs ?? 0) }, counts: false };
    case 'model-not-found':
      return { ...away, mark: { scope: 'target', forMs: missingModelMs }, counts: false };
    case 'conflict':
      return onceMore(chance * longestPauseMs, false);
    case 'context-too-long':
      return { next: 'larger', waitMs: 0, counts: false };
    case 'bad-request':
    case 'aborted':
      return end;
  }
}
