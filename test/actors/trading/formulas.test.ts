/** The formulas of margin, profit, swap, commission, conversion and liquidation, each case with where it stands and how it is reckoned. */
import { describe, expect, test } from 'vitest';
import { commissionOf } from '../../../actors/trading/commission.ts';
import { conversionRate } from '../../../actors/trading/conversion.ts';
import { notionalOf, type CalculationMode, type Instrument, type Swap } from '../../../actors/trading/instrument.ts';
import { liquidationPrice, type LiquidationTerms } from '../../../actors/trading/liquidation.ts';
import { marginFor, marginLevelOf } from '../../../actors/trading/margin.ts';
import { COST_SCALE, formatScaled, MONEY_SCALE, parseScaled, RATE_SCALE } from '../../../actors/trading/money.ts';
import { netFill, openProfitOf } from '../../../actors/trading/position.ts';
import { marginState } from '../../../actors/trading/stop-out.ts';
import { swapOf } from '../../../actors/trading/swap.ts';
import { factsOf, instruments, market, quote, s } from './fixtures.ts';

interface MarginCase {
  readonly id: string;
  readonly source: string;
  readonly mode: CalculationMode;
  readonly lots: string;
  readonly contractSize: bigint;
  readonly price: string;
  readonly leverage: number;
  readonly rate: string;
  readonly currency: string;
  readonly terms: Partial<Instrument>;
  readonly arithmetic: string;
  readonly expected: string;
}

interface ProfitCase {
  readonly id: string;
  readonly source: string;
  readonly mode: CalculationMode;
  readonly side: 'buy' | 'sell';
  readonly lots: string;
  readonly contractSize: bigint;
  readonly open: string;
  readonly close: string;
  readonly terms: Partial<Instrument>;
  readonly arithmetic: string;
  readonly expected: string;
}

interface SwapCase {
  readonly id: string;
  readonly source: string;
  readonly mode: Swap['mode'];
  readonly side: 'buy' | 'sell';
  readonly long: string;
  readonly short: string;
  readonly lots: string;
  readonly swapCurrency?: string;
  readonly contractSize: bigint;
  readonly open: string;
  readonly now: string;
  readonly nights: number;
  readonly terms: Partial<Instrument>;
  readonly arithmetic: string;
  readonly expected: string;
  readonly currency: string;
}

interface LiquidationCase {
  readonly id: string;
  readonly venue: LiquidationTerms['venue'];
  readonly side: 'buy' | 'sell';
  readonly quantity: string;
  readonly entry: string;
  readonly leverage: bigint;
  readonly rate: string;
  readonly amount: string;
  readonly fee: string;
  readonly expected: string;
}

