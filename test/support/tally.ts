/** A small event-sourced entity with its journal writer, in a system on a virtual clock. */
import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { journalWriter, type JournalWriterMessage } from '../../actors/journal-writer.ts';
import { type ActorContext, type Behavior, type Log, silentLog } from '../../runtime/actor.ts';
import { VirtualClock } from '../../runtime/clock.ts';
import {
  type CommandResult,
  type Commit,
  type DurableState,
  eventSourced,
  type EventSourcedMessage,
  type EventSourcedSpec,
} from '../../runtime/event-sourced.ts';
import type { JournalRow } from '../../runtime/journal.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import type { SnapshotPolicy, SnapshotStore } from '../../runtime/snapshots.ts';
import { createSystem, type ActorSystem } from '../../runtime/system.ts';
import { ScriptedJournal } from './scripted-journal.ts';
import { lenient, supervisor, worker } from './test-system.ts';

/** The sum of all that was added. */
export interface Tally {
  readonly sum: number;
  readonly count: number;
}

/** `add` of zero changes nothing and is not journalled; `crash` throws. */
export type TallyCommand =
  | { readonly type: 'add'; readonly id: string; readonly amount: number }
  | { readonly type: 'crash' };

export interface Added {
  readonly amount: number;
}

export interface TallyReply {
  readonly sum: number;
}

export type TallyMessage = EventSourcedMessage<Tally, TallyCommand, TallyReply>;
export type TallyResult = CommandResult<TallyReply>;

export const emptyTally: Tally = { sum: 0, count: 0 };
export const tallyKey = { tenantId: 1, entityId: 7 };

export function evolveTally({ sum, count }: Tally, { amount }: Added): Tally {
  return { sum: sum + amount, count: count + 1 };
}

export interface TallyLimits {
  readonly inFlight: number;
  readonly waiting: number;
  readonly recentCommands: number;
  readonly queueEntries: number;
  readonly writerMailbox: number;
  readonly waitingMs?: number;
}

export interface TallyOptions {
  readonly snapshots?: { readonly store: SnapshotStore } & Partial<SnapshotPolicy<Tally>>;
  readonly log?: Log;
}

const standard: TallyLimits = {
  ...{ inFlight: 64, waiting: 100, recentCommands: 1_000, queueEntries: 1_000, writerMailbox: 1_000 },
};
export const reloadMs = 500;
export const settleMs = 250;
export const deadlineMs = 5_000;
/** How long a store of snapshots may take. */
export const storeMs = 1_000;

/** What became of an ask. */
export interface Watched<T> {
  state: 'open' | 'answered' | 'failed';
  value?: T;
  error?: unknown;
}

