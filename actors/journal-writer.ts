/**
 * One a node: gathers what all accounts append and writes it in one commit after the other.
 * There is no timer: the next batch is what queued while the last one was committed.
 */
import type { ActorContext, Behavior } from '../runtime/actor.ts';
import type { AppendRequest, JournalNotice } from '../runtime/event-sourced.ts';
import {
  entityName,
  JournalOutcomeUnknown,
  JournalUnavailable,
  type Journal,
  type JournalEntry,
  type Refusal,
} from '../runtime/journal.ts';

export type JournalWriterMessage =
  | AppendRequest
  | { readonly type: 'flush' }
  | { readonly type: 'committed'; readonly refused: readonly Refusal[] }
  | { readonly type: 'failed'; readonly error: unknown }
  | { readonly type: 'settled'; readonly refused: readonly Refusal[]; readonly missing: readonly JournalEntry[] };

export interface JournalWriterLimits {
  readonly queueEntries: number;
  readonly batchEntries: number;
  readonly batchBytes: number;
  /** Pause before the journal is asked (again) what became of a commit. */
  readonly settleMs: number;
}

interface Writer {
  queue: AppendRequest[];
  status: 'idle' | 'gathering' | 'committing' | 'settling';
  /** What is being committed, or was when the connection broke. */
  batch: readonly AppendRequest[];
  /** The outcome of the commit, while there is one under way. */
  committed: Promise<readonly Refusal[]>;
  /** Whether entries of the batch that turn out to be missing are written again: not when it was the batch that failed the journal. */
  mayRepeat: boolean;
  /** The journal could not even be asked about the batch: whatever else comes is refused at once, since it would only wait behind it. */
  isAway: boolean;
  /** By entity; one for each that has ever written here. */
  readonly lanes: Map<string, Lane>;
  readonly counts: { commits: number; entries: number; refused: number; unknown: number };
}

/** Where the entries of one entity have got to. */
interface Lane {
  generation: number;
  /** The only seq that is let in. */
  nextSeq: number;
  /** The last entry was refused, so those behind it are still on their way here: their owner knows. */
  isRefused: boolean;
}

type RefusalReason = Extract<JournalNotice, { type: 'journal-refused' }>['reason'];

export function journalWriter(journal: Journal, limits: JournalWriterLimits): Behavior<Writer, JournalWriterMessage> {
  type Context = ActorContext<JournalWriterMessage>;
  const kept: Writer = {
    ...{
      queue: [],
      status: 'idle',
      batch: [],
      committed: Promise.resolve([]),
      mayRepeat: false,
      isAway: false,
      lanes: new Map(),
    },
    counts: { commits: 0, entries: 0, refused: 0, unknown: 0 },
  };

  function onAppend(writer: Writer, request: AppendRequest, context: Context): void {
    const lane = laneOf(writer, request);
    if (request.generation !== lane.generation) return;
    if (request.entry.seq !== lane.nextSeq) {
      // Behind a refusal nothing needs to be said; anything else is a message that was lost on the way, and what stands on it with it.
      if (!lane.isRefused)
        refuse(writer, { ...request, entry: { ...request.entry, seq: lane.nextSeq } }, 'unavailable');
      return;
    }
    if (writer.isAway) return refuse(writer, request, 'unavailable');
    if (writer.queue.length >= limits.queueEntries) return refuse(writer, request, 'overloaded');
    writer.queue.push(request);
    lane.nextSeq += 1;
    lane.isRefused = false;
    if (writer.status === 'idle') gather(writer, context);
  }

  /** Whatever else this turn of the event loop brings belongs into the same commit. */
  function gather(writer: Writer, context: Context): void {
    writer.status = 'gathering';
    setImmediate(() => context.self.tell({ type: 'flush' }, { control: true }));
  }

  function flush(writer: Writer, context: Context): void {
    writer.batch = takeBatch(writer.queue, limits);
    writer.status = writer.batch.length === 0 ? 'idle' : 'committing';
    if (writer.batch.length === 0) return;
    const entries = writer.batch.map((request) => request.entry);
    writer.committed = (async () => journal.append(entries))();
    awaitCommit(writer, context);
  }

  function awaitCommit(writer: Writer, context: Context): void {
    context.pipe(writer.committed, (result) =>
      result.ok ? { type: 'committed', refused: result.value } : { type: 'failed', error: result.error },
    );
  }

  function onCommitted(writer: Writer, refused: readonly Refusal[], context: Context): void {
    const { batch } = writer;
    // The next batch leaves before the last one is acknowledged, unless it holds entries that stand on refused ones.
    if (refused.length === 0) flush(writer, context);
    acknowledge(writer, batch, refused);
    if (refused.length > 0) flush(writer, context);
  }

  function onFailed(writer: Writer, error: unknown, context: Context): void {
    if (writer.status === 'committing') {
      if (error instanceof JournalUnavailable) {
        giveUp(writer, firstOfEachEntity(writer.batch), () => 'unavailable');
        return flush(writer, context);
      }
      writer.counts.unknown += 1;
      writer.mayRepeat = error instanceof JournalOutcomeUnknown;
      context.log.warn({ entries: writer.batch.length, error: String(error) }, 'the outcome of a commit is unknown');
    } else if (error instanceof JournalUnavailable) {
      writer.isAway = true;
      giveUp(writer, firstOfEachEntity(writer.queue), () => 'unavailable');
    }
    settle(writer, context);
  }

  /** Whatever broke during the commit, it may have happened: only the journal itself can tell, however long it takes. */
  function settle(writer: Writer, context: Context): void {
    writer.status = 'settling';
    const entries = writer.batch.map((request) => request.entry);
    const pause = new Promise<void>((resolve) => void context.clock.after(limits.settleMs, resolve));
    context.pipe(
      pause.then(() => journal.settle(entries)),
      (result) => (result.ok ? { type: 'settled', ...result.value } : { type: 'failed', error: result.error }),
    );
  }

  function onSettled(
    writer: Writer,
    missing: ReadonlySet<JournalEntry>,
    refused: readonly Refusal[],
    context: Context,
  ): void {
    const [written, lost] = [false, true].map((isMissing) =>
      writer.batch.filter(({ entry }) => missing.has(entry) === isMissing),
    ) as [AppendRequest[], AppendRequest[]];
    writer.isAway = false;
    acknowledge(writer, written, refused);
    if (writer.mayRepeat) writer.queue.unshift(...lost.filter((request) => isAlive(writer, request)));
    else giveUp(writer, firstOfEachEntity(lost), () => 'unavailable');
    flush(writer, context);
  }

  function acknowledge(writer: Writer, batch: readonly AppendRequest[], refused: readonly Refusal[]): void {
    writer.counts.commits += 1;
    writer.counts.entries += batch.length;
    const refusals = new Map(refused.map((refusal) => [entityName(refusal), refusal]));
    const last = new Map<AppendRequest['owner'], AppendRequest>();
    const firstRefused: AppendRequest[] = [];
    for (const request of batch) {
      const { entry, owner } = request;
      const refusal = refusals.size === 0 ? undefined : refusals.get(entityName(entry));
      if (!refusal || entry.seq < refusal.fromSeq) last.set(owner, request);
      else if (entry.seq === refusal.fromSeq) firstRefused.push(request);
    }
    for (const [owner, { entry, generation }] of last) {
      owner.tell({ type: 'journal-durable', throughSeq: entry.seq, generation }, { control: true });
    }
    giveUp(writer, firstRefused, ({ entry }) => refusals.get(entityName(entry))!.reason);
  }

  return {
    // What was queued, and a commit whose outcome is not known yet, outlive a crash of this actor: accounts wait for both.
    start(context) {
      if (kept.status === 'committing') awaitCommit(kept, context);
      else if (kept.status === 'settling') settle(kept, context);
      else gather(kept, context);
      return kept;
    },

    receive(writer, message, context) {
      switch (message.type) {
        case 'append':
          onAppend(writer, message, context);
          break;
        case 'flush':
          if (writer.status === 'gathering') flush(writer, context);
          break;
        case 'committed':
          onCommitted(writer, message.refused, context);
          break;
        case 'failed':
          onFailed(writer, message.error, context);
          break;
        case 'settled':
          onSettled(writer, new Set(message.missing), message.refused, context);
          break;
      }
      return writer;
    },

    inspect: ({ queue, status, counts }) => ({ status, queued: queue.length, ...counts }),
  };
}

