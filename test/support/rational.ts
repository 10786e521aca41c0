/** Exact fractions, for oracles: slow, and without a rounding of their own. */
export class Rational {
  readonly #above: bigint;
  readonly #below: bigint;

  constructor(above: bigint, below = 1n) {
    this.#above = below < 0n ? -above : above;
    this.#below = below < 0n ? -below : below;
  }

  /** Decimal text. */
  static of(text: string): Rational {
    const [whole = '', fraction = ''] = text.split('.');
    return new Rational(BigInt(whole + fraction), 10n ** BigInt(fraction.length));
  }

  static scaled(value: bigint, digits: number): Rational {
    return new Rational(value, 10n ** BigInt(digits));
  }

  plus(other: Rational): Rational {
    return reduced(this.#above * other.#below + other.#above * this.#below, this.#below * other.#below);
  }

  minus(other: Rational): Rational {
    return this.plus(other.times(new Rational(-1n)));
  }

  times(other: Rational): Rational {
    return reduced(this.#above * other.#above, this.#below * other.#below);
  }

  over(other: Rational): Rational {
    return reduced(this.#above * other.#below, this.#below * other.#above);
  }

  get sign(): -1 | 0 | 1 {
    return this.#above === 0n ? 0 : this.#above < 0n ? -1 : 1;
  }

  isAbove(other: Rational): boolean {
    return this.minus(other).sign > 0;
  }

  /** To so many digits behind the point. */
  round(digits: number, how: 'up' | 'down' | 'half-even'): Rational {
    const scale = 10n ** BigInt(digits);
    const above = this.#above * scale;
    let quotient = above / this.#below;
    if (above < 0n && quotient * this.#below !== above) quotient -= 1n; // the floor
    const rest = above - quotient * this.#below;
    const isUp =
      how === 'up'
        ? rest > 0n
        : how === 'half-even' && (2n * rest > this.#below || (2n * rest === this.#below && quotient % 2n !== 0n));
    return new Rational(isUp ? quotient + 1n : quotient, scale);
  }

  /** @throws {RangeError} it has more digits than that */
  toScaled(digits: number): bigint {
    const above = this.#above * 10n ** BigInt(digits);
    if (above % this.#below !== 0n)
      throw new RangeError(`${this.#above}/${this.#below} has more than ${digits} digits`);
    return above / this.#below;
  }
}

function reduced(above: bigint, below: bigint): Rational {
  let [a, b] = [above < 0n ? -above : above, below < 0n ? -below : below];
  while (b !== 0n) [a, b] = [b, a % b];
  return a === 0n ? new Rational(0n) : new Rational(above / a, below / a);
}
