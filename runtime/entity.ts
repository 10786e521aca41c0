/** One incarnation of an event-sourced actor: how it stands with the journal, and who may see what of its state. */
import assert from 'node:assert/strict';
import type { ActorContext, ReplyTo } from './actor.ts';
import { EntityCommands } from './entity-commands.ts';
import type { Commit, EventSourcedMessage, EventSourcedSpec, JournalNotice } from './event-sourced.ts';
import { InFlight } from './in-flight.ts';
import { type JournalRow, JournalUnavailable } from './journal.ts';
import { JournalReading, type OpenRows, type Page } from './journal-reading.ts';
import type { SnapshotKeeper } from './snapshots.ts';

/** What all incarnations of an entity share. */
export interface Kept<State> {
  /** The last row that `onDurable` was told of, so that none is left out or told twice; undefined before the first reading. */
  toldSeq: number | undefined;
  readonly snapshots: SnapshotKeeper<State> | undefined;
}

type NoticeOf<Type extends JournalNotice['type']> = Extract<JournalNotice, { type: Type }>;

/** Counts the times that any journal was read in this process: an entity that restarts is never taken for the one it was before. */
let readings = 0;

/** It is changed in place, which is safe here: whatever throws ends it, and the next one starts from the journal. */
export class Entity<State, Command, Event, Reply> {
  readonly commands: EntityCommands<State, Command, Event, Reply>;
  readonly #spec: EventSourcedSpec<State, Command, Event, Reply>;
  readonly #kept: Kept<State>;
  readonly #context: ActorContext<EventSourcedMessage<State, Command, Reply>>;
  readonly #inFlight: InFlight<State, Event, Reply>;
  #phase: 'loading' | 'unavailable' | 'serving' = 'loading';
  #reason = 'reading the journal';
  /** All of the journal has been read at least once. */
  #wasRead = false;
  #generation = 0;
  #reading: JournalReading<State> | undefined;
  #lastRow: JournalRow | undefined;
  /** The last seq that is known to be in the journal; above the durable one when an earlier incarnation's append came through late. */
  #writtenSeq = 0;
  /** Where the journal last said that another row is in the place of ours. */
  #disputedSeq: number | undefined;
  readonly #readers: ReplyTo[] = [];

