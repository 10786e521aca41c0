/**
 * The newest values of a long line, as a value: what is appended makes a new tail and leaves the old one as it was. Tails that follow
 * from each other share one array, so appending costs the same however many are kept.
 */
export class Tail<T> {
  readonly #kept: number;
  readonly #values: T[];
  readonly #end: number;

  /** @param kept how many are kept at most, one or more */
  constructor(kept: number, values: T[] = [], end = 0) {
    this.#kept = kept;
    this.#values = values;
    this.#end = end;
  }

  get length(): number {
    return Math.min(this.#end, this.#kept);
  }

  get newest(): T | undefined {
    return this.#values[this.#end - 1];
  }

  append(value: T): Tail<T> {
    // Another tail has gone on from here already, or more has been let go than is kept.
    const isOwn = this.#values.length === this.#end && this.#end < 2 * this.#kept;
    const values = isOwn ? this.#values : this.last(this.#kept - 1);
    values.push(value);
    return new Tail(this.#kept, values, values.length);
  }

  /** A new array, oldest first. */
  last(count: number): T[] {
    return this.#values.slice(Math.max(0, this.#end - Math.min(count, this.#kept)), this.#end);
  }

  all(): T[] {
    return this.last(this.#kept);
  }
}
