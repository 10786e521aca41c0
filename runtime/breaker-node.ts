/** A circuit breaker at work: it makes the calls, and shows itself in the tree. */
import { type Log, silentLog } from './actor.ts';
import {
  type BreakerPolicy,
  type BreakerState,
  type BreakerStatus,
  force,
  newBreaker,
  type Outcome,
  permit,
  type Refusal,
  reset,
  settle,
  statusOf,
  trip,
} from './breaker.ts';
import { type Clock, systemClock } from './clock.ts';
import { describeError } from './redaction.ts';
import { Retryable, Terminal } from './errors.ts';
import { EventBus, type Unsubscribe } from './event-bus.ts';
import type { Asks } from './ref.ts';
import type { WorkerSpec } from './spec.ts';

export interface BreakerOptions {
  /** Of what it guards, for people; also its id in the tree. */
  readonly name: string;
  readonly policy: BreakerPolicy;
  readonly clock?: Clock;
  /** 0 up to 1, spreads the waits; default Math.random. */
  readonly random?: () => number;
  /** Which failed calls say nothing about the provider. Default: none. One that throws takes it for a failure. */
  readonly isFailure?: (error: unknown) => 'failure' | 'ignored';
  /** Hears of listeners that throw. */
  readonly log?: Log;
}

/** A change of state, or the same state anew: an open breaker that was tripped waits from the beginning. */
export interface BreakerTransition {
  readonly breaker: string;
  readonly from: BreakerStatus['state'];
  readonly to: BreakerStatus['state'];
  readonly forced: BreakerStatus['forced'];
  readonly why: string;
}

/**
 * Made once, by whoever builds the tree, and given to those who call: what it knows belongs to no incarnation,
 * so that neither a provider that crashes nor its own node forgets that the provider is down.
 */
export class Breaker {
  readonly name: string;
  readonly #policy: BreakerPolicy;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #isFailure: (error: unknown) => 'failure' | 'ignored';
  readonly #transitions: EventBus<{ transition: BreakerTransition }>;
  #state: BreakerState = newBreaker;

  /** @throws InvalidBreakerPolicy */
  constructor(options: BreakerOptions) {
    const { name, policy, clock = systemClock, random = Math.random, log = silentLog } = options;
    checkBreakerPolicy(policy);
    this.name = name;
    this.#policy = policy;
    this.#clock = clock;
    this.#random = random;
    this.#isFailure = options.isFailure ?? (() => 'failure');
    this.#transitions = new EventBus((error) =>
      log.error({ breaker: name, error: describeError(error) }, 'a listener of a breaker failed'),
    );
  }

  /**
   * Calls `f` now, or not at all. What `f` rejects with comes through as it is.
   * @param f its signal is aborted when the time is up; what it does after that is nobody's business
   * @throws BreakerOpen `f` was not called @throws CallTimeout `f` has not ended within `callTimeoutMs`; its outcome is unknown
   */
  call<T>(f: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const startedMs = this.#clock.monotonicMs();
    const permission = permit(this.#policy, this.#state, startedMs);
    this.#become(permission.state);
    if (!permission.permitted) return Promise.reject(new BreakerOpen(this.name, permission.refusal));
    const { callTimeoutMs, reopen } = this.#policy;
    const aborter = new AbortController();
    const result = Promise.withResolvers<T>();
    let hasEnded = false;
    const end = (type: Outcome['type'], how: Promise<T>): void => {
      if (hasEnded) return;
      hasEnded = true;
      timer.cancel();
      const nowMs = this.#clock.monotonicMs();
      const outcome = { type, durationMs: nowMs - startedMs };
      this.#become(settle(this.#policy, this.#state, permission.permit, outcome, nowMs, this.#random()));
      result.resolve(how);
    };
    const timer = this.#clock.after(callTimeoutMs, () => {
      const timeout = new CallTimeout(this.name, callTimeoutMs, reopen.firstMs);
      end('failure', Promise.reject(timeout));
      aborter.abort(timeout);
    });
    // Within a promise, so that a function that throws at once, or gives no promise, ends like any other.
    const attempt = new Promise<T>((ended) => ended(f(aborter.signal)));
    attempt.then(
      () => end('success', attempt),
      (error: unknown) => end(this.#classify(error), attempt),
    );
    return result.promise;
  }

  /** Opens it for a wait that begins now. */
  trip(why: string): void {
    this.#become(trip(this.#policy, this.#state, why, this.#clock.monotonicMs(), this.#random()));
  }

  /** Closes it; what it has seen is forgotten. */
  reset(why: string): void {
    this.#become(reset(this.#state, why));
  }

  /** Holds it open or closed, whatever happens, until it is released with `undefined`. */
  force(to: 'open' | 'closed' | undefined, why: string): void {
    this.#become(force(this.#state, to, why));
  }

  /** Calls `hear` at once at each transition. @returns how to take it away */
  onTransition(hear: (transition: BreakerTransition) => void): Unsubscribe {
    return this.#transitions.subscribe('transition', hear);
  }

  status(): BreakerStatus {
    return statusOf(this.#policy, this.#state, this.#clock.monotonicMs());
  }

  #classify(error: unknown): 'failure' | 'ignored' {
    try {
      return this.#isFailure(error) === 'ignored' ? 'ignored' : 'failure';
    } catch {
      return 'failure';
    }
  }

  #become(next: BreakerState): void {
    const before = this.#state;
    this.#state = next;
    if (next.generation === before.generation) return;
    const { forced, why } = next;
    const from = before.forced ?? before.phase.type;
    this.#transitions.publish('transition', { breaker: this.name, from, to: forced ?? next.phase.type, forced, why });
  }
}

