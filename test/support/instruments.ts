/** Instruments for tests of market data and brokers. */
import type { SimulatedInstrument } from '../../actors/market/simulator.ts';

const forex: Omit<SimulatedInstrument, 'symbol' | 'description' | 'baseCurrency' | 'quoteCurrency' | 'referencePrice'> =
  {
    assetClass: 'forex-major',
    calculationMode: 'forex',
    digits: 5,
    tickSize: 1_000n,
    contractSize: 100_000n,
    pointValue: 100_000n,
    minQuantity: 1_000_000n,
    maxQuantity: 10_000_000_000n,
    quantityStep: 1_000_000n,
    quantityDigits: 2,
    maxLeverage: 30,
    staleAfterMs: 5_000,
    typicalSpreadTicks: 8,
    dailyVolatility: 0.006,
  };

/** @param price scaled by 10^8 */
export function forexPair(
  base: string,
  quote: string,
  price: bigint,
  change: Partial<SimulatedInstrument> = {},
): SimulatedInstrument {
  return {
    ...forex,
    symbol: `${base}${quote}`,
    description: `${base}/${quote}`,
    baseCurrency: base,
    quoteCurrency: quote,
    referencePrice: price,
    ...change,
  };
}

const yen = { digits: 3, tickSize: 100_000n };

export const eurusd = forexPair('EUR', 'USD', 108_000_000n);
export const gbpusd = forexPair('GBP', 'USD', 126_000_000n);
export const usdjpy = forexPair('USD', 'JPY', 15_000_000_000n, yen);
export const usdchf = forexPair('USD', 'CHF', 88_000_000n);
export const eurgbp = forexPair('EUR', 'GBP', 85_700_000n);
export const eurjpy = forexPair('EUR', 'JPY', 16_200_000_000n, yen);
export const gbpjpy = forexPair('GBP', 'JPY', 18_900_000_000n, yen);
export const eurchf = forexPair('EUR', 'CHF', 95_000_000n);
export const btcusd = forexPair('BTC', 'USD', 6_500_000_000_000n, {
  assetClass: 'crypto',
  calculationMode: 'cfd-leverage',
  digits: 2,
  tickSize: 1_000_000n,
  typicalSpreadTicks: 1_500,
  dailyVolatility: 0.03,
});
