/** One an instrument whose source shows depth: the order book, its number, and what is wrong with the source. */
import type { ActorContext, Behavior } from '../runtime/actor.ts';
import type { EventBus } from '../runtime/event-bus.ts';
import type { LatestBoard } from './market/latest.ts';
import { applied, changesOf, emptyBook, isSound, topOf, type BookUpdate, type OrderBook } from './market/order-book.ts';
import type { PlatformTopics } from './trading/topics.ts';

/** A book as its source shows it. */
export interface Depth extends OrderBook {
  readonly timeMicros: number;
}

/** A source that is asked in turn. Undefined: nothing new. */
export interface PolledDepth {
  readonly periodMs: number;
  poll(nowMicros: number): Depth | undefined;
}

/** A source that tells what changes, numbered, as exchanges do. */
export interface ToldDepth {
  /** The whole book is wanted, as a `depth-snapshot`. May be called again while one is on its way. */
  requestSnapshot(): void;
}

export type DepthSource = PolledDepth | ToldDepth;

/** What has changed: the new quantity of each level, zero where it is gone. `first` to `last` are the source's own numbers. */
export interface DepthChange extends Depth {
  readonly type: 'depth';
  readonly first: number;
  readonly last: number;
}

/** The whole book, up to and including the source's number `last`. */
export interface DepthSnapshot extends Depth {
  readonly type: 'depth-snapshot';
  readonly last: number;
}

export type BookStreamMessage =
  | DepthChange
  | DepthSnapshot
  | { readonly type: 'poll' }
  | { readonly type: 'publish' }
  | { readonly type: 'ask-again' };

export interface BookStreamLimits {
  /** Levels a side that are published, from the best on. */
  readonly levels: number;
  /** Levels a side that are kept of a source that tells changes. */
  readonly keptLevels: number;
  /** Pause between two updates at least. */
  readonly updateMs: number;
  /** Changes that wait for the whole book; beyond it the oldest are let go. */
  readonly waitingChanges: number;
  /** When the whole book is asked for again that has not come, or did not fit. */
  readonly askAgainMs: number;
}

export interface BookStreamSpec {
  readonly symbol: string;
  readonly board: LatestBoard<BookUpdate>;
  readonly bus: EventBus<PlatformTopics>;
  readonly source: DepthSource;
  readonly limits: BookStreamLimits;
}

interface Stream {
  readonly last: BookUpdate | undefined;
  /** As the source has it, up to its number `last`; undefined while something of it is missing. */
  readonly known:
    | (Pick<BookUpdate, 'book' | 'timeMicros'> & { readonly last: number; readonly isJoined: boolean })
    | undefined;
  /** Changes that wait for the whole book. */
  readonly waiting: readonly DepthChange[];
  /** To be published when the pause is over. */
  readonly next: Depth | undefined;
  readonly publishedMs: number;
  readonly counts: {
    /** Numbers of the source that were missing. */
    readonly gaps: number;
    /** Times that the book was whole again behind a fault. */
    readonly resyncs: number;
    /** Books that cannot be: crossed, out of order, or with a quantity below zero. They go no further. */
    readonly crossed: number;
    /** Changes that were known already. */
    readonly outdated: number;
  };
}

type Context = ActorContext<BookStreamMessage>;

/** Of the actor, below the market's supervisor. */
export function bookId(symbol: string): string {
  return `${symbol}-book`;
}

