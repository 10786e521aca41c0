/** Writes candles that have ended to the database, reads them back, and deletes those that are past their time. */
import type { ActorContext, Behavior, PipeResult, ReplyTo } from '../runtime/actor.ts';
import type { EventBus } from '../runtime/event-bus.ts';
import type { Asks } from '../runtime/ref.ts';
import { seriesKey, type Candle, type CandleInterval } from './market/candle.ts';
import type { PlatformTopics } from './trading/topics.ts';

/** A candle that says which series it is of. */
export interface KeptCandle {
  readonly symbol: string;
  readonly interval: CandleInterval;
  readonly candle: Candle;
}

/** Of one series, the newest `limit` that opened from `fromMicros` on and before `toMicros`. */
export interface CandleRange {
  readonly symbol: string;
  readonly interval: CandleInterval;
  readonly limit: number;
  readonly fromMicros?: number;
  readonly toMicros?: number;
}

/** What keeps them: the database. */
export interface CandleStore {
  /** Whether it is worth trying. */
  isServing(): boolean;
  /** No candle twice. Of two for the same time the more complete one stays. */
  save(candles: readonly KeptCandle[]): Promise<void>;
  /** Oldest first. */
  load(range: CandleRange): Promise<readonly Candle[]>;
  /** Deletes at most `limit` that opened before a time. @returns how many */
  prune(series: Pick<CandleRange, 'symbol' | 'interval'>, beforeMicros: number, limit: number): Promise<number>;
}

export type CandleKeeperMessage =
  | { readonly type: 'completed'; readonly candles: readonly KeptCandle[] }
  | { readonly type: 'write' }
  | { readonly type: 'written'; readonly result: PipeResult<void> }
  | { readonly type: 'prune' }
  | { readonly type: 'prune-next' }
  | { readonly type: 'pruned'; readonly result: PipeResult<number> }
  | ({ readonly type: 'get-candles'; readonly range: CandleRange } & Asks<readonly Candle[]>)
  | { readonly type: 'loaded'; readonly to: ReplyTo; readonly result: PipeResult<readonly Candle[]> };

export interface CandleKeeperLimits {
  /** Candles that may wait for the database; beyond it the oldest are lost, and counted. */
  readonly pending: number;
  /** Candles in one statement. */
  readonly batch: number;
  /** Pause between two writes, so that candles that end together are written together; also between two deletes. */
  readonly writeMs: number;
  /** Pause behind a write that failed; it doubles with every failure, up to the second figure. */
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
  /** How long candles are kept, by interval; absent: for ever. */
  readonly retentionMs: Readonly<Record<string, number>>;
  /** From one search for candles past their time to the next. */
  readonly pruneMs: number;
  /** Candles in one delete. */
  readonly pruneRows: number;
}

export interface CandleKeeperSpec {
  readonly bus: EventBus<PlatformTopics>;
  readonly store: CandleStore;
  readonly symbols: readonly string[];
  readonly intervals: readonly CandleInterval[];
  readonly limits: CandleKeeperLimits;
}

type Series = Pick<CandleRange, 'symbol' | 'interval'>;
type Context = ActorContext<CandleKeeperMessage>;

interface Keeper {
  readonly status: 'idle' | 'waiting' | 'writing';
  /** Writes that failed since the last one that did not. */
  readonly failures: number;
  /** Series whose old candles are still to be deleted, the one in hand first. */
  readonly toPrune: readonly Series[];
  readonly unsubscribe: () => void;
}

