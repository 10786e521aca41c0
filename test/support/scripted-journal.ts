/** A journal in memory that fails when it is told to, as a database behind a network does. */
import {
  type EntityKey,
  entityName,
  type Journal,
  type JournalEntry,
  JournalOutcomeUnknown,
  type JournalRow,
  JournalUnavailable,
  MemoryJournal,
  type Refusal,
} from '../../runtime/journal.ts';

/**
 * What an append comes to. `lost-before` and `lost-after`: the connection breaks before, or after, the commit was carried out.
 * `broken`: the driver has a fault of its own and writes nothing.
 */
export type AppendOutcome = 'written' | 'unavailable' | 'lost-before' | 'lost-after' | 'broken';

export class ScriptedJournal implements Journal {
  memory = new MemoryJournal();
  /** Behind which seq each reading began. */
  readonly reads: number[] = [];
  /** Sizes of the batches that arrived. */
  readonly batches: number[] = [];
  /** What the next appends come to, first first; written when it is empty. */
  readonly outcomes: AppendOutcome[] = [];
  /** While it is away nothing can be read, written or asked. */
  isAway = false;
  /** How many appends may be under way at once; one is all that a journal is asked for. */
  mostAtOnce = 0;
  #underWay = 0;
  #gate: PromiseWithResolvers<void> | undefined;

  /** From now on appends wait. */
  hold(): void {
    this.#gate ??= Promise.withResolvers();
  }

  release(): void {
    this.#gate?.resolve();
    this.#gate = undefined;
  }

  /** As after the restore of an older backup: rows of this entity above `seq` are gone, and whatever other entities had. */
  async setBack(key: EntityKey, seq: number): Promise<void> {
    const kept: JournalEntry[] = [];
    for await (const row of this.memory.read(key, 0)) if (row.seq <= seq) kept.push({ ...key, slot: 0, ...row });
    this.memory = new MemoryJournal();
    await this.memory.append(kept);
  }

  async append(batch: readonly JournalEntry[]): Promise<readonly Refusal[]> {
    assertOrder(batch);
    this.batches.push(batch.length);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#underWay);
    await this.#gate?.promise;
    this.#underWay -= 1;
    if (this.isAway) throw new JournalUnavailable();
    switch (this.outcomes.shift() ?? 'written') {
      case 'written':
        return this.memory.append(batch);
      case 'unavailable':
        throw new JournalUnavailable();
      case 'lost-before':
        throw new JournalOutcomeUnknown();
      case 'lost-after':
        await this.memory.append(batch);
        throw new JournalOutcomeUnknown();
      case 'broken':
        throw new TypeError('the driver is broken');
    }
  }

  async settle(batch: readonly JournalEntry[]): ReturnType<Journal['settle']> {
    this.#demand();
    return this.memory.settle(batch);
  }

  async *read(key: EntityKey, afterSeq: number): AsyncIterable<JournalRow> {
    this.#demand();
    this.reads.push(afterSeq);
    yield* this.memory.read(key, afterSeq);
  }

  async lastSeqs(tenantId: number): Promise<ReadonlyMap<number, number>> {
    this.#demand();
    return this.memory.lastSeqs(tenantId);
  }

  #demand(): void {
    if (this.isAway) throw new JournalUnavailable();
  }
}

/** What the interface asks of its callers; a real journal may end in worse than an error. */
function assertOrder(batch: readonly JournalEntry[]): void {
  const last = new Map<string, number>();
  for (const entry of batch) {
    const before = last.get(entityName(entry));
    if (before !== undefined && entry.seq !== before + 1) {
      throw new RangeError(`seq ${entry.seq} of ${entityName(entry)} stands behind ${before}`);
    }
    last.set(entityName(entry), entry.seq);
  }
}
