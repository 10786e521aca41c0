/**
 * Durable states kept beside the journal, so that an entity need not read all of it again.
 * A snapshot only ever saves time: whatever is wrong with one, the journal is read from its beginning instead.
 */
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ActorContext } from './actor.ts';
import type { Clock } from './clock.ts';
import { CommandFilter } from './command-filter.ts';
import { type EntityKey, entityName, type JournalRow } from './journal.ts';

export interface Snapshot {
  /** Of `state`, and of what the events mean that led to it. */
  readonly version: number;
  /** The last row that is in it, and the epoch under which that was written. */
  readonly seq: number;
  readonly epoch: number;
  readonly state: string;
  /** Ids of all commands through `seq`, as CommandFilter encodes them. */
  readonly commands: string;
  /** SHA-256 in hex of all the above and of that row as it stands in the journal: an altered snapshot is of no row, and a foreign one not of this. */
  readonly digest: string;
}

/** Holds the latest snapshot of each entity. May fail, forget and be slow. */
export interface SnapshotStore {
  /** Takes the place of the one before, also of one with a higher seq: that may be of a journal that was set back since. */
  save(key: EntityKey, snapshot: Snapshot): Promise<void>;
  load(key: EntityKey): Promise<Snapshot | undefined>;
}

export interface SnapshotPolicy<State> {
  readonly store: SnapshotStore;
  /**
   * A snapshot is due when so many rows have become durable since the last one was; or a fiftieth of all rows, where that is more:
   * it holds the ids of all commands, so that what it costs a row would grow for ever.
   */
  readonly everyRows: number;
  /** How long the store may take; then it counts as failed. A start waits no longer than this for a snapshot. */
  readonly deadlineMs: number;
  /** Snapshots of another one are not read. */
  readonly version: number;
  encode(state: State): string;
  /** @throws whatever it likes when the text is none of ours */
  decode(text: string): State;
}

/** A state to go on from, and the rows behind it. */
export interface Recalled<State> {
  readonly state: State;
  readonly seq: number;
  readonly commands: CommandFilter;
}

export class MemorySnapshots implements SnapshotStore {
  readonly #latest = new Map<string, Snapshot>();

  async save(key: EntityKey, snapshot: Snapshot): Promise<void> {
    this.#latest.set(entityName(key), snapshot);
  }

  async load(key: EntityKey): Promise<Snapshot | undefined> {
    return this.#latest.get(entityName(key));
  }
}

/** Saves and recalls the snapshots of one entity. Outlives its incarnations, so that one save at a time is under way. */
export class SnapshotKeeper<State> {
  readonly #key: EntityKey;
  readonly #policy: SnapshotPolicy<State>;
  #dueSeq: number;
  #isSaving = false;

  constructor(key: EntityKey, policy: SnapshotPolicy<State>) {
    this.#key = key;
    this.#policy = policy;
    this.#dueSeq = this.#dueBehind(0);
  }

  get isSaving(): boolean {
    return this.#isSaving;
  }

  /**
   * Saves in the background when it is time and no save is under way. One that fails is logged, and made good by the next.
   * @param row durable, and the last one that is in `state`
   * @param commands the ids of all rows through this one; more may be added meanwhile
   */
  offer(row: JournalRow, state: State, commands: CommandFilter, context: Surroundings): void {
    if (this.#isSaving || row.seq < this.#dueSeq) return;
    this.#isSaving = true;
    this.#dueSeq = this.#dueBehind(row.seq);
    void this.#save(row, state, commands, context).finally(() => {
      this.#isSaving = false;
    });
  }

  /**
   * The snapshot to go on from, when there is one that belongs to the journal as it is.
   * @param open the rows of the entity behind a seq
   * @param throughSeq one beyond it is left alone
   * @returns also the rows behind it, which are being read already
   * @throws what reading the journal throws; never because of the snapshot
   */
  async recall(
    open: (afterSeq: number) => AsyncIterable<JournalRow>,
    throughSeq: number,
    context: Surroundings,
  ): Promise<{ readonly recalled: Recalled<State>; readonly rows: AsyncIterator<JournalRow> } | undefined> {
    this.#dueSeq = this.#dueBehind(0);
    const snapshot = await this.#load(context);
    if (!snapshot || snapshot.seq > throughSeq) return undefined;
    const rows = open(snapshot.seq - 1)[Symbol.asyncIterator]();
    const first = await rows.next();
    const recalled = first.done ? undefined : this.#prove(snapshot, first.value, context);
    if (recalled) {
      this.#dueSeq = this.#dueBehind(recalled.seq);
      return { recalled, rows };
    }
    context.log.warn({ path: context.path, seq: snapshot.seq }, 'a snapshot is not of this journal: all of it is read');
    await rows.return?.();
    return undefined;
  }

  #dueBehind(seq: number): number {
    return seq + Math.max(this.#policy.everyRows, Math.floor(seq * shareOfRows));
  }

  async #save(row: JournalRow, state: State, commands: CommandFilter, context: Surroundings): Promise<void> {
    const { store, version, deadlineMs, encode } = this.#policy;
    try {
      // Replies that are ready go first.
      await nextTurn();
      const { seq, epoch } = row;
      const told = { version, seq, epoch, state: encode(state), commands: commands.encode() };
      const snapshot = { ...told, digest: digestOf(told, row) };
      await within(deadlineMs, store.save(this.#key, snapshot), context.clock);
    } catch (error) {
      context.log.warn({ path: context.path, seq: row.seq, err: error }, 'a snapshot could not be saved');
    }
  }

  async #load({ clock, log, path }: Surroundings): Promise<Snapshot | undefined> {
    const { store, version, deadlineMs } = this.#policy;
    try {
      const snapshot = await within(deadlineMs, store.load(this.#key), clock);
      if (!snapshot || snapshot.version === version) return snapshot;
      log.info({ path, version: snapshot.version, wanted: version }, 'a snapshot is of another version');
    } catch (error) {
      log.warn({ path, err: error }, 'snapshots cannot be loaded: all of the journal is read');
    }
    return undefined;
  }

  #prove(snapshot: Snapshot, row: JournalRow, { log, path }: Surroundings): Recalled<State> | undefined {
    const { seq, digest } = snapshot;
    if (row.seq !== seq || digestOf(snapshot, row) !== digest) return undefined;
    try {
      const { state, commands } = snapshot;
      return { state: this.#policy.decode(state), seq, commands: CommandFilter.decode(commands) };
    } catch (error) {
      log.warn({ path, seq, err: error }, 'a snapshot does not decode');
      return undefined;
    }
  }
}

const shareOfRows = 0.02;

type Surroundings = Pick<ActorContext<never>, 'path' | 'clock' | 'log'>;

function digestOf({ version, state, commands }: Omit<Snapshot, 'digest'>, row: JournalRow): string {
  const { seq, epoch, commandId, digest, payload } = row;
  const sha = createHash('sha256');
  for (const part of [version, seq, epoch, commandId, digest, payload, state, commands].map(String)) {
    sha.update(`${part.length}:`).update(part);
  }
  return sha.digest('hex');
}

async function within<T>(deadlineMs: number, promise: Promise<T>, clock: Clock): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = clock.after(deadlineMs, () => reject(new Error(`nothing came within ${deadlineMs} ms`)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.cancel();
  }
}
