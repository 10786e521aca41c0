/** What the counters of a crowd tell the benchmark. The hot path of every contender goes through `count`. */

/** So many tells, or spawns, go out in a turn of the event loop. */
export const perTurn = 1_000;

export class Meter {
  handled = 0;
  /** How long each probe waited, in ms. */
  waits: number[] = [];
  #awaited = Infinity;
  #reached: (() => void) | undefined;
  #onStart: ((atMs: number) => void) | undefined;

  count(): void {
    if (++this.handled === this.#awaited) this.#reached?.();
  }

  waited(ms: number): void {
    this.waits.push(ms);
  }

  started(): void {
    this.#onStart?.(performance.now());
  }

  /** When the next counter starts. One at a time. */
  nextStart(): Promise<number> {
    return new Promise((resolve) => {
      this.#onStart = (atMs) => {
        this.#onStart = undefined;
        resolve(atMs);
      };
    });
  }

  /** Resolves once that many messages have been handled in all. @throws {Error} it takes longer */
  async until(total: number, withinMs: number): Promise<void> {
    if (this.handled === total) return;
    const reached = new Promise<void>((resolve) => (this.#reached = resolve));
    this.#awaited = total;
    await within(reached, withinMs, () => `${this.handled} of ${total} messages were handled`);
    this.#awaited = Infinity;
  }
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Calls `each` for 0 up to `count`, `perTurn` times a turn of the event loop. */
export async function inTurns(count: number, each: (index: number) => void): Promise<void> {
  for (let index = 0; index < count;) {
    for (const end = Math.min(count, index + perTurn); index < end; index++) each(index);
    await nextTurn();
  }
}

/** @throws {Error} the promise takes longer */
export async function within<T>(promise: Promise<T>, ms: number, late: () => string): Promise<T> {
  let patience: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    patience = setTimeout(() => reject(new Error(`${late()} within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(patience);
  }
}
