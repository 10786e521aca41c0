/** Deadlines of many things that nearly always end before they are due: asks, handlers, idle actors. */
import type { Clock, Timer } from './clock.ts';

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
  readonly delayMs: number;
  /** Its keeper has it among those that may stand empty. */
  isSpare = false;
  readonly #clock: Clock;
  readonly #keeper: LaneKeeper;
  #first: Deadline | undefined;
  #last: Deadline | undefined;
  #timer: Timer | undefined;

  constructor(delayMs: number, clock: Clock, keeper: LaneKeeper) {
    this.delayMs = delayMs;
    this.#clock = clock;
    this.#keeper = keeper;
  }

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  add(deadline: Deadline, nowMs: number): void {
    const last = this.#last;
    const dueMs = nowMs + this.delayMs;
    deadline.lane = this;
    deadline.previous = last;
    this.#last = deadline;
    if (last === undefined) {
      this.#first = deadline;
      deadline.dueMs = dueMs;
    } else {
      last.next = deadline;
      // With an older stamp than the one before it, it still rings after it.
      deadline.dueMs = dueMs > last.dueMs ? dueMs : last.dueMs;
    }
    if (this.#timer === undefined) this.#arm(this.delayMs);
  }

  remove(deadline: Deadline): void {
    if (deadline.previous === undefined) this.#first = deadline.next;
    else deadline.previous.next = deadline.next;
    if (deadline.next === undefined) this.#last = deadline.previous;
    else deadline.next.previous = deadline.previous;
    deadline.previous = undefined;
    deadline.next = undefined;
    deadline.lane = undefined;
    if (this.#first === undefined && !this.isSpare) this.#keeper.spare(this);
  }

  /** It is empty and will not be used again. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** What was added at `sinceMs` or later was in truth added so much later, at the latest. */
  postpone(sinceMs: number, byMs: number): void {
    for (let late = this.#last; late !== undefined && late.dueMs - this.delayMs >= sinceMs; late = late.previous) {
      late.dueMs += byMs;
    }
  }

  #arm(delayMs: number): void {
    this.#timer = this.#clock.after(delayMs, () => this.#ring());
  }

  #ring(): void {
    this.#timer = undefined;
    this.#keeper.beforeRing();
    const nowMs = this.#clock.monotonicMs();
    for (let due = this.#first; due !== undefined && due.dueMs <= nowMs; due = this.#first) {
      this.remove(due);
      due.expire();
    }
    if (this.#first === undefined) this.#keeper.drop(this);
    // Timers of the machine count whole milliseconds, and may ring a fraction too early. Who expired may have come back and armed it.
    else if (this.#timer === undefined) this.#arm(Math.max(1, Math.ceil(this.#first.dueMs - nowMs)));
  }
}

interface LaneKeeper {
  beforeRing(): void;
  /** It has just been emptied. */
  spare(lane: Lane): void;
  drop(lane: Lane): void;
}

/**
 * So many empty lanes are kept with their timers: one that is used over and over is empty now and then, and a timer each time is dear.
 * More are those of lengths that do not come again, such as what is left of a request's time.
 */
const mostSpare = 8;

export class Deadlines implements LaneKeeper {
  readonly beforeRing: () => void;
  readonly #clock: Clock;
  readonly #lanes = new Map<number, Lane>();
  /** Every empty lane is here, in the order in which they came; others may be. */
  readonly #spare: (Lane | undefined)[] = Array.from({ length: mostSpare }, () => undefined);
  #nextSpare = 0;

  /** @param beforeRing has the last moment to postpone what is about to expire */
  constructor(clock: Clock, beforeRing: () => void) {
    this.#clock = clock;
    this.beforeRing = beforeRing;
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
      lane = new Lane(delayMs, this.#clock, this);
      this.#lanes.set(delayMs, lane);
    }
    lane.add(deadline, nowMs);
  }

  /** Of its lanes. */
  spare(lane: Lane): void {
    const before = this.#spare[this.#nextSpare];
    if (before !== undefined) {
      before.isSpare = false;
      if (before.isEmpty) this.drop(before);
    }
    lane.isSpare = true;
    this.#spare[this.#nextSpare] = lane;
    this.#nextSpare = (this.#nextSpare + 1) % mostSpare;
  }

  /** Of its lanes. */
  drop(lane: Lane): void {
    lane.close();
    // There may be another of that length by now.
    if (this.#lanes.get(lane.delayMs) === lane) this.#lanes.delete(lane.delayMs);
  }
}
