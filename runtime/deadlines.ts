/** Deadlines of many things that nearly always end before they are due: asks, handlers, idle actors. */
import type { Clock } from './clock.ts';

/** Something that expires at a time unless it is cleared before. In one lane at a time. */
export abstract class Deadline {
  /** Monotonic. */
  dueMs = 0;
  /** Neighbours in the lane. */
  previous: Deadline | undefined = undefined;
  next: Deadline | undefined = undefined;
  lane: Lane | undefined = undefined;

  /** Called once when the time is up; it is in no lane any more. Must not throw. */
  abstract expire(): void;

  /** Takes it out of its lane; without effect when it is in none. */
  clear(): void {
    this.lane?.remove(this);
  }
}

/**
 * Deadlines of one length, in the order in which they fall due, on one timer.
 * A timer each would cost more than the message it watches over.
 */
export class Lane {
  readonly #delayMs: number;
  readonly #clock: Clock;
  readonly #onEmpty: (delayMs: number) => void;
  readonly #beforeRing: () => void;
  #first: Deadline | undefined;
  #last: Deadline | undefined;
  #armed = false;

  constructor(delayMs: number, clock: Clock, onEmpty: (delayMs: number) => void, beforeRing: () => void) {
    this.#beforeRing = beforeRing;
    this.#delayMs = delayMs;
    this.#clock = clock;
    this.#onEmpty = onEmpty;
  }

  add(deadline: Deadline, nowMs: number): void {
    deadline.lane = this;
    deadline.dueMs = nowMs + this.#delayMs;
    deadline.previous = this.#last;
    if (this.#last === undefined) this.#first = deadline;
    else this.#last.next = deadline;
    this.#last = deadline;
    if (!this.#armed) this.#arm(this.#delayMs);
  }

  remove(deadline: Deadline): void {
    if (deadline.previous === undefined) this.#first = deadline.next;
    else deadline.previous.next = deadline.next;
    if (deadline.next === undefined) this.#last = deadline.previous;
    else deadline.next.previous = deadline.previous;
    deadline.previous = undefined;
    deadline.next = undefined;
    deadline.lane = undefined;
  }

  /** What was added at `sinceMs` or later was in truth added so much later, at the latest. */
  postpone(sinceMs: number, byMs: number): void {
    for (let late = this.#last; late !== undefined && late.dueMs - this.#delayMs >= sinceMs; late = late.previous) {
      late.dueMs += byMs;
    }
  }

  #arm(delayMs: number): void {
    this.#armed = true;
    this.#clock.after(delayMs, () => this.#ring());
  }

  #ring(): void {
    this.#armed = false;
    this.#beforeRing();
    const nowMs = this.#clock.monotonicMs();
    for (let due = this.#first; due !== undefined && due.dueMs <= nowMs; due = this.#first) {
      this.remove(due);
      due.expire();
    }
    if (this.#first === undefined) this.#onEmpty(this.#delayMs);
    // Timers of the machine count whole milliseconds, and may ring a fraction too early. Who expired may have come back and armed it.
    else if (!this.#armed) this.#arm(Math.max(1, Math.ceil(this.#first.dueMs - nowMs)));
  }
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #beforeRing: () => void;
  readonly #lanes = new Map<number, Lane>();

  /** @param beforeRing has the last moment to postpone what is about to expire */
  constructor(clock: Clock, beforeRing: () => void) {
    this.#clock = clock;
    this.#beforeRing = beforeRing;
  }

  /** Stamps given out since `sinceMs` were too old by as much as `byMs`: nothing that was added with them is to expire too early. */
  postpone(sinceMs: number, byMs: number): void {
    for (const lane of this.#lanes.values()) lane.postpone(sinceMs, byMs);
  }

  /**
   * @param delayMs zero or more; infinite never expires
   * @param nowMs monotonic; may be older than now by the length of an event-loop turn
   */
  add(deadline: Deadline, delayMs: number, nowMs: number): void {
    if (delayMs === Infinity) return;
    let lane = this.#lanes.get(delayMs);
    if (!lane) {
      lane = new Lane(delayMs, this.#clock, (emptyMs) => void this.#lanes.delete(emptyMs), this.#beforeRing);
      this.#lanes.set(delayMs, lane);
    }
    lane.add(deadline, nowMs);
  }
}
