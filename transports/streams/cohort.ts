/**
 * Connections that follow the same market channels in the same format. What becomes new of these within a turn is put together once
 * and written to each: a tick costs as much for a thousand clients of one cohort as for one, up to the write itself.
 */
import { constants, deflateRawSync } from 'node:zlib';
import type { StreamFormat } from '../websocket/connection.ts';
import { binaryFrame, compressedTextFrame, textFrame } from '../websocket/frame.ts';
import type { Outlet } from './outlet.ts';
import type { Topic, Update } from './topic.ts';

export interface CohortFormat {
  readonly format: StreamFormat;
  readonly isCompressed: boolean;
}

/** What all members get of one turn. */
export interface Batch {
  readonly updates: readonly Update[];
  readonly frames: Buffer;
}

export class Cohort {
  readonly #members = new Set<Outlet>();
  readonly #topics: readonly Topic[];
  readonly #form: CohortFormat;
  readonly #on: { dirty(): void; empty(): void };
  #pending: Update[] = [];

  /** @param on `dirty`: something waits for `distribute`; `empty`: the last member has left, and nobody may join any more */
  constructor(topics: readonly Topic[], form: CohortFormat, on: { dirty(): void; empty(): void }) {
    this.#topics = topics;
    this.#form = form;
    this.#on = on;
    for (const topic of topics) topic.cohorts.add(this);
  }

  add(update: Update): void {
    if (this.#pending.push(update) === 1) this.#on.dirty();
  }

  /** What waits now was published before: the new member has no part in it. */
  join(member: Outlet): void {
    member.since = this.#pending.length;
    this.#members.add(member);
  }

  /** @returns what a member that leaves has not been given yet */
  leave(member: Outlet): readonly Update[] {
    const left = this.#pending.slice(member.since);
    this.#members.delete(member);
    if (this.#members.size === 0) {
      for (const topic of this.#topics) topic.cohorts.delete(this);
      this.#on.empty();
    }
    return left;
  }

  /** Gives each member its batch of the turn, and calls `next` for each that has one. */
  distribute(next: (member: Outlet, batch: Batch) => void): void {
    const updates = this.#pending;
    this.#pending = [];
    if (this.#members.size === 0) return;
    const shared: Batch = { updates, frames: encodeUpdates(updates, this.#form) };
    for (const member of this.#members) {
      const { since } = member;
      member.since = 0;
      if (since === 0) next(member, shared);
      else if (since < updates.length) next(member, batchOf(updates.slice(since), this.#form));
    }
  }
}

export function batchOf(updates: readonly Update[], form: CohortFormat): Batch {
  return { updates, frames: encodeUpdates(updates, form) };
}

function encodeUpdates(updates: readonly Update[], { format, isCompressed }: CohortFormat): Buffer {
  switch (format) {
    case 'json':
      return updates.length === 1
        ? updates[0]!.message.frame
        : Buffer.concat(updates.map(({ message }) => message.frame));
    case 'binary':
      return encodeRecords(updates);
    case 'batch':
      return encodeArray(
        updates.map(({ message }) => message.text),
        isCompressed,
      );
  }
}

/** Records that stand together share a frame; what has no record goes between them as it does for everybody. */
function encodeRecords(updates: readonly Update[]): Buffer {
  const frames: Buffer[] = [];
  let records: Buffer[] = [];
  const flush = (): void => {
    if (records.length > 0) frames.push(binaryFrame(records.length === 1 ? records[0]! : Buffer.concat(records)));
    records = [];
  };
  for (const update of updates) {
    if (update.record) {
      records.push(update.record);
      continue;
    }
    flush();
    frames.push(update.message.frame);
  }
  flush();
  return frames.length === 1 ? frames[0]! : Buffer.concat(frames);
}

/** Below it a compressed frame is hardly smaller, and costs more. */
const worthCompressing = 256;
/** A small window: a batch is short, and the state of the compressor is made anew for each. */
const deflateOptions = { level: 1, windowBits: 12, memLevel: 5, finishFlush: constants.Z_SYNC_FLUSH } as const;
/** Of a flush, which the receiver adds itself (RFC 7692, section 7.2.1). */
const tailBytes = 4;

/** One message that holds all texts, compressed by itself so that it is good for every connection that takes it. */
export function encodeArray(texts: readonly string[], isCompressed: boolean): Buffer {
  const text = `[${texts.join(',')}]`;
  if (!isCompressed || text.length < worthCompressing) return textFrame(text);
  const deflated = deflateRawSync(text, deflateOptions);
  return compressedTextFrame(deflated.subarray(0, deflated.length - tailBytes));
}
