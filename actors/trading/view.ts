/** What gateways show of an account: plain objects of decimal text, as the API describes them. */
import type { Account, OrderState, WorkingOrder } from './account.ts';
import type { Prices } from './conversion.ts';
import type { OrderTerms, PositionTerms, Side } from './events.ts';
import type { Instrument } from './instrument.ts';
import { formatPrice, formatQuantity } from './instrument.ts';
import { LIQUIDATION_SCALE, liquidationPrice, type LiquidationTerms } from './liquidation.ts';
import { marginLevelOf, openProfitIn, valuationOf } from './margin.ts';
import { divideHalfEven, formatMoney, formatScaled, powerOfTen, QUANTITY_SCALE } from './money.ts';
import { optionalView } from './order-fields.ts';
import { closingPrice } from './position.ts';
import { formatTime } from './time.ts';

/** Figures that follow prices are null while a price they need was never seen. */
export interface AccountView {
  readonly id: string;
  readonly currency: string;
  readonly mode: 'paper';
  readonly oms: 'netting' | 'hedging';
  readonly leverage: number;
  readonly status: 'open' | 'not-open';
  /** Why nothing may be opened; nothing where all may. */
  readonly blocks: readonly { readonly reason: string; readonly subject: string; readonly since: string }[];
  readonly isMarginCalled: boolean;
  readonly balance: string;
  readonly equity: string | null;
  readonly margin: string | null;
  readonly freeMargin: string | null;
  /** Percent; null also while no margin is used. */
  readonly marginLevel: string | null;
  readonly openProfit: string | null;
}

/** @param slug the name under which the account is known outside */
export function accountView(account: Account, slug: string, prices: Prices): AccountView {
  const { currency, oms, leverage, isOpen, balance } = account;
  const valuation = valuationOf(account, prices);
  const level = valuation && marginLevelOf(valuation);
  const money = (value: bigint | undefined): string | null =>
    value === undefined ? null : formatMoney(value, currency);
  return {
    id: slug,
    currency,
    mode: 'paper',
    oms,
    leverage,
    status: isOpen ? 'open' : 'not-open',
    blocks: [...account.blocks.values()].map(({ reason, subject, sinceMicros }) => ({
      ...{ reason, subject, since: formatTime(sinceMicros) },
    })),
    isMarginCalled: account.isMarginCalled,
    balance: formatMoney(balance, currency),
    equity: money(valuation?.equity),
    margin: money(valuation?.margin),
    freeMargin: money(valuation?.freeMargin),
    marginLevel: level === undefined ? null : formatScaled(level, 2, 2),
    openProfit: money(valuation?.openProfit),
  };
}

/** Further terms (`limitPrice`, `stopPrice`, `expireAt`, `reduceOnly` …) are there where the order has them. */
export interface OrderView {
  readonly orderId: string;
  readonly clientOrderId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly type: OrderTerms['orderType'];
  readonly quantity: string;
  readonly filledQuantity: string;
  readonly limitPrice?: string;
  readonly timeInForce: OrderTerms['timeInForce'];
  readonly source: OrderTerms['source'];
  readonly state: OrderState;
  readonly submittedAt: string;
}

export function orderView(order: WorkingOrder, instrument: Instrument | undefined): OrderView {
  const { orderId, clientOrderId, symbol, side, orderType, limitPrice, timeInForce, source, state } = order;
  return {
    orderId,
    clientOrderId,
    symbol,
    side,
    type: orderType,
    quantity: formatQuantity(instrument, order.quantity),
    filledQuantity: formatQuantity(instrument, order.filledQuantity),
    ...(limitPrice === undefined ? {} : { limitPrice: formatPrice(instrument, limitPrice) }),
    timeInForce,
    source,
    state,
    submittedAt: formatTime(order.submittedMicros),
    ...optionalView(order, instrument),
  };
}

/** Price and profit are null while there is no quote. */
export interface PositionView {
  readonly positionId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly quantity: string;
  readonly averagePrice: string;
  /** At which it would be closed now. */
  readonly currentPrice: string | null;
  readonly openProfit: string | null;
  /** Of the profit. */
  readonly currency: string;
  /** Of an isolated position: at which its own margin no longer carries it. */
  readonly liquidationPrice?: string;
}

/** @param account whose it is */
export function positionView(
  position: PositionTerms,
  { currency, leverage }: Pick<Account, 'currency' | 'leverage'>,
  prices: Prices,
): PositionView {
  const { positionId, symbol, side, quantity, averagePrice } = position;
  const instrument = prices.instrument(symbol);
  const quote = prices.quote(symbol);
  const profit = openProfitIn(currency, position, prices);
  return {
    positionId,
    symbol,
    side,
    quantity: formatQuantity(instrument, quantity),
    averagePrice: formatPrice(instrument, averagePrice),
    currentPrice: quote ? formatPrice(instrument, closingPrice(side, quote)) : null,
    openProfit: profit === undefined ? null : formatMoney(profit, currency),
    currency,
    ...(instrument?.liquidation && {
      liquidationPrice: liquidationText(position, instrument, leverage, instrument.liquidation),
    }),
  };
}

/** Rounded to the digits of the instrument. The margin of the position alone stands behind it. */
function liquidationText(
  { side, quantity, cost }: PositionTerms,
  instrument: Instrument,
  accountLeverage: number,
  terms: LiquidationTerms,
): string {
  const { contractSize, maxLeverage, digits } = instrument;
  const leverage = BigInt(Math.min(accountLeverage, maxLeverage));
  const units = quantity * contractSize * powerOfTen(LIQUIDATION_SCALE - QUANTITY_SCALE);
  const entryPrice = divideHalfEven(cost * powerOfTen(LIQUIDATION_SCALE), units);
  const price = liquidationPrice({ side, quantity: units, entryPrice, wallet: cost / leverage, leverage }, terms);
  return formatScaled(divideHalfEven(price, powerOfTen(LIQUIDATION_SCALE - digits)), digits, digits);
}
