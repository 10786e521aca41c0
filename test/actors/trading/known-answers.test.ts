/** Published examples of margin, profit, liquidation, swap and returns: each of them is computed by the rules. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { annualGrowth, expectancy, maxDrawdown, sharpeRatio } from '../../../actors/analytics/returns.ts';
import { commissionOf } from '../../../actors/trading/commission.ts';
import type { Account } from '../../../actors/trading/account.ts';
import type { Instrument } from '../../../actors/trading/instrument.ts';
import { notionalOf } from '../../../actors/trading/instrument.ts';
import { inverseNotional, inverseProfit } from '../../../actors/trading/inverse.ts';
import { LIQUIDATION_SCALE, liquidationPrice, type LiquidationTerms } from '../../../actors/trading/liquidation.ts';
import { coverOf, marginFor, valuationOf } from '../../../actors/trading/margin.ts';
import {
  COST_SCALE,
  Decimal,
  formatScaled,
  MONEY_SCALE,
  parseScaled,
  RATE_SCALE,
} from '../../../actors/trading/money.ts';
import { netFill, openProfitOf } from '../../../actors/trading/position.ts';
import { assess } from '../../../actors/trading/risk.ts';
import { marginState } from '../../../actors/trading/stop-out.ts';
import { swapOf } from '../../../actors/trading/swap.ts';
import { testDataFile } from '../../support/test-data.ts';
import { factsOf, instruments, opened as openedAccount, order, quote, s } from './fixtures.ts';

type Figures = Readonly<Record<string, string>>;

interface KnownAnswer {
  readonly id: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly expected: Readonly<Record<string, unknown>>;
  /** Absolute. */
  readonly tolerance: string;
}

/** By the beginning of their id, the longest first. */
const solvers: readonly (readonly [id: string, solve: (inputs: Figures, answer: KnownAnswer) => object])[] = [
  ['margin-leveraged', marginModel],
  ['margin-standard', marginModel],
  ['margin-hedged', hedgedVolume],
  ['margin-call', marginCall],
  ['margin-', margin],
  ['liquidation-', liquidation],
  ['pnl-linear-round-trip', roundTrip],
  ['pnl-linear-', openProfit],
  ['pnl-inverse-', inverse],
  ['pnl-spot-fees', spotFees],
  ['pips-', pips],
  ['swap-interest', swapInterest],
  ['swap-points', swapPoints],
  ['sharpe-', (_, { inputs }) => ({ sharpe: text(sharpeRatio(returnsOf(inputs), Number(inputs['periodsPerYear']))) })],
  ['max-drawdown-', (_, { inputs }) => ({ maxDrawdown: text(maxDrawdown(returnsOf(inputs))) })],
  ['cagr-', growth],
  ['expectancy-', (_, { inputs }) => ({ expectancy: text(expectancy(decimals(inputs['profits']))) })],
];

const file = testDataFile('known-answers/trading.json');
const answers = file ? (JSON.parse(readFileSync(file, 'utf8')) as KnownAnswer[]) : [];

test.skipIf(!file)('there are 36 of them', () => {
  expect(answers).toHaveLength(36);
});

test.skipIf(!file).each(answers.map((answer) => [answer.id, answer] as const))(
  'the rules give the published answer to %s',
  (id, answer) => {
    const solve = solvers.find(([start]) => id.startsWith(start))?.[1];
    if (!solve) throw new Error(`nothing solves ${id}`);
    const found = solve(answer.inputs as Figures, answer);
    expect(Object.keys(found)).toEqual(expect.arrayContaining(Object.keys(answer.expected)));
    compare(answer.expected, found, answer.tolerance, id);
  },
);

