/** Netting, profit, conversion and margin against an account that is written anew in decimal arithmetic, exact to the minor unit. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatScaled, Decimal, minorDigits } from '../../../actors/trading/money.ts';
import { valuationOf } from '../../../actors/trading/margin.ts';
import type { Quote } from '../../../actors/market/quote.ts';
import { factsOf, instruments, market, NOW, opened, order, s } from './fixtures.ts';

const symbols = ['EURUSD', 'GBPUSD', 'USDJPY', 'EURGBP', 'EURJPY', 'XAUUSD', 'US500', 'BTCUSD'];
const LEVERAGE = 30;
const DEPOSIT = '1000000000';

interface Trade {
  readonly symbol: string;
  readonly side: 'buy' | 'sell';
  /** In steps of the instrument. */
  readonly steps: number;
  /** Of the quantity, filled at first; the rest follows at a price a tick worse. */
  readonly parts: number;
  /** How far each quote has moved, in ten-thousandths. */
  readonly moves: readonly number[];
}

const trade: fc.Arbitrary<Trade> = fc.record({
  symbol: fc.constantFrom(...symbols),
  side: fc.constantFrom('buy', 'sell'),
  steps: fc.integer({ min: 2, max: 999 }),
  parts: fc.integer({ min: 1, max: 3 }),
  moves: fc.array(fc.integer({ min: -900, max: 900 }), { minLength: market.length, maxLength: market.length }),
});

function movedMarket(moves: readonly number[]): Quote[] {
  return market.map((quote, i) => {
    const tick = Number(instruments.get(quote.symbol)!.tickSize);
    const bid = Math.round((quote.bid * (1 + moves[i]! / 10_000)) / tick) * tick;
    return { ...quote, bid, ask: bid + 3 * tick };
  });
}

const scaledDown = (value: bigint | number, scale: number) =>
  new Decimal(value.toString()).div(new Decimal(10).pow(scale));

/** Signed quantities, so that there is no side to get wrong: a buy adds, a sell takes away, a close is what crosses zero. */
class Oracle {
  balance = new Decimal(DEPOSIT);
  readonly quantities = new Map<string, Decimal>();
  readonly costs = new Map<string, Decimal>();
  #quotes = new Map<string, Quote>();
  readonly currency: string;

  constructor(currency: string) {
    this.currency = currency;
  }

  see(quotes: readonly Quote[]): void {
    this.#quotes = new Map(quotes.map((quote) => [quote.symbol, quote]));
  }

  fill(symbol: string, signed: Decimal, price: Decimal): void {
    const { contractSize, quoteCurrency } = instruments.get(symbol)!;
    const unit = price.times(contractSize.toString());
    let quantity = this.quantities.get(symbol) ?? new Decimal(0);
    let cost = this.costs.get(symbol) ?? new Decimal(0);
    let rest = signed;
    if (!quantity.isZero() && quantity.isNegative() !== signed.isNegative()) {
      const closed = Decimal.min(quantity.abs(), signed.abs()).times(quantity.isNegative() ? -1 : 1);
      const released = closed.eq(quantity) ? cost : cost.times(closed).div(quantity).toDecimalPlaces(18);
      this.book(closed.times(unit).minus(released), quoteCurrency);
      quantity = quantity.minus(closed);
      cost = cost.minus(released);
      rest = signed.plus(closed);
    }
    this.quantities.set(symbol, quantity.plus(rest));
    this.costs.set(symbol, cost.plus(rest.times(unit)));
  }

  book(profit: Decimal, currency: string): void {
    this.balance = this.balance.plus(this.converted(profit, currency));
  }

  converted(profit: Decimal, currency: string): Decimal {
    return profit
      .times(this.rate(currency, profit.isPositive() && !profit.isZero() ? 'bid' : 'ask'))
      .toDecimalPlaces(minorDigits(this.currency));
  }

  /** What one unit is worth in account currency; `bid` for what is received, `ask` for what is owed. */
  rate(from: string, side: 'bid' | 'ask'): Decimal {
    if (from === this.currency) return new Decimal(1);
    const known = this.pair(from, this.currency, side);
    if (known) return known;
    const rounding = side === 'bid' ? Decimal.ROUND_FLOOR : Decimal.ROUND_CEIL;
    return this.pair(from, 'USD', side)!
      .times(this.pair('USD', this.currency, side)!)
      .toDecimalPlaces(18, rounding);
  }

