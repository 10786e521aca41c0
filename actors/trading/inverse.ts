/**
 * Inverse contracts: worth a fixed amount of the quote currency, settled in the base currency. Their profit is no line through the price,
 * so the books of an account, which keep the cost of a position, cannot carry them: an instrument of this kind is no calculation mode
 * here. The formulas serve whoever looks at such a position elsewhere.
 */
import type { Side } from './events.ts';
import { divideHalfEven, powerOfTen, PRICE_SCALE } from './money.ts';

const ONE = powerOfTen(PRICE_SCALE);

/**
 * Quantity ÷ price, in settlement currency, scaled by 10^8, rounded half-even.
 * @param quantity contracts of one unit of the quote currency, scaled by 10^8
 * @param price scaled by 10^8, above zero
 */
export function inverseNotional(quantity: bigint, price: bigint): bigint {
  return divideHalfEven(quantity * ONE, price);
}

/** s · quantity · (1 ÷ entry − 1 ÷ mark), in settlement currency, scaled by 10^8, rounded half-even once. */
export function inverseProfit(side: Side, quantity: bigint, entryPrice: bigint, markPrice: bigint): bigint {
  const move = side === 'buy' ? markPrice - entryPrice : entryPrice - markPrice;
  return divideHalfEven(quantity * move * ONE, entryPrice * markPrice);
}
