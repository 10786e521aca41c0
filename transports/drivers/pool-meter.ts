/** What a pool of connections goes through, counted: how long it keeps who wants one waiting, and which statements were slow. */

export interface PoolStats {
  /** Connections that there may be. */
  readonly limit: number;
  readonly open: number;
  readonly idle: number;
  /** Who waits for one now. */
  readonly waiting: number;
  /** Share of the connections in use, 0 to 1; 1 while somebody waits. */
  readonly saturation: number;
  /** Milliseconds without a break that somebody has been waiting; 0 while nobody is. */
  readonly saturatedMs: number;
  /** Connections handed out since the start. */
  readonly acquired: number;
  /** Of the latest ones, how long it took, in milliseconds; null before the first. */
  readonly acquireP50Ms: number | null;
  readonly acquireP99Ms: number | null;
  /** Who wanted one and did not get it in time. */
  readonly acquireTimeouts: number;
  readonly statements: number;
  /** Ended by the server for taking too long. */
  readonly statementTimeouts: number;
  /** Reads that were done again after their connection was lost. */
  readonly retries: number;
}

/** A statement of ours that was slow. Its parameters are never kept. */
export interface SlowStatement {
  readonly text: string;
  readonly tookMs: number;
  readonly endedMicros: number;
  readonly failed: boolean;
}

const latestAcquires = 512;
const slowKept = 100;
const textCharacters = 2_000;

export class PoolMeter {
  readonly slow: SlowStatement[] = [];
  readonly #slowMs: number;
  readonly #acquires: number[] = [];
  #acquired = 0;
  #acquireTimeouts = 0;
  #statements = 0;
  #statementTimeouts = 0;
  #retries = 0;
  #waitingSinceMs: number | undefined;

  /** @param slowMs from which on a statement is slow */
  constructor(slowMs: number) {
    this.#slowMs = slowMs;
  }

  /** @param isWaiting somebody still waits */
  onAcquire(tookMs: number, isOk: boolean, isWaiting: boolean): void {
    if (!isWaiting) this.#waitingSinceMs = undefined;
    if (!isOk) {
      this.#acquireTimeouts += 1;
      return;
    }
    this.#acquires[this.#acquired % latestAcquires] = tookMs;
    this.#acquired += 1;
  }

  onWait(): void {
    this.#waitingSinceMs ??= performance.now();
  }

  onStatement(text: string, tookMs: number, error?: unknown): void {
    this.#statements += 1;
    if ((error as { code?: unknown } | undefined)?.code === '57014') this.#statementTimeouts += 1;
    if (tookMs < this.#slowMs) return;
    const told = text.replaceAll(/\s+/g, ' ').trim().slice(0, textCharacters);
    this.slow.unshift({ text: told, tookMs, endedMicros: Date.now() * 1_000, failed: error !== undefined });
    this.slow.length = Math.min(this.slow.length, slowKept);
  }

  onRetry(): void {
    this.#retries += 1;
  }

  stats(pool: { limit: number; open: number; idle: number; waiting: number }): PoolStats {
    const sorted = this.#acquires.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
    const { limit, open, idle, waiting } = pool;
    const since = waiting > 0 ? this.#waitingSinceMs : undefined;
    return {
      ...{ limit, open, idle, waiting, saturation: waiting > 0 ? 1 : (open - idle) / limit },
      saturatedMs: since === undefined ? 0 : Math.round(performance.now() - since),
      ...{ acquired: this.#acquired, acquireP50Ms: at(0.5), acquireP99Ms: at(0.99) },
      ...{ acquireTimeouts: this.#acquireTimeouts, statements: this.#statements },
      ...{ statementTimeouts: this.#statementTimeouts, retries: this.#retries },
    };
  }
}