/** A higher generation begins anew, wherever its owner found the end of its journal; what an earlier one has queued is nobody's any more. */
function laneOf(writer: Writer, { entry, generation }: AppendRequest): Lane {
  const name = entityName(entry);
  const lane = writer.lanes.get(name);
  if (lane && lane.generation >= generation) return lane;
  if (lane) writer.queue = writer.queue.filter((queued) => entityName(queued.entry) !== name);
  const begun = { generation, nextSeq: entry.seq, isRefused: false };
  writer.lanes.set(name, begun);
  return begun;
}

function isAlive(writer: Writer, { entry, generation }: AppendRequest): boolean {
  return writer.lanes.get(entityName(entry))?.generation === generation;
}

/** Refuses entries and all of the same entities that are queued behind them. */
function giveUp(
  writer: Writer,
  firsts: readonly AppendRequest[],
  reasonOf: (request: AppendRequest) => RefusalReason,
): void {
  const current = firsts.filter((request) => isAlive(writer, request));
  if (current.length === 0) return;
  const names = new Set(current.map(({ entry }) => entityName(entry)));
  writer.queue = writer.queue.filter(({ entry }) => !names.has(entityName(entry)));
  for (const request of current) refuse(writer, request, reasonOf(request));
}

/** Tells the owner that this entry and all behind it will not be written. */
function refuse(writer: Writer, { entry, generation, owner }: AppendRequest, reason: RefusalReason): void {
  const lane = writer.lanes.get(entityName(entry))!;
  lane.nextSeq = entry.seq;
  lane.isRefused = true;
  writer.counts.refused += 1;
  owner.tell({ type: 'journal-refused', fromSeq: entry.seq, generation, reason }, { control: true });
}

function firstOfEachEntity(batch: readonly AppendRequest[]): AppendRequest[] {
  const firsts = new Map<string, AppendRequest>();
  for (const request of batch) {
    const name = entityName(request.entry);
    if (!firsts.has(name)) firsts.set(name, request);
  }
  return [...firsts.values()];
}

/** Takes from the front of the queue what fits into one commit; at least one entry where there is any. */
function takeBatch(queue: AppendRequest[], limits: JournalWriterLimits): AppendRequest[] {
  let bytes = 0;
  let count = 0;
  while (count < queue.length && count < limits.batchEntries) {
    bytes += queue[count]!.entry.payload.length;
    if (count > 0 && bytes > limits.batchBytes) break;
    count += 1;
  }
  return queue.splice(0, count);
}
