/** Where messages wait: a control lane that is never shed, and an ordinary lane that is bounded and has a policy. */
import assert from 'node:assert/strict';
import { Envelope, enveloped, nothing } from './envelope.ts';
import { harmless } from './redaction.ts';
import { Ring, StampedRing } from './ring.ts';
import { ageMs } from './ticks.ts';

export interface MailboxSpec<Message> {
  /** Messages the ordinary lane holds, 1 or more. */
  readonly capacity: number;
  /**
   * What gives way at capacity:
   * `reject` and `drop-new` the new message (with drop-new the sender is told that it was dropped, not that it was refused);
   * `drop-oldest` the one that has waited longest;
   * `latest-by-key` those that a newer one with the same key makes outdated: it takes the place of the first message of its key,
   * and a message without a key, or with a new one, is refused while full;
   * `park-sender` the sender: an actor that told it waits for room before its own next message; whoever is no actor is refused;
   * `crash` the actor itself, for whom more messages than that are a fault.
   */
  readonly whenFull: 'reject' | 'drop-new' | 'drop-oldest' | 'latest-by-key' | 'park-sender' | 'crash';
  /** For `latest-by-key`. Messages for which it is undefined are never replaced. */
  keyOf?(message: Message): string | undefined;
  /** How long an ordinary message is worth handling, above zero; default for ever. */
  readonly ttlMs?: number;
}

export const defaultMailbox: MailboxSpec<never> = { capacity: 1_000, whenFull: 'reject' };

/** Control messages are few by design; this many means that something sends them in a loop. */
export const controlLimit = 100_000;

/** What an offered message met. `let-go` says that the policy gave up another message to make room. */
export type Offered = 'queued' | 'full' | 'let-go';

/** Whose mailbox it is. */
export interface MailboxOwner<Message> {
  /** Now, as ticks count. */
  tick(): number;
  /** The policy gave up a queued message. */
  onLetGo(envelope: Envelope<Message>): void;
  /** The ordinary lane has filled up to four fifths for the first time. */
  onHigh(depth: number): void;
  /** `keyOf` threw. */
  onPolicyFailed(error: unknown, message: Message): void;
}

/** A message of an actor that waits for room. */
export interface Parked<Message> {
  readonly envelope: Envelope<Message>;
  /** There is room for it now. */
  admitted(): void;
}

/** A message that came alone stands in the lane as it is; one with anything to it, in its envelope. */
type Waiting<Message> = Message | Envelope<Message>;

/** What a mailbox has beside while it is full, or has been until lately. */
interface Crowd<Message> {
  readonly parked: Ring<Parked<Message>>;
  /** Position of the queued message of each key; only where the policy goes by keys. */
  readonly positions: Map<string, number> | undefined;
}

/** The ordinary lane is the mailbox itself, so that a message has one object less to pass. */
export class Mailbox<Message> extends StampedRing<Waiting<Message>> {
  // The first fields are those of the hot path, so that they lie together.
  readonly capacity: number;
  /** Whether messages are worth handling for ever. */
  readonly isLasting: boolean;
  #highWater = 0;
  #control: Ring<Envelope<Message>> | undefined;
  /** Exists from the moment of being full on, until there is room enough again. */
  #crowd: Crowd<Message> | undefined;
  readonly #highAt: number;
  readonly spec: MailboxSpec<Message>;
  readonly #owner: MailboxOwner<Message>;
  /** Messages refused or given up because the mailbox was full. */
  dropped = 0;

  constructor(spec: MailboxSpec<Message>, owner: MailboxOwner<Message>) {
    super();
    this.capacity = spec.capacity;
    this.isLasting = spec.ttlMs === undefined;
    this.#highAt = Math.max(1, Math.ceil(spec.capacity * 0.8));
    this.spec = spec;
    this.#owner = owner;
  }

  /** All messages that wait for their turn. */
  get waiting(): number {
    return this.#control === undefined ? this.size : this.size + this.#control.size;
  }

  /** Ordinary ones. */
  get depth(): number {
    return this.size;
  }

  get control(): number {
    return this.#control?.size ?? 0;
  }

  get parked(): number {
    return this.#crowd?.parked.size ?? 0;
  }

  /** The most messages the ordinary lane has held. */
  get highWater(): number {
    return this.#highWater;
  }

