/**
 * The outgoing side of one connection. What must arrive (replies, snapshots, account events) is queued and leaves in front of what
 * the market did; both leave in one write a turn. A client that does not keep up leaves its cohort: it gets the newest of each
 * channel a few times a second, and is closed when what must arrive piles up, or nothing helps.
 */
import type { Connection } from '../websocket/connection.ts';
import { batchOf, encodeArray, type Batch, type Cohort, type CohortFormat } from './cohort.ts';
import type { Message } from './message.ts';
import { Update, type Topic } from './topic.ts';

export interface SlowLimits {
  /** Bytes that the kernel has not taken, or a round trip, above either of which a client is slow. */
  readonly slowBytes: number;
  readonly slowRoundTripMs: number;
  /** How long the newest of a channel may go without the acknowledgement of a client that gives them. */
  readonly slowAcknowledgeMs: number;
  /** A slow client keeps up again once its round trip has stayed below this, for so long. */
  readonly recoverRoundTripMs: number;
  readonly recoverAfterMs: number;
  /** Unsent bytes of what must arrive, a round trip, and time spent slow, above any of which the connection is closed. */
  readonly slowCloseBytes: number;
  readonly slowCloseAfterMs: number;
  readonly degradedCloseAfterMs: number;
}

export interface OutletHub {
  readonly limits: SlowLimits;
  /** Writes the outlet at the end of this turn. */
  writeSoon(outlet: Outlet): void;
  /** Finds the cohort of those who follow the same. */
  cohortOf(topics: Iterable<Topic>, form: CohortFormat): Cohort;
  nowMs(): number;
  /** Counts updates that a client never got, because a newer one took their place. */
  onSkipped(updates: number): void;
}

export interface OutletListener {
  slow(bufferedBytes: number): void;
  tooSlow(why: string): void;
}

/** Since when a client is slow, and since when it seems to have recovered. */
interface Slowness {
  readonly sinceMs: number;
  goodSinceMs: number | undefined;
  /** The last number that the client got of each channel. */
  readonly got: Map<Topic, number>;
}

export class Outlet {
  readonly connection: Connection;
  readonly form: CohortFormat;
  readonly #hub: OutletHub;
  readonly #listener: OutletListener;
  /** What must arrive, in order. */
  #queue: Message[] = [];
  #queuedBytes = 0;
  /** What the market did. More than one is rare, and an array for each write is not. */
  #batch: Batch | undefined;
  #laterBatches: Batch[] = [];
  readonly #topics = new Set<Topic>();
  /** What the client says has reached it; undefined of a client that never says. */
  #acknowledged: { readonly topic: Topic; readonly sequence: number } | undefined;
  #cohort: Cohort | undefined;
  #slowness: Slowness | undefined;
  #waitsForDrain = false;
  #isClosed = false;
  /** In the hub's list of this turn. */
  isWaiting = false;
  /** How much of what waits in the cohort came before this member. */
  since = 0;

  constructor(connection: Connection, form: CohortFormat, hub: OutletHub, listener: OutletListener) {
    this.connection = connection;
    this.form = form;
    this.#hub = hub;
    this.#listener = listener;
  }

  get isSlow(): boolean {
    return this.#slowness !== undefined;
  }

  /** Unsent bytes that this process holds for the client, beside what is shared with others. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** What must arrive. */
  send(message: Message): void {
    if (this.#isClosed) return;
    this.#queue.push(message);
    this.#queuedBytes += message.text.length;
    if (!this.#waitsForDrain) this.#hub.writeSoon(this);
    else if (this.#queuedBytes > this.#hub.limits.slowCloseBytes)
      this.#listener.tooSlow(`${this.#queuedBytes} bytes that must arrive are unsent`);
  }

  /** From here on the client gets what becomes new of the channels. The snapshots of these must have been sent. */
  follow(topics: Iterable<Topic>): void {
    this.#regroup(() => {
      for (const topic of topics) {
        this.#topics.add(topic);
        this.#slowness?.got.set(topic, topic.source.sequence);
      }
    });
  }

  /** What was published before goes out in front of whatever is sent from here on, such as the reply that says so. */
  unfollow(topics: Iterable<Topic>): void {
    this.#regroup(() => {
      for (const topic of topics) {
        this.#topics.delete(topic);
        if (this.#acknowledged?.topic === topic) this.#acknowledged = undefined;
        this.#slowness?.got.delete(topic);
      }
    });
  }

