/**
 * An actor whose state is the fold of its journal: decide → evolve → append → once durable: reply and publish.
 *
 * Up to `limits.inFlight` appends are under way at once. A decision stands on the ones before it, durable or not,
 * but nothing is answered, published or readable before its own commit: the actor keeps the state it decides on
 * and the state that is durable, and between them a short queue of entries in flight. When one fails, those behind
 * it fail with it, and the actor goes back to the durable state and reads on in the journal.
 */
import assert from 'node:assert/strict';
import type { ActorContext, Behavior, ReplyTo } from './actor.ts';
import { CommandFilter } from './command-filter.ts';
import type { EntityKey, JournalEntry, JournalRow } from './journal.ts';
import type { ActorRef, Asks } from './ref.ts';

/** What a command came to. */
export type CommandResult<Reply> =
  | { readonly type: 'done'; readonly reply: Reply; readonly seq: number; readonly duplicate: boolean }
  /** The same id was used for another command. */
  | { readonly type: 'reused' }
  /** Nothing was done; the same command may be sent again. */
  | {
      readonly type: 'unavailable';
      readonly code: 'NOT_READY' | 'OVERLOADED';
      readonly reason: string;
      readonly retryAfterMs: number;
    };

export interface DurableState<State> {
  readonly state: State;
  readonly seq: number;
}

/** What the journal writer tells the owner of the entries it was given; `generation` is that of the entry it names. */
export type JournalNotice =
  | { readonly type: 'journal-durable'; readonly throughSeq: number; readonly generation: number }
  | {
      readonly type: 'journal-refused';
      readonly fromSeq: number;
      readonly generation: number;
      readonly reason: 'fenced' | 'conflict' | 'unavailable' | 'overloaded';
    };

type JournalDurable = Extract<JournalNotice, { type: 'journal-durable' }>;
type JournalRefused = Extract<JournalNotice, { type: 'journal-refused' }>;

/**
 * An entry on its way to the journal. Those of one generation come in unbroken sequence; after a refusal they go on with the entry
 * that was refused.
 */
export interface AppendRequest {
  readonly type: 'append';
  readonly entry: JournalEntry;
  /** Numbers the reading of the journal that the entry stands on; higher each time, over restarts too. */
  readonly generation: number;
  readonly owner: ActorRef<JournalNotice>;
}

export type EventSourcedMessage<State, Command, Reply> =
  | ({ readonly type: 'command'; readonly command: Command; readonly subjectId?: string } & Asks<CommandResult<Reply>>)
  | ({ readonly type: 'read' } & Asks<DurableState<State> | { readonly type: 'unavailable'; readonly reason: string }>)
  | JournalNotice
  | { readonly type: 'load' }
  | { readonly type: 'loaded'; readonly rows: readonly JournalRow[] | undefined; readonly error?: unknown }
  | {
      readonly type: 'looked-up';
      readonly pending: PendingCommand<Command>;
      readonly throughSeq: number;
      readonly found: KnownCommand<Reply> | undefined;
      readonly error?: unknown;
    };

export interface KnownCommand<Reply> {
  readonly digest: string;
  readonly seq: number;
  readonly reply: Reply;
}

interface PendingCommand<Command> {
  readonly command: Command;
  readonly subjectId: string | undefined;
  readonly replyTo: ReplyTo;
  /** Looked up among the rows through this one, and found nowhere. */
  readonly newThroughSeq?: number;
}

export interface Decided<Event, Reply> {
  readonly events: readonly Event[];
  readonly reply: Reply;
}

/** A row of the journal, read back. */
export interface Decoded<Event, Reply> extends Decided<Event, Reply> {
  readonly traceId?: string;
  readonly subjectId?: string;
}

/** One row, durable now. Fold `events` over the state `before` them to number them. */
export interface Commit<State, Event> {
  readonly seq: number;
  readonly commandId: string;
  readonly digest: string;
  readonly events: readonly Event[];
  /** One JSON text an event, the same that the journal holds. */
  readonly encoded: readonly string[];
  readonly before: State;
  readonly traceId: string | undefined;
  readonly subjectId: string | undefined;
}

