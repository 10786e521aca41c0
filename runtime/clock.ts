/** Time as the runtime sees it. Wall time is for events; every timer, window and deadline uses monotonic time. */
import { TimerHeap, type HeapEntry } from './timer-heap.ts';

export interface Timer {
  /** Stops the timer. May be called twice, and after it has fired. */
  cancel(): void;
}

export interface Clock {
  /** Microseconds since 1970-01-01T00:00:00Z, an integer. May jump when the machine's clock is set. */
  wallMicros(): number;
  /** Milliseconds since some fixed moment, with a fraction. Never goes back. */
  monotonicMs(): number;
  /** Calls `run` once, `delayMs` from now (zero or more, however long; never when infinite). */
  after(delayMs: number, run: () => void): Timer;
  /** Calls `run` every `periodMs` (above zero, at most 24 days), first one period from now. */
  every(periodMs: number, run: () => void): Timer;
}

let originMicros = Math.round((Date.now() - performance.now()) * 1000);

/** The most that a timer of Node can count. */
const longestTimerMs = 2 ** 31 - 1;

/** The machine's clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  wallMicros: () => {
    // performance.now() gives the microseconds that Date.now() lacks; Date.now() gives the jumps of the wall clock.
    const sinceOrigin = Math.round(performance.now() * 1000);
    const coarse = Date.now() * 1000;
    if (Math.abs(originMicros + sinceOrigin - coarse) >= 2_000) originMicros = coarse - sinceOrigin;
    return originMicros + sinceOrigin;
  },
  monotonicMs: () => performance.now(),
  after: (delayMs, run) => {
    let timer: NodeJS.Timeout;
    // Node rings at once when it is to wait for more than 24.8 days, so a long wait is a chain.
    const wait = (leftMs: number): void => {
      timer =
        leftMs > longestTimerMs ? setTimeout(wait, longestTimerMs, leftMs - longestTimerMs) : setTimeout(run, leftMs);
      timer.unref();
    };
    wait(delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  every: (periodMs, run) => {
    const timer = setInterval(run, periodMs);
    timer.unref();
    return { cancel: () => clearInterval(timer) };
  },
};

interface Scheduled extends HeapEntry {
  readonly run: () => void;
  readonly periodMs: number | undefined;
}

/** A clock that stands still until it is advanced: for tests, and for replays that live in the time of their ticks. */
export class VirtualClock implements Clock {
  #nowMs = 0;
  #wallStartMicros: number;
  #order = 0;
  readonly #timers = new TimerHeap<Scheduled>();

  constructor(wallStartMicros = 0) {
    this.#wallStartMicros = wallStartMicros;
  }

  wallMicros(): number {
    return this.#wallStartMicros + Math.round(this.#nowMs * 1000);
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#schedule(delayMs, undefined, run);
  }

  every(periodMs: number, run: () => void): Timer {
    if (!(periodMs > 0)) throw new RangeError(`period must be above 0 ms, was ${periodMs}`);
    return this.#schedule(periodMs, periodMs, run);
  }

  /** Moves time forward and fires what falls due on the way, in order of time, then of creation. */
  advance(byMs: number): void {
    this.#advanceTo(this.#nowMs + byMs);
  }

  /** Moves wall time forward to a moment; a moment in the past changes nothing. */
  advanceTo(wallMicros: number): void {
    // Reckoned from the start, not from now: sums of fractions would end a microsecond beside the moment now and then.
    const endMs = (wallMicros - this.#wallStartMicros) / 1000;
    if (endMs > this.#nowMs) this.#advanceTo(endMs);
  }

  /** Sets the wall clock without touching monotonic time, as an operator or NTP does. */
  jumpWall(byMicros: number): void {
    this.#wallStartMicros += byMicros;
  }

  /** Wall time at which the next timer rings; Infinity while there is none. */
  get nextDueMicros(): number {
    const next = this.#timers.first;
    return next ? this.#wallStartMicros + next.dueMs * 1000 : Infinity;
  }

  get pending(): number {
    return this.#timers.size;
  }

  #advanceTo(endMs: number): void {
    for (let next = this.#timers.first; next && next.dueMs <= endMs; next = this.#timers.first) {
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      if (next.periodMs === undefined) {
        this.#timers.remove(next);
      } else {
        next.dueMs += next.periodMs;
        this.#timers.moved(next);
      }
      next.run();
    }
    // What fired may have moved time further than this.
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  #schedule(delayMs: number, periodMs: number | undefined, run: () => void): Timer {
    const dueMs = this.#nowMs + Math.max(0, delayMs);
    const scheduled: Scheduled = { order: this.#order++, run, periodMs, dueMs, place: -1 };
    this.#timers.add(scheduled);
    return { cancel: () => this.#timers.remove(scheduled) };
  }
}
