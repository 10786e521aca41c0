/** Where messages wait: a control lane that is never shed, and an ordinary lane that is bounded and has a policy. */
import assert from 'node:assert/strict';
import type { Ask } from './ask.ts';

export interface MailboxSpec<Message> {
  /** Messages the ordinary lane holds, 1 or more. */
  readonly capacity: number;
  /**
   * What gives way at capacity: the new message, the oldest one, or those that a newer one with the same key makes outdated.
   * `latest-by-key` keeps the place of the first message of a key; a message without a key, or with a new one, is refused while full.
   */
  readonly whenFull: 'reject' | 'drop-oldest' | 'latest-by-key';
  /** For `latest-by-key`. Messages for which it is undefined are never replaced. */
  keyOf?(message: Message): string | undefined;
}

export const defaultMailbox: MailboxSpec<never> = { capacity: 1_000, whenFull: 'reject' };

/** Control messages are few by design; this many means that something sends them in a loop. */
export const controlLimit = 100_000;

/** A message on its way. One shape for every message keeps the hot path monomorphic. */
export class Envelope<Message> {
  readonly message: Message;
  readonly traceId: string | undefined;
  readonly ask: Ask | undefined;
  /** Monotonic; of the event-loop turn in which the message was sent. */
  readonly sentMs: number;
  /** The only incarnation that may handle it, for timers and piped promises; zero is any. */
  readonly incarnation: number;

  constructor(
    message: Message,
    traceId: string | undefined,
    ask: Ask | undefined,
    sentMs: number,
    incarnation: number,
  ) {
    this.message = message;
    this.traceId = traceId;
    this.ask = ask;
    this.sentMs = sentMs;
    this.incarnation = incarnation;
  }
}

/** What an offered message met. `let-go` says which message the policy gave up to make room. */
export type Offered = 'queued' | 'full' | 'let-go';

export class Mailbox<Message> {
  readonly capacity: number;
  readonly #spec: MailboxSpec<Message>;
  readonly #onLetGo: (envelope: Envelope<Message>) => void;
  readonly #ordinary = new Ring<Envelope<Message>>();
  readonly #control = new Ring<Envelope<Message>>();
  /** Position of the queued message of each key; exists from the moment of being full until half of the mailbox is free. */
  #positions: Map<string, number> | undefined;
  #highWater = 0;
  #dropped = 0;

  /** @param onLetGo is told of each queued message that the policy gives up */
  constructor(spec: MailboxSpec<Message>, onLetGo: (envelope: Envelope<Message>) => void) {
    this.capacity = spec.capacity;
    this.#spec = spec;
    this.#onLetGo = onLetGo;
  }

  get size(): number {
    return this.#ordinary.size + this.#control.size;
  }

  get depth(): number {
    return this.#ordinary.size;
  }

  get control(): number {
    return this.#control.size;
  }

  /** The most messages the ordinary lane has held. */
  get highWater(): number {
    return this.#highWater;
  }

  /** Messages refused or given up because the mailbox was full. */
  get dropped(): number {
    return this.#dropped;
  }

  /** When the oldest waiting message was sent, monotonic; undefined when nothing waits. */
  get oldestSentMs(): number | undefined {
    const ordinary = this.#ordinary.peek()?.sentMs;
    const control = this.#control.peek()?.sentMs;
    if (ordinary === undefined || control === undefined) return ordinary ?? control;
    return Math.min(ordinary, control);
  }

