/** What tells whether a table's rows are the ones that were saved. */
import { createHash, hash } from 'node:crypto';

export interface TableDigest {
  readonly rows: number;
  /** SHA-256 over the rows in the order of their primary key, hex. */
  readonly sha256: string;
  /** Of a journal: see JournalChain. */
  readonly chain?: string;
}

/** Takes rows as COPY writes them, cut anywhere. */
export class TableHash {
  readonly #hash = createHash('sha256');
  readonly #chain: JournalChain | undefined;
  #rows = 0;
  /** Of a journal, the beginning of a row whose end has not come. */
  #open: Buffer[] = [];

  constructor(isJournal: boolean) {
    this.#chain = isJournal ? new JournalChain() : undefined;
  }

  add(chunk: Buffer): void {
    this.#hash.update(chunk);
    let start = 0;
    // COPY writes a line break within a value as two characters, so each of these ends a row.
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      this.#rows += 1;
      this.#chain?.add(this.#open.length === 0 ? chunk.subarray(start, end) : this.#close(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (this.#chain && start < chunk.length) this.#open.push(Buffer.from(chunk.subarray(start)));
  }

  digest(): TableDigest {
    const sha256 = this.#hash.digest('hex');
    return { rows: this.#rows, sha256, ...(this.#chain ? { chain: this.#chain.digest() } : {}) };
  }

  #close(end: Buffer): Buffer {
    const row = Buffer.concat([...this.#open, end]);
    this.#open = [];
    return row;
  }
}

const lineFeed = 10;
const tab = 9;
const hashBytes = 32;

/**
 * Each account's rows in the order of `seq`, every hash over the one before it and the row; then one hash over all accounts with their
 * number of rows. A row that is missing, changed or out of place changes it.
 */
class JournalChain {
  readonly #accounts = createHash('sha256');
  #account = '';
  #rows = 0;
  /** The hash so far, with room for a row behind it. */
  #buffer = Buffer.alloc(4096);

  /** @param row begins with tenant and account, as the journal's columns do */
  add(row: Buffer): void {
    const start = row.indexOf(tab) + 1;
    const account = row.toString('latin1', start, row.indexOf(tab, start));
    if (account !== this.#account) this.#next(account);
    const length = hashBytes + row.length;
    if (length > this.#buffer.length) this.#buffer = Buffer.concat([this.#buffer], length * 2);
    row.copy(this.#buffer, hashBytes);
    hash('sha256', this.#buffer.subarray(0, length), 'buffer').copy(this.#buffer);
    this.#rows += 1;
  }

  digest(): string {
    this.#next('');
    return this.#accounts.digest('hex');
  }

  #next(account: string): void {
    if (this.#rows > 0)
      this.#accounts.update(`${this.#account} ${this.#rows} ${this.#buffer.toString('hex', 0, hashBytes)}\n`);
    this.#buffer.fill(0, 0, hashBytes);
    this.#account = account;
    this.#rows = 0;
  }
}