export interface TallyRig {
  readonly system: ActorSystem;
  readonly clock: VirtualClock;
  readonly journal: ScriptedJournal;
  readonly tally: ActorRef<TallyMessage>;
  readonly writer: ActorRef<JournalWriterMessage>;
  readonly published: Commit<Tally, Added>[];
  /** Ids that were looked for among old rows. */
  readonly lookedUp: string[];
  epoch: number | undefined;
  add(id: string, amount?: number): Watched<TallyResult>;
  crash(): Watched<TallyResult>;
  read(): Promise<DurableState<Tally> | { readonly type: 'unavailable'; readonly reason: string }>;
  rows(): Promise<JournalRow[]>;
  inspect(): { phase: string; inFlight: number; waiting: number; recentCommands: number; durableSeq: number };
  isIdle(): boolean;
  settle(): Promise<void>;
  advance(byMs: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startTally(
  limits: Partial<TallyLimits> = {},
  journal: ScriptedJournal = new ScriptedJournal(),
  options: TallyOptions = {},
): Promise<TallyRig> {
  const all = { ...standard, ...limits };
  const clock = new VirtualClock(1_800_000_000_000_000);
  const system = createSystem({ name: 'tally', clock, log: options.log ?? silentLog, random: () => 0.5 });
  const published: Commit<Tally, Added>[] = [];
  const lookedUp: string[] = [];
  const find = <M>(path: string): ActorRef<M> => {
    const ref = system.find<M>(path);
    if (!ref) throw new Error(`no actor at ${path}`);
    return ref;
  };
  const rows = async (): Promise<JournalRow[]> => {
    const read: JournalRow[] = [];
    for await (const row of journal.memory.read(tallyKey, 0)) read.push(row);
    return read;
  };
  const writing = { ...{ queueEntries: all.queueEntries, batchEntries: 100, batchBytes: 1_000_000 }, settleMs };
  await system.start(
    supervisor('root', 'one-for-one', [
      worker('writer', journalWriter(journal, writing), {
        mailbox: { capacity: all.writerMailbox, whenFull: 'reject' },
      }),
    ]),
  );
  const rig: TallyRig = {
    ...{ system, clock, journal, published, lookedUp, rows, settle, epoch: 1 },
    ...{ tally: undefined as never, isIdle: undefined as never },
    writer: find('/writer'),
    add: (id, amount = 1) => ask({ type: 'add', id, amount }),
    crash: () => ask({ type: 'crash' }),
    read: () => rig.tally.ask({ type: 'read' }, { timeoutMs: deadlineMs }),
    inspect: () => system.inspectActor('/tally')?.state as ReturnType<TallyRig['inspect']>,
    async advance(byMs) {
      await settle();
      clock.advance(byMs);
      await settle();
    },
    stop: () => system.stop(),
  };
  const behavior = eventSourced({
    ...specOf({
      writer: rig.writer,
      epoch: () => rig.epoch,
      read: (key, afterSeq) => journal.read(key, afterSeq),
      async lookUpCommand(id, throughSeq) {
        lookedUp.push(id);
        const row = (await rows()).find(({ commandId, seq }) => commandId === id && seq <= throughSeq);
        return row && { digest: row.digest, seq: row.seq, reply: decode(row.payload).reply };
      },
      onDurable: (commit) => void published.push(commit),
      limits: { ...all, reloadMs },
    }),
    ...(options.snapshots && { snapshots: { ...snapshotting, ...options.snapshots } }),
  });
  let entity: ReturnType<typeof behavior.start>;
  const watched = {
    ...behavior,
    start: (context: ActorContext<TallyMessage>) => (entity = behavior.start(context)),
  };
  await system.spawn('/', worker('tally', watched as Behavior<unknown, TallyMessage>, { policy: lenient }));
  Object.assign(rig, { tally: find('/tally'), isIdle: () => behavior.isIdle!(entity as Awaited<typeof entity>) });

  function ask(command: TallyCommand): Watched<TallyResult> {
    return watch(rig.tally.ask({ type: 'command', command }, { timeoutMs: deadlineMs }));
  }
  await settle();
  return rig;
}

const snapshotting: Omit<SnapshotPolicy<Tally>, 'store'> = {
  ...{ everyRows: 10, deadlineMs: storeMs, version: 1 },
  encode: (tally) => JSON.stringify(tally),
  decode: (text) => JSON.parse(text) as Tally,
};

type Spec = EventSourcedSpec<Tally, TallyCommand, Added, TallyReply>;

function specOf(given: Pick<Spec, 'writer' | 'epoch' | 'read' | 'lookUpCommand' | 'onDurable' | 'limits'>): Spec {
  return {
    ...given,
    ...{ key: tallyKey, slot: 3, initial: emptyTally },
    decide(state, command) {
      if (command.type === 'crash') throw new Error('told to crash');
      const { amount } = command;
      return { events: amount === 0 ? [] : [{ amount }], reply: { sum: state.sum + amount } };
    },
    evolve: evolveTally,
    commandId: (command) => (command.type === 'add' ? command.id : 'crash'),
    digest: digestOf,
    encodeEvent: (event) => JSON.stringify(event),
    encodePayload: ({ events, reply }) => `{"events":[${events.join(',')}],"reply":${JSON.stringify(reply)}}`,
    decodePayload: decode,
    onLoaded: () => {},
  };
}

export function digestOf(command: TallyCommand): string {
  return createHash('sha256').update(JSON.stringify(command)).digest('hex');
}

export function decode(payload: string): { events: Added[]; reply: TallyReply } {
  return JSON.parse(payload) as { events: Added[]; reply: TallyReply };
}

export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: Watched<T> = { state: 'open' };
  promise.then(
    (value) => Object.assign(watched, { state: 'answered', value }),
    (error: unknown) => Object.assign(watched, { state: 'failed', error }),
  );
  return watched;
}

/** A commit takes a few turns of the event loop, a crash a few more to its restart. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < 40; turns++) await turn();
}