/** What is not written yet outlives a crash of the actor. */
export function candleKeeper(spec: CandleKeeperSpec): Behavior<Keeper, CandleKeeperMessage> {
  const { bus, store, limits } = spec;
  const series = spec.symbols.flatMap((symbol) => spec.intervals.map((interval): Series => ({ symbol, interval })));
  /** By series and time, oldest first. */
  let pending = new Map<string, KeptCandle>();
  /** What is being written; it may be written twice. */
  let underWay = new Map<string, KeptCandle>();
  const counts = { written: 0, lost: 0, pruned: 0 };

  function subscribe(context: Context): () => void {
    const subscriptions = series.map(({ symbol, interval }) =>
      bus.subscribe(`candles:${seriesKey(symbol, interval)}`, ({ completed }) => {
        if (completed.length === 0) return;
        context.self.tell({
          type: 'completed',
          candles: completed.map((candle) => ({ symbol, interval, candle })),
        });
      }),
    );
    return () => subscriptions.forEach((unsubscribe) => unsubscribe());
  }

  function add(candles: readonly KeptCandle[], context: Context): void {
    for (const kept of candles) pending.set(keyOf(kept), kept);
    drop(context);
  }

  /** The database has been away for long: newer candles are worth more. */
  function drop(context: Context): void {
    const excess = pending.size + underWay.size - limits.pending;
    if (excess <= 0) return;
    for (const key of [...pending.keys()].slice(0, excess)) pending.delete(key);
    if (counts.lost === 0) context.log.error({ pending: limits.pending }, 'candles are lost: the database is away');
    counts.lost += excess;
  }

  function schedule(keeper: Keeper, afterMs: number, context: Context): Keeper {
    if (keeper.status !== 'idle' || pending.size === 0) return keeper;
    context.after(afterMs, { type: 'write' });
    return { ...keeper, status: 'waiting' };
  }

  function write(keeper: Keeper, context: Context): Keeper {
    if (!store.isServing()) return schedule({ ...keeper, status: 'idle' }, limits.writeMs, context);
    const batch = [...pending].slice(0, limits.batch);
    underWay = new Map(batch);
    for (const [key] of batch) pending.delete(key);
    context.pipe(store.save([...underWay.values()]), (result) => ({ type: 'written', result }));
    return { ...keeper, status: 'writing' };
  }

  function onWritten(keeper: Keeper, result: PipeResult<void>, context: Context): Keeper {
    const idle: Keeper = { ...keeper, status: 'idle' };
    if (result.ok) {
      counts.written += underWay.size;
      underWay = new Map();
      return schedule({ ...idle, failures: 0 }, limits.writeMs, context);
    }
    if (keeper.failures === 0) context.log.warn({ err: result.error }, 'candles could not be written');
    takeBack();
    const retryMs = Math.min(limits.retryFirstMs * 2 ** keeper.failures, limits.retryMaxMs);
    return schedule({ ...idle, failures: keeper.failures + 1 }, retryMs, context);
  }

  /** What was under way is the oldest; a candle that has come again meanwhile is the newer one. */
  function takeBack(): void {
    pending = new Map([...underWay, ...pending]);
    underWay = new Map();
  }

  function pruneNext(keeper: Keeper, context: Context): Keeper {
    const [next] = keeper.toPrune;
    if (!next) return keeper;
    const beforeMicros = context.clock.wallMicros() - limits.retentionMs[next.interval]! * 1_000;
    const deleting = store.prune(next, beforeMicros, limits.pruneRows);
    context.pipe(deleting, (result) => ({ type: 'pruned', result }));
    return keeper;
  }

  function onPruned(keeper: Keeper, result: PipeResult<number>, context: Context): Keeper {
    if (!result.ok) {
      context.log.warn({ err: result.error }, 'old candles could not be deleted');
      return { ...keeper, toPrune: [] };
    }
    counts.pruned += result.value;
    if (result.value < limits.pruneRows) return pruneNext({ ...keeper, toPrune: keeper.toPrune.slice(1) }, context);
    context.after(limits.writeMs, { type: 'prune-next' });
    return keeper;
  }

  return {
    start(context) {
      takeBack();
      context.every(limits.pruneMs, { type: 'prune' });
      const idle: Keeper = { status: 'idle', failures: 0, toPrune: [], unsubscribe: subscribe(context) };
      return schedule(idle, limits.writeMs, context);
    },

    receive(keeper, message, context) {
      switch (message.type) {
        case 'completed':
          add(message.candles, context);
          return schedule(keeper, limits.writeMs, context);
        case 'write':
          return write(keeper, context);
        case 'written':
          return onWritten(keeper, message.result, context);
        case 'prune':
          if (keeper.toPrune.length > 0 || !store.isServing()) return keeper;
          return pruneNext({ ...keeper, toPrune: series.filter(({ interval }) => isKeptFor(interval)) }, context);
        case 'prune-next':
          return pruneNext(keeper, context);
        case 'pruned':
          return onPruned(keeper, message.result, context);
        case 'get-candles': {
          const to = context.replyLater();
          context.pipe(store.load(message.range), (result) => ({ type: 'loaded', to, result }));
          return keeper;
        }
        case 'loaded':
          if (message.result.ok) message.to.reply(message.result.value);
          else message.to.fail(message.result.error as Error);
          return keeper;
      }
    },

    stop: ({ unsubscribe }) => unsubscribe(),

    inspect: ({ status, failures }) => ({ status, failures, pending: pending.size + underWay.size, ...counts }),
  };

  function isKeptFor(interval: CandleInterval): boolean {
    return limits.retentionMs[interval] !== undefined;
  }
}

function keyOf({ symbol, interval, candle }: KeptCandle): string {
  return `${seriesKey(symbol, interval)}:${candle.openMicros}`;
}
