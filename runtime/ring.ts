/** Queues in circular arrays that double as needed. Positions count from the first push; the array exists from then on. */

/**
 * Values with a small number beside each, such as when they came.
 * The first to come into an empty ring stands in the ring itself: where one waits at a time, the array is not even made.
 */
export class StampedRing<T> {
  #first: T | undefined;
  #firstStamp = 0;
  /** Whether the value at the start is `#first`. */
  #isSingle = false;
  #start = 0;
  /** Position behind the last value: the one that the next push gets. */
  end = 0;
  /** Of the value that was shifted last. */
  stamp = 0;
  /** Value and stamp in turn: no object an entry. */
  #slots: (T | number | undefined)[] = none;
  #mask = -1;
  /** Pushes of what had been in before. */
  #moves = 0;

  get size(): number {
    return this.end - this.#start;
  }

  /** How many values have come in. */
  get pushed(): number {
    return this.end - this.#moves;
  }

  /** @param stamp a whole number of 31 bits costs no memory beside the slot */
  push(value: T, stamp: number): void {
    if (this.end === this.#start) {
      this.#first = value;
      this.#firstStamp = stamp;
      this.#isSingle = true;
    } else {
      this.#put(this.end, value, stamp);
    }
    this.end++;
  }

  /** Not when it is empty. */
  shift(): T {
    if (this.#isSingle) {
      const first = this.#first as T;
      this.#first = undefined;
      this.#isSingle = false;
      this.stamp = this.#firstStamp;
      this.#start++;
      return first;
    }
    const at = (this.#start & this.#mask) << 1;
    const value = this.#slots[at] as T;
    this.stamp = this.#slots[at + 1] as number;
    this.#slots[at] = undefined;
    this.#start++;
    return value;
  }

  /** A push of what was shifted before: nothing new has come in. */
  moveToEnd(value: T, stamp: number): void {
    this.#moves++;
    this.push(value, stamp);
  }

  /** Puts a value in front of the others. */
  unshift(value: T, stamp: number): void {
    if (this.#isSingle) {
      this.#put(this.#start, this.#first as T, this.#firstStamp);
      this.#first = undefined;
      this.#isSingle = false;
    }
    this.#put(this.#start - 1, value, stamp);
    this.#start--;
  }

  /** Puts `value` in a place that is taken. @returns what stood there; `stamp` is set to its stamp */
  replace(position: number, value: T, stamp: number): T {
    if (this.#isSingle && position === this.#start) {
      const first = this.#first as T;
      this.stamp = this.#firstStamp;
      this.#first = value;
      this.#firstStamp = stamp;
      return first;
    }
    const at = (position & this.#mask) << 1;
    const before = this.#slots[at] as T;
    this.stamp = this.#slots[at + 1] as number;
    this.#slots[at] = value;
    this.#slots[at + 1] = stamp;
    return before;
  }

  /** The first values with their stamps, at most `count`. */
  first(count: number): { readonly value: T; readonly stamp: number }[] {
    const found: { value: T; stamp: number }[] = [];
    for (let position = this.#start; position < this.end && found.length < count; position++) {
      const at = (position & this.#mask) << 1;
      found.push(
        this.#isSingle && position === this.#start
          ? { value: this.#first as T, stamp: this.#firstStamp }
          : { value: this.#slots[at] as T, stamp: this.#slots[at + 1] as number },
      );
    }
    return found;
  }

  #put(position: number, value: T, stamp: number): void {
    if (this.end - this.#start > this.#mask) this.#grow();
    const at = (position & this.#mask) << 1;
    this.#slots[at] = value;
    this.#slots[at + 1] = stamp;
  }

  #grow(): void {
    const capacity = Math.max(4, this.size * 2);
    const mask = capacity - 1;
    const slots: (T | number | undefined)[] = [];
    for (let at = 0; at < capacity; at++) slots.push(undefined, 0);
    for (let position = this.#start; position < this.end; position++) {
      const to = (position & mask) << 1;
      const from = (position & this.#mask) << 1;
      slots[to] = this.#slots[from];
      slots[to + 1] = this.#slots[from + 1];
    }
    this.#slots = slots;
    this.#mask = mask;
  }
}

/** Values alone. */
export class Ring<T> {
  readonly #ring = new StampedRing<T>();

  get size(): number {
    return this.#ring.size;
  }

  get pushed(): number {
    return this.#ring.pushed;
  }

  push(value: T): void {
    this.#ring.push(value, 0);
  }

  shift(): T | undefined {
    return this.#ring.size === 0 ? undefined : this.#ring.shift();
  }

  /** The first values, at most `count`. */
  first(count: number): T[] {
    return this.#ring.first(count).map(({ value }) => value);
  }
}

// Never written to: the first push makes an array of its own.
const none: never[] = [];
