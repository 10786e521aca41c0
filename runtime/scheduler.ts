/** Decides who runs: a ready queue of cells, drained in slices, that lets the event loop turn. */

/** What the scheduler runs: a cell. The two fields belong to the scheduler. */
export interface Runnable {
  /** Handles one message. Never throws. @returns whether there is more to do now */
  step(): boolean;
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
/** The clock is read once in so many messages, fewer when they are slow: reading it costs as much as a short message. */
const longestStride = 64;

export class Scheduler {
  readonly #onError: (error: unknown) => void;
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
  #stride = 1;
  #untilCheck = 1;

  #pending = 0;
  #stirred = 0;
  #idleWaiters: (() => void)[] = [];
  /** Never changed but replaced, so that a hook may be taken away while they are called. */
  #turnEndHooks: readonly (() => void)[] = [];

  /** @param onError is told what a cell or hook threw although it must not */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
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
    if (this.#budget > 0) queueMicrotask(this.#run);
  }

  #openTurn(): void {
    this.#turnOpen = true;
    this.#budget = turnMessages;
    this.#checkedMs = performance.now();
    this.#turnStartMs = this.#checkedMs;
    setImmediate(this.#closeTurn);
  }

  readonly #closeTurn = (): void => {
    const spent = this.#budget <= 0;
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
    const startMs = this.#checkedMs;
    try {
      for (let left = sliceMessages; left > 0; left--) {
        const more = cell.step();
        this.#budget--;
        if (--this.#untilCheck <= 0) this.#check();
        if (!more) return false;
        if (this.#budget <= 0 || this.#checkedMs - startMs > sliceMs) return true;
      }
      return true;
    } catch (error) {
      this.#onError(error);
      return false;
    }
  }

  #check(): void {
    const nowMs = performance.now();
    const tookMs = nowMs - this.#checkedMs;
    this.#checkedMs = nowMs;
    if (tookMs > sliceMs / 4) this.#stride = Math.max(1, this.#stride >> 3);
    else if (this.#stride < longestStride) this.#stride *= 2;
    this.#untilCheck = this.#stride;
    if (nowMs - this.#turnStartMs > turnMs) this.#budget = 0;
  }

  #append(cell: Runnable): void {
    if (this.#last === undefined) this.#first = cell;
    else this.#last.nextReady = cell;
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