export interface EventSourcedSpec<State, Command, Event, Reply> {
  readonly key: EntityKey;
  readonly slot: number;
  /** The epoch under which this node owns the slot; undefined while it owns nothing. */
  epoch(): number | undefined;
  readonly initial: State;
  /** `seq` is the row the decision becomes. No events: nothing is journalled, the reply is given once what it stands on is durable. */
  decide(state: State, command: Command, seq: number): Decided<Event, Reply>;
  evolve(state: State, event: Event): State;
  commandId(command: Command): string;
  digest(command: Command): string;
  encodeEvent(event: Event): string;
  encodePayload(row: {
    command: Command;
    events: readonly string[];
    reply: Reply;
    traceId: string | undefined;
    subjectId: string | undefined;
  }): string;
  decodePayload(payload: string): Decoded<Event, Reply>;
  readonly writer: ActorRef<AppendRequest>;
  read(key: EntityKey, afterSeq: number): AsyncIterable<JournalRow>;
  /**
   * A command older than those held in memory, among all rows up to `throughSeq`; undefined when there is none of this id.
   * Rejects while it cannot be told.
   */
  lookUpCommand(commandId: string, throughSeq: number): Promise<KnownCommand<Reply> | undefined>;
  /** A row is durable. Called for each row that comes about in the life of this process, in order of seq, once. */
  onDurable(commit: Commit<State, Event>, context: ActorContext<EventSourcedMessage<State, Command, Reply>>): void;
  /** The journal has been read: commands are served from now on. */
  onLoaded(state: State, context: ActorContext<EventSourcedMessage<State, Command, Reply>>): void;
  inspect?(state: State): unknown;
  readonly limits: EventSourcedLimits;
}

export interface EventSourcedLimits {
  /** Appends under way at once. */
  readonly inFlight: number;
  /**
   * Commands that wait for a place in flight, or for the journal to be read; as many may be looked up among the old ones at once,
   * and as many reads may wait for the journal to be read.
   */
  readonly waiting: number;
  /** Results kept in memory to answer repeated commands at once. */
  readonly recentCommands: number;
  /** Pause before the journal is read again after it could not be reached. */
  readonly reloadMs: number;
}

interface InFlight<State, Event, Reply> extends Commit<State, Event> {
  readonly after: State;
  readonly waiters: Waiter<Reply>[];
}

/** Whoever asked for a command in flight, or for something that stands on it. */
interface Waiter<Reply> {
  readonly replyTo: ReplyTo;
  readonly result: CommandResult<Reply>;
}

/** Counts the times that any journal was read in this process: an entity that restarts is never taken for the one it was before. */
let readings = 0;

/**
 * One incarnation. It is changed in place, which is safe here: whatever throws ends the incarnation,
 * and the next one starts from the journal.
 */
class Incarnation<State, Command, Event, Reply> {
  readonly spec: EventSourcedSpec<State, Command, Event, Reply>;
  phase: 'loading' | 'unavailable' | 'serving' = 'loading';
  reason = 'reading the journal';
  /** The state that is in the journal, and its seq. */
  durable: State;
  durableSeq = 0;
  /** The last seq that is known to be in the journal; above `durableSeq` when an earlier incarnation's append came through late. */
  writtenSeq = 0;
  /** The state that the next decision stands on. */
  state: State;
  seq = 0;
  generation = 0;
  readonly inFlight: InFlight<State, Event, Reply>[] = [];
  readonly waiting: PendingCommand<Command>[] = [];
  readonly readers: ReplyTo[] = [];
  /** Commands that are being looked up among those no longer in memory. */
  lookingUp = 0;
  readonly recent = new Map<string, KnownCommand<Reply>>();
  readonly seen = new CommandFilter();

  constructor(spec: EventSourcedSpec<State, Command, Event, Reply>) {
    this.spec = spec;
    this.durable = spec.initial;
    this.state = spec.initial;
  }
}

