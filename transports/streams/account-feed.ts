/**
 * The events of one account as streams need them: told to subscribers as they become durable, and kept for a while for those that
 * come back. Reads the account once, to know where its numbers stand; from there on they go up by one.
 */
import type { AccountChannel, AccountCommit } from '../../actors/trading/events.ts';
import { commitsOf, type PlatformTopics } from '../../actors/trading/topics.ts';
import type { EventBus, Unsubscribe } from '../../runtime/event-bus.ts';
import type { AccountEntry } from '../services.ts';
import { event, type Message } from './message.ts';

export interface FeedLimits {
  /** Events kept at hand, and how old they may be. */
  readonly resumeRingEvents: number;
  readonly resumeRingMs: number;
}

export type Sequences = Readonly<Record<AccountChannel, number>>;

/** Somebody who follows one channel of the account. */
export interface FeedFollower {
  take(sequence: number, message: Message): void;
  /** The numbers did not go on where they stood: what was told no longer adds up. */
  broken(): void;
}

interface Kept {
  readonly channel: AccountChannel;
  readonly sequence: number;
  readonly message: Message;
  readonly atMs: number;
}

export class AccountFeed {
  readonly entry: AccountEntry;
  readonly #limits: FeedLimits;
  readonly #nowMs: () => number;
  readonly #unsubscribe: Unsubscribe;
  readonly #followers: Readonly<Record<AccountChannel, Set<FeedFollower>>> = {
    ...{ orders: new Set<FeedFollower>(), positions: new Set<FeedFollower>(), account: new Set<FeedFollower>() },
  };
  #ring: Kept[] = [];
  /** Of each channel; undefined until the account has been read. What comes before that waits in the ring. */
  #last: Record<AccountChannel, number> | undefined;
  #usedMs: number;

  constructor(entry: AccountEntry, bus: EventBus<PlatformTopics>, limits: FeedLimits, nowMs: () => number) {
    this.entry = entry;
    this.#limits = limits;
    this.#nowMs = nowMs;
    this.#usedMs = nowMs();
    this.#unsubscribe = bus.subscribe(commitsOf(entry.tenantId, entry.accountId), (commit) => this.#onCommit(commit));
  }

  /** Undefined before the account was read. */
  get last(): Sequences | undefined {
    return this.#last;
  }

  get isFollowed(): boolean {
    return Object.values(this.#followers).some(({ size }) => size > 0);
  }

  /** Where the account stood when it was read, after this feed was made. Events up to there were not missed, they are in what was read. */
  startAt(sequences: Sequences): void {
    if (this.#last) return;
    const { orders, positions, account } = sequences;
    this.#last = { orders, positions, account };
    const early = this.#ring;
    this.#ring = [];
    for (const kept of early) this.#take(kept);
  }

  /** Whether every event of the channel behind `sequence` is at hand. */
  holds(channel: AccountChannel, sequence: number): boolean {
    const last = this.#last?.[channel];
    if (last === undefined || sequence > last) return false;
    this.#forgetOld();
    if (sequence === last) return true;
    const first = this.#ring.find((kept) => kept.channel === channel);
    return first !== undefined && first.sequence <= sequence + 1;
  }

  /** Tells what is behind `sequence`, which must be at hand, and then whatever comes. */
  follow(channel: AccountChannel, sequence: number, follower: FeedFollower): void {
    for (const kept of this.#ring)
      if (kept.channel === channel && kept.sequence > sequence) follower.take(kept.sequence, kept.message);
    this.#followers[channel].add(follower);
  }

  unfollow(channel: AccountChannel, follower: FeedFollower): void {
    this.#followers[channel].delete(follower);
    this.#usedMs = this.#nowMs();
  }

  /** Whether nobody follows and nobody could come back for what is kept. */
  get isIdle(): boolean {
    return !this.isFollowed && this.#nowMs() - this.#usedMs > this.#limits.resumeRingMs;
  }

  close(): void {
    this.#unsubscribe();
    this.#ring = [];
  }

  #onCommit(commit: AccountCommit): void {
    const { account, streamEpoch } = this.entry;
    const atMs = this.#nowMs();
    for (const published of commit.events) {
      const { channel, sequence } = published;
      const kept = { channel, sequence, message: event(`${channel}:${account}`, streamEpoch, published), atMs };
      if (this.#last) this.#take(kept);
      else this.#keep(kept);
    }
  }

  #take(kept: Kept): void {
    const { channel, sequence, message } = kept;
    const last = this.#last!;
    if (sequence <= last[channel]) return;
    if (sequence > last[channel] + 1) return this.#break();
    last[channel] = sequence;
    this.#keep(kept);
    for (const follower of this.#followers[channel]) follower.take(sequence, message);
  }

  #keep(kept: Kept): void {
    this.#ring.push(kept);
    // Cut in larger steps, so that an event costs the same however many are kept.
    if (this.#ring.length > 2 * this.#limits.resumeRingEvents)
      this.#ring = this.#ring.slice(-this.#limits.resumeRingEvents);
  }

  #forgetOld(): void {
    const { resumeRingEvents, resumeRingMs } = this.#limits;
    const oldestMs = this.#nowMs() - resumeRingMs;
    const young = this.#ring.findIndex(({ atMs }) => atMs >= oldestMs);
    const from = Math.max(young < 0 ? this.#ring.length : young, this.#ring.length - resumeRingEvents);
    if (from > 0) this.#ring = this.#ring.slice(from);
  }

  /** It cannot happen while one process owns the account; if it does, nobody is told half a story. */
  #break(): void {
    this.#last = undefined;
    this.#ring = [];
    const followers = Object.values(this.#followers).flatMap((set) => [...set]);
    for (const set of Object.values(this.#followers)) set.clear();
    for (const follower of followers) follower.broken();
  }
}
