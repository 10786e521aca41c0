/**
 * The books of netting and hedging accounts in six currencies, against books that are kept in fractions and share nothing with the rules
 * but the terms of the instruments: profit, commission, swap, conversion, margin of both hedged methods, after every step.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Quote } from '../../../actors/market/quote.ts';
import { decide, evolve, type Account } from '../../../actors/trading/account.ts';
import type { AccountCommand } from '../../../actors/trading/commands.ts';
import type { Side } from '../../../actors/trading/events.ts';
import type { Instrument } from '../../../actors/trading/instrument.ts';
import { valuationOf } from '../../../actors/trading/margin.ts';
import { Rational } from '../../support/rational.ts';
import { factsOf, instruments, market, NOW, opened, order, s } from './fixtures.ts';

const traded: readonly Instrument[] = [
  {
    ...instruments.get('EURUSD')!,
    commission: { kind: 'per-lot', amount: s('3.07'), currency: 'EUR' },
    swap: { mode: 'points', long: s('-7.25'), short: s('2.13') },
  },
  {
    ...instruments.get('USDJPY')!,
    ...{ hedgedMargin: 50_000n, commission: { kind: 'of-value', amount: s('0.00003'), currency: 'JPY' } },
    swap: { mode: 'currency', long: s('1.11'), short: s('-3.33'), currency: 'USD' },
  },
  {
    ...instruments.get('XAUUSD')!,
    hedgedMarginUsesLeg: true,
    swap: { mode: 'interest-open', long: s('-4.1'), short: s('1.7') },
  },
  { ...instruments.get('US500')!, calculationMode: 'cfd', marginRates: { buy: s('0.05'), sell: s('0.07') } },
  {
    ...instruments.get('EURGBP')!,
    calculationMode: 'forex-no-leverage',
    swap: { mode: 'interest-current', long: s('-2.5'), short: s('0.9') },
  },
];
const bySymbol = new Map(traded.map((instrument) => [instrument.symbol, instrument]));
const digitsOf = (currency: string) => (currency === 'JPY' ? 0 : currency === 'BTC' ? 8 : 2);
const currencies = ['USD', 'EUR', 'GBP', 'JPY', 'CHF', 'BTC'] as const;
const LEVERAGE = 25;

type Move = readonly number[];
type Step = {
  readonly moves: Move;
  readonly what: 'fill' | 'close' | 'close-by' | 'roll' | 'fund';
  readonly a: number;
  readonly b: number;
  readonly isBuy: boolean;
};

const step: fc.Arbitrary<Step> = fc.record({
  moves: fc.array(fc.integer({ min: -300, max: 300 }), { minLength: market.length, maxLength: market.length }),
  what: fc.oneof(
    { weight: 6, arbitrary: fc.constant('fill' as const) },
    { weight: 3, arbitrary: fc.constant('close' as const) },
    { weight: 1, arbitrary: fc.constantFrom('close-by' as const, 'roll' as const, 'fund' as const) },
  ),
  ...{ a: fc.nat(999), b: fc.nat(999), isBuy: fc.boolean() },
});

const R = (value: bigint | number, digits: number) => Rational.scaled(BigInt(value), digits);
const ZERO = new Rational(0n);
const MINUS = new Rational(-1n);

/** Signed: above zero it is long. */
interface Held {
  readonly symbol: string;
  readonly quantity: Rational;
  /** Signed like the quantity. */
  readonly cost: Rational;
}

class Books {
  balance: Rational;
  readonly held = new Map<string, Held>();
  #quotes = new Map<string, Quote>();
  readonly currency: string;
  readonly isHedging: boolean;

  constructor(currency: string, isHedging: boolean, balance: Rational) {
    this.currency = currency;
    this.isHedging = isHedging;
    this.balance = balance;
  }

  see(quotes: readonly Quote[]): void {
    this.#quotes = new Map(quotes.map((quote) => [quote.symbol, quote]));
  }

