/**
 * An actor whose state is the fold of its journal: decide → evolve → append → once durable: reply and publish.
 *
 * Up to `limits.inFlight` appends are under way at once. A decision stands on the ones before it, durable or not,
 * but nothing is answered, published or readable before its own commit: the actor keeps the state it decides on
 * and the state that is durable, and between them a short queue of entries in flight. When one fails, those behind
 * it fail with it, and the actor goes back to the durable state and reads on in the journal.
 *
 * Here is what one is made of. What it then does is in entity.ts (the journal) and entity-commands.ts (the commands).
 */
import type { ActorContext, Behavior, ReplyTo } from './actor.ts';
import { Entity, type Kept } from './entity.ts';
import type { EntityKey, JournalEntry, JournalRow } from './journal.ts';
import type { Page } from './journal-reading.ts';
import type { KnownCommand } from './known-commands.ts';
import type { ActorRef, Asks } from './ref.ts';
import { SnapshotKeeper, type SnapshotPolicy } from './snapshots.ts';

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
  /** Of the journal, as it is read. */
  | { readonly type: 'page'; readonly page: Page<State> | undefined; readonly error?: unknown }
  | ({ readonly type: 'looked-up' } & LookedUp<Command, Reply>);

export interface PendingCommand<Command> {
  readonly command: Command;
  readonly subjectId: string | undefined;
  readonly replyTo: ReplyTo;
  /** Since when it has been waiting, monotonic. */
  readonly sinceMs?: number;
  /** Looked up among the rows through this one, and found nowhere. */
  readonly newThroughSeq?: number;
}

export interface LookedUp<Command, Reply> {
  readonly pending: PendingCommand<Command>;
  readonly throughSeq: number;
  readonly found: KnownCommand<Reply> | undefined;
  readonly error?: unknown;
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
  /** What the events made of it: the durable state from here on. */
  readonly after: State;
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
  /** Without them all of the journal is read at each start. */
  readonly snapshots?: SnapshotPolicy<State>;
  readonly limits: EventSourcedLimits;
}

export interface EventSourcedLimits {
  /** Appends under way at once. */
  readonly inFlight: number;
  /**
   * Commands that wait for a place in flight, or for the journal to be read; as many may be looked up among the old ones at once,
   * as many may wait for others that are in flight, and as many reads for the journal to be read.
   */
  readonly waiting: number;
  /**
   * How long such a command may wait; then it is refused when its turn comes. Best as long as the asks that bring commands:
   * an order whose sender has heard that it is lost must not be placed later. Absent: for ever.
   */
  readonly waitingMs?: number;
  /** Results kept in memory to answer repeated commands at once. */
  readonly recentCommands: number;
  /** Pause before the journal is read again after it could not be reached. */
  readonly reloadMs: number;
}

export function eventSourced<State, Command, Event, Reply>(
  spec: EventSourcedSpec<State, Command, Event, Reply>,
): Behavior<Entity<State, Command, Event, Reply>, EventSourcedMessage<State, Command, Reply>> {
  const kept: Kept<State> = {
    toldSeq: undefined,
    snapshots: spec.snapshots && new SnapshotKeeper(spec.key, spec.snapshots),
  };
  return {
    start(context) {
      const entity = new Entity(spec, kept, context);
      entity.load();
      return entity;
    },

    receive(entity, message, context) {
      switch (message.type) {
        case 'command': {
          const { command, subjectId } = message;
          entity.commands.onCommand({ command, subjectId, replyTo: context.replyLater() });
          break;
        }
        case 'read':
          entity.onRead(context.replyLater());
          break;
        case 'journal-durable':
          entity.onDurable(message);
          break;
        case 'journal-refused':
          entity.onRefused(message);
          break;
        case 'load':
          entity.loadAgain();
          break;
        case 'page':
          entity.onPage(message.page, message.error);
          break;
        case 'looked-up':
          entity.commands.onLookedUp(message);
          break;
      }
      return entity;
    },

    stop: (entity) => entity.stop(),
    isIdle: (entity) => entity.isIdle,
    inspect: (entity) => entity.inspect(),
  };
}