/** The call was not made: the provider is taken to be down. */
export class BreakerOpen extends Retryable {
  readonly breaker: string;
  readonly refusal: Refusal;

  constructor(breaker: string, refusal: Refusal) {
    const { retryAfterMs, state, why } = refusal;
    super(`breaker ${breaker} is ${state} (${why}), try again in ${Math.ceil(retryAfterMs)} ms`, { retryAfterMs });
    this.breaker = breaker;
    this.refusal = refusal;
  }
}

/** The call did not end in time. It may still have its effect: its outcome is unknown to the caller. */
export class CallTimeout extends Retryable {
  constructor(breaker: string, timeoutMs: number, retryAfterMs: number) {
    super(`call through breaker ${breaker} did not end within ${timeoutMs} ms`, { retryAfterMs });
  }
}

/** Each is answered with the status that follows from it. */
export type BreakerMessage = (
  | { readonly type: 'trip'; readonly why: string }
  | { readonly type: 'reset'; readonly why: string }
  | { readonly type: 'force'; readonly to: 'open' | 'closed' | undefined; readonly why: string }
  | { readonly type: 'status' }
) &
  Asks<BreakerStatus>;

/** The breaker's place in the tree, where operators find it and from where its transitions are told. With or without it the breaker works. */
export function breakerSpec(
  breaker: Breaker,
  options: Omit<Partial<WorkerSpec<Unsubscribe, BreakerMessage>>, 'kind' | 'behavior'> = {},
): WorkerSpec<Unsubscribe, BreakerMessage> {
  return {
    id: breaker.name,
    ...options,
    kind: 'breaker',
    behavior: {
      start: (context) => breaker.onTransition((transition) => context.announceBreaker(transition)),
      receive: (unsubscribe, message, context) => {
        obey(breaker, message);
        context.reply(breaker.status());
        return unsubscribe;
      },
      stop: (unsubscribe) => unsubscribe(),
      inspect: () => breaker.status(),
    },
  };
}

function obey(breaker: Breaker, message: BreakerMessage): void {
  switch (message.type) {
    case 'trip':
      return breaker.trip(message.why);
    case 'reset':
      return breaker.reset(message.why);
    case 'force':
      return breaker.force(message.to, message.why);
    case 'status':
      return;
  }
}

/** A policy that no breaker can follow. */
export class InvalidBreakerPolicy extends Terminal {
  readonly field: string;
  readonly value: number;

  constructor(field: string, wanted: string, value: number) {
    super(`${field} must be ${wanted}, was ${value}`);
    this.field = field;
    this.value = value;
  }
}

/** @throws InvalidBreakerPolicy for the first field that is out of its range */
export function checkBreakerPolicy(policy: BreakerPolicy): void {
  const { windowCalls, windowMs, minimumCalls, slowCallMs, callTimeoutMs } = policy;
  const { firstMs, maxMs, jitter } = policy.reopen;
  const demand = (field: string, value: number, holds: boolean, wanted: string): void => {
    if (!holds) throw new InvalidBreakerPolicy(field, wanted, value);
  };
  const count = (field: 'windowCalls' | 'minimumCalls' | 'halfOpenProbes'): void =>
    demand(field, policy[field], Number.isSafeInteger(policy[field]) && policy[field] >= 1, 'a whole number above 0');
  const share = (field: 'failureRate' | 'slowRate'): void =>
    demand(field, policy[field], policy[field] > 0 && policy[field] <= 1, 'above 0 to 1');
  count('windowCalls');
  count('minimumCalls');
  count('halfOpenProbes');
  demand('minimumCalls', minimumCalls, minimumCalls <= windowCalls, `at most windowCalls (${windowCalls})`);
  demand('windowMs', windowMs, windowMs > 0, 'above 0');
  share('failureRate');
  share('slowRate');
  demand('slowCallMs', slowCallMs, slowCallMs >= 0, '0 or more');
  demand('callTimeoutMs', callTimeoutMs, callTimeoutMs > 0 && callTimeoutMs < Infinity, 'above 0 and finite');
  demand('reopen.firstMs', firstMs, firstMs >= 0 && firstMs < Infinity, '0 or more and finite');
  demand('reopen.maxMs', maxMs, maxMs >= firstMs && maxMs < Infinity, 'firstMs or more and finite');
  demand('reopen.jitter', jitter, jitter >= 0 && jitter <= 1, '0 to 1');
}
