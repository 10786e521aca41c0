/** The lowest bid and the highest ask of a short while: what a price is measured against that should not run away. */

export interface PriceRange {
  /** Scaled by 10^8. */
  readonly low: number;
  readonly high: number;
}

/** Pieces that the window consists of: it is up to one of them longer than asked for. */
const pieces = 8;

/** Of one symbol; takes a few numbers and makes no garbage, since every price passes here. */
export class RecentRange {
  readonly #pieceMicros: number;
  readonly #lows = new Float64Array(pieces + 1).fill(Infinity);
  readonly #highs = new Float64Array(pieces + 1).fill(-Infinity);
  /** Count of pieces since the epoch of the newest one. */
  #newest = -Infinity;

  constructor(windowMs: number) {
    this.#pieceMicros = (windowMs * 1_000) / pieces;
  }

  /** A crossed quote is no price. */
  add(bid: number, ask: number, timeMicros: number): void {
    if (bid > ask) return;
    const piece = Math.floor(timeMicros / this.#pieceMicros);
    if (piece > this.#newest) this.#forget(piece);
    // Quotes come in order of time, but for those of a source that has been set back.
    else if (piece <= this.#newest - this.#lows.length) return;
    const at = piece % this.#lows.length;
    if (bid < this.#lows[at]!) this.#lows[at] = bid;
    if (ask > this.#highs[at]!) this.#highs[at] = ask;
  }

  /** Of the window that ends with the newest good quote; undefined before the first. */
  get range(): PriceRange | undefined {
    const low = Math.min(...this.#lows);
    return low === Infinity ? undefined : { low, high: Math.max(...this.#highs) };
  }

  #forget(piece: number): void {
    const size = this.#lows.length;
    const from = Math.max(this.#newest + 1, piece - size + 1);
    for (let old = from; old <= piece; old++) {
      this.#lows[old % size] = Infinity;
      this.#highs[old % size] = -Infinity;
    }
    this.#newest = piece;
  }
}
