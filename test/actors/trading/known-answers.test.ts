/** Published examples of margin and profit, as far as the rules compute them today: no fees, no hedging, no stop-out. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Instrument } from '../../../actors/trading/instrument.ts';
import { notionalOf } from '../../../actors/trading/instrument.ts';
import { marginFor } from '../../../actors/trading/margin.ts';
import { Decimal, formatScaled, MONEY_SCALE, parseScaled, RATE_SCALE } from '../../../actors/trading/money.ts';
import { netFill, openProfitOf } from '../../../actors/trading/position.ts';
import { testDataFile } from '../../support/test-data.ts';
import { instruments, quote, s } from './fixtures.ts';

type Figures = Readonly<Record<string, string>>;

interface KnownAnswer {
  readonly id: string;
  readonly inputs: Figures;
  readonly expected: Figures;
  /** Absolute. */
  readonly tolerance: string;
}

const solvers: readonly (readonly [id: string, solve: (inputs: Figures) => Figures])[] = [
  ['margin-forex-eurusd-100', margin],
  ['margin-forex-eurusd-50', margin],
  ['margin-forex-usdchf-30', margin],
  ['margin-cfd-index-eur', margin],
  ['pnl-linear-long', openProfit],
  ['pnl-linear-short', openProfit],
  ['pnl-linear-round-trip', roundTrip],
  ['pips-eurusd', pips],
  ['pips-usdjpy', pips],
  ['pips-eurgbp', pips],
];

const file = testDataFile('known-answers/trading.json');
const answers = file ? (JSON.parse(readFileSync(file, 'utf8')) as KnownAnswer[]) : [];

test.skipIf(!file).each(solvers)('the rules give the published answer to %s', (id, solve) => {
  const { inputs, expected, tolerance } = answers.find((answer) => answer.id === id)!;
  for (const [name, found] of Object.entries(solve(inputs))) {
    const off = new Decimal(found).minus(expected[name]!).abs();
    expect(off.lte(tolerance), `${name} must be ${expected[name]}, was ${found}`).toBe(true);
  }
});

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
  return { margin: formatScaled(held, MONEY_SCALE) };
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
  return { unrealized: formatScaled(openProfitOf(position, audusd, mark), 18) };
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
