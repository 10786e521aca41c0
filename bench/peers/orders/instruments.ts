import { Decimal } from 'decimal.js';

export interface Instrument {
  readonly symbol: string;
  readonly digits: number;
  readonly contractSize: Decimal;
  readonly minQuantity: Decimal;
  readonly maxQuantity: Decimal;
  readonly quantityStep: Decimal;
  readonly staleAfterMs: number;
  readonly referencePrice: Decimal;
}

const major = {
  digits: 5,
  contractSize: new Decimal(100_000),
  minQuantity: new Decimal('0.01'),
  maxQuantity: new Decimal(100),
  quantityStep: new Decimal('0.01'),
  staleAfterMs: 5_000,
};

/** Quoted in dollars, as the accounts are. */
export const instruments: ReadonlyMap<string, Instrument> = new Map(
  [
    { ...major, symbol: 'EURUSD', referencePrice: new Decimal('1.08') },
    { ...major, symbol: 'GBPUSD', referencePrice: new Decimal('1.27') },
    { ...major, symbol: 'AUDUSD', referencePrice: new Decimal('0.66') },
  ].map((instrument) => [instrument.symbol, instrument]),
);