/** Every figure of the answer, within its tolerance; everything else to the letter. */
function compare(expected: unknown, found: unknown, tolerance: string, path: string): void {
  if (typeof expected === 'object' && expected !== null) {
    for (const [name, value] of Object.entries(expected))
      compare(value, (found as Readonly<Record<string, unknown>> | undefined)?.[name], tolerance, `${path}.${name}`);
  } else if (typeof expected === 'string' && /^-?[0-9]/.test(expected)) {
    const off = new Decimal(String(found)).minus(expected).abs();
    expect(off.lte(tolerance), `${path} must be ${expected}, was ${String(found)}`).toBe(true);
  } else {
    expect({ [path]: found }).toEqual({ [path]: expected });
  }
}

function decimals(values: unknown): Decimal[] {
  return (values as string[]).map((value) => new Decimal(value));
}

function returnsOf({ returns }: KnownAnswer['inputs']): (Decimal | undefined)[] {
  return (returns as (string | null)[]).map((value) => (value === null ? undefined : new Decimal(value)));
}

function text(value: Decimal | undefined): string {
  return String(value);
}

function input(inputs: Figures, name: string): string {
  const value = inputs[name];
  if (value === undefined) throw new Error(`the example has no ${name}`);
  return value;
}

function margin(inputs: Figures): Figures {
  const isForex = input(inputs, 'calcMode') === 'FOREX';
  const instrument: Instrument = {
    ...instruments.get(isForex ? input(inputs, 'symbol') : 'US500')!,
    contractSize: BigInt(input(inputs, 'contractSize')),
    maxLeverage: 500,
  };
  // A margin rate of 2 % is a leverage of 50.
  const leverage = isForex ? Number(input(inputs, 'leverage')) : 1 / Number(input(inputs, 'marginRate'));
  const lots = s(input(inputs, 'lots'));
  const notional = isForex ? 0n : notionalOf(instrument, lots, s(input(inputs, 'marketPrice')));
  const rate = parseScaled(input(inputs, 'marginToAccountRate'), RATE_SCALE)!;
  // The examples round to the nearest cent and we hold margin rounded up, so it is compared as it is before either: in dollars of 8 digits.
  expect(input(inputs, 'accountCurrency')).toBe('USD');
  const held = marginFor(instrument, { side: 'buy', quantity: lots, notional }, leverage, rate, 'USDT');
  const percent = inputs['stopOutPercent'];
  const stopOutEquity = new Decimal(formatScaled(held, MONEY_SCALE)).times(percent ?? 0).div(100);
  return { margin: formatScaled(held, MONEY_SCALE), ...(percent ? { stopOutEquity: stopOutEquity.toString() } : {}) };
}

/** Of a pair quoted in the account's currency, a share of its value; the one model divides it by the leverage, the other does not. */
function marginModel(inputs: Figures): Figures {
  const share = s(input(inputs, 'marginRate'));
  const instrument: Instrument = {
    ...instruments.get('AUDUSD')!,
    calculationMode: input(inputs, 'model') === 'standard' ? 'cfd' : 'cfd-leverage',
    ...{ maxLeverage: 500, marginRates: { buy: share, sell: share } },
  };
  const quantity = s(input(inputs, 'quantity')) / instrument.contractSize;
  const notional = notionalOf(instrument, quantity, s(input(inputs, 'price')));
  const held = marginFor(
    instrument,
    { side: 'buy', quantity, notional },
    Number(input(inputs, 'leverage')),
    10n ** 18n,
    'USD',
  );
  return { margin: formatScaled(held, MONEY_SCALE) };
}

function hedgedVolume(inputs: Figures): Figures {
  const { uncovered, side, hedged } = coverOf(s(input(inputs, 'buyLots')), s(input(inputs, 'sellLots')));
  return { uncoveredLots: formatScaled(uncovered, 8), uncoveredSide: side, hedgedLots: formatScaled(hedged, 8) };
}