const margins: readonly MarginCase[] = [
  {
    ...{ id: 'forex 1:30', source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE' },
    ...{
      mode: 'forex',
      lots: '1',
      contractSize: 100000n,
      price: '1.0801',
      leverage: 30,
      rate: '1.0801',
      currency: 'USD',
    },
    ...{ terms: {}, arithmetic: '1 · 100,000 ÷ 30 · 1.0801', expected: '3600.34' },
  },
  {
    ...{ id: 'forex 1:500', source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE' },
    ...{
      mode: 'forex',
      lots: '0.01',
      contractSize: 100000n,
      price: '1.0801',
      leverage: 500,
      rate: '1.0801',
      currency: 'USD',
    },
    ...{ terms: {}, arithmetic: '0.01 · 100,000 ÷ 500 · 1.0801', expected: '2.17' },
  },
  {
    ...{ id: 'forex knows no price', source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE' },
    ...{
      mode: 'forex',
      lots: '1',
      contractSize: 100000n,
      price: '9.9999',
      leverage: 100,
      rate: '1.2',
      currency: 'USD',
    },
    ...{ terms: {}, arithmetic: '1 · 100,000 ÷ 100 · 1.2', expected: '1200' },
  },
  {
    ...{ id: 'forex, no initial margin', source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE' },
    ...{ mode: 'forex', lots: '1', contractSize: 100000n, price: '1.08', leverage: 100, rate: '1', currency: 'USD' },
    ...{
      terms: { initialMargin: s('9999') },
      arithmetic: 'initial margin is always 0 for forex: 1 · 100,000 ÷ 100',
      expected: '1000',
    },
  },
  {
    ...{ id: 'forex without leverage', source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE' },
    ...{
      mode: 'forex-no-leverage',
      lots: '0.5',
      contractSize: 100000n,
      price: '1.08',
      leverage: 30,
      rate: '1.1',
      currency: 'USD',
    },
    ...{ terms: {}, arithmetic: '0.5 · 100,000 · 1.1', expected: '55000' },
  },
  {
    ...{ id: 'cfd', source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE' },
    ...{ mode: 'cfd', lots: '2', contractSize: 10n, price: '345.67', leverage: 30, rate: '1.05', currency: 'USD' },
    ...{ terms: {}, arithmetic: '2 · 10 · 345.67 · 1.05', expected: '7259.07' },
  },
  {
    ...{ id: 'cfd knows no leverage', source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE' },
    ...{ mode: 'cfd', lots: '2', contractSize: 10n, price: '345.67', leverage: 500, rate: '1', currency: 'USD' },
    ...{ terms: {}, arithmetic: '2 · 10 · 345.67', expected: '6913.4' },
  },
  {
    ...{ id: 'cfd, index', source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE' },
    ...{ mode: 'cfd-index', lots: '3', contractSize: 1n, price: '4200.5', leverage: 30, rate: '1', currency: 'USD' },
    ...{
      terms: { tickSize: s('0.5'), tickValue: s('12.5') },
      arithmetic: '3 · 1 · 4,200.5 · 12.5 ÷ 0.5',
      expected: '315037.5',
    },
  },
  {
    ...{ id: 'cfd with leverage', source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE' },
    ...{
      mode: 'cfd-leverage',
      lots: '1',
      contractSize: 100n,
      price: '2350.25',
      leverage: 20,
      rate: '1',
      currency: 'USD',
    },
    ...{ terms: {}, arithmetic: '1 · 100 · 2,350.25 ÷ 20', expected: '11751.25' },
  },
  {
    ...{ id: 'shares', source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE' },
    ...{
      mode: 'exchange-stocks',
      lots: '150',
      contractSize: 1n,
      price: '187.33',
      leverage: 30,
      rate: '0.93',
      currency: 'EUR',
    },
    ...{ terms: {}, arithmetic: '150 · 1 · 187.33 · 0.93', expected: '26132.54' },
  },
  {
    ...{ id: 'futures', source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE' },
    ...{ mode: 'futures', lots: '4', contractSize: 50n, price: '4200', leverage: 30, rate: '1', currency: 'USD' },
    ...{ terms: { initialMargin: s('12650') }, arithmetic: '4 · 12,650', expected: '50600' },
  },
  {
    ...{ id: 'futures of an exchange', source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE' },
    ...{
      mode: 'exchange-futures',
      lots: '0.1',
      contractSize: 50n,
      price: '4200',
      leverage: 30,
      rate: '1.25',
      currency: 'USD',
    },
    ...{ terms: { initialMargin: s('12650.01') }, arithmetic: '0.1 · 12,650.01 · 1.25', expected: '1581.26' },
  },
  {
    ...{ id: 'initial margin in place of the formula', source: 'MQL5 book, symbols_margin' },
    ...{ mode: 'cfd', lots: '2', contractSize: 10n, price: '345.67', leverage: 30, rate: '1', currency: 'USD' },
    ...{ terms: { initialMargin: s('500.5') }, arithmetic: '2 · 500.5', expected: '1001' },
  },
  {
    ...{ id: 'initial margin in place of the leverage', source: 'MQL5 book, symbols_margin' },
    ...{
      mode: 'cfd-leverage',
      lots: '2',
      contractSize: 10n,
      price: '345.67',
      leverage: 30,
      rate: '1',
      currency: 'USD',
    },
    ...{ terms: { initialMargin: s('77') }, arithmetic: '2 · 77', expected: '154' },
  },
  {
    ...{ id: 'margin rate of buyers', source: 'MQL5 book, symbols_margin' },
    ...{ mode: 'cfd', lots: '2', contractSize: 10n, price: '345.67', leverage: 30, rate: '1', currency: 'USD' },
    ...{
      terms: { marginRates: { buy: s('0.25'), sell: s('1') } },
      arithmetic: '2 · 10 · 345.67 · 0.25',
      expected: '1728.35',
    },
  },
  {
    ...{ id: 'margin rate over one', source: 'MQL5 book, symbols_margin' },
    ...{ mode: 'forex', lots: '1', contractSize: 100000n, price: '1', leverage: 100, rate: '1', currency: 'USD' },
    ...{ terms: { marginRates: { buy: s('1.5'), sell: s('1') } }, arithmetic: '1,000 · 1.5', expected: '1500' },
  },
  {
    ...{ id: 'margin rate of nothing', source: 'MQL5 book, symbols_margin' },
    ...{ mode: 'forex', lots: '1', contractSize: 100000n, price: '1', leverage: 100, rate: '1', currency: 'USD' },
    ...{ terms: { marginRates: { buy: 0n, sell: s('1') } }, arithmetic: '1,000 · 0', expected: '0' },
  },
  {
    ...{ id: 'major pairs are capped at 30', source: 'ESMA decision 2018/796' },
    ...{ mode: 'forex', lots: '1', contractSize: 100000n, price: '1', leverage: 500, rate: '1', currency: 'USD' },
    ...{ terms: { maxLeverage: 30 }, arithmetic: '100,000 ÷ 30', expected: '3333.34' },
  },
  {
    ...{ id: 'minor pairs, gold and indices at 20', source: 'ESMA decision 2018/796' },
    ...{
      mode: 'cfd-leverage',
      lots: '1',
      contractSize: 100n,
      price: '2350',
      leverage: 500,
      rate: '1',
      currency: 'USD',
    },
    ...{ terms: { maxLeverage: 20 }, arithmetic: '235,000 ÷ 20', expected: '11750' },
  },
  {
    ...{ id: 'other commodities at 10', source: 'ESMA decision 2018/796' },
    ...{
      mode: 'cfd-leverage',
      lots: '1',
      contractSize: 1000n,
      price: '71.5',
      leverage: 500,
      rate: '1',
      currency: 'USD',
    },
    ...{ terms: { maxLeverage: 10 }, arithmetic: '71,500 ÷ 10', expected: '7150' },
  },
  {
    ...{ id: 'shares at 5', source: 'ESMA decision 2018/796' },
    ...{
      mode: 'cfd-leverage',
      lots: '100',
      contractSize: 1n,
      price: '187.33',
      leverage: 500,
      rate: '1',
      currency: 'USD',
    },
    ...{ terms: { maxLeverage: 5 }, arithmetic: '18,733 ÷ 5', expected: '3746.6' },
  },
  {
    ...{ id: 'crypto currencies at 2', source: 'ESMA decision 2018/796' },
    ...{
      mode: 'cfd-leverage',
      lots: '0.5',
      contractSize: 1n,
      price: '65015',
      leverage: 500,
      rate: '1',
      currency: 'USD',
    },
    ...{ terms: { maxLeverage: 2 }, arithmetic: '32,507.5 ÷ 2', expected: '16253.75' },
  },
  {
    ...{ id: 'the lower leverage of an account counts', source: 'ESMA decision 2018/796' },
    ...{ mode: 'forex', lots: '1', contractSize: 100000n, price: '1', leverage: 10, rate: '1', currency: 'USD' },
    ...{ terms: { maxLeverage: 30 }, arithmetic: '100,000 ÷ 10', expected: '10000' },
  },
  {
    ...{ id: 'rounded up to a cent', source: 'ISO 4217' },
    ...{ mode: 'forex', lots: '0.01', contractSize: 100000n, price: '1', leverage: 30, rate: '1', currency: 'USD' },
    ...{ terms: {}, arithmetic: '33.333…', expected: '33.34' },
  },
  {
    ...{ id: 'rounded up to a yen', source: 'ISO 4217' },
    ...{
      mode: 'forex',
      lots: '0.01',
      contractSize: 100000n,
      price: '1',
      leverage: 30,
      rate: '150.01',
      currency: 'JPY',
    },
    ...{ terms: {}, arithmetic: '1,000 ÷ 30 · 150.01 = 5,000.33…', expected: '5001' },
  },
  {
    ...{ id: 'rounded up to a fils', source: 'ISO 4217' },
    ...{
      mode: 'forex',
      lots: '0.01',
      contractSize: 100000n,
      price: '1',
      leverage: 30,
      rate: '0.3071',
      currency: 'KWD',
    },
    ...{ terms: {}, arithmetic: '1,000 ÷ 30 · 0.3071 = 10.23666…', expected: '10.237' },
  },
  {
    ...{ id: 'rounded up to a satoshi', source: '8 digits of crypto currencies' },
    ...{
      mode: 'cfd-leverage',
      lots: '0.01',
      contractSize: 1n,
      price: '65000',
      leverage: 3,
      rate: '0.0000153846',
      currency: 'BTC',
    },
    ...{ terms: {}, arithmetic: '650 ÷ 3 · 0.0000153846', expected: '0.00333333' },
  },
  {
    ...{ id: 'what is even stays', source: 'ISO 4217' },
    ...{ mode: 'forex', lots: '0.3', contractSize: 100000n, price: '1', leverage: 30, rate: '1', currency: 'USD' },
    ...{ terms: {}, arithmetic: '1,000', expected: '1000' },
  },
];

const profits: readonly ProfitCase[] = [
  {
    ...{
      id: 'forex, long',
      source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE',
      mode: 'forex',
      side: 'buy',
      lots: '1',
      contractSize: 100000n,
    },
    ...{ open: '1.08000', close: '1.08123', terms: {}, arithmetic: '(1.08123 − 1.08) · 100,000', expected: '123' },
  },
  {
    ...{
      id: 'forex, short',
      source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE',
      mode: 'forex',
      side: 'sell',
      lots: '1',
      contractSize: 100000n,
    },
    ...{ open: '1.08000', close: '1.08123', terms: {}, arithmetic: '−(1.08123 − 1.08) · 100,000', expected: '-123' },
  },
  {
    ...{
      id: 'forex in yen',
      source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE',
      mode: 'forex',
      side: 'buy',
      lots: '0.37',
      contractSize: 100000n,
    },
    ...{
      open: '150.000',
      close: '149.321',
      terms: {},
      arithmetic: '(149.321 − 150) · 100,000 · 0.37',
      expected: '-25123',
    },
  },
  {
    ...{
      id: 'forex without leverage',
      source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE',
      mode: 'forex-no-leverage',
      side: 'buy',
      lots: '0.01',
      contractSize: 100000n,
    },
    ...{ open: '1.1', close: '1.10001', terms: {}, arithmetic: '0.00001 · 1,000', expected: '0.01' },
  },
  {
    ...{
      id: 'cfd',
      source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE',
      mode: 'cfd',
      side: 'sell',
      lots: '7',
      contractSize: 10n,
    },
    ...{ open: '345.67', close: '340.00', terms: {}, arithmetic: '(345.67 − 340) · 70', expected: '396.9' },
  },
  {
    ...{
      id: 'cfd, index: as CFD',
      source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE',
      mode: 'cfd-index',
      side: 'buy',
      lots: '3',
      contractSize: 1n,
    },
    ...{
      open: '4200.5',
      close: '4201.0',
      terms: { tickSize: s('0.5'), tickValue: s('12.5') },
      arithmetic: '0.5 · 3',
      expected: '1.5',
    },
  },
  {
    ...{
      id: 'cfd with leverage: leverage plays no part',
      source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE',
      mode: 'cfd-leverage',
      side: 'buy',
      lots: '2',
      contractSize: 100n,
    },
    ...{ open: '2350.25', close: '2349.5', terms: {}, arithmetic: '−0.75 · 200', expected: '-150' },
  },
  {
    ...{
      id: 'shares',
      source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE',
      mode: 'exchange-stocks',
      side: 'buy',
      lots: '150',
      contractSize: 1n,
    },
    ...{ open: '187.33', close: '190.01', terms: {}, arithmetic: '2.68 · 150', expected: '402' },
  },
  {
    ...{
      id: 'futures, by the worth of a tick',
      source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE',
      mode: 'futures',
      side: 'buy',
      lots: '4',
      contractSize: 50n,
    },
    ...{
      open: '4200.25',
      close: '4210.50',
      terms: { tickSize: s('0.25'), tickValue: s('12.5') },
      arithmetic: '10.25 ÷ 0.25 · 12.5 · 4',
      expected: '2050',
    },
  },
  {
    ...{
      id: 'futures of an exchange, short',
      source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE',
      mode: 'exchange-futures',
      side: 'sell',
      lots: '1',
      contractSize: 1n,
    },
    ...{
      open: '71.52',
      close: '71.50',
      terms: { tickSize: s('0.01'), tickValue: s('10') },
      arithmetic: '2 ticks of 10',
      expected: '20',
    },
  },
  {
    ...{
      id: 'a hundred-millionth',
      source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE',
      mode: 'cfd',
      side: 'buy',
      lots: '0.01',
      contractSize: 1n,
    },
    ...{ open: '0.00000001', close: '0.00000002', terms: {}, arithmetic: '10⁻⁸ · 0.01', expected: '0.0000000001' },
  },
  {
    ...{
      id: 'nothing',
      source: 'MQL5 reference, ENUM_SYMBOL_CALC_MODE',
      mode: 'forex',
      side: 'buy',
      lots: '1',
      contractSize: 100000n,
    },
    ...{ open: '1.1', close: '1.1', terms: {}, arithmetic: '0', expected: '0' },
  },
];

const swaps: readonly SwapCase[] = [
  {
    ...{
      id: 'points, long',
      source: 'MQL5 reference, ENUM_SYMBOL_SWAP_MODE',
      mode: 'points',
      side: 'buy',
      long: '-7.25',
      short: '2.1',
      lots: '1',
    },
    ...{ contractSize: 100000n, open: '1.08', now: '1.09', nights: 1, terms: {} },
    ...{ arithmetic: '−7.25 · 100,000 · 10⁻⁵', expected: '-7.25', currency: 'USD' },
  },
  {
    ...{
      id: 'points, short, three nights',
      source: 'MQL5 reference, ENUM_SYMBOL_SWAP_MODE',
      mode: 'points',
      side: 'sell',
      long: '-7.25',
      short: '2.1',
      lots: '0.5',
    },
    ...{ contractSize: 100000n, open: '1.08', now: '1.09', nights: 3, terms: {} },
    ...{ arithmetic: '2.1 · 100,000 · 10⁻⁵ · 0.5 · 3', expected: '3.15', currency: 'USD' },
  },
  {
    ...{
      id: 'points in yen',
      source: 'MQL5 reference, ENUM_SYMBOL_SWAP_MODE',
      mode: 'points',
      side: 'buy',
      long: '11',
      short: '-20',
      lots: '2',
    },
    ...{ contractSize: 100000n, open: '150', now: '151', nights: 1, terms: { digits: 3, quoteCurrency: 'JPY' } },
    ...{ arithmetic: '11 · 100,000 · 10⁻³ · 2', expected: '2200', currency: 'JPY' },
  },
  {
    ...{
      id: 'an amount a lot',
      source: 'MQL5 reference, ENUM_SYMBOL_SWAP_MODE',
      mode: 'currency',
      side: 'buy',
      long: '-3.5',
      short: '1',
      lots: '0.2',
    },
    ...{ contractSize: 100000n, open: '1.08', now: '1.09', nights: 1, terms: {} },
    ...{ arithmetic: '−3.5 · 0.2', expected: '-0.7', currency: 'USD' },
  },
  {
    ...{
      id: 'an amount a lot in another currency',
      source: 'MQL5 reference, ENUM_SYMBOL_SWAP_MODE',
      mode: 'currency',
      side: 'sell',
      long: '-3.5',
      short: '1.25',
      lots: '4',
    },
    ...{ swapCurrency: 'EUR', contractSize: 100000n, open: '1.08', now: '1.09', nights: 2, terms: {} },
    ...{ arithmetic: '1.25 · 4 · 2', expected: '10', currency: 'EUR' },
  },
  {
    ...{
      id: 'interest at the price of the opening',
      source: 'MQL5 reference, ENUM_SYMBOL_SWAP_MODE',
      mode: 'interest-open',
      side: 'buy',
      long: '-3.6',
      short: '1',
      lots: '1',
    },
    ...{ contractSize: 100n, open: '2000', now: '2500', nights: 1, terms: {} },
    ...{ arithmetic: '−3.6 % ÷ 360 · 200,000', expected: '-20', currency: 'USD' },
  },
  {
    ...{
      id: 'interest at the price of now: a long at the bid',
      source: 'MQL5 reference, ENUM_SYMBOL_SWAP_MODE',
      mode: 'interest-current',
      side: 'buy',
      long: '-3.6',
      short: '1',
      lots: '1',
    },
    ...{ contractSize: 100n, open: '2000', now: '2500', nights: 1, terms: {} },
    ...{ arithmetic: '−3.6 % ÷ 360 · 250,000', expected: '-25', currency: 'USD' },
  },
  {
    ...{
      id: 'interest of a share of a day',
      source: 'MQL5 reference, ENUM_SYMBOL_SWAP_MODE',
      mode: 'interest-open',
      side: 'sell',
      long: '-3.6',
      short: '1.7',
      lots: '0.03',
    },
    ...{ contractSize: 100n, open: '2000', now: '2500', nights: 3, terms: {} },
    ...{ arithmetic: '1.7 % ÷ 360 · 6,000 · 3', expected: '0.85', currency: 'USD' },
  },
  {
    ...{
      id: 'no nights',
      source: 'MQL5 reference, ENUM_SYMBOL_SWAP_MODE',
      mode: 'points',
      side: 'buy',
      long: '-7.25',
      short: '2.1',
      lots: '1',
    },
    ...{ contractSize: 100000n, open: '1.08', now: '1.09', nights: 0, terms: {} },
    ...{ arithmetic: '0', expected: '0', currency: 'USD' },
  },
];

const liquidations: readonly LiquidationCase[] = [
  {
    id: 'binance, long, leverage 10',
    venue: 'binance',
    side: 'buy',
    quantity: '2',
    entry: '20000',
    leverage: 10n,
    rate: '0.005',
    amount: '0',
    fee: '0',
    expected: '18090.452261306532663317',
  },
  {
    id: 'binance, short, with an amount',
    venue: 'binance',
    side: 'sell',
    quantity: '0.5',
    entry: '30000',
    leverage: 20n,
    rate: '0.0065',
    amount: '15',
    fee: '0',
    expected: '31326.378539493293591654',
  },
  {
    id: 'gate, long',
    venue: 'gate-okx',
    side: 'buy',
    quantity: '3',
    entry: '1500',
    leverage: 5n,
    rate: '0.01',
    amount: '0',
    fee: '0.0005',
    expected: '1212.73370389085396665',
  },
  {
    id: 'okx, short',
    venue: 'gate-okx',
    side: 'sell',
    quantity: '3',
    entry: '1500',
    leverage: 5n,
    rate: '0.01',
    amount: '0',
    fee: '0.0005',
    expected: '1781.296387926768926274',
  },
  {
    id: 'bybit, long, leverage 1',
    venue: 'bybit',
    side: 'buy',
    quantity: '1',
    entry: '100',
    leverage: 1n,
    rate: '0.005',
    amount: '0',
    fee: '0',
    expected: '0.5',
  },
  {
    id: 'bybit, short, leverage 50',
    venue: 'bybit',
    side: 'sell',
    quantity: '1',
    entry: '64000',
    leverage: 50n,
    rate: '0.005',
    amount: '0',
    fee: '0',
    expected: '64960',
  },
];
const eurusd = instruments.get('EURUSD')!;
const decimal = (text: string) => parseScaled(text, RATE_SCALE)!;

/** With nothing that the row does not give. */
function instrumentOf(mode: CalculationMode, contractSize: bigint, terms: Partial<Instrument>): Instrument {
  const made: Instrument = {
    ...eurusd,
    calculationMode: mode,
    contractSize,
    pointValue: contractSize,
    maxLeverage: 500,
    ...terms,
  };
  const isFutures = mode === 'futures' || mode === 'exchange-futures';
  return isFutures && made.tickValue ? { ...made, pointValue: made.tickValue / made.tickSize } : made;
}

test.each(margins)(
  'margin: $id, $arithmetic ($source)',
  ({ mode, lots, contractSize, price, leverage, rate, currency, terms, expected }) => {
    const instrument = instrumentOf(mode, contractSize, terms);
    const quantity = s(lots);
    const notional = notionalOf(instrument, quantity, s(price));
    const held = marginFor(instrument, { side: 'buy', quantity, notional }, leverage, decimal(rate), currency);
    expect(formatScaled(held, MONEY_SCALE)).toBe(expected);
  },
);

test.each([
  'exchange-futures-forts',
  'exchange-bonds',
  'exchange-stocks-moex',
  'exchange-bonds-moex',
  'collateral',
] as const)('margin of %s is computed by no neighbour of it', (mode) => {
  const instrument = instrumentOf(mode, 1n, {});
  expect(() =>
    marginFor(instrument, { side: 'buy', quantity: s('1'), notional: s('1') }, 1, decimal('1'), 'USD'),
  ).toThrow(mode);
});

test.each(profits)(
  'profit: $id, $arithmetic ($source)',
  ({ mode, side, lots, contractSize, open, close, terms, expected }) => {
    const instrument = instrumentOf(mode, contractSize, terms);
    const fill = { side, quantity: s(lots), price: s(open) } as const;
    const { position } = netFill(undefined, fill, instrument, 'p-1').changes[0]!;
    expect(formatScaled(openProfitOf(position, instrument, quote('EURUSD', close, close)), COST_SCALE)).toBe(expected);
    const against = side === 'buy' ? 'sell' : 'buy';
    const { realized } = netFill(position, { ...fill, side: against, price: s(close) }, instrument, 'p-2');
    expect(formatScaled(realized!, COST_SCALE)).toBe(expected);
  },
);

test.each(swaps)('swap: $id, $arithmetic ($source)', (row) => {
  const { mode, side, long, short, lots, swapCurrency, contractSize, open, now, nights, terms, expected, currency } =
    row;
  const swap = { mode, long: s(long), short: s(short), ...(swapCurrency ? { currency: swapCurrency } : {}) };
  const instrument = { ...instrumentOf('cfd', contractSize, terms), swap };
  const { position } = netFill(undefined, { side, quantity: s(lots), price: s(open) }, instrument, 'p-1').changes[0]!;
  const booked = swapOf(instrument, position, quote('EURUSD', now, now), nights)!;
  expect([formatScaled(booked.amount, COST_SCALE), booked.currency]).toEqual([expected, currency]);
});

test('without a price there is no interest on the price of now, and without terms no swap', () => {
  const swap = { mode: 'interest-current', long: s('1'), short: s('1') } as const;
  const { position } = netFill(undefined, { side: 'buy', quantity: s('1'), price: s('1') }, eurusd, 'p-1').changes[0]!;
  expect(swapOf({ ...eurusd, swap }, position, undefined, 1)).toBeUndefined();
  expect(swapOf(eurusd, position, quote('EURUSD', '1', '1'), 1)).toBeUndefined();
});

test.each([
  ['an amount a lot', { kind: 'per-lot', amount: '3.5', currency: 'EUR' }, '0.4', '1.08', '1.4'],
  ['of the smallest lot', { kind: 'per-lot', amount: '7', currency: 'USD' }, '0.01', '1.08', '0.07'],
  ['a share of the value', { kind: 'of-value', amount: '0.0025', currency: 'USD' }, '0.10', '1.0801', '27.0025'],
  [
    'a share that has more digits than the value',
    { kind: 'of-value', amount: '0.00001', currency: 'USD' },
    '0.01',
    '1.00001',
    '0.0100001',
  ],
  ['nothing of nothing', { kind: 'of-value', amount: '0', currency: 'USD' }, '1', '1.08', '0'],
  ['of a sale as of a purchase', { kind: 'per-lot', amount: '1', currency: 'USD' }, '2', '9', '2'],
] as const)('commission: %s', (_, { kind, amount, currency }, lots, price, expected) => {
  const charged = commissionOf(
    { ...eurusd, commission: { kind, amount: s(amount), currency } },
    { quantity: s(lots), price: s(price) },
  )!;
  expect([formatScaled(charged.amount, COST_SCALE), charged.currency]).toEqual([expected, currency]);
});

/** The bid and ask of the market in fixtures.ts: EURUSD 1.08000/1.08010, GBPUSD 1.27000/1.27012, USDJPY 150.000/150.010, EURGBP 0.85000/0.85012. */
test.each([
  ['directly, for who receives', 'EUR', 'USD', 'low', '1.08'],
  ['directly, for who owes', 'EUR', 'USD', 'high', '1.0801'],
  ['inverse, for who receives: 1 ÷ 1.0801', 'USD', 'EUR', 'low', '0.925840199981483196'],
  ['inverse, for who owes: 1 ÷ 1.08', 'USD', 'EUR', 'high', '0.925925925925925926'],
  ['over the dollar, for who receives: 1.27 · 150', 'GBP', 'JPY', 'low', '190.5'],
  ['over the dollar, for who owes: 1.27012 · 150.01', 'GBP', 'JPY', 'high', '190.5307012'],
  ['a pair that is quoted does not go over the dollar', 'EUR', 'GBP', 'low', '0.85'],
  ['the same', 'CHF', 'CHF', 'high', '1'],
] as const)('conversion: %s', (_, from, to, side, expected) => {
  const rate = conversionRate(from, to, side, factsOf({ quotes: market }))!;
  expect(formatScaled(rate, RATE_SCALE)).toBe(expected);
});

test.each(liquidations)(
  'liquidation: $id (formula of the venue)',
  ({ venue, side, quantity, entry, leverage, rate, amount, fee, expected }) => {
    const terms = {
      venue,
      maintenanceRate: decimal(rate),
      maintenanceAmount: decimal(amount),
      takerFeeRate: decimal(fee),
    } as LiquidationTerms;
    const wallet = (decimal(quantity) * decimal(entry)) / 10n ** 18n / leverage;
    const position = { side, quantity: decimal(quantity), entryPrice: decimal(entry), wallet, leverage };
    expect(formatScaled(liquidationPrice(position, terms), 18)).toBe(expected);
  },
);

test('a liquidation price wants a position and a share that leaves something', () => {
  const position = { side: 'buy', quantity: 0n, entryPrice: 1n, wallet: 1n, leverage: 1n } as const;
  const terms = { venue: 'binance', maintenanceRate: decimal('1'), maintenanceAmount: 0n } as const;
  expect(() => liquidationPrice(position, terms)).toThrow(/quantity/);
  expect(() => liquidationPrice({ ...position, quantity: 1n }, terms)).toThrow(/whole value/);
});

describe('margin call and stop-out, at the level itself all is well (ESMA: close-out at 50 % of the margin)', () => {
  const percent = { mode: 'percent', callLevel: 10_000n, stopLevel: 5_000n } as const;
  const money = { mode: 'money', callLevel: s('1000'), stopLevel: s('500') } as const;
  test.each([
    ['percent, at the call', percent, '1000', '1000', 'fine'],
    ['percent, below the call', percent, '999.90', '1000', 'call'],
    ['percent, at the stop', percent, '500', '1000', 'call'],
    ['percent, below the stop', percent, '499.90', '1000', 'stop-out'],
    ['percent, equity below zero', percent, '-1', '1000', 'stop-out'],
    ['percent, no margin', percent, '-1', '0', 'fine'],
    ['money, at the call', money, '1000', '99999', 'fine'],
    ['money, below the call', money, '999.99', '1', 'call'],
    ['money, at the stop', money, '500', '1', 'call'],
    ['money, below the stop', money, '499.99', '1', 'stop-out'],
    ['money, no margin', money, '1', '0', 'fine'],
    ['nobody is stopped without terms', undefined, '-1', '1000', 'fine'],
  ] as const)('%s', (_, stopOut, equity, margin, expected) => {
    const account = stopOut ? { stopOut } : {};
    expect(marginState(account, { equity: s(equity), margin: s(margin) })).toBe(expected);
  });
  test('the level is rounded half-even to a hundredth of a percent', () => {
    expect(marginLevelOf({ equity: s('2'), margin: s('3') })).toBe(6_667n);
    expect(marginLevelOf({ equity: s('1'), margin: s('0') })).toBeUndefined();
  });
});
