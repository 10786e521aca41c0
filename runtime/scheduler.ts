/** Decides who runs: a ready queue of cells, drained in slices, that lets the event loop turn. */

import { toTick } from './ticks.ts';

/** What the scheduler runs: a cell. The two fields belong to the scheduler. */
export interface Runnable {
  /** Handles one message. Never throws. @param timed whether `took` follows @returns whether there is more to do now */
  step(timed: boolean): boolean;
  /** How long the timed step took. */
  took(tookMs: number): void;
  /** Whether it is in the ready queue, or running its slice. */
  ready: boolean;
  nextReady: Runnable | undefined;
}

/** A slice ends after this many messages, or after about this time. */
const sliceMessages = 64;
const sliceMs = 2;
/** An event-loop turn ends after this many messages, or after about this time; then timers and sockets get their chance. */
const turnMessages = 10_000;
const turnMs = 10;
/**
 * The clock is looked at after so many messages, after each when they are slow: reading it costs as much as a short message.
 * No more than these can be slow before it is noticed, however fast those before them were.
 */
const longestStride = 32;
/** Each turn, and each slice of an actor that has so many messages, begins with a short stride: what is slow is mostly one actor. */
const firstStride = 8;
/** Messages that take longer than this on the average are looked at as often as now, and no more seldom. */
const fastMs = 0.01;
/** While messages are fast, one look in so many times a message too: that takes another reading. */
const looksPerTiming = 4;
/** A stamp that is older by this much is too old for a deadline. */
const staleMs = 2;

/** Who runs next, and for how long: chance in its place under test, so that one seed is one order of events. */
export interface SchedulingOrder {
  /** 0 up to `count`. */
  pick(count: number): number;
}

const settled = Promise.resolve();

export interface SchedulerOptions {
  /** Is told what a cell or hook threw although it must not. */
  onError(error: unknown): void;
  /** Stamps that were given out since a moment were too old, by so much at the most. */
  onLate?(sinceMs: number, byMs: number): void;
  /** Default: first come, first served. With an order slices are of chance length, and only messages spend a turn's budget. */
  readonly order?: SchedulingOrder | undefined;
}

export interface SchedulerStatistics {
  /** Cells with work that wait for their slice. */
  readonly ready: number;
  /** Async handlers, starts and ends that are under way. */
  readonly underWay: number;
  /** Slices run since the start. */
  readonly slices: number;
  /** Event-loop turns since the start whose budget did not suffice. */
  readonly spentTurns: number;
}

export class Scheduler {
  readonly #onError: (error: unknown) => void;
  readonly #onLate: SchedulerOptions['onLate'];
  readonly #order: SchedulingOrder | undefined;
  #first: Runnable | undefined;
  #last: Runnable | undefined;
  #running = false;
  /** A run is on its way: as a microtask, or in the next turn. */
  #scheduled = false;

  // The budget belongs to the turn, not to the run: a chain of asks is a chain of short runs in microtasks,
  // and would otherwise keep timers and sockets waiting for ever.
  #turnOpen = false;
  #turnStartMs = 0;
  #budget = 0;

  #checkedMs = 0;
  #tick = 0;
  #stride = 1;
  #untilCheck = 1;
  #untilTiming = 1;

  /** Cells in the ready queue, slices run, and turns whose budget was spent, since the start. */
  #slices = 0;
  #spentTurns = 0;
  #pending = 0;
  #stirred = 0;
  #idleWaiters: (() => void)[] = [];
  /** Never changed but replaced, so that a hook may be taken away while they are called. */
  #turnEndHooks: readonly (() => void)[] = [];

  constructor({ onError, onLate, order }: SchedulerOptions) {
    this.#onError = onError;
    this.#onLate = onLate;
    this.#order = order;
  }

