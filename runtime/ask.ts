/** One question on its way, and the deadlines of all that are open. */
import type { ReplyTo } from './actor.ts';
import type { Clock } from './clock.ts';
import { AskTimeout } from './errors.ts';

/** Settles once; whatever comes later is late. */
export class Ask implements ReplyTo {
  readonly path: string;
  readonly timeoutMs: number;
  readonly traceId: string | undefined;
  readonly promise: Promise<unknown>;
  /** Where it stands, for AskTimeout. */
  where: 'queue' | 'handler' = 'queue';
  settled = false;
  /** Monotonic. */
  deadlineMs = 0;
  /** Neighbours among the open asks with the same timeout. */
  previous: Ask | undefined = undefined;
  next: Ask | undefined = undefined;
  lane: Lane | undefined = undefined;
  /** Told of a reply that comes after the ask was settled. */
  readonly #onLate: (ask: Ask) => void;
  #resolve!: (value: unknown) => void;
  #reject!: (error: Error) => void;

  constructor(path: string, timeoutMs: number, traceId: string | undefined, onLate: (ask: Ask) => void) {
    this.path = path;
    this.timeoutMs = timeoutMs;
    this.traceId = traceId;
    this.#onLate = onLate;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  reply(value: unknown): void {
    if (this.#settle()) this.#resolve(value);
    else this.#onLate(this);
  }

  fail(error: Error): void {
    if (this.#settle()) this.#reject(error);
    else this.#onLate(this);
  }

  /** Fails it unless it has been answered. */
  abandon(error: Error): void {
    if (this.#settle()) this.#reject(error);
  }

  #settle(): boolean {
    if (this.settled) return false;
    this.settled = true;
    this.lane?.remove(this);
    return true;
  }
}

/**
 * The open asks with one timeout, in the order of their deadlines, on one timer.
 * Nearly every ask is answered long before its deadline, so that a timer each would cost more than the message.
 */
export class Lane {
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #onEmpty: (timeoutMs: number) => void;
  #first: Ask | undefined;
  #last: Ask | undefined;
  #armed = false;

  constructor(timeoutMs: number, clock: Clock, onEmpty: (timeoutMs: number) => void) {
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#onEmpty = onEmpty;
  }

  add(ask: Ask, nowMs: number): void {
    ask.lane = this;
    ask.deadlineMs = nowMs + this.#timeoutMs;
    ask.previous = this.#last;
    if (this.#last === undefined) this.#first = ask;
    else this.#last.next = ask;
    this.#last = ask;
    if (!this.#armed) this.#arm(this.#timeoutMs);
  }

  remove(ask: Ask): void {
    if (ask.previous === undefined) this.#first = ask.next;
    else ask.previous.next = ask.next;
    if (ask.next === undefined) this.#last = ask.previous;
    else ask.next.previous = ask.previous;
    ask.previous = undefined;
    ask.next = undefined;
    ask.lane = undefined;
  }

  #arm(delayMs: number): void {
    this.#armed = true;
    this.#clock.after(delayMs, () => this.#expire());
  }

  #expire(): void {
    this.#armed = false;
    const nowMs = this.#clock.monotonicMs();
    for (let ask = this.#first; ask !== undefined && ask.deadlineMs <= nowMs; ask = this.#first) {
      ask.abandon(new AskTimeout(ask.path, ask.timeoutMs, ask.where));
    }
    if (this.#first === undefined) this.#onEmpty(this.#timeoutMs);
    // Timers of the machine count whole milliseconds, and may ring a fraction too early.
    else this.#arm(Math.max(1, Math.ceil(this.#first.deadlineMs - nowMs)));
  }
}

/** Gives every ask its deadline. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #lanes = new Map<number, Lane>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param nowMs monotonic; may be older than now by the length of an event-loop turn */
  add(ask: Ask, nowMs: number): void {
    let lane = this.#lanes.get(ask.timeoutMs);
    if (!lane) {
      lane = new Lane(ask.timeoutMs, this.#clock, (timeoutMs) => void this.#lanes.delete(timeoutMs));
      this.#lanes.set(ask.timeoutMs, lane);
    }
    lane.add(ask, nowMs);
  }
}
