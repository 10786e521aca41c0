/** What can be traded, and on which terms. */
import { LIQUIDATION_SCALE, type LiquidationTerms } from './liquidation.ts';
import {
  COST_SCALE,
  formatScaled,
  MONEY_SCALE,
  parseScaled,
  powerOfTen,
  PRICE_SCALE,
  QUANTITY_SCALE,
} from './money.ts';

export type AssetClass = 'forex-major' | 'forex-minor' | 'metal' | 'commodity' | 'index' | 'equity' | 'crypto';

/**
 * How margin and profit are computed: MT5's names (ENUM_SYMBOL_CALC_MODE), and `isolated`, where a position stands for its own
 * margin alone. Those that nothing here computes are known all the same: an order in one of them is denied, never guessed at.
 */
export type CalculationMode =
  | ComputedMode
  | 'exchange-futures-forts'
  | 'exchange-bonds'
  | 'exchange-stocks-moex'
  | 'exchange-bonds-moex'
  | 'collateral';
export type ComputedMode =
  | 'forex'
  | 'forex-no-leverage'
  | 'futures'
  | 'cfd'
  | 'cfd-index'
  | 'cfd-leverage'
  | 'exchange-stocks'
  | 'exchange-futures'
  | 'isolated';

const COMPUTED: ReadonlySet<string> = new Set<ComputedMode>([
  ...(['forex', 'forex-no-leverage', 'futures', 'cfd', 'cfd-index', 'cfd-leverage'] as const),
  ...(['exchange-stocks', 'exchange-futures', 'isolated'] as const),
]);

export function isComputed(mode: CalculationMode): mode is ComputedMode {
  return COMPUTED.has(mode);
}

/** What of an instrument may be done; MT5's trade modes. */
export type TradeMode = 'full' | 'long-only' | 'short-only' | 'close-only' | 'disabled';

/** Charged for each fill. `per-lot` an amount a lot, `of-value` a share of the value; both scaled by 10^8. */
export interface Commission {
  readonly kind: 'per-lot' | 'of-value';
  readonly amount: bigint;
  readonly currency: string;
}

/** What a night costs or earns; MT5's modes, without those that reopen positions. Interest is annual percent of 360 days. */
export interface Swap {
  readonly mode: 'points' | 'currency' | 'interest-current' | 'interest-open';
  /** Scaled by 10^8, below zero where the holder pays: points, an amount a lot in `currency`, or percent. */
  readonly long: bigint;
  readonly short: bigint;
  /** Of mode `currency`; else the quote currency. */
  readonly currency?: string;
}

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
  /** What a price step of 1 is worth a lot, in quote currency, a whole number: the contract size, or that of a tick ÷ its size. */
  readonly pointValue: bigint;
  readonly minQuantity: bigint;
  readonly maxQuantity: bigint;
  readonly quantityStep: bigint;
  /** Digits shown behind the decimal point of a quantity. */
  readonly quantityDigits: number;
  /** Highest leverage for this instrument, whatever the account's. */
  readonly maxLeverage: number;
  /** A quote older than this is no price to trade on. */
  readonly staleAfterMs: number;
  /** Worth of one tick a lot, in quote currency, scaled; of futures, and of `cfd-index`. */
  readonly tickValue?: bigint;
  /** Margin of one lot, scaled, in margin currency: takes the place of every formula but that of `forex`. */
  readonly initialMargin?: bigint;
  /** Share of the formula that is held, by side, scaled; absent: all of it. */
  readonly marginRates?: Readonly<Record<'buy' | 'sell', bigint>>;
  /** On hedging accounts: contract size that the covered part of a lot counts with; absent: nothing. */
  readonly hedgedMargin?: bigint;
  /** On hedging accounts the larger side counts, and nothing else. */
  readonly hedgedMarginUsesLeg?: boolean;
  readonly commission?: Commission;
  readonly swap?: Swap;
  /** How far from the market stops and limits have to be, in ticks. */
  readonly stopsLevel?: number;
  readonly tradeMode?: TradeMode;
  /** What a quote offers on each side, in lots, scaled; absent: whatever is asked for. */
  readonly shownQuantity?: bigint;
  /** Of mode `isolated`: when its venue takes a position over. */
  readonly liquidation?: LiquidationTerms;
}

/** An instrument as an operator writes it: the same terms, amounts as decimal text. */
export type InstrumentTerms = AsText<Omit<Instrument, 'pointValue'>>;
type AsText<Terms> = {
  readonly [Term in keyof Terms]: Terms[Term] extends bigint | undefined
    ? string
    : Terms[Term] extends object | undefined
      ? AsText<NonNullable<Terms[Term]>>
      : Terms[Term];
};