/** All the cash is spent on shares of 1, one a lot: what is held follows the price, and what is free stays at nothing. */
function marginCall(inputs: Figures, { inputs: { marks } }: KnownAnswer): object {
  const shares: Instrument = {
    ...{ ...instruments.get('US500')!, calculationMode: 'exchange-stocks', maxLeverage: 1 },
    ...{ contractSize: 1n, pointValue: 1n, maxQuantity: s('100000') },
  };
  const terms = { mode: 'percent', callLevel: 10_000n, stopLevel: 5_000n } as const;
  const ledger = openedAccount({ balance: input(inputs, 'startCash'), leverage: 1 });
  const quantity = s(input(inputs, 'buyQuantity'));
  const fill = { side: 'buy', quantity, price: s(input(inputs, 'buyPrice')) } as const;
  const { position } = netFill(undefined, fill, shares, 'p-1').changes[0]!;
  const account: Account = { ...ledger.account, stopOut: terms, positions: new Map([['US500', position]]) };
  const steps = (marks as string[]).map((mark) => {
    const facts = { ...factsOf({ quotes: [quote('US500', mark, mark)] }), instrument: () => shares };
    const valuation = valuationOf(account, facts)!;
    const probe = order({ symbol: 'US500', quantity: s(input(inputs, 'probeOrderQuantity')) });
    const amount = (value: bigint) => formatScaled(value, MONEY_SCALE);
    const state = marginState({ stopOut: terms }, valuation);
    return {
      ...{ mark, marginRemaining: amount(valuation.freeMargin), marginUsed: amount(valuation.margin) },
      portfolioValue: amount(valuation.equity),
      probeOrderAccepted: !('denial' in assess(account, probe, facts)),
      ...{ marginCallOrders: state === 'stop-out' ? '1' : '0', marginCallWarning: state !== 'fine' },
    };
  });
  return { steps };
}

function liquidation(inputs: Figures): Figures {
  const read = (name: string) => parseScaled(input(inputs, name), LIQUIDATION_SCALE)!;
  const maintenanceRate = read('maintenanceMarginRate');
  const [quantity, entryPrice, leverage] = [read('quantity'), read('entryPrice'), BigInt(input(inputs, 'leverage'))];
  const terms: Readonly<Record<string, () => LiquidationTerms>> = {
    binance: () => ({ venue: 'binance', maintenanceRate, maintenanceAmount: read('maintenanceAmount') }),
    'gate-okx': () => ({ venue: 'gate-okx', maintenanceRate, takerFeeRate: read('takerFeeRate') }),
    bybit: () => ({ venue: 'bybit', maintenanceRate }),
  };
  const wallet =
    inputs['walletBalance'] === undefined ? (quantity * entryPrice) / 10n ** 18n / leverage : read('walletBalance');
  const side = input(inputs, 'side') === 'long' ? 'buy' : 'sell';
  const price = liquidationPrice({ side, quantity, entryPrice, wallet, leverage }, terms[input(inputs, 'formula')]!());
  return { liquidationPrice: formatScaled(price, LIQUIDATION_SCALE) };
}

function inverse(inputs: Figures): Figures {
  const side = input(inputs, 'side') === 'long' ? 'buy' : 'sell';
  const [quantity, entry, mark] = ['quantity', 'entryPrice', 'markPrice'].map((name) => s(input(inputs, name)));
  return {
    unrealized: formatScaled(inverseProfit(side, quantity!, entry!, mark!), MONEY_SCALE),
    notionalAtMark: formatScaled(inverseNotional(quantity!, mark!), MONEY_SCALE),
  };
}

/** Fees are commissions of a share of the value. */
function spotFees(inputs: Figures): Figures {
  const spot: Instrument = { ...instruments.get('BTCUSD')!, contractSize: 1n, pointValue: 1n };
  const quantity = s(input(inputs, 'quantity'));
  const fee = (price: string, rate: string) =>
    commissionOf(
      { ...spot, commission: { kind: 'of-value', amount: s(input(inputs, rate)), currency: 'USD' } },
      { quantity, price: s(input(inputs, price)) },
    )!.amount;
  const fill = { side: 'buy', quantity, price: s(input(inputs, 'entryPrice')) } as const;
  const { position } = netFill(undefined, fill, spot, 'p-1').changes[0]!;
  const { realized } = netFill(position, { ...fill, side: 'sell', price: s(input(inputs, 'exitPrice')) }, spot, 'p-2');
  const fees = fee('entryPrice', 'entryFeeRate') + fee('exitPrice', 'exitFeeRate');
  return { profit: formatScaled(realized! - fees, COST_SCALE) };
}

