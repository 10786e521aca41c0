/** How long things took, in little room: counts by half octaves, from a microsecond to half an hour. */

export interface Quantiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  /** Samples. */
  readonly count: number;
}

const buckets = 64;
const smallestMs = 0.001;

export class Histogram {
  readonly #counts = new Uint32Array(buckets);
  #count = 0;
  #maxMs = 0;

  /** @param ms zero or more */
  record(ms: number): void {
    // Half an octave a bucket: a value is known to about a fifth.
    const bucket = ms <= smallestMs ? 0 : Math.min(buckets - 1, Math.ceil(2 * Math.log2(ms / smallestMs)));
    this.#counts[bucket]!++;
    this.#count++;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  /** In milliseconds: the upper edge of the bucket in which the quantile lies, never above the maximum. */
  quantiles(): Quantiles {
    return { p50: this.#at(0.5), p95: this.#at(0.95), p99: this.#at(0.99), max: this.#maxMs, count: this.#count };
  }

  #at(share: number): number {
    let left = Math.ceil(this.#count * share);
    for (let bucket = 0; bucket < buckets; bucket++) {
      left -= this.#counts[bucket]!;
      if (left <= 0 && bucket < buckets - 1) return Math.min(this.#maxMs, smallestMs * 2 ** (bucket / 2));
    }
    return this.#maxMs;
  }
}
