/**
 * The journal: one row is the whole outcome of one command of one entity.
 * It is the truth; whatever is not in it has not happened.
 */
import { Retryable, Terminal } from './errors.ts';

/** Whose journal: a tenant and one of its entities (a trading account). Numbers from the registry, never reused. */
export interface EntityKey {
  readonly tenantId: number;
  readonly entityId: number;
}

/** One string for an entity, for maps. */
export function entityName(key: EntityKey): string {
  return `${key.tenantId}/${key.entityId}`;
}

export interface JournalEntry extends EntityKey {
  /** Counts from 1 without gaps. */
  readonly seq: number;
  /** The slot of the entity and the epoch under which the writer believes to own it: a stale epoch is fenced. */
  readonly slot: number;
  readonly epoch: number;
  readonly commandId: string;
  /** SHA-256 of the canonical command, hex. */
  readonly digest: string;
  /** JSON text, written by a JSON writer: holds no raw control character. */
  readonly payload: string;
}

export type JournalRow = Pick<JournalEntry, 'seq' | 'epoch' | 'commandId' | 'digest' | 'payload'>;

/**
 * Why rows of one entity were not written.
 * `fenced`: another owner has the slot; stop. `conflict`: the seq is taken by another row; reload from the journal.
 */
export interface Refusal extends EntityKey {
  readonly reason: 'fenced' | 'conflict';
  /** The first seq that was not written; everything of this entity behind it was not written either. */
  readonly fromSeq: number;
}

export interface Journal {
  /**
   * Appends a batch in one commit and returns once it is durable. Entries of one entity stand in the order of their seq.
   * An entity that is refused does not disturb the others.
   * @throws JournalUnavailable nothing was written: it could not even be tried
   * @throws JournalOutcomeUnknown the connection was lost on the way; `settle` tells later what happened
   */
  append(batch: readonly JournalEntry[]): Promise<readonly Refusal[]>;
  /**
   * Finds out what became of a batch whose append ended in JournalOutcomeUnknown, by reading its keys (epoch and digest compared).
   * An entity none of whose entries, or only the first ones, were written is returned with the first missing seq in `missing`.
   * @throws JournalUnavailable cannot be told yet; ask again
   */
  settle(
    batch: readonly JournalEntry[],
  ): Promise<{ readonly refused: readonly Refusal[]; readonly missing: readonly JournalEntry[] }>;
  /** Rows of one entity with a seq above `afterSeq`, in order. @throws JournalUnavailable */
  read(key: EntityKey, afterSeq: number): AsyncIterable<JournalRow>;
  /** The last seq of each entity of a tenant that has any rows. @throws JournalUnavailable */
  lastSeqs(tenantId: number): Promise<ReadonlyMap<number, number>>;
}

/** The journal cannot be reached; nothing was tried. */
export class JournalUnavailable extends Retryable {
  constructor(cause?: unknown) {
    super('the journal cannot be reached', { retryAfterMs: 1_000, cause });
  }
}

/** The connection broke between sending a commit and its answer. */
export class JournalOutcomeUnknown extends Retryable {
  constructor(cause?: unknown) {
    super('the connection to the journal was lost during a commit', { retryAfterMs: 1_000, cause });
  }
}

/** Another process owns this entity now. */
export class Fenced extends Terminal {
  constructor(key: EntityKey) {
    super(`entity ${entityName(key)} is owned by another process now`);
  }
}

/** A journal in memory, for tests and for replays: same rules, no durability. */
export class MemoryJournal implements Journal {
  readonly #rows = new Map<string, JournalEntry[]>();
  readonly #epochs = new Map<number, number>();

  /** From now on only appends under `epoch` are let in for this slot. */
  claim(slot: number, epoch: number): void {
    this.#epochs.set(slot, epoch);
  }

  async append(batch: readonly JournalEntry[]): Promise<readonly Refusal[]> {
    const refused = new Map<string, Refusal>();
    for (const entry of batch) {
      const name = entityName(entry);
      if (refused.has(name)) continue;
      const rows = this.#rows.get(name) ?? [];
      const refuse = (reason: Refusal['reason']): void => {
        refused.set(name, { tenantId: entry.tenantId, entityId: entry.entityId, reason, fromSeq: entry.seq });
      };
      if ((this.#epochs.get(entry.slot) ?? entry.epoch) !== entry.epoch) refuse('fenced');
      else if (rows.length + 1 !== entry.seq) refuse('conflict');
      else {
        rows.push(entry);
        this.#rows.set(name, rows);
      }
    }
    return [...refused.values()];
  }

  async settle(batch: readonly JournalEntry[]): ReturnType<Journal['settle']> {
    const refused = new Map<string, Refusal>();
    const missing: JournalEntry[] = [];
    for (const entry of batch) {
      const { tenantId, entityId, seq } = entry;
      const name = entityName(entry);
      if (refused.has(name)) continue;
      const row = this.#rows.get(name)?.[seq - 1];
      if (!row) missing.push(entry);
      else if (row.epoch !== entry.epoch || row.digest !== entry.digest) {
        refused.set(name, { tenantId, entityId, reason: 'conflict', fromSeq: seq });
      }
    }
    return { refused: [...refused.values()], missing };
  }

  async *read(key: EntityKey, afterSeq: number): AsyncIterable<JournalRow> {
    for (const { seq, epoch, commandId, digest, payload } of (this.#rows.get(entityName(key)) ?? []).slice(afterSeq)) {
      yield { seq, epoch, commandId, digest, payload };
    }
  }

  async lastSeqs(tenantId: number): Promise<ReadonlyMap<number, number>> {
    const last = new Map<number, number>();
    for (const rows of this.#rows.values()) {
      const end = rows.at(-1);
      if (end?.tenantId === tenantId) last.set(end.entityId, end.seq);
    }
    return last;
  }
}
