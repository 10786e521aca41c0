/**
 * A map as a value: `with` and `without` give a new one and leave this one as it is, without copying it all.
 * A large part that versions share lies below a small part with what has changed since; entries that come and go
 * soon never reach the large part. Keys stand in the order in which they were first set.
 */
export class PersistentMap<Value extends object> implements ReadonlyMap<string, Value> {
  readonly size: number;
  readonly #shared: ReadonlyMap<string, Value>;
  /** Undefined: taken out of the shared part. */
  readonly #changes: ReadonlyMap<string, Value | undefined>;

  private constructor(
    shared: ReadonlyMap<string, Value>,
    changes: ReadonlyMap<string, Value | undefined>,
    size: number,
  ) {
    this.#shared = shared;
    this.#changes = changes;
    this.size = size;
  }

  static empty<Value extends object>(): PersistentMap<Value> {
    return new PersistentMap<Value>(new Map(), new Map(), 0);
  }

  /** With a value under a key, in place of the one before it if there is one. */
  with(key: string, value: Value): PersistentMap<Value> {
    const changes = new Map(this.#changes).set(key, value);
    return this.#next(changes, this.has(key) ? this.size : this.size + 1);
  }

  without(key: string): PersistentMap<Value> {
    if (!this.has(key)) return this;
    const changes = new Map(this.#changes);
    if (this.#shared.has(key)) changes.set(key, undefined);
    else changes.delete(key);
    return this.#next(changes, this.size - 1);
  }

  #next(changes: ReadonlyMap<string, Value | undefined>, size: number): PersistentMap<Value> {
    const next = new PersistentMap(this.#shared, changes, size);
    return changes.size > MAX_CHANGES ? new PersistentMap(new Map(next), new Map(), size) : next;
  }

  get(key: string): Value | undefined {
    return this.#changes.has(key) ? this.#changes.get(key) : this.#shared.get(key);
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  *entries(): MapIterator<[string, Value]> {
    for (const [key, value] of this.#shared) {
      const current = this.#changes.has(key) ? this.#changes.get(key) : value;
      if (current !== undefined) yield [key, current];
    }
    for (const [key, value] of this.#changes) {
      if (value !== undefined && !this.#shared.has(key)) yield [key, value];
    }
  }

  *keys(): MapIterator<string> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<Value> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entries();
  }

  forEach(visit: (value: Value, key: string, map: ReadonlyMap<string, Value>) => void): void {
    for (const [key, value] of this.entries()) visit(value, key, this);
  }
}

/** Copying this many is cheap, and folding them in this seldom makes the large copy cheap too. */
const MAX_CHANGES = 24;