/** @throws {RangeError} an amount is no plain decimal above zero, or the terms contradict each other */
export function instrumentFrom(terms: InstrumentTerms): Instrument {
  const {
    tickValue,
    initialMargin,
    marginRates,
    hedgedMargin,
    commission,
    swap,
    shownQuantity,
    liquidation,
    ...plain
  } = terms;
  const instrument: Instrument = {
    ...plain,
    tickSize: amount(terms, 'tickSize', PRICE_SCALE),
    contractSize: amount(terms, 'contractSize', 0),
    pointValue: pointValueOf(terms),
    minQuantity: amount(terms, 'minQuantity', QUANTITY_SCALE),
    maxQuantity: amount(terms, 'maxQuantity', QUANTITY_SCALE),
    quantityStep: amount(terms, 'quantityStep', QUANTITY_SCALE),
    ...(tickValue === undefined ? {} : { tickValue: amount(terms, 'tickValue', MONEY_SCALE) }),
    ...(initialMargin === undefined ? {} : { initialMargin: amount(terms, 'initialMargin', MONEY_SCALE) }),
    ...(hedgedMargin === undefined ? {} : { hedgedMargin: amount(terms, 'hedgedMargin', 0) }),
    ...(shownQuantity === undefined ? {} : { shownQuantity: amount(terms, 'shownQuantity', QUANTITY_SCALE) }),
    ...(marginRates && { marginRates: { buy: share(terms, marginRates.buy), sell: share(terms, marginRates.sell) } }),
    ...(commission && { commission: { ...commission, amount: share(terms, commission.amount) } }),
    ...(liquidation && { liquidation: liquidationFrom(terms, liquidation) }),
    ...(swap && { swap: { ...swap, long: share(terms, swap.long), short: share(terms, swap.short) } }),
  };
  expectTerm(terms, instrument.minQuantity <= instrument.maxQuantity, 'minQuantity above maxQuantity');
  expectTerm(terms, isOnStep(instrument, instrument.minQuantity), 'minQuantity off quantityStep');
  expectTerm(terms, isShownExactly(instrument.tickSize, PRICE_SCALE, terms.digits), 'tickSize finer than digits');
  expectTerm(
    terms,
    isShownExactly(instrument.quantityStep, QUANTITY_SCALE, terms.quantityDigits),
    'quantityStep finer than quantityDigits',
  );
  expectTerm(terms, !commission || instrument.commission!.amount >= 0n, 'commission below zero');
  expectTerm(terms, !isFutures(terms.calculationMode) || initialMargin !== undefined, 'futures without initialMargin');
  expectTerm(terms, terms.calculationMode !== 'cfd-index' || tickValue !== undefined, 'cfd-index without tickValue');
  return instrument;
}

function isFutures(mode: CalculationMode): boolean {
  return mode === 'futures' || mode === 'exchange-futures';
}

function pointValueOf(terms: InstrumentTerms): bigint {
  if (!isFutures(terms.calculationMode)) return amount(terms, 'contractSize', 0);
  const [value, size] = [amount(terms, 'tickValue', MONEY_SCALE), amount(terms, 'tickSize', PRICE_SCALE)];
  // Costs are exact only if nothing has to be rounded here.
  expectTerm(terms, value % size === 0n, 'tickValue is no multiple of tickSize');
  return value / size;
}

function liquidationFrom(
  terms: InstrumentTerms,
  { venue, ...shares }: NonNullable<InstrumentTerms['liquidation']>,
): LiquidationTerms {
  expectTerm(terms, terms.calculationMode === 'isolated', 'liquidation of a position that is not isolated');
  const scaled = Object.entries(shares).map(([name, text]) => {
    const value = parseScaled(text, LIQUIDATION_SCALE);
    expectTerm(terms, value !== undefined && value >= 0n, `liquidation ${name} must be a decimal of zero or more`);
    return [name, value];
  });
  return { venue, ...Object.fromEntries(scaled) } as LiquidationTerms;
}

/** Decimal text of either sign, scaled by 10^8. */
function share(terms: InstrumentTerms, text: string): bigint {
  const value = parseScaled(text, MONEY_SCALE);
  if (value === undefined) throw new RangeError(`${terms.symbol}: must be a decimal, was ${text}`);
  return value;
}

function amount(
  terms: InstrumentTerms,
  name:
    | ('tickSize' | 'contractSize' | 'minQuantity' | 'maxQuantity' | 'quantityStep')
    | ('tickValue' | 'initialMargin' | 'hedgedMargin' | 'shownQuantity'),
  scale: number,
): bigint {
  const value = parseScaled(terms[name] ?? '', scale);
  if (value === undefined || value <= 0n) {
    throw new RangeError(`${terms.symbol}: ${name} must be a decimal above zero, was ${terms[name] ?? 'absent'}`);
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

/** Price × quantity × value of a point in quote currency, scaled by 10^18, exact. */
export function notionalOf(instrument: Instrument, quantity: bigint, price: bigint): bigint {
  return price * quantity * instrument.pointValue * NOTIONAL_FACTOR;
}

/** With the digits of the instrument; of a symbol that we do not know, as short as it goes. */
export function formatPrice(instrument: Instrument | undefined, price: bigint): string {
  return formatScaled(price, PRICE_SCALE, instrument?.digits ?? 0);
}

export function formatQuantity(instrument: Instrument | undefined, quantity: bigint): string {
  return formatScaled(quantity, QUANTITY_SCALE, instrument?.quantityDigits ?? 0);
}