  pair(from: string, to: string, side: 'bid' | 'ask'): Decimal | undefined {
    const direct = this.#quotes.get(from + to);
    if (direct) return scaledDown(direct[side], 8);
    const inverse = this.#quotes.get(to + from);
    if (!inverse) return undefined;
    const [price, rounding] = side === 'bid' ? [inverse.ask, Decimal.ROUND_FLOOR] : [inverse.bid, Decimal.ROUND_CEIL];
    return new Decimal(1).div(scaledDown(price, 8)).toDecimalPlaces(18, rounding);
  }

  openProfit(): Decimal {
    let sum = new Decimal(0);
    for (const [symbol, quantity] of this.quantities) {
      if (quantity.isZero()) continue;
      const { contractSize, quoteCurrency } = instruments.get(symbol)!;
      const quote = this.#quotes.get(symbol)!;
      const price = scaledDown(quantity.isPositive() ? quote.bid : quote.ask, 8);
      const profit = quantity.times(price).times(contractSize.toString()).minus(this.costs.get(symbol)!);
      sum = sum.plus(this.converted(profit, quoteCurrency));
    }
    return sum;
  }

  margin(): Decimal {
    let sum = new Decimal(0);
    for (const [symbol, quantity] of this.quantities) {
      const { calculationMode, contractSize, baseCurrency, quoteCurrency, maxLeverage } = instruments.get(symbol)!;
      const [exposure, currency] =
        calculationMode === 'forex'
          ? [quantity.abs().times(contractSize.toString()), baseCurrency]
          : [this.costs.get(symbol)!.abs(), quoteCurrency];
      if (exposure.isZero()) continue;
      const margin = exposure.times(this.rate(currency, 'ask')).div(Math.min(LEVERAGE, maxLeverage));
      sum = sum.plus(margin.toDecimalPlaces(minorDigits(this.currency), Decimal.ROUND_CEIL));
    }
    return sum;
  }
}

test.each(['USD', 'EUR', 'GBP', 'JPY', 'CHF'])(
  'an account in %s keeps the same books as the oracle after every fill',
  (currency) => {
    fc.assert(
      fc.property(fc.array(trade, { maxLength: 25 }), (trades) => {
        const ledger = opened({ currency, balance: DEPOSIT, leverage: LEVERAGE });
        const oracle = new Oracle(currency);
        trades.forEach(({ symbol, side, steps, parts, moves }, n) => {
          const quotes = movedMarket(moves);
          const world = { quotes, maxOrderValue: s('1000000000000') };
          const { quantityStep, maxQuantity, tickSize } = instruments.get(symbol)!;
          const wanted = quantityStep * BigInt(steps);
          const quantity = wanted < maxQuantity ? wanted : maxQuantity;
          const { reply } = ledger.give(order({ symbol, side, quantity }), world);
          if (reply.type !== 'order' || reply.state === 'DENIED') throw new Error(JSON.stringify(reply));
          oracle.see(quotes);

          const { bid, ask } = quotes.find((quote) => quote.symbol === symbol)!;
          let open = quantity;
          for (let part = 0; part < parts; part++) {
            const filled = part === parts - 1 ? open : (open / 2n / quantityStep) * quantityStep;
            if (filled === 0n) continue;
            open -= filled;
            const worse = tickSize * BigInt(part);
            const price = side === 'buy' ? BigInt(ask) + worse : BigInt(bid) - worse;
            const executionId = `${n}-${part}`;
            const report = {
              type: 'filled',
              orderId: reply.orderId,
              executionId,
              venue: 'v',
              timeMicros: NOW,
              quantity: filled,
              price,
            } as const;
            ledger.give({ type: 'broker-report', report }, world);
            oracle.fill(symbol, scaledDown(side === 'buy' ? filled : -filled, 8), scaledDown(price, 8));

            expect(formatScaled(ledger.account.balance, 8)).toBe(oracle.balance.toString());
          }
          const { equity, openProfit, margin } = valuationOf(ledger.account, factsOf(world))!;
          expect(formatScaled(openProfit, 8)).toBe(oracle.openProfit().toString());
          expect(formatScaled(equity, 8)).toBe(oracle.balance.plus(oracle.openProfit()).toString());
          expect(formatScaled(margin, 8)).toBe(oracle.margin().toString());
        });
        for (const [symbol, cost] of oracle.costs) {
          const position = ledger.account.positions.get(symbol);
          expect(formatScaled(position?.cost ?? 0n, 18)).toBe(cost.abs().toString());
        }
      }),
      { numRuns: 60 },
    );
  },
);