export function bookStream(spec: BookStreamSpec): Behavior<Stream, BookStreamMessage> {
  const { source, symbol, limits } = spec;

  function offer(stream: Stream, depth: Depth, context: Context): Stream {
    if (stream.next) return { ...stream, next: depth };
    const waitMs = stream.publishedMs + limits.updateMs - context.clock.monotonicMs();
    if (waitMs <= 0) return publish(stream, depth, context);
    context.after(waitMs, { type: 'publish' });
    return { ...stream, next: depth };
  }

  function publish(stream: Stream, { bids, asks, timeMicros }: Depth, context: Context): Stream {
    const { last } = stream;
    const book = topOf({ bids, asks }, limits.levels);
    const changes = changesOf(last?.book ?? emptyBook, book);
    if (last && changes.bids.length + changes.asks.length === 0) return { ...stream, next: undefined };
    const update: BookUpdate = { symbol, sequence: (last?.sequence ?? 0) + 1, timeMicros, book, changes };
    spec.board.set(symbol, update);
    spec.bus.publish(`book:${symbol}`, update);
    return { ...stream, last: update, next: undefined, publishedMs: context.clock.monotonicMs() };
  }

  /** Nothing is shown of a book of which something is missing, until all of it has come. */
  function lose(stream: Stream, why: 'gaps' | 'crossed', waiting: readonly DepthChange[], context: Context): Stream {
    if (stream.known) askForAll(context);
    const counts = { ...stream.counts, [why]: stream.counts[why] + 1 };
    return { ...stream, known: undefined, next: undefined, waiting, counts };
  }

  function askForAll(context: Context): void {
    if (!('requestSnapshot' in source)) return;
    context.after(limits.askAgainMs, { type: 'ask-again' }, askAgain);
    source.requestSnapshot();
  }

  function onChange(stream: Stream, change: DepthChange, context: Context): Stream {
    const { known, counts } = stream;
    if (!known) return { ...stream, waiting: [...stream.waiting, change].slice(-limits.waitingChanges) };
    if (change.last <= known.last) return { ...stream, counts: { ...counts, outdated: counts.outdated + 1 } };
    // The first one behind a snapshot may begin before it; from then on each begins where the one before has ended.
    const isNext = change.first === known.last + 1 || (!known.isJoined && change.first <= known.last);
    if (!isNext) return lose(stream, 'gaps', [change], context);
    const book = topOf(applied(known.book, change), limits.keptLevels);
    if (!isSound(book)) return lose(stream, 'crossed', [], context);
    return { ...stream, known: { book, last: change.last, isJoined: true, timeMicros: change.timeMicros } };
  }

  function onSnapshot(stream: Stream, { bids, asks, last, timeMicros }: DepthSnapshot, context: Context): Stream {
    // One that was asked for twice comes twice.
    if (stream.known) return stream;
    const book = topOf({ bids, asks }, limits.keptLevels);
    if (!isSound(book)) return lose(stream, 'crossed', stream.waiting, context);
    const waiting = stream.waiting.filter((change) => change.last > last);
    const [first] = waiting;
    // Older than what waits: the next one may reach it.
    if (first && first.first > last + 1) return { ...stream, waiting };
    context.cancel(askAgain);
    const whole: Stream = { ...stream, known: { book, last, isJoined: false, timeMicros }, waiting: [] };
    return waiting.reduce((next, change) => onChange(next, change, context), whole);
  }

  /** A book that has just become whole, or has gone on, is shown. */
  function onTold(stream: Stream, message: DepthChange | DepthSnapshot, context: Context): Stream {
    const told = message.type === 'depth' ? onChange(stream, message, context) : onSnapshot(stream, message, context);
    if (!told.known || told.known === stream.known) return told;
    const { gaps, crossed, resyncs } = told.counts;
    const isBack = !stream.known && gaps + crossed > 0;
    const counted = isBack ? { ...told, counts: { ...told.counts, resyncs: resyncs + 1 } } : told;
    return offer(counted, { ...told.known.book, timeMicros: told.known.timeMicros }, context);
  }

  return {
    start(context) {
      if ('poll' in source) context.every(Math.max(source.periodMs, limits.updateMs), { type: 'poll' });
      else askForAll(context);
      return {
        // Numbers go on after a crash: the epoch that clients compare them under is the process's.
        last: spec.board.get(symbol),
        ...{ known: undefined, waiting: [], next: undefined, publishedMs: -Infinity },
        counts: { gaps: 0, resyncs: 0, crossed: 0, outdated: 0 },
      };
    },

    receive(stream, message, context) {
      switch (message.type) {
        case 'poll': {
          const depth = 'poll' in source ? source.poll(context.clock.wallMicros()) : undefined;
          if (!depth) return stream;
          return isSound(depth) ? publish(stream, depth, context) : lose(stream, 'crossed', [], context);
        }
        case 'depth':
        case 'depth-snapshot':
          return onTold(stream, message, context);
        case 'publish':
          return stream.next ? publish(stream, stream.next, context) : stream;
        case 'ask-again':
          if (!stream.known) askForAll(context);
          return stream;
      }
    },

    inspect: ({ last, known, waiting, counts }) => ({
      ...{ sequence: last?.sequence ?? 0, lastMicros: last?.timeMicros },
      ...('poll' in source ? {} : { isWhole: known !== undefined, waiting: waiting.length }),
      ...counts,
    }),
  };
}

const askAgain = 'ask-again';