  acknowledge(topic: Topic, sequence: number): void {
    if (this.#topics.has(topic)) this.#acknowledged = { topic, sequence };
  }

  /** @returns whether there is something to write, or the client turned out to be slow */
  take(batch: Batch): boolean {
    if (this.#isClosed) return false;
    this.#collect(batch);
    if (!this.#waitsForDrain) return true;
    this.#degrade();
    return false;
  }

  /** One write of all that was collected. */
  write(): void {
    if (this.#isClosed || this.#waitsForDrain) return;
    if (this.connection.bufferedBytes > this.#hub.limits.slowBytes) return this.#waitForDrain();
    if (this.#queue.length > 0 || this.#laterBatches.length > 0) return this.#writeTogether();
    const batch = this.#batch;
    this.#batch = undefined;
    if (batch) this.connection.write(batch.frames);
  }

  /** A few times a second: finds out whether the client keeps up, and sends a slow one the newest of what it follows. */
  pulse(): void {
    if (this.#isClosed) return;
    const { limits } = this.#hub;
    const nowMs = this.#hub.nowMs();
    const delayMs = this.connection.roundTripMs;
    if (delayMs > limits.slowCloseAfterMs) return this.#listener.tooSlow(`no answer for ${Math.round(delayMs)} ms`);
    const isLate = delayMs > limits.slowRoundTripMs || this.#acknowledgementAgeMs(nowMs) > limits.slowAcknowledgeMs;
    if (!this.#slowness) {
      if (isLate) this.#degrade();
      return;
    }
    if (nowMs - this.#slowness.sinceMs > limits.degradedCloseAfterMs)
      return this.#listener.tooSlow(`slow for ${limits.degradedCloseAfterMs} ms`);
    if (this.#waitsForDrain || this.connection.bufferedBytes > 0) {
      this.#slowness.goodSinceMs = undefined;
      return;
    }
    this.#catchUp(this.#slowness);
    if (isLate || delayMs >= limits.recoverRoundTripMs) this.#slowness.goodSinceMs = undefined;
    else this.#slowness.goodSinceMs ??= nowMs;
    if (nowMs - (this.#slowness.goodSinceMs ?? nowMs) >= limits.recoverAfterMs) this.#recover();
  }

  /** Writes what is collected and takes no more. */
  end(): void {
    if (this.#isClosed) return;
    this.unfollow([...this.#topics]);
    this.write();
    this.#isClosed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#takeBatches();
  }

  #writeTogether(): void {
    const frames = this.#queue.length === 0 ? [] : this.#queuedFrames();
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const batch of this.#takeBatches()) frames.push(batch.frames);
    this.connection.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames));
  }

  #collect(batch: Batch): void {
    if (this.#batch) this.#laterBatches.push(batch);
    else this.#batch = batch;
  }

  #takeBatches(): readonly Batch[] {
    const batches = this.#batch ? [this.#batch, ...this.#laterBatches] : [];
    this.#batch = undefined;
    if (this.#laterBatches.length > 0) this.#laterBatches = [];
    return batches;
  }

  #queuedFrames(): Buffer[] {
    if (this.form.format !== 'batch') return this.#queue.map(({ frame }) => frame);
    return [
      encodeArray(
        this.#queue.map(({ text }) => text),
        this.form.isCompressed,
      ),
    ];
  }

  #regroup(change: () => void): void {
    if (this.#isClosed) return;
    this.#settle(this.#cohort?.leave(this) ?? []);
    change();
    this.#cohort = undefined;
    if (!this.#slowness) this.#join();
  }

  #join(): void {
    if (this.#topics.size === 0) return;
    this.#cohort = this.#hub.cohortOf(this.#topics, this.form);
    this.#cohort.join(this);
  }

  /** What the client has a right to from the cohort that it leaves is queued, so that it stays in front of what comes then. */
  #settle(left: readonly Update[]): void {
    const updates = [...this.#takeBatches().flatMap((batch) => batch.updates), ...left];
    for (const update of updates) this.send(update.message);
  }

  #degrade(): void {
    if (this.#slowness) return;
    const unsent = [...this.#takeBatches().flatMap(({ updates }) => updates), ...(this.#cohort?.leave(this) ?? [])];
    this.#cohort = undefined;
    const got = new Map([...this.#topics].map((topic) => [topic, topic.source.sequence]));
    for (const { topic, sequence } of unsent.toReversed()) got.set(topic, sequence - 1);
    this.#slowness = { sinceMs: this.#hub.nowMs(), goodSinceMs: undefined, got };
    this.#listener.slow(this.connection.bufferedBytes);
  }

  #catchUp({ got }: Slowness): void {
    const updates: Update[] = [];
    for (const [topic, last] of got) {
      const { sequence } = topic.source;
      if (sequence <= last) continue;
      const skipped = sequence - last - 1;
      this.#hub.onSkipped(skipped);
      updates.push(new Update(topic, topic.source.newest(skipped)));
      got.set(topic, sequence);
    }
    if (updates.length === 0) return;
    this.#collect(batchOf(updates, this.form));
    this.#hub.writeSoon(this);
  }

  #recover(): void {
    this.#slowness = undefined;
    this.#join();
  }

  #waitForDrain(): void {
    this.#waitsForDrain = true;
    if (this.#topics.size > 0) this.#degrade();
    this.connection.whenDrained(() => {
      this.#waitsForDrain = false;
      this.write();
    });
    if (this.#queuedBytes > this.#hub.limits.slowCloseBytes)
      this.#listener.tooSlow(`${this.#queuedBytes} bytes that must arrive are unsent`);
  }

  #acknowledgementAgeMs(nowMs: number): number {
    return this.#acknowledged ? this.#acknowledged.topic.ageOf(this.#acknowledged.sequence, nowMs) : 0;
  }
}
