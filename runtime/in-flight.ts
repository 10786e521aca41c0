/** What is on its way to the journal, between the state that is durable and the one that the next decision stands on. */
import assert from 'node:assert/strict';
import type { ReplyTo } from './actor.ts';
import type { CommandResult, Commit } from './event-sourced.ts';
import type { JournalRow } from './journal.ts';

/** One row on its way. */
export interface Entry<State, Event, Reply> extends Commit<State, Event>, JournalRow {
  readonly after: State;
  /** Who asked for it, first; behind, those who wait for it besides. */
  readonly waiters: Waiter<Reply>[];
}

/** Whoever asked for a command in flight, or for something that stands on it. */
export interface Waiter<Reply> {
  readonly replyTo: ReplyTo;
  readonly result: CommandResult<Reply>;
}

export class InFlight<State, Event, Reply> {
  /** The state that is in the journal, and its seq. */
  durable: State;
  durableSeq = 0;
  /** The state that the next decision stands on, and its seq. */
  state: State;
  seq = 0;
  /** How many wait for entries besides those who asked for them. */
  guests = 0;
  readonly #entries: Entry<State, Event, Reply>[] = [];

  constructor(initial: State) {
    this.durable = initial;
    this.state = initial;
  }

  get size(): number {
    return this.#entries.length;
  }

  get last(): Entry<State, Event, Reply> | undefined {
    return this.#entries.at(-1);
  }

  find(seq: number): Entry<State, Event, Reply> | undefined {
    return this.#entries.find((entry) => entry.seq === seq);
  }

  push(entry: Entry<State, Event, Reply>): void {
    this.#entries.push(entry);
    this.state = entry.after;
    this.seq = entry.seq;
  }

  /** @param entry one in flight */
  addGuest(entry: Entry<State, Event, Reply>, guest: Waiter<Reply>): void {
    entry.waiters.push(guest);
    this.guests += 1;
  }

  /** Takes out the entries that are durable now. */
  takeDurable(throughSeq: number): readonly Entry<State, Event, Reply>[] {
    const behind = this.#entries.findIndex((entry) => entry.seq > throughSeq);
    const durable = this.#take(0, behind < 0 ? this.size : behind);
    const last = durable.at(-1);
    if (last) {
      this.durable = last.after;
      this.durableSeq = last.seq;
    }
    return durable;
  }

  /** Takes out the entries from `fromSeq` on: the next decision stands on those before them. */
  giveUp(fromSeq: number): readonly Entry<State, Event, Reply>[] {
    const first = this.#entries.findIndex((entry) => entry.seq >= fromSeq);
    const lost = first < 0 ? [] : this.#take(first, this.size - first);
    this.state = this.last ? this.last.after : this.durable;
    this.seq = this.last ? this.last.seq : this.durableSeq;
    return lost;
  }

  /** The journal has been read this far. */
  stepTo(state: State, seq: number): void {
    assert.equal(this.size, 0, 'the journal is read only while nothing is in flight');
    this.durable = state;
    this.durableSeq = seq;
    this.state = state;
    this.seq = seq;
  }

  #take(first: number, count: number): Entry<State, Event, Reply>[] {
    const taken = this.#entries.splice(first, count);
    for (const { waiters } of taken) this.guests -= waiters.length - 1;
    return taken;
  }
}
