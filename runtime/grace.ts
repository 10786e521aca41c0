/** The time that an actor has left to come to its end. It may be cut short, never extended. */
import type { Clock, Timer } from './clock.ts';

export class Grace {
  readonly #clock: Clock;
  #deadlineMs: number;
  #timer: Timer | undefined;
  #expire: (() => void) | undefined;

  /** @param withinMs zero or more, may be infinite */
  constructor(clock: Clock, withinMs: number) {
    this.#clock = clock;
    this.#deadlineMs = clock.monotonicMs() + withinMs;
  }

  /** From now on there is no more than this. */
  shorten(withinMs: number): void {
    const deadlineMs = this.#clock.monotonicMs() + withinMs;
    if (deadlineMs >= this.#deadlineMs) return;
    this.#deadlineMs = deadlineMs;
    if (this.#expire) this.#arm(this.#expire);
  }

  /** Waits for a promise, one at a time. @returns whether it has settled, either way, before the time was up */
  covers(promise: Promise<unknown>): Promise<boolean> {
    return new Promise((resolve) => {
      this.#arm(() => resolve(false));
      const settled = (): void => {
        this.#timer?.cancel();
        this.#expire = undefined;
        resolve(true);
      };
      promise.then(settled, settled);
    });
  }

  #arm(expire: () => void): void {
    this.#timer?.cancel();
    this.#expire = expire;
    this.#timer = this.#clock.after(Math.max(0, this.#deadlineMs - this.#clock.monotonicMs()), expire);
  }
}
