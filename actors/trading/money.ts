/** Exact money: scaled integers inside an account, Decimal with its currency at the edges, and the roundings between them. */
import { Decimal as BaseDecimal } from 'decimal.js';

/** Digits behind the point that a scaled integer carries: `1.5` at scale 8 is `150_000_000n`. */
export const PRICE_SCALE = 8;
export const QUANTITY_SCALE = 8;
export const MONEY_SCALE = 8;
/** Of costs and profits in quote currency, where price × quantity × contract size is still exact. */
export const COST_SCALE = 18;
/** Of conversion rates. */
export const RATE_SCALE = 18;

/** The one Decimal of the platform. Its text never has an exponent. */
export const Decimal = BaseDecimal.clone({
  precision: 40,
  rounding: BaseDecimal.ROUND_HALF_EVEN,
  toExpNeg: -9e15,
  toExpPos: 9e15,
});
export type Decimal = BaseDecimal;

/** An amount as it is shown and sent, never without its currency. */
export interface Money {
  readonly amount: Decimal;
  readonly currency: string;
}

/** @param value scaled by 10^8 */
export function moneyOf(value: bigint, currency: string): Money {
  return { amount: new Decimal(formatScaled(value, MONEY_SCALE)), currency };
}

const MAX_TEXT_LENGTH = 64;
const PLAIN_DECIMAL = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?$/;

/**
 * Reads plain decimal text: the number grammar of JSON without an exponent.
 * @returns undefined for anything else, for text longer than 64 characters, and for more than `scale` digits behind the point
 * @example parseScaled('1.08', 8) // 108_000_000n
 */
export function parseScaled(text: string, scale: number): bigint | undefined {
  if (text.length > MAX_TEXT_LENGTH) return undefined;
  const match = PLAIN_DECIMAL.exec(text);
  if (!match) return undefined;
  const [, sign, whole = '', fraction = ''] = match;
  if (fraction.length > scale) return undefined;
  const value = BigInt(whole + fraction.padEnd(scale, '0'));
  return sign === '-' ? -value : value;
}

/**
 * Plain decimal text, exact, without an exponent; zeros at the end are kept up to `minDigits` (at most `scale`).
 * @example formatScaled(108_000_000n, 8, 5) // '1.08000'
 */
export function formatScaled(value: bigint, scale: number, minDigits = 0): string {
  const negative = value < 0n;
  const digits = (negative ? -value : value).toString().padStart(scale + 1, '0');
  const point = digits.length - scale;
  let end = digits.length;
  while (end > point + minDigits && digits.charCodeAt(end - 1) === ZERO) end--;
  const text = end === point ? digits.slice(0, point) : `${digits.slice(0, point)}.${digits.slice(point, end)}`;
  return negative ? `-${text}` : text;
}
const ZERO = 48;

/** @param value scaled by 10^8; the text shows at least the minor unit of the currency */
export function formatMoney(value: bigint, currency: string): string {
  return formatScaled(value, MONEY_SCALE, minorDigits(currency));
}

const POWERS_OF_TEN = Array.from({ length: 64 }, (_, exponent) => 10n ** BigInt(exponent));

/** 10^exponent for 0 to 63. */
export function powerOfTen(exponent: number): bigint {
  const power = POWERS_OF_TEN[exponent];
  if (power === undefined) throw new RangeError(`exponent must be 0 to 63, was ${exponent}`);
  return power;
}

/** How a division ends in a whole number. All want a divisor above zero. They divide once: multiplying back is cheaper than `%`. */
export type Division = (dividend: bigint, divisor: bigint) => bigint;

export const divideHalfEven: Division = (dividend, divisor) => {
  const quotient = dividend / divisor;
  const rest = dividend - quotient * divisor;
  if (rest === 0n) return quotient;
  const twice = rest < 0n ? -2n * rest : 2n * rest;
  if (twice < divisor || (twice === divisor && quotient % 2n === 0n)) return quotient;
  return rest < 0n ? quotient - 1n : quotient + 1n;
};

/** Towards plus infinity. */
export const divideUp: Division = (dividend, divisor) => {
  const quotient = dividend / divisor;
  return quotient * divisor < dividend ? quotient + 1n : quotient;
};

/** Towards minus infinity. */
export const divideDown: Division = (dividend, divisor) => {
  const quotient = dividend / divisor;
  return quotient * divisor > dividend ? quotient - 1n : quotient;
};

const MINOR_DIGITS: ReadonlyMap<string, number> = new Map([
  ...['JPY', 'KRW', 'VND', 'CLP', 'ISK'].map((currency) => [currency, 0] as const),
  ...['BHD', 'JOD', 'KWD', 'OMR', 'TND'].map((currency) => [currency, 3] as const),
  ...['BTC', 'ETH', 'LTC', 'XRP', 'SOL', 'USDT', 'USDC'].map((currency) => [currency, 8] as const),
]);

/** Digits of a currency's minor unit: ISO 4217's, and 8 for crypto currencies. */
export function minorDigits(currency: string): number {
  return MINOR_DIGITS.get(currency) ?? 2;
}

/**
 * An amount at which an account may be booked: a multiple of the currency's minor unit, scaled by 10^8.
 * @param value scaled by 10^scale, `scale` being 8 to 36
 */
export function roundToMinorUnit(value: bigint, scale: number, currency: string, divide: Division): bigint {
  const digits = minorDigits(currency);
  return divide(value, powerOfTen(scale - digits)) * powerOfTen(MONEY_SCALE - digits);
}