  /** Messages taken in since the start. */
  get received(): number {
    return this.pushed + (this.#control?.pushed ?? 0);
  }

  /** Age of the oldest message that waits; zero when none does. */
  oldestMs(tick: number): number {
    const control = this.#control?.first(1)[0];
    const [ordinary] = this.first(1);
    return Math.max(0, control ? ageMs(control.sentTick, tick) : 0, ordinary ? ageMs(ordinary.stamp, tick) : 0);
  }

  /** @param tick when it was sent, marked as `enveloped` for an envelope */
  offer(value: Waiting<Message>, tick: number): Offered {
    const { size } = this;
    if (size >= this.capacity || this.#crowd !== undefined) return this.#offerToCrowd(value, tick);
    this.push(value, tick);
    if (size >= this.#highWater) this.#rise(size + 1);
    return 'queued';
  }

  /** @throws AssertionError beyond `controlLimit` */
  offerControl(envelope: Envelope<Message>): void {
    const lane = (this.#control ??= new Ring());
    assert(lane.size < controlLimit, `control lane must hold at most ${controlLimit} messages`);
    lane.push(envelope);
  }

  /** Lets a message of an actor wait behind a full mailbox. @returns false when as many wait already as the mailbox holds */
  park(parked: Parked<Message>): boolean {
    const { parked: waiting } = (this.#crowd ??= { parked: new Ring(), positions: undefined });
    if (waiting.size >= this.capacity) return false;
    waiting.push(parked);
    return true;
  }

  /** Puts messages in front of all ordinary ones, in their order; they may exceed the capacity, for they were in before. */
  putBack(envelopes: readonly Envelope<Message>[]): void {
    for (const envelope of envelopes.toReversed()) this.unshift(envelope, envelope.sentTick | enveloped);
    // Which of them has which key is found out anew when the mailbox is next offered something while full.
    if (this.#crowd?.positions) this.#crowd = undefined;
  }

  /** The next message, control lane first, or `nothing`; `stamp` is its tick, marked as `enveloped` for an envelope. */
  take(): Waiting<Message> | typeof nothing {
    const control = this.#control;
    if (control !== undefined && control.size > 0) {
      const envelope = control.shift()!;
      this.stamp = envelope.sentTick | enveloped;
      return envelope;
    }
    if (this.size === 0) return nothing;
    const value = this.shift();
    if (this.#crowd !== undefined) this.#thin(this.#crowd, value);
    return value;
  }

  /** Takes everything out, in the order in which it would have been handled; the parked ones come last. */
  drain(): Envelope<Message>[] {
    const waiting = this.peek(Infinity);
    this.#control = undefined;
    for (let left = this.size; left > 0; left--) this.shift();
    const crowd = this.#crowd;
    this.#crowd = undefined;
    for (let parked = crowd?.parked.shift(); parked; parked = crowd?.parked.shift()) {
      waiting.push(parked.envelope);
      parked.admitted();
    }
    return waiting;
  }

  /** The first messages in the order in which they would be handled, left where they are. */
  peek(count: number): Envelope<Message>[] {
    const control = this.#control?.first(count) ?? [];
    const ordinary = this.first(count - control.length);
    return [...control, ...ordinary.map(({ value, stamp }) => Envelope.of(value, stamp))];
  }

  #rise(size: number): void {
    this.#highWater = size;
    if (size === this.#highAt) this.#owner.onHigh(size);
  }

  #offerToCrowd(value: Waiting<Message>, tick: number): Offered {
    switch (this.spec.whenFull) {
      case 'reject':
      case 'drop-new':
      case 'crash':
        this.dropped++;
        return 'full';
      case 'park-sender':
        // It may yet be parked, behind those that are.
        return 'full';
      case 'drop-oldest': {
        // The stamp goes on telling of the message in hand.
        const { stamp: inHand } = this;
        const oldest = this.shift();
        const { stamp } = this;
        this.stamp = inHand;
        // Whoever hears of the oldest may tell something at once.
        this.push(value, tick);
        this.#letGo(oldest, stamp);
        return 'let-go';
      }
      case 'latest-by-key':
        return this.#offerByKey(value, tick);
    }
  }

  #offerByKey(value: Waiting<Message>, tick: number): Offered {
    const { positions } = this.#crowd ?? this.#keepLatest();
    const key = this.#keyOf(value);
    const position = key === undefined ? undefined : positions?.get(key);
    if (position !== undefined) {
      const { stamp: inHand } = this;
      const former = this.replace(position, value, tick);
      const { stamp } = this;
      this.stamp = inHand;
      this.#letGo(former, stamp);
      return 'let-go';
    }
    if (this.size >= this.capacity) {
      this.dropped++;
      return 'full';
    }
    if (key !== undefined) positions?.set(key, this.end);
    this.push(value, tick);
    return 'queued';
  }

  /** Leaves one message a key, the newest, in the place of the first; done once each time the mailbox fills up. */
  #keepLatest(): Crowd<Message> {
    const positions = new Map<string, number>();
    const { stamp: inHand } = this;
    const former: { readonly value: Waiting<Message>; readonly stamp: number }[] = [];
    for (let left = this.size; left > 0; left--) {
      const value = this.shift();
      const { stamp } = this;
      const key = this.#keyOf(value);
      const position = key === undefined ? undefined : positions.get(key);
      if (position !== undefined) {
        former.push({ value: this.replace(position, value, stamp), stamp: this.stamp });
        continue;
      }
      if (key !== undefined) positions.set(key, this.end);
      this.moveToEnd(value, stamp);
    }
    this.stamp = inHand;
    const crowd = (this.#crowd = { parked: new Ring(), positions });
    for (const { value, stamp } of former) this.#letGo(value, stamp);
    return crowd;
  }

  /** A message has been taken out of a mailbox that was full. */
  #thin(crowd: Crowd<Message>, taken: Waiting<Message>): void {
    const { positions, parked } = crowd;
    if (positions) {
      if (this.size <= this.capacity / 2) this.#crowd = undefined;
      const key = this.#keyOf(taken);
      if (key !== undefined) positions.delete(key);
      return;
    }
    while (this.size < this.capacity) {
      const next = parked.shift();
      if (next === undefined) {
        this.#crowd = undefined;
        return;
      }
      this.push(next.envelope, next.envelope.sentTick | enveloped);
      next.admitted();
    }
  }

  #keyOf(value: Waiting<Message>): string | undefined {
    const message = value instanceof Envelope ? value.message : value;
    try {
      return harmless(this.spec.keyOf?.(message));
    } catch (error) {
      this.#owner.onPolicyFailed(error, message);
      return undefined;
    }
  }

  #letGo(value: Waiting<Message>, stamp: number): void {
    this.dropped++;
    this.#owner.onLetGo(Envelope.of(value, stamp));
  }
}