export function eventSourced<State, Command, Event, Reply>(
  spec: EventSourcedSpec<State, Command, Event, Reply>,
): Behavior<Incarnation<State, Command, Event, Reply>, EventSourcedMessage<State, Command, Reply>> {
  type Message = EventSourcedMessage<State, Command, Reply>;
  type Context = ActorContext<Message>;
  type Actor = Incarnation<State, Command, Event, Reply>;
  /** The last row that `onDurable` was told of. Outlives a crash, so that none is left out or told twice; undefined before the first reading. */
  let toldSeq: number | undefined;

  function load(actor: Actor, context: Context): void {
    assert.equal(actor.inFlight.length, 0, 'the journal is read again only when nothing is in flight');
    actor.phase = 'loading';
    actor.generation = ++readings;
    context.pipe(readAll(spec.read(spec.key, actor.durableSeq)), (result) =>
      result.ok ? { type: 'loaded', rows: result.value } : { type: 'loaded', rows: undefined, error: result.error },
    );
  }

  function onLoaded(actor: Actor, rows: readonly JournalRow[], context: Context): void {
    for (const row of rows) {
      const { seq, commandId, digest } = row;
      assert.equal(seq, actor.durableSeq + 1, `the journal of ${context.path} has a hole before seq ${seq}`);
      const { events, reply, traceId, subjectId } = spec.decodePayload(row.payload);
      const before = actor.durable;
      actor.durable = events.reduce(spec.evolve, before);
      actor.durableSeq = seq;
      remember(actor, commandId, { digest, seq, reply });
      // Written by an earlier incarnation that did not live to tell.
      if (toldSeq !== undefined && seq > toldSeq) {
        const encoded = events.map(spec.encodeEvent);
        tellDurable({ seq, commandId, digest, events, encoded, before, traceId, subjectId }, context);
      }
    }
    toldSeq ??= actor.durableSeq;
    if (actor.durableSeq < actor.writtenSeq) return load(actor, context);
    actor.state = actor.durable;
    actor.seq = actor.durableSeq;
    actor.phase = 'serving';
    spec.onLoaded(actor.durable, context);
    serveReaders(actor);
    serveWaiting(actor, context);
  }

  function onCommand(actor: Actor, pending: PendingCommand<Command>, context: Context): void {
    if (actor.phase === 'unavailable') return refuse(pending, 'NOT_READY', actor.reason, spec.limits.reloadMs);
    if (actor.phase === 'loading' || actor.inFlight.length >= spec.limits.inFlight) {
      if (actor.waiting.length >= spec.limits.waiting) {
        return refuse(pending, 'OVERLOADED', `${actor.waiting.length} commands are waiting`, spec.limits.reloadMs);
      }
      actor.waiting.push(pending);
      return;
    }
    const commandId = spec.commandId(pending.command);
    const known = actor.recent.get(commandId);
    if (known) return answerKnown(actor, pending, known);
    if (isNew(actor, pending) || !actor.seen.mayHave(commandId)) return append(actor, pending, commandId, context);
    if (actor.lookingUp >= spec.limits.waiting) {
      return refuse(pending, 'OVERLOADED', `${actor.lookingUp} commands are being looked up`, spec.limits.reloadMs);
    }
    // Either a repeated command from long ago, or one new id in a million that looks like one.
    actor.lookingUp += 1;
    const throughSeq = actor.durableSeq;
    context.pipe(spec.lookUpCommand(commandId, throughSeq), (result) => ({
      ...{ type: 'looked-up', pending, throughSeq },
      ...(result.ok ? { found: result.value } : { found: undefined, error: result.error }),
    }));
  }

  /** Looked up in vain, and whatever has come since is still in memory: otherwise its twin may have, and is forgotten already. */
  function isNew(actor: Actor, { newThroughSeq }: PendingCommand<Command>): boolean {
    if (newThroughSeq === undefined) return false;
    const oldest = actor.recent.values().next().value;
    return oldest === undefined || oldest.seq <= newThroughSeq + 1;
  }

  function append(actor: Actor, pending: PendingCommand<Command>, commandId: string, context: Context): void {
    const epoch = spec.epoch();
    if (epoch === undefined) return refuse(pending, 'NOT_READY', 'this node owns no slots yet', spec.limits.reloadMs);
    const { command, replyTo, subjectId } = pending;
    const seq = actor.seq + 1;
    const { events, reply } = spec.decide(actor.state, command, seq);
    if (events.length === 0) {
      return answerOnceDurable(actor.inFlight.at(-1), { replyTo, result: done(reply, actor.seq) });
    }
    const digest = spec.digest(command);
    const encoded = events.map(spec.encodeEvent);
    const { traceId } = replyTo;
    const before = actor.state;
    actor.state = events.reduce(spec.evolve, before);
    actor.seq = seq;
    const waiters = [{ replyTo, result: done(reply, seq) }];
    actor.inFlight.push({
      seq,
      commandId,
      digest,
      events,
      encoded,
      before,
      traceId,
      subjectId,
      after: actor.state,
      waiters,
    });
    remember(actor, commandId, { digest, seq, reply });
    const payload = spec.encodePayload({ command, events: encoded, reply, traceId, subjectId });
    const { tenantId, entityId } = spec.key;
    const entry = { tenantId, entityId, seq, slot: spec.slot, epoch, commandId, digest, payload };
    const told = spec.writer.tell({ type: 'append', entry, generation: actor.generation, owner: context.self });
    if (told !== 'queued') giveUpInFlight(actor, seq, 'OVERLOADED', 'the journal writer takes no more');
  }

  function answerKnown(actor: Actor, pending: PendingCommand<Command>, known: KnownCommand<Reply>): void {
    const isSame = known.digest === spec.digest(pending.command);
    const result: CommandResult<Reply> = isSame ? done(known.reply, known.seq, true) : { type: 'reused' };
    answerOnceDurable(
      actor.inFlight.find(({ seq }) => seq === known.seq),
      { replyTo: pending.replyTo, result },
    );
  }

  function answerOnceDurable(entry: InFlight<State, Event, Reply> | undefined, waiter: Waiter<Reply>): void {
    if (entry) entry.waiters.push(waiter);
    else waiter.replyTo.reply(waiter.result);
  }

  function onDurable(actor: Actor, { throughSeq, generation }: JournalDurable, context: Context): void {
    if (generation !== actor.generation) return onLateDurable(actor, throughSeq, context);
    let count = 0;
    for (const entry of actor.inFlight) {
      if (entry.seq > throughSeq) break;
      count += 1;
      actor.durable = entry.after;
      actor.durableSeq = entry.seq;
      for (const { replyTo, result } of entry.waiters) replyTo.reply(result);
      tellDurable(entry, context);
    }
    actor.inFlight.splice(0, count);
    serveWaiting(actor, context);
  }

  /** What an earlier incarnation had in flight may be written after this one has read the journal: it is read on. */
  function onLateDurable(actor: Actor, throughSeq: number, context: Context): void {
    actor.writtenSeq = Math.max(actor.writtenSeq, throughSeq);
    // With something in flight there is no need: that will be refused, for its place is taken.
    if (actor.phase === 'serving' && actor.inFlight.length === 0 && actor.durableSeq < actor.writtenSeq) {
      load(actor, context);
    }
  }

  function tellDurable(commit: Commit<State, Event>, context: Context): void {
    toldSeq = commit.seq;
    spec.onDurable(commit, context);
  }

  /** Nobody hears of what was in flight from `fromSeq` on. What the journal has of it after all is read again. */
  function giveUpInFlight(actor: Actor, fromSeq: number, code: 'NOT_READY' | 'OVERLOADED', reason: string): void {
    const kept = actor.inFlight.findIndex((entry) => entry.seq >= fromSeq);
    const lost = kept < 0 ? [] : actor.inFlight.splice(kept);
    for (const entry of lost) {
      actor.recent.delete(entry.commandId);
      for (const { replyTo } of entry.waiters) replyTo.reply(unavailable(code, reason, spec.limits.reloadMs));
    }
    const last = actor.inFlight.at(-1);
    actor.state = last ? last.after : actor.durable;
    actor.seq = last ? last.seq : actor.durableSeq;
  }

  function onRefused(actor: Actor, { fromSeq, generation, reason }: JournalRefused, context: Context): void {
    if (generation !== actor.generation) return;
    giveUpInFlight(actor, fromSeq, reason === 'overloaded' ? 'OVERLOADED' : 'NOT_READY', refusals[reason]);
    if (reason === 'overloaded') return serveWaiting(actor, context);
    context.log.warn({ path: context.path, fromSeq, reason }, 'the journal refused an append');
    if (reason === 'conflict' && actor.inFlight.length === 0) return load(actor, context);
    becomeUnavailable(actor, refusals[reason], context);
    context.after(spec.limits.reloadMs, { type: 'load' });
  }

  function becomeUnavailable(actor: Actor, reason: string, context: Context): void {
    actor.phase = 'unavailable';
    actor.reason = reason;
    serveReaders(actor);
    serveWaiting(actor, context);
  }

  function onRead(actor: Actor, reader: ReplyTo): void {
    if (actor.readers.length >= spec.limits.waiting) {
      return reader.reply({ type: 'unavailable', reason: `${actor.readers.length} reads are waiting` });
    }
    actor.readers.push(reader);
    if (actor.phase !== 'loading') serveReaders(actor);
  }

  /** Reads see the durable state, so it need not be the latest: one read before is better than none while the journal is away. */
  function serveReaders(actor: Actor): void {
    const answer =
      actor.phase === 'serving' || actor.durableSeq > 0
        ? { state: actor.durable, seq: actor.durableSeq }
        : { type: 'unavailable', reason: actor.reason };
    for (const reader of actor.readers.splice(0)) reader.reply(answer);
  }

  function serveWaiting(actor: Actor, context: Context): void {
    while (actor.waiting.length > 0 && actor.phase !== 'loading' && actor.inFlight.length < spec.limits.inFlight) {
      onCommand(actor, actor.waiting.shift()!, context);
    }
  }

  function remember(actor: Actor, commandId: string, known: KnownCommand<Reply>): void {
    actor.recent.set(commandId, known);
    actor.seen.add(commandId);
    if (actor.recent.size <= spec.limits.recentCommands) return;
    const [oldestId, oldest] = actor.recent.entries().next().value!;
    if (oldest.seq <= actor.durableSeq) actor.recent.delete(oldestId);
  }

  return {
    start(context) {
      const actor = new Incarnation(spec);
      load(actor, context);
      return actor;
    },

    receive(actor, message, context) {
      switch (message.type) {
        case 'command':
          onCommand(
            actor,
            { command: message.command, subjectId: message.subjectId, replyTo: context.replyLater() },
            context,
          );
          break;
        case 'read':
          onRead(actor, context.replyLater());
          break;
        case 'journal-durable':
          onDurable(actor, message, context);
          break;
        case 'journal-refused':
          onRefused(actor, message, context);
          break;
        case 'load':
          if (actor.phase !== 'unavailable') break;
          if (actor.inFlight.length === 0) load(actor, context);
          else context.after(spec.limits.reloadMs, { type: 'load' });
          break;
        case 'loaded':
          if (message.rows) onLoaded(actor, message.rows, context);
          else {
            becomeUnavailable(actor, 'the journal cannot be read', context);
            context.after(spec.limits.reloadMs, { type: 'load' });
          }
          break;
        case 'looked-up':
          actor.lookingUp -= 1;
          if (message.found) answerKnown(actor, message.pending, message.found);
          else if (message.error !== undefined)
            refuse(message.pending, 'NOT_READY', 'earlier commands cannot be looked up', spec.limits.reloadMs);
          else onCommand(actor, { ...message.pending, newThroughSeq: message.throughSeq }, context);
          break;
      }
      return actor;
    },

    inspect(actor) {
      const { phase, durableSeq, seq } = actor;
      const counts = {
        inFlight: actor.inFlight.length,
        waiting: actor.waiting.length,
        recentCommands: actor.recent.size,
      };
      return { phase, durableSeq, seq, ...counts, state: spec.inspect?.(actor.durable) };
    },
  };
}

const refusals = {
  fenced: 'another process owns this account',
  conflict: 'the journal holds another row',
  unavailable: 'the journal cannot be reached',
  overloaded: 'the journal has too much to do',
} as const;

function done<Reply>(reply: Reply, seq: number, duplicate = false): CommandResult<Reply> {
  return { type: 'done', reply, seq, duplicate };
}

function unavailable(code: 'NOT_READY' | 'OVERLOADED', reason: string, retryAfterMs: number): CommandResult<never> {
  return { type: 'unavailable', code, reason, retryAfterMs };
}

function refuse(
  pending: PendingCommand<unknown>,
  code: 'NOT_READY' | 'OVERLOADED',
  reason: string,
  retryAfterMs: number,
): void {
  pending.replyTo.reply(unavailable(code, reason, retryAfterMs));
}

async function readAll(rows: AsyncIterable<JournalRow>): Promise<JournalRow[]> {
  const all: JournalRow[] = [];
  for await (const row of rows) all.push(row);
  return all;
}