  constructor(
    spec: EventSourcedSpec<State, Command, Event, Reply>,
    kept: Kept<State>,
    context: ActorContext<EventSourcedMessage<State, Command, Reply>>,
  ) {
    this.#spec = spec;
    this.#kept = kept;
    this.#context = context;
    this.#inFlight = new InFlight(spec.initial);
    this.commands = new EntityCommands(spec, context, this.#inFlight);
  }

  /** Nothing is under way that would be lost, or missed, if this incarnation ended now. */
  get isIdle(): boolean {
    const isQuiet = this.#inFlight.size + this.#readers.length + this.commands.pending === 0;
    return isQuiet && this.#phase !== 'loading' && this.#kept.snapshots?.isSaving !== true;
  }

  /** Reads the journal on from the durable state. */
  load(): void {
    assert.equal(this.#inFlight.size, 0, 'the journal is read again only when nothing is in flight');
    this.#phase = 'loading';
    this.commands.hold();
    this.#generation = ++readings;
    this.#reading = new JournalReading(this.#opener());
    this.#readOn();
  }

  /** The pause after the journal could not be read, or has refused an append, is over. */
  loadAgain(): void {
    if (this.#phase !== 'unavailable') return;
    if (this.#inFlight.size === 0) this.load();
    else this.#loadLater();
  }

  /** @param page undefined: the journal cannot be read now, because of `error` */
  onPage(page: Page<State> | undefined, error: unknown): void {
    if (!page) {
      const { path, log } = this.#context;
      // A journal that is away is told of once, by whoever looks after it.
      if (!(error instanceof JournalUnavailable)) log.warn({ path, err: error }, 'a journal cannot be read');
      this.#becomeUnavailable('the journal cannot be read');
      return this.#loadLater();
    }
    const { recalled, rows, isLast } = page;
    if (recalled) {
      this.#inFlight.stepTo(recalled.state, recalled.seq);
      this.commands.known.startBehind(recalled.seq, recalled.commands);
    }
    for (const row of rows) this.#replay(row);
    this.#lastRow = rows.at(-1) ?? this.#lastRow;
    if (isLast) this.#onLoaded();
    else this.#readOn();
  }

  onDurable({ throughSeq, generation }: NoticeOf<'journal-durable'>): void {
    if (generation !== this.#generation) return this.#onLateDurable(throughSeq);
    const entries = this.#inFlight.takeDurable(throughSeq);
    for (const entry of entries) {
      for (const { replyTo, result } of entry.waiters) replyTo.reply(result);
      this.#tellDurable(entry);
    }
    this.commands.serveWaiting();
    const last = entries.at(-1);
    if (last) this.#offerSnapshot(last, last.after);
  }

  onRefused({ fromSeq, generation, reason }: NoticeOf<'journal-refused'>): void {
    if (generation !== this.#generation) return;
    this.commands.giveUp(fromSeq, reason === 'overloaded' ? 'OVERLOADED' : 'NOT_READY', refusals[reason]);
    if (reason === 'overloaded') return this.commands.serveWaiting();
    const { path, log } = this.#context;
    log.warn({ path, fromSeq, reason }, 'the journal refused an append');
    if (reason === 'conflict') {
      // It was read again since, and no row was there: it ends before this seq, so it was set back to an earlier day.
      if (fromSeq === this.#disputedSeq) throw new Error(`the journal of ${path} has lost rows before seq ${fromSeq}`);
      this.#disputedSeq = fromSeq;
      if (this.#inFlight.size === 0) return this.load();
    }
    this.#becomeUnavailable(refusals[reason]);
    this.#loadLater();
  }

  onRead(reader: ReplyTo): void {
    const { length } = this.#readers;
    if (length >= this.#spec.limits.waiting) {
      return reader.reply({ type: 'unavailable', reason: `${length} reads are waiting` });
    }
    this.#readers.push(reader);
    if (this.#phase !== 'loading') this.#serveReaders();
  }

  stop(): void {
    this.#reading?.close();
  }

  inspect(): unknown {
    const { durable, durableSeq, seq, size } = this.#inFlight;
    const state = this.#spec.inspect?.(durable);
    return { phase: this.#phase, durableSeq, seq, inFlight: size, ...this.commands.inspect(), state };
  }

  /** Behind a snapshot only where none of the rows before it has to be read. */
  #opener(): OpenRows<State> {
    const { key, read } = this.#spec;
    const { snapshots, toldSeq = Infinity } = this.#kept;
    const { durableSeq } = this.#inFlight;
    const open = (afterSeq: number) => read(key, afterSeq);
    return async () => {
      const found = durableSeq === 0 ? await snapshots?.recall(open, toldSeq, this.#context) : undefined;
      return found ?? { rows: open(durableSeq)[Symbol.asyncIterator]() };
    };
  }

  #readOn(): void {
    this.#context.pipe(this.#reading!.nextPage(), (result) =>
      result.ok ? { type: 'page', page: result.value } : { type: 'page', page: undefined, error: result.error },
    );
  }

  #loadLater(): void {
    this.#context.after(this.#spec.limits.reloadMs, { type: 'load' });
  }

  #replay({ seq, commandId, digest, payload }: JournalRow): void {
    const { durable: before, durableSeq } = this.#inFlight;
    assert.equal(seq, durableSeq + 1, `the journal of ${this.#context.path} has a hole before seq ${seq}`);
    const { events, reply, traceId, subjectId } = this.#spec.decodePayload(payload);
    const after = events.reduce(this.#spec.evolve, before);
    this.#inFlight.stepTo(after, seq);
    this.commands.known.remember(commandId, { digest, seq, reply }, seq);
    // Written by an earlier incarnation that did not live to tell.
    if (seq > (this.#kept.toldSeq ?? Infinity)) {
      const encoded = events.map(this.#spec.encodeEvent);
      this.#tellDurable({ seq, commandId, digest, events, encoded, before, after, traceId, subjectId });
    }
  }

  #onLoaded(): void {
    const { durable, durableSeq } = this.#inFlight;
    // A journal that ends earlier was set back: what was told beyond its end has not happened, and other rows will stand there.
    this.#kept.toldSeq = Math.min(this.#kept.toldSeq ?? durableSeq, durableSeq);
    this.#reading = undefined;
    if (durableSeq < this.#writtenSeq) return this.load();
    this.#phase = 'serving';
    this.#wasRead = true;
    this.#spec.onLoaded(durable, this.#context);
    this.#serveReaders();
    this.commands.open(this.#generation);
    if (this.#lastRow) this.#offerSnapshot(this.#lastRow, durable);
    this.#lastRow = undefined;
  }

  #offerSnapshot(row: JournalRow, state: State): void {
    this.#kept.snapshots?.offer(row, state, this.commands.known.ids, this.#context);
  }

  /** What an earlier incarnation had in flight may be written after this one has read the journal: it is read on. */
  #onLateDurable(throughSeq: number): void {
    this.#writtenSeq = Math.max(this.#writtenSeq, throughSeq);
    // With something in flight there is no need: that will be refused, for its place is taken.
    const isBehind = this.#inFlight.durableSeq < this.#writtenSeq;
    if (isBehind && this.#phase === 'serving' && this.#inFlight.size === 0) this.load();
  }

  #tellDurable(commit: Commit<State, Event>): void {
    this.#kept.toldSeq = commit.seq;
    this.#spec.onDurable(commit, this.#context);
  }

  #becomeUnavailable(reason: string): void {
    this.#phase = 'unavailable';
    this.#reason = reason;
    this.#serveReaders();
    this.commands.close(reason);
  }

  /** Reads see the durable state, so it need not be the latest: one read before is better than none while the journal is away. */
  #serveReaders(): void {
    const { durable: state, durableSeq: seq } = this.#inFlight;
    const answer = this.#wasRead ? { state, seq } : { type: 'unavailable', reason: this.#reason };
    for (const reader of this.#readers.splice(0)) reader.reply(answer);
  }
}

const refusals = {
  fenced: 'another process owns this account',
  conflict: 'the journal holds another row',
  unavailable: 'the journal cannot be reached',
  overloaded: 'the journal has too much to do',
} as const;
