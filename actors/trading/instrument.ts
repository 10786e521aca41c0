/** What can be traded, and on which terms. */
import { COST_SCALE, formatScaled, parseScaled, powerOfTen, PRICE_SCALE, QUANTITY_SCALE } from './money.ts';

export type AssetClass = 'forex-major' | 'forex-minor' | 'metal' | 'index' | 'crypto';

/** How margin is computed; MT5's names (ENUM_SYMBOL_CALC_MODE). */
export type CalculationMode = 'forex' | 'cfd-leverage';

/** Prices and quantities are integers scaled by 10^8; a quantity is in lots. */
export interface Instrument {
  readonly symbol: string;
  readonly description: string;
  readonly assetClass: AssetClass;
  readonly calculationMode: CalculationMode;
  /** Currency of margin (forex: of one unit of the contract). */
  readonly baseCurrency: string;
  /** Currency of prices and of profit. */
  readonly quoteCurrency: string;
  /** Digits shown behind the decimal point of a price. */
  readonly digits: number;
  /** Smallest step of a price, scaled. */
  readonly tickSize: bigint;
  /** Units of the underlying in one lot, a whole number. */
  readonly contractSize: bigint;
  readonly minQuantity: bigint;
  readonly maxQuantity: bigint;
  readonly quantityStep: bigint;
  /** Digits shown behind the decimal point of a quantity. */
  readonly quantityDigits: number;
  /** Highest leverage for this instrument, whatever the account's. */
  readonly maxLeverage: number;
  /** A quote older than this is no price to trade on. */
  readonly staleAfterMs: number;
}

/** An instrument as an operator writes it: the same terms, amounts as decimal text. */
export type InstrumentTerms = {
  readonly [Term in keyof Instrument]: Instrument[Term] extends bigint ? string : Instrument[Term];
};

/** @throws {RangeError} an amount is no plain decimal above zero, or the terms contradict each other */
export function instrumentFrom(terms: InstrumentTerms): Instrument {
  const instrument: Instrument = {
    symbol: terms.symbol,
    description: terms.description,
    assetClass: terms.assetClass,
    calculationMode: terms.calculationMode,
    baseCurrency: terms.baseCurrency,
    quoteCurrency: terms.quoteCurrency,
    digits: terms.digits,
    tickSize: amount(terms, 'tickSize', PRICE_SCALE),
    contractSize: amount(terms, 'contractSize', 0),
    minQuantity: amount(terms, 'minQuantity', QUANTITY_SCALE),
    maxQuantity: amount(terms, 'maxQuantity', QUANTITY_SCALE),
    quantityStep: amount(terms, 'quantityStep', QUANTITY_SCALE),
    quantityDigits: terms.quantityDigits,
    maxLeverage: terms.maxLeverage,
    staleAfterMs: terms.staleAfterMs,
  };
  expectTerm(terms, instrument.minQuantity <= instrument.maxQuantity, 'minQuantity above maxQuantity');
  expectTerm(terms, isOnStep(instrument, instrument.minQuantity), 'minQuantity off quantityStep');
  expectTerm(terms, isShownExactly(instrument.tickSize, PRICE_SCALE, terms.digits), 'tickSize finer than digits');
  expectTerm(
    terms,
    isShownExactly(instrument.quantityStep, QUANTITY_SCALE, terms.quantityDigits),
    'quantityStep finer than quantityDigits',
  );
  return instrument;
}

function amount(
  terms: InstrumentTerms,
  name: 'tickSize' | 'contractSize' | 'minQuantity' | 'maxQuantity' | 'quantityStep',
  scale: number,
): bigint {
  const value = parseScaled(terms[name], scale);
  if (value === undefined || value <= 0n) {
    throw new RangeError(`${terms.symbol}: ${name} must be a decimal above zero, was ${terms[name]}`);
  }
  return value;
}

function expectTerm(terms: InstrumentTerms, holds: boolean, fault: string): void {
  if (!holds) throw new RangeError(`${terms.symbol}: ${fault}`);
}

function isShownExactly(step: bigint, scale: number, digits: number): boolean {
  return step % powerOfTen(scale - digits) === 0n;
}

export function isOnTick(instrument: Instrument, price: bigint): boolean {
  return price % instrument.tickSize === 0n;
}

export function isOnStep(instrument: Instrument, quantity: bigint): boolean {
  return quantity % instrument.quantityStep === 0n;
}

const NOTIONAL_FACTOR = powerOfTen(COST_SCALE - PRICE_SCALE - QUANTITY_SCALE);

/** Price × quantity × contract size in quote currency, scaled by 10^18, exact. */
export function notionalOf(instrument: Instrument, quantity: bigint, price: bigint): bigint {
  return price * quantity * instrument.contractSize * NOTIONAL_FACTOR;
}

/** With the digits of the instrument; of a symbol that we do not know, as short as it goes. */
export function formatPrice(instrument: Instrument | undefined, price: bigint): string {
  return formatScaled(price, PRICE_SCALE, instrument?.digits ?? 0);
}

export function formatQuantity(instrument: Instrument | undefined, quantity: bigint): string {
  return formatScaled(quantity, QUANTITY_SCALE, instrument?.quantityDigits ?? 0);
}
