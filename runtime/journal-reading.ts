/** Reads the journal of one entity in pages, so that a long one neither fills the memory nor keeps the others waiting. */
import type { JournalRow } from './journal.ts';
import type { Recalled } from './snapshots.ts';

/** So many rows are folded in one go. */
const pageRows = 256;

export interface Page<State> {
  /** To be taken in before the rows; with the first page only. */
  readonly recalled: Recalled<State> | undefined;
  readonly rows: readonly JournalRow[];
  readonly isLast: boolean;
}

/** Opens the rows when they are first asked for. */
export type OpenRows<State> = () => Promise<{
  readonly recalled?: Recalled<State>;
  readonly rows: AsyncIterator<JournalRow>;
}>;

export class JournalReading<State> {
  readonly #open: OpenRows<State>;
  #rows: AsyncIterator<JournalRow> | undefined;

  constructor(open: OpenRows<State>) {
    this.#open = open;
  }

  /** Not while another is under way, nor behind the last. @throws what reading the journal throws; then it is over */
  async nextPage(): Promise<Page<State>> {
    const { recalled, rows: from } = this.#rows ? { rows: this.#rows } : await this.#open();
    this.#rows = from;
    const rows: JournalRow[] = [];
    while (rows.length < pageRows) {
      const next = await from.next();
      if (next.done) return { recalled, rows, isLast: true };
      rows.push(next.value);
    }
    return { recalled, rows, isLast: false };
  }

  /** Lets go of the rows that were not read. */
  close(): void {
    this.#rows?.return?.().catch(() => {});
  }
}