function swapInterest(inputs: Figures): Figures {
  const rate = s(input(inputs, 'annualPercent'));
  const instrument: Instrument = {
    ...{ ...instruments.get('BTCUSD')!, contractSize: 1n, pointValue: 1n },
    swap: { mode: 'interest-current', long: rate, short: 0n },
  };
  const [quantity, price] = [s(input(inputs, 'quantity')), input(inputs, 'price')];
  const { position } = netFill(undefined, { side: 'buy', quantity, price: s(price) }, instrument, 'p-1').changes[0]!;
  const swap = (days: number) =>
    formatScaled(swapOf(instrument, position, quote('BTCUSD', price, price), days)!.amount, COST_SCALE);
  return { perDay: swap(1), perYear: swap(Number(input(inputs, 'daysInYear'))) };
}

function swapPoints(inputs: Figures): Figures {
  const instrument: Instrument = {
    ...instruments.get('EURUSD')!,
    ...{ symbol: 'EURAUD', quoteCurrency: 'AUD', digits: Number(input(inputs, 'digits')) },
    swap: { mode: 'points', long: s(input(inputs, 'swapPoints')), short: 0n },
  };
  const fill = { side: 'buy', quantity: s(input(inputs, 'lots')), price: s('1.6') } as const;
  const { position } = netFill(undefined, fill, instrument, 'p-1').changes[0]!;
  const [day, triple] = [1, 3].map((days) => swapOf(instrument, position, undefined, days)!);
  return {
    currency: day!.currency,
    ...{ perDay: formatScaled(day!.amount, COST_SCALE), tripleDay: formatScaled(triple!.amount, COST_SCALE) },
  };
}

function growth(inputs: Figures): Figures {
  const [start, end] = [new Decimal(input(inputs, 'startBalance')), new Decimal(input(inputs, 'endBalance'))];
  return { cagr: text(annualGrowth(start, end, Number(input(inputs, 'days')))) };
}

const audusd = instruments.get('AUDUSD')!;

function opened(inputs: Figures) {
  const units = s(input(inputs, 'quantity'));
  const side = input(inputs, 'side') === 'long' ? 'buy' : 'sell';
  const fill = { side, quantity: units / audusd.contractSize, price: s(input(inputs, 'entryPrice')) } as const;
  return { fill, position: netFill(undefined, fill, audusd, 'p-1').changes[0]!.position };
}

function openProfit(inputs: Figures): Figures {
  const { position } = opened(inputs);
  const mark = quote('AUDUSD', input(inputs, 'markPrice'), input(inputs, 'markPrice'));
  const unrealized = new Decimal(formatScaled(openProfitOf(position, audusd, mark), 18));
  const realized = new Decimal(input(inputs, 'fee')).negated();
  return { unrealized: text(unrealized), realized: text(realized), total: text(unrealized.plus(realized)) };
}

/** The rules charge no fees: those of the example are taken off here. */
function roundTrip(inputs: Figures): Figures {
  const { fill, position } = opened(inputs);
  const close = { ...fill, side: 'sell', price: s(input(inputs, 'exitPrice')) } as const;
  const profit = new Decimal(formatScaled(netFill(position, close, audusd, 'p-2').realized!, 18));
  return {
    realized: profit.minus(input(inputs, 'fees')).toString(),
    realizedReturn: profit.div(formatScaled(position.cost, 18)).toString(),
  };
}

/** A pip is ten points, and the tick of our currency pairs is their point. */
function pips(inputs: Figures): Figures {
  const { tickSize } = instruments.get(input(inputs, 'symbol'))!;
  const move = s(input(inputs, 'markPrice')) - s(input(inputs, 'entryPrice'));
  return { pips: new Decimal(move.toString()).div((tickSize * 10n).toString()).toString() };
}
