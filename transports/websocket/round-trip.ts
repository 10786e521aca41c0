/** How long a client takes to answer. A pong comes behind all that is buffered on the way, so it tells of one that reads too slowly. */
import type { Clock } from '../../runtime/clock.ts';

export class RoundTrip {
  readonly #clock: Clock;
  #pingedMs: number | undefined;
  #lastMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns false while a ping is unanswered: no other one is due */
  start(): boolean {
    if (this.#pingedMs !== undefined) return false;
    this.#pingedMs = this.#clock.monotonicMs();
    return true;
  }

  /** A pong that nobody asked for tells nothing. */
  answered(): void {
    if (this.#pingedMs !== undefined) this.#lastMs = this.#clock.monotonicMs() - this.#pingedMs;
    this.#pingedMs = undefined;
  }

  /** Of the last answered ping, or the age of one that is due and took longer; zero before the first. */
  get ms(): number {
    const ageMs = this.#pingedMs === undefined ? 0 : this.#clock.monotonicMs() - this.#pingedMs;
    return Math.max(ageMs, this.#lastMs);
  }
}
