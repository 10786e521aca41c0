/** What is to happen, soonest first: a binary heap in which each entry knows its place, so that it can be taken out again. */

export interface HeapEntry {
  dueMs: number;
  /** Of two that are due at the same time the lower comes first. */
  readonly order: number;
  /** Its place in the heap; below zero when it is in none. Kept by the heap. */
  place: number;
}

export class TimerHeap<Entry extends HeapEntry> {
  readonly #entries: Entry[] = [];

  get size(): number {
    return this.#entries.length;
  }

  get first(): Entry | undefined {
    return this.#entries[0];
  }

  /** @param entry is in no heap */
  add(entry: Entry): void {
    this.#entries.push(entry);
    this.#rise(entry, this.#entries.length - 1);
  }

  /** Without effect when it is in none. */
  remove(entry: Entry): void {
    const { place } = entry;
    if (place < 0) return;
    entry.place = -1;
    const last = this.#entries.pop()!;
    if (last !== entry) this.#settle(last, place);
  }

  /** Puts an entry where it belongs after its time has changed. */
  moved(entry: Entry): void {
    if (entry.place >= 0) this.#settle(entry, entry.place);
  }

  #settle(entry: Entry, place: number): void {
    const above = this.#entries[(place - 1) >> 1];
    if (place > 0 && isBefore(entry, above!)) this.#rise(entry, place);
    else this.#sink(entry, place);
  }

  #rise(entry: Entry, from: number): void {
    let place = from;
    while (place > 0) {
      const above = this.#entries[(place - 1) >> 1]!;
      if (!isBefore(entry, above)) break;
      this.#put(above, place);
      place = (place - 1) >> 1;
    }
    this.#put(entry, place);
  }

  #sink(entry: Entry, from: number): void {
    const entries = this.#entries;
    let place = from;
    for (let below = 2 * place + 1; below < entries.length; below = 2 * place + 1) {
      if (below + 1 < entries.length && isBefore(entries[below + 1]!, entries[below]!)) below += 1;
      if (!isBefore(entries[below]!, entry)) break;
      this.#put(entries[below]!, place);
      place = below;
    }
    this.#put(entry, place);
  }

  #put(entry: Entry, place: number): void {
    this.#entries[place] = entry;
    entry.place = place;
  }
}

function isBefore(a: HeapEntry, b: HeapEntry): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}
