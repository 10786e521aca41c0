/** What an actor library has to be able to do to be measured by steps.ts: everybody is fed by the same lines of code. */
import type { Meter } from './meter.ts';

export interface Contender {
  /** Spawns that many counters, at most `perTurn` of them in a turn of the event loop; each has started when it resolves. */
  spawn(count: number, meter: Meter): Promise<Crowd>;
  /** Why a request cannot be served. */
  readonly lacks: Readonly<Record<string, string>>;
}

/**
 * Actors that count: the state of each is a number.
 * What is absent the contender `lacks`.
 */
export interface Crowd {
  /** The counter adds one, and calls `meter.count`. */
  tell(index: number): void;
  /** The counter replies with its number. */
  ask(index: number): Promise<unknown>;
  /** The counter calls `meter.waited` with the time since `sentMs`. */
  probe?(index: number, sentMs: number): void;
  /** The counter throws; once its next incarnation has started it calls `meter.started`. */
  crash?(index: number): void;
  /** All there is to know about the crowd, without the state of each. @returns how many actors it tells of */
  snapshot?(): number;
  stop(): Promise<void>;
}