  offer(envelope: Envelope<Message>): Offered {
    const lane = this.#ordinary;
    if (lane.size >= this.capacity || this.#positions !== undefined) return this.#offerUnderPressure(envelope);
    lane.push(envelope);
    if (lane.size > this.#highWater) this.#highWater = lane.size;
    return 'queued';
  }

  /** @throws AssertionError beyond `controlLimit` */
  offerControl(envelope: Envelope<Message>): void {
    assert(this.#control.size < controlLimit, `control lane must hold at most ${controlLimit} messages`);
    this.#control.push(envelope);
  }

  /** The next message, control lane first. */
  take(): Envelope<Message> | undefined {
    if (this.#control.size > 0) return this.#control.shift();
    const envelope = this.#ordinary.shift();
    if (this.#positions !== undefined && envelope !== undefined) this.#forgetPosition(envelope);
    return envelope;
  }

  /** Takes everything out, in the order in which it would have been handled. */
  drain(): Envelope<Message>[] {
    const waiting: Envelope<Message>[] = [];
    for (let envelope = this.take(); envelope !== undefined; envelope = this.take()) waiting.push(envelope);
    return waiting;
  }

  #offerUnderPressure(envelope: Envelope<Message>): Offered {
    switch (this.#spec.whenFull) {
      case 'reject':
        this.#dropped++;
        return 'full';
      case 'drop-oldest':
        this.#letGo(this.#ordinary.shift());
        this.#ordinary.push(envelope);
        return 'let-go';
      case 'latest-by-key':
        return this.#offerByKey(envelope);
    }
  }

  #offerByKey(envelope: Envelope<Message>): Offered {
    this.#positions ??= this.#keepLatest();
    const key = this.#keyOf(envelope);
    const position = key === undefined ? undefined : this.#positions.get(key);
    if (position !== undefined) {
      this.#letGo(this.#ordinary.replace(position, envelope));
      return 'let-go';
    }
    if (this.#ordinary.size >= this.capacity) {
      this.#dropped++;
      return 'full';
    }
    if (key !== undefined) this.#positions.set(key, this.#ordinary.end);
    this.#ordinary.push(envelope);
    return 'queued';
  }

  /** Leaves one message a key, the newest, in the place of the first; done once each time the mailbox fills up. */
  #keepLatest(): Map<string, number> {
    const positions = new Map<string, number>();
    for (let left = this.#ordinary.size; left > 0; left--) {
      const envelope = this.#ordinary.shift();
      assert(envelope, 'a mailbox holds as many messages as it counts');
      const key = this.#keyOf(envelope);
      const position = key === undefined ? undefined : positions.get(key);
      if (position !== undefined) {
        this.#letGo(this.#ordinary.replace(position, envelope));
        continue;
      }
      if (key !== undefined) positions.set(key, this.#ordinary.end);
      this.#ordinary.push(envelope);
    }
    return positions;
  }

  #forgetPosition(taken: Envelope<Message>): void {
    if (this.#ordinary.size <= this.capacity / 2) {
      this.#positions = undefined;
      return;
    }
    const key = this.#keyOf(taken);
    if (key !== undefined) this.#positions?.delete(key);
  }

  #keyOf(envelope: Envelope<Message>): string | undefined {
    return this.#spec.keyOf?.(envelope.message);
  }

  #letGo(envelope: Envelope<Message> | undefined): void {
    assert(envelope, 'only a queued message can be given up');
    this.#dropped++;
    this.#onLetGo(envelope);
  }
}

/** A queue in a circular array that doubles as needed. Positions count from the first push and never repeat. */
class Ring<T> {
  #slots: (T | undefined)[] = [];
  #mask = -1;
  #start = 0;
  /** The position that the next push gets. */
  end = 0;

  get size(): number {
    return this.end - this.#start;
  }

  peek(): T | undefined {
    return this.#start === this.end ? undefined : this.#slots[this.#start & this.#mask];
  }

  push(value: T): void {
    if (this.end - this.#start > this.#mask) this.#grow();
    this.#slots[this.end & this.#mask] = value;
    this.end++;
  }

  shift(): T | undefined {
    if (this.#start === this.end) return undefined;
    const at = this.#start & this.#mask;
    const value = this.#slots[at];
    this.#slots[at] = undefined;
    this.#start++;
    return value;
  }

  /** Puts `value` in a place that is taken. @returns what stood there */
  replace(position: number, value: T): T | undefined {
    const previous = this.#slots[position & this.#mask];
    this.#slots[position & this.#mask] = value;
    return previous;
  }

  #grow(): void {
    const size = this.size;
    const slots = Array.from<T | undefined>({ length: Math.max(8, size * 2) });
    const mask = slots.length - 1;
    for (let position = this.#start; position < this.end; position++) {
      slots[position & mask] = this.#slots[position & this.#mask];
    }
    this.#slots = slots;
    this.#mask = mask;
  }
}
