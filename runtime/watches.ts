/** What looks after a cell from outside: a handler that takes too long, and an actor that has nothing to do. */
import { Deadline, type Deadlines } from './deadlines.ts';

/** Watches over the async handler in hand, one after another. */
export class HandlerWatch extends Deadline {
  readonly #cell: { handlerDue(runningMs: number): number };
  readonly #deadlines: Deadlines;
  startedMs = 0;
  #dueAfterMs = 0;

  /** @param cell its `handlerDue` says when to come again, counted from the start of the handler */
  constructor(cell: { handlerDue(runningMs: number): number }, deadlines: Deadlines) {
    super();
    this.#cell = cell;
    this.#deadlines = deadlines;
  }

  begin(nowMs: number, afterMs: number): void {
    this.startedMs = nowMs;
    this.#dueAfterMs = afterMs;
    this.#deadlines.add(this, afterMs, nowMs);
  }

  override expire(): void {
    const runningMs = this.#dueAfterMs;
    const nextMs = this.#cell.handlerDue(runningMs);
    if (nextMs === Infinity) return;
    this.#dueAfterMs = nextMs;
    this.#deadlines.add(this, nextMs - runningMs, this.startedMs + runningMs);
  }
}

/** Notices that an actor has been idle; it may be late by an eighth of the time. */
export class IdleWatch extends Deadline {
  readonly #cell: { idleForMs(afterMs: number): number | undefined };
  readonly #deadlines: Deadlines;
  readonly #afterMs: number;

  constructor(cell: { idleForMs(afterMs: number): number | undefined }, deadlines: Deadlines, afterMs: number) {
    super();
    this.#cell = cell;
    this.#deadlines = deadlines;
    this.#afterMs = afterMs;
  }

  begin(nowMs: number): void {
    this.clear();
    this.#deadlines.add(this, this.#afterMs, nowMs);
  }

  override expire(): void {
    const { dueMs } = this;
    const idleMs = this.#cell.idleForMs(this.#afterMs);
    if (idleMs === undefined) return;
    // Rounded up to eighths, so that many actors need few timers.
    const eighth = this.#afterMs / 8;
    this.#deadlines.add(this, Math.max(eighth, Math.ceil((this.#afterMs - idleMs) / eighth) * eighth), dueMs);
  }
}