  /** @param closes the position that it is to close; on a netting account the one of its symbol */
  fill(symbol: string, signed: Rational, price: Rational, newId: string, closes: string | undefined): void {
    const instrument = bySymbol.get(symbol)!;
    const id = this.isHedging ? closes : [...this.held].find(([, held]) => held.symbol === symbol)?.[0];
    const before = id === undefined ? undefined : this.held.get(id);
    const worth = price.times(R(instrument.contractSize, 0));
    if (!before || before.quantity.sign === signed.sign) {
      const key = before ? id! : newId;
      const from = before ?? { symbol, quantity: ZERO, cost: ZERO };
      this.held.set(key, { symbol, quantity: from.quantity.plus(signed), cost: from.cost.plus(signed.times(worth)) });
    } else {
      const rest = this.#reduce(id!, signed, worth, instrument.quoteCurrency);
      if (rest.sign !== 0) this.held.set(newId, { symbol, quantity: rest, cost: rest.times(worth) });
    }
    const { commission } = instrument;
    if (!commission) return;
    const lots = absolute(signed);
    const rate = R(commission.amount, 8);
    const charged = commission.kind === 'per-lot' ? rate.times(lots) : rate.times(lots).times(worth);
    // It is computed to eighteen digits.
    const exact = charged.round(18, 'down');
    this.balance = this.balance.minus(exact.times(this.rate(commission.currency, false)).round(this.digits, 'up'));
  }

  /** @returns what of the fill is left over */
  #reduce(id: string, signed: Rational, worth: Rational, quoteCurrency: string): Rational {
    const { symbol, quantity, cost } = this.held.get(id)!;
    const isAll = !absolute(quantity).isAbove(absolute(signed));
    const closed = isAll ? quantity : signed.times(MINUS);
    const released = isAll ? cost : cost.times(closed).over(quantity).round(18, 'half-even');
    this.book(closed.times(worth).minus(released), quoteCurrency);
    if (isAll) this.held.delete(id);
    else this.held.set(id, { symbol, quantity: quantity.minus(closed), cost: cost.minus(released) });
    return signed.plus(closed);
  }

  closeBy(id: string, by: string): void {
    const [one, other] = [this.held.get(id)!, this.held.get(by)!];
    const lots = absolute(one.quantity).isAbove(absolute(other.quantity))
      ? absolute(other.quantity)
      : absolute(one.quantity);
    const released = [id, by].map((each) => {
      const { symbol, quantity, cost } = this.held.get(each)!;
      const isAll = absolute(quantity).minus(lots).sign === 0;
      const closed = lots.times(new Rational(BigInt(quantity.sign)));
      const part = isAll ? cost : cost.times(closed).over(quantity).round(18, 'half-even');
      if (isAll) this.held.delete(each);
      else this.held.set(each, { symbol, quantity: quantity.minus(closed), cost: cost.minus(part) });
      return part;
    });
    this.book(released[0]!.plus(released[1]!).times(MINUS), bySymbol.get(one.symbol)!.quoteCurrency);
  }

  roll(nights: number): void {
    for (const { symbol, quantity, cost } of this.held.values()) {
      const { swap, digits, contractSize, quoteCurrency } = bySymbol.get(symbol)!;
      if (!swap) continue;
      const rate = R(quantity.sign > 0 ? swap.long : swap.short, 8).times(new Rational(BigInt(nights)));
      const lots = absolute(quantity);
      const year = new Rational(36_000n);
      const amounts = {
        points: () => rate.times(lots).times(R(contractSize, digits)),
        currency: () => rate.times(lots),
        'interest-open': () => rate.times(absolute(cost)).over(year).round(18, 'half-even'),
        'interest-current': () =>
          rate
            .times(lots)
            .times(this.closing(symbol, quantity))
            .times(R(contractSize, 0))
            .over(year)
            .round(18, 'half-even'),
      };
      this.book(amounts[swap.mode](), swap.currency ?? quoteCurrency);
    }
  }

  book(amount: Rational, currency: string): void {
    this.balance = this.balance.plus(this.converted(amount, currency));
  }

  get digits(): number {
    return digitsOf(this.currency);
  }

  converted(amount: Rational, currency: string): Rational {
    return amount.times(this.rate(currency, amount.sign > 0)).round(this.digits, 'half-even');
  }

  /** What one unit is worth; a gain at the lower, a debt at the higher side. */
  rate(from: string, isGain: boolean): Rational {
    if (from === this.currency) return new Rational(1n);
    const how = isGain ? 'down' : 'up';
    const pair = (a: string, b: string): Rational | undefined => {
      const direct = this.#quotes.get(a + b);
      if (direct) return R(isGain ? direct.bid : direct.ask, 8);
      const inverse = this.#quotes.get(b + a);
      return inverse && new Rational(1n).over(R(isGain ? inverse.ask : inverse.bid, 8)).round(18, how);
    };
    return pair(from, this.currency) ?? pair(from, 'USD')!.times(pair('USD', this.currency)!).round(18, how);
  }

  closing(symbol: string, quantity: Rational): Rational {
    const quote = this.#quotes.get(symbol)!;
    return R(quantity.sign > 0 ? quote.bid : quote.ask, 8);
  }

  openProfit(): Rational {
    let sum = ZERO;
    for (const { symbol, quantity, cost } of this.held.values()) {
      const { contractSize, quoteCurrency } = bySymbol.get(symbol)!;
      const worth = quantity.times(this.closing(symbol, quantity)).times(R(contractSize, 0));
      sum = sum.plus(this.converted(worth.minus(cost), quoteCurrency));
    }
    return sum;
  }

  margin(): Rational {
    let sum = ZERO;
    for (const instrument of traded) {
      const legs = { buy: { lots: ZERO, margin: ZERO }, sell: { lots: ZERO, margin: ZERO } };
      for (const held of this.held.values()) {
        if (held.symbol !== instrument.symbol) continue;
        const leg = legs[held.quantity.sign > 0 ? 'buy' : 'sell'];
        leg.lots = leg.lots.plus(absolute(held.quantity));
        leg.margin = leg.margin.plus(this.#own(instrument, held));
      }
      sum = sum.plus(this.#both(instrument, legs));
    }
    return sum;
  }

  #own(
    { calculationMode, contractSize, maxLeverage, marginRates, baseCurrency, quoteCurrency }: Instrument,
    { quantity, cost }: Held,
  ): Rational {
    const lots = absolute(quantity);
    const leverage = new Rational(BigInt(Math.min(LEVERAGE, maxLeverage)));
    const units = lots.times(R(contractSize, 0));
    const exposure = {
      forex: () => units.over(leverage).times(this.rate(baseCurrency, false)),
      'forex-no-leverage': () => units.times(this.rate(baseCurrency, false)),
      cfd: () => absolute(cost).times(this.rate(quoteCurrency, false)),
      'cfd-leverage': () => absolute(cost).over(leverage).times(this.rate(quoteCurrency, false)),
    }[calculationMode as 'forex']();
    const share = marginRates ? R(marginRates[quantity.sign > 0 ? 'buy' : 'sell'], 8) : new Rational(1n);
    return exposure.times(share).round(this.digits, 'up');
  }

  #both(
    { hedgedMarginUsesLeg, hedgedMargin = 0n, contractSize }: Instrument,
    { buy, sell }: Record<Side, { lots: Rational; margin: Rational }>,
  ): Rational {
    if (!this.isHedging || hedgedMarginUsesLeg) return buy.margin.isAbove(sell.margin) ? buy.margin : sell.margin;
    const [large, small] = sell.lots.isAbove(buy.lots) ? [sell, buy] : [buy, sell];
    if (large.lots.sign === 0) return ZERO;
    const open = large.margin.times(large.lots.minus(small.lots)).over(large.lots).round(this.digits, 'up');
    const covered = large.margin
      .times(small.lots)
      .times(R(hedgedMargin, 0))
      .over(large.lots.times(R(contractSize, 0)));
    return open.plus(covered.round(this.digits, 'up'));
  }
}

