/**
 * What can be traded, and on which terms, with what the price simulator needs to know of each.
 * Amounts are decimal text. Leverage is capped per asset class as ESMA's retail measures have it: 30 for major currency pairs,
 * 20 for minor ones, gold and major indices, 2 for crypto currencies.
 */

import type { CalendarName } from './market-hours.ts';

export interface InstrumentConfig {
  readonly symbol: string;
  readonly description: string;
  readonly assetClass: 'forex-major' | 'forex-minor' | 'metal' | 'commodity' | 'index' | 'equity' | 'crypto';
  /** `forex`: margin is a share of the contract in base currency; `cfd-leverage`: of its value in quote currency. */
  readonly calculationMode: 'forex' | 'cfd-leverage';
  readonly baseCurrency: string;
  readonly quoteCurrency: string;
  /** Digits shown behind the point of a price. */
  readonly digits: number;
  /** Smallest step of a price, above zero. */
  readonly tickSize: string;
  /** Units of the underlying in one lot, a whole number above zero. */
  readonly contractSize: string;
  /** In lots. */
  readonly minQuantity: string;
  readonly maxQuantity: string;
  readonly quantityStep: string;
  readonly quantityDigits: number;
  /** 1 to 500; the lower of it and the account's leverage counts. */
  readonly maxLeverage: number;
  /** Age at which a quote is no price to trade on, in milliseconds, above zero. */
  readonly staleAfterMs: number;
  /** When it trades: one of those in market-hours.ts. */
  readonly calendar: CalendarName;
  readonly simulator: SimulatorConfig;
}

export interface SimulatorConfig {
  /** The price around which the simulated one moves. */
  readonly referencePrice: string;
  /** Typical distance between bid and ask, in ticks, 1 or more. */
  readonly typicalSpreadTicks: number;
  /** Standard deviation of a day's move, as a fraction of the price. */
  readonly dailyVolatility: number;
  /** Levels a side of its order book, 1 or more; absent: it shows no depth. */
  readonly depthLevels?: number;
}

/** A simulated or live feed that is silent for this long is taken for dead. */
const STALE_AFTER_MS = 10_000;

export const instruments: readonly InstrumentConfig[] = [
  major('EURUSD', 'Euro / US dollar', simulated('1.08500', 8, 0.005)),
  major('GBPUSD', 'Pound sterling / US dollar', simulated('1.27000', 10, 0.006)),
  major('USDJPY', 'US dollar / Japanese yen', simulated('150.250', 9, 0.006)),
  major('USDCHF', 'US dollar / Swiss franc', simulated('0.88500', 12, 0.005)),
  major('USDCAD', 'US dollar / Canadian dollar', simulated('1.36000', 12, 0.004)),
  major('EURGBP', 'Euro / pound sterling', simulated('0.85500', 11, 0.004)),
  major('EURJPY', 'Euro / Japanese yen', simulated('163.000', 13, 0.006)),
  major('GBPJPY', 'Pound sterling / Japanese yen', simulated('190.800', 20, 0.007)),
  major('EURCHF', 'Euro / Swiss franc', simulated('0.96000', 14, 0.004)),
  minor('AUDUSD', 'Australian dollar / US dollar', simulated('0.65500', 9, 0.006)),
  minor('NZDUSD', 'New Zealand dollar / US dollar', simulated('0.60500', 13, 0.006)),
  {
    symbol: 'XAUUSD',
    calendar: 'metal',
    description: 'Gold, troy ounce / US dollar',
    assetClass: 'metal',
    calculationMode: 'cfd-leverage',
    baseCurrency: 'XAU',
    quoteCurrency: 'USD',
    digits: 2,
    tickSize: '0.01',
    contractSize: '100',
    minQuantity: '0.01',
    maxQuantity: '50',
    quantityStep: '0.01',
    quantityDigits: 2,
    maxLeverage: 20,
    staleAfterMs: STALE_AFTER_MS,
    simulator: simulated('2350.00', 25, 0.009),
  },
  {
    symbol: 'US500',
    calendar: 'us-index',
    description: 'S&P 500 index of US listed shares',
    assetClass: 'index',
    calculationMode: 'cfd-leverage',
    baseCurrency: 'USD',
    quoteCurrency: 'USD',
    digits: 1,
    tickSize: '0.1',
    contractSize: '1',
    minQuantity: '0.1',
    maxQuantity: '500',
    quantityStep: '0.1',
    quantityDigits: 1,
    maxLeverage: 20,
    staleAfterMs: STALE_AFTER_MS,
    simulator: simulated('5200.0', 5, 0.01),
  },
  crypto('BTCUSD', 'Bitcoin / US dollar', 'BTC', '10', simulated('65000.00', 1500, 0.03)),
  crypto('ETHUSD', 'Ether / US dollar', 'ETH', '100', simulated('3400.00', 150, 0.035)),
];

function major(symbol: string, description: string, simulator: SimulatorConfig): InstrumentConfig {
  return currencyPair(symbol, description, 'forex-major', 30, simulator);
}

function minor(symbol: string, description: string, simulator: SimulatorConfig): InstrumentConfig {
  return currencyPair(symbol, description, 'forex-minor', 20, simulator);
}

function currencyPair(
  symbol: string,
  description: string,
  assetClass: 'forex-major' | 'forex-minor',
  maxLeverage: number,
  simulator: SimulatorConfig,
): InstrumentConfig {
  const quoteCurrency = symbol.slice(3);
  const digits = quoteCurrency === 'JPY' ? 3 : 5;
  return {
    symbol,
    calendar: 'forex',
    description,
    assetClass,
    calculationMode: 'forex',
    baseCurrency: symbol.slice(0, 3),
    quoteCurrency,
    digits,
    tickSize: quoteCurrency === 'JPY' ? '0.001' : '0.00001',
    contractSize: '100000',
    minQuantity: '0.01',
    maxQuantity: '100',
    quantityStep: '0.01',
    quantityDigits: 2,
    maxLeverage,
    staleAfterMs: STALE_AFTER_MS,
    simulator,
  };
}

function crypto(
  symbol: string,
  description: string,
  baseCurrency: string,
  maxQuantity: string,
  simulator: SimulatorConfig,
): InstrumentConfig {
  return {
    symbol,
    calendar: 'crypto',
    description,
    assetClass: 'crypto',
    calculationMode: 'cfd-leverage',
    baseCurrency,
    quoteCurrency: 'USD',
    digits: 2,
    tickSize: '0.01',
    contractSize: '1',
    minQuantity: '0.01',
    maxQuantity,
    quantityStep: '0.01',
    quantityDigits: 2,
    maxLeverage: 2,
    staleAfterMs: STALE_AFTER_MS,
    simulator: { ...simulator, depthLevels: 20 },
  };
}

function simulated(referencePrice: string, typicalSpreadTicks: number, dailyVolatility: number): SimulatorConfig {
  return { referencePrice, typicalSpreadTicks, dailyVolatility };
}