  /** For inspection. Counting the queue takes as long as it is. */
  statistics(): SchedulerStatistics {
    let ready = 0;
    for (let cell = this.#first; cell !== undefined; cell = cell.nextReady) ready++;
    return { ready, underWay: this.#pending, slices: this.#slices, spentTurns: this.#spentTurns };
  }

  /** Puts a cell at the end of the ready queue. Call it only for a cell that is not `ready`. */
  enqueue(cell: Runnable): void {
    cell.ready = true;
    this.#append(cell);
    if (!this.#running && !this.#scheduled) this.#schedule();
  }

  /** Monotonic time of the machine, as old as the last look at it in this turn: a stamp that costs nothing. */
  nowMs(): number {
    if (!this.#turnOpen) this.#openTurn();
    return this.#checkedMs;
  }

  /** The same in ticks. */
  tick(): number {
    if (!this.#turnOpen) this.#openTurn();
    return this.#tick;
  }

  /** Looks at the clock, unless no turn is open: the next one will. */
  lookAgain(): void {
    if (this.#turnOpen) this.#look(performance.now());
  }

  /** Something is under way outside the ready queue, such as an async handler; `finished` follows. */
  began(): void {
    this.#pending++;
  }

  finished(): void {
    this.#pending--;
    this.#wakeIdle();
  }

  /** Calls `hook` each time the ready queue has run dry. Hooks may tell. */
  onTurnEnd(hook: () => void): () => void {
    // A function of its own, so that the same hook may be there twice and each be taken away once.
    const own = (): void => hook();
    this.#turnEndHooks = [...this.#turnEndHooks, own];
    return () => {
      this.#turnEndHooks = this.#turnEndHooks.filter((other) => other !== own);
    };
  }

  /** Resolves when nothing is ready or under way, and a whole turn of the event loop has brought nothing new. */
  async idle(): Promise<void> {
    for (;;) {
      while (!this.#isIdle()) {
        await new Promise<void>((resolve) => void this.#idleWaiters.push(resolve));
      }
      const stirred = this.#stirred;
      await new Promise<void>((resolve) => void setImmediate(resolve));
      if (this.#isIdle() && this.#stirred === stirred) return;
    }
  }

  #schedule(): void {
    this.#scheduled = true;
    if (!this.#turnOpen) this.#openTurn();
    // A microtask; queueMicrotask of Node makes an async resource each time, which costs as much as the message.
    if (this.#budget > 0) void settled.then(this.#run);
  }

  #openTurn(): void {
    this.#look(performance.now());
    this.#turnOpen = true;
    this.#budget = turnMessages;
    this.#turnStartMs = this.#checkedMs;
    if (this.#stride > firstStride) this.#stride = firstStride;
    if (this.#untilCheck > this.#stride) this.#untilCheck = this.#stride;
    setImmediate(this.#closeTurn);
  }

  readonly #closeTurn = (): void => {
    this.lookAgain();
    const spent = this.#budget <= 0;
    if (spent) this.#spentTurns++;
    this.#turnOpen = false;
    if (!spent || this.#first === undefined) return;
    this.#openTurn();
    this.#run();
  };

  readonly #run = (): void => {
    this.#scheduled = true;
    this.#running = true;
    this.#stirred++;
    for (let cell = this.#first; cell !== undefined && this.#budget > 0; cell = this.#first) {
      if (this.#order !== undefined) cell = this.#bringForward(this.#order);
      this.#first = cell.nextReady;
      if (this.#first === undefined) this.#last = undefined;
      cell.nextReady = undefined;
      if (this.#slice(cell)) this.#append(cell);
      else cell.ready = false;
    }
    this.#running = false;
    // With the budget spent, the end of the turn goes on with what is left.
    if (this.#first !== undefined) return;
    this.#scheduled = false;
    if (this.#turnEndHooks.length > 0) this.#callHooks();
    this.#wakeIdle();
  };

  /** @returns whether the cell has work left */
  #slice(cell: Runnable): boolean {
    this.#slices++;
    const startMs = this.#checkedMs;
    try {
      const length = this.#order === undefined ? sliceMessages : this.#order.pick(sliceMessages) + 1;
      let left = length;
      // In two parts, the first ending with a look at the clock: to ask after each message whether it is the eighth would cost more.
      let part = firstStride - 1;
      for (;;) {
        for (const rest = Math.max(0, left - part); left > rest; left--) {
          let more: boolean;
          if (--this.#untilCheck > 0) {
            more = cell.step(false);
          } else {
            more = this.#watchedStep(cell);
            if (this.#checkedMs - startMs > sliceMs) left = 0;
          }
          if (--this.#budget <= 0 || !more) return more;
        }
        if (left <= 0) return true;
        part = left;
        this.#untilCheck = 1;
      }
    } catch (error) {
      this.#onError(error);
      return false;
    }
  }

  /** Handles one message, looks at the clock, and says when to look again. */
  #watchedStep(cell: Runnable): boolean {
    if (this.#order !== undefined) return cell.step(false);
    let more: boolean;
    let nowMs: number;
    if (this.#stride < longestStride || --this.#untilTiming <= 0) {
      this.#untilTiming = looksPerTiming;
      const startMs = performance.now();
      more = cell.step(true);
      nowMs = performance.now();
      cell.took(nowMs - startMs);
    } else {
      more = cell.step(false);
      nowMs = performance.now();
    }
    const sinceCheckMs = nowMs - this.#checkedMs;
    this.#look(nowMs);
    if (sinceCheckMs > sliceMs / 4) this.#stride = 1;
    else if (this.#stride < longestStride && sinceCheckMs < this.#stride * fastMs) this.#stride *= 2;
    this.#untilCheck = this.#stride;
    if (nowMs - this.#turnStartMs > turnMs) this.#budget = 0;
    return more;
  }

  #look(nowMs: number): void {
    const lateMs = nowMs - this.#checkedMs;
    if (lateMs > staleMs && this.#turnOpen) this.#onLate?.(this.#checkedMs, lateMs);
    this.#checkedMs = nowMs;
    this.#tick = toTick(nowMs);
  }

  /** Puts a cell of chance at the head of the queue. */
  #bringForward(order: SchedulingOrder): Runnable {
    const cells: Runnable[] = [];
    for (let cell = this.#first; cell !== undefined; cell = cell.nextReady) cells.push(cell);
    const [chosen] = cells.splice(order.pick(cells.length), 1);
    this.#first = undefined;
    for (const cell of [chosen!, ...cells]) {
      cell.nextReady = undefined;
      this.#append(cell);
    }
    return chosen!;
  }

  #append(cell: Runnable): void {
    if (this.#first === undefined) this.#first = cell;
    else this.#last!.nextReady = cell;
    this.#last = cell;
  }

  #callHooks(): void {
    for (const hook of this.#turnEndHooks) {
      try {
        hook();
      } catch (error) {
        this.#onError(error);
      }
    }
  }

  #isIdle(): boolean {
    return this.#first === undefined && !this.#running && this.#pending === 0;
  }

  #wakeIdle(): void {
    if (this.#idleWaiters.length === 0 || !this.#isIdle()) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const wake of waiters) wake();
  }
}