function absolute(value: Rational): Rational {
  return value.sign < 0 ? value.times(MINUS) : value;
}

function moved(moves: Move): Quote[] {
  return market.map((quote, i) => {
    const tick = Number(instruments.get(quote.symbol)!.tickSize);
    const bid = Math.round((quote.bid * (1 + moves[i]! / 10_000)) / tick) * tick;
    return { ...quote, bid, ask: bid + 3 * tick };
  });
}

const runs = Math.ceil(1_000_000 * Number(process.env['TEST_SCALE'] ?? 1));

test.each(currencies.flatMap((currency) => (['netting', 'hedging'] as const).map((oms) => [currency, oms] as const)))(
  'an account in %s, %s, keeps the books that fractions keep',
  (currency, oms) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        const start = opened({ currency, balance: '10000000', leverage: LEVERAGE }).account;
        let account: Account = { ...start, oms };
        const books = new Books(currency, oms === 'hedging', Rational.of('10000000'));
        let seq = 10;
        for (const { moves, what, a, b, isBuy } of steps) {
          const quotes = moved(moves);
          books.see(quotes);
          const facts = {
            ...factsOf({ quotes, maxOrderValue: 10n ** 24n }),
            instrument: (symbol: string) => bySymbol.get(symbol) ?? instruments.get(symbol),
          };
          const give = (command: AccountCommand) => {
            const decision = decide(account, command, { ...facts, seq: (seq += 1) });
            account = decision.events.reduce(evolve, account);
            return decision.reply;
          };
          const trade = (
            command: AccountCommand,
            symbol: string,
            side: Side,
            quantity: bigint,
            closes: string | undefined,
          ) => {
            const reply = give(command);
            if (reply.type !== 'order' || reply.state === 'DENIED') return;
            const quote = quotes.find((each) => each.symbol === symbol)!;
            const price = BigInt(side === 'buy' ? quote.ask : quote.bid);
            const report = {
              type: 'filled',
              orderId: reply.orderId,
              executionId: `${seq}`,
              venue: 'v',
              timeMicros: NOW,
              quantity,
              price,
            } as const;
            give({ type: 'broker-report', report });
            books.fill(symbol, R(side === 'buy' ? quantity : -quantity, 8), R(price, 8), `p-1-${seq}`, closes);
          };
          const open = [...account.positions.values()];
          const chosen = open[a % Math.max(1, open.length)];
          if (what === 'fill') {
            const { symbol, quantityStep, minQuantity } = traded[a % traded.length]!;
            const quantity = minQuantity + quantityStep * BigInt(b % 300);
            const side = isBuy ? 'buy' : 'sell';
            trade(
              order({ clientOrderId: `c-${seq}`, symbol, side, quantity, timeInForce: 'gtc' }),
              symbol,
              side,
              quantity,
              undefined,
            );
          } else if (what === 'close' && chosen) {
            const { quantityStep } = bySymbol.get(chosen.symbol)!;
            const quantity =
              b % 2 === 0
                ? chosen.quantity
                : ((chosen.quantity * BigInt(b % 100)) / 100n / quantityStep) * quantityStep;
            const side = chosen.side === 'buy' ? 'sell' : 'buy';
            const command = {
              type: 'close-position',
              positionId: chosen.positionId,
              requestId: `r-${seq}`,
              quantity,
            } as const;
            if (quantity > 0n) trade(command, chosen.symbol, side, quantity, chosen.positionId);
          } else if (what === 'close-by' && chosen) {
            const by = open.find((other) => other.symbol === chosen.symbol && other.side !== chosen.side);
            if (!by) continue;
            give({
              type: 'close-by',
              positionId: chosen.positionId,
              byPositionId: by.positionId,
              requestId: `r-${seq}`,
            });
            books.closeBy(chosen.positionId, by.positionId);
          } else if (what === 'roll') {
            give({ type: 'roll-day', day: `d-${seq}`, swapDays: 1 + (a % 3) });
            books.roll(1 + (a % 3));
          } else if (what === 'fund') {
            const amount = s(String(1 + (a % 50)));
            give({ type: 'deposit', reference: `f-${seq}`, amount });
            books.balance = books.balance.plus(R(amount, 8));
          }
          const { openProfit, equity, margin, freeMargin } = valuationOf(account, facts)!;
          const theirs = {
            openProfit: books.openProfit().toScaled(8),
            margin: books.margin().toScaled(8),
            balance: books.balance.toScaled(8),
          };
          expect({ openProfit, margin, balance: account.balance }).toEqual(theirs);
          // The identity of equity: what came in, what was booked, and what is open.
          expect(equity).toBe(theirs.balance + theirs.openProfit);
          expect(freeMargin).toBe(equity - theirs.margin);
          const held = [...account.positions.values()].map((each) => [
            each.positionId,
            each.side === 'buy' ? each.quantity : -each.quantity,
            each.cost,
          ]);
          const theirHeld = [...books.held].map(([id, each]) => [
            id,
            each.quantity.toScaled(8),
            absolute(each.cost).toScaled(18),
          ]);
          expect(new Map(held.map((each) => [each[0], each]))).toEqual(
            new Map(theirHeld.map((each) => [each[0], each])),
          );
        }
      }),
      { numRuns: Math.max(1, Math.ceil(runs / (2 * currencies.length))) },
    );
  },
  3_600_000,
);
