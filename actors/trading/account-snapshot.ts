/** A trading account as text, and back: exact, whatever it holds. Amounts are decimal text, as in the journal. */
import type { Account, OrderState, SideTotals, SymbolTotals, WorkingOrder } from './account.ts';
import type { OrderTerms, PositionTerms } from './events.ts';
import type { Json } from './json-fields.ts';
import { asObject, integer, objects, scaled, text, texts, truth } from './json-fields.ts';
import { COST_SCALE, formatScaled, MONEY_SCALE, PRICE_SCALE, QUANTITY_SCALE, RATE_SCALE } from './money.ts';
import type { EndedOrders } from './order.ts';
import { PersistentMap } from './persistent-map.ts';

/** To be raised with every change of this text, of Account, or of what `evolve` makes of events: older ones are not read then. */
export const ACCOUNT_SNAPSHOT_VERSION = 1;

export function encodeAccount(account: Account): string {
  const { orders, totals, ended, positions, balance, ...plain } = account;
  return JSON.stringify({
    v: ACCOUNT_SNAPSHOT_VERSION,
    ...plain,
    balance: formatScaled(balance, MONEY_SCALE),
    orders: [...orders.values()].map(encodeOrder),
    totals: [...totals].map(([symbol, { buy, sell }]) => ({ symbol, buy: encodeSide(buy), sell: encodeSide(sell) })),
    young: newestFirst(ended.young).map(encodeOrder),
    old: newestFirst(ended.old).map(encodeOrder),
    positions: [...positions.values()].map(encodePosition),
  });
}

/** @throws {TypeError | SyntaxError} this is no account of ours, or one of another version */
export function decodeAccount(encoded: string): Account {
  const json = asObject(JSON.parse(encoded), 'account');
  const version = integer(json, 'v');
  if (version !== ACCOUNT_SNAPSHOT_VERSION) {
    throw new TypeError(`account version must be ${ACCOUNT_SNAPSHOT_VERSION}, was ${version}`);
  }
  const sequences = asObject(json['sequences'], 'sequences');
  return {
    accountId: integer(json, 'accountId'),
    isOpen: truth(json, 'isOpen'),
    currency: text(json, 'currency'),
    oms: text(json, 'oms') as 'netting',
    leverage: integer(json, 'leverage'),
    aiMayOrder: truth(json, 'aiMayOrder'),
    balance: scaled(json, 'balance', MONEY_SCALE),
    orders: byOrderId(objects(json, 'orders').map(decodeOrder)),
    totals: new Map(objects(json, 'totals').map((each) => [text(each, 'symbol'), decodeTotals(each)])),
    ended: endedOrders(objects(json, 'young').map(decodeOrder), objects(json, 'old').map(decodeOrder)),
    positions: new Map(objects(json, 'positions').map((each) => [text(each, 'symbol'), decodePosition(each)])),
    sequences: {
      orders: integer(sequences, 'orders'),
      positions: integer(sequences, 'positions'),
      account: integer(sequences, 'account'),
    },
  };
}

function encodeOrder(order: WorkingOrder): Json {
  const { quantity, limitPrice, filledQuantity, margin, conversionRate, ...plain } = order;
  return {
    ...plain,
    quantity: formatScaled(quantity, QUANTITY_SCALE),
    ...(limitPrice === undefined ? {} : { limitPrice: formatScaled(limitPrice, PRICE_SCALE) }),
    filledQuantity: formatScaled(filledQuantity, QUANTITY_SCALE),
    margin: formatScaled(margin, MONEY_SCALE),
    conversionRate: formatScaled(conversionRate, RATE_SCALE),
  };
}

function decodeOrder(json: Json): WorkingOrder {
  return {
    orderId: text(json, 'orderId'),
    clientOrderId: text(json, 'clientOrderId'),
    symbol: text(json, 'symbol'),
    side: text(json, 'side') as OrderTerms['side'],
    orderType: text(json, 'orderType') as OrderTerms['orderType'],
    quantity: scaled(json, 'quantity', QUANTITY_SCALE),
    ...(json['limitPrice'] === undefined ? {} : { limitPrice: scaled(json, 'limitPrice', PRICE_SCALE) }),
    timeInForce: text(json, 'timeInForce') as OrderTerms['timeInForce'],
    source: text(json, 'source') as OrderTerms['source'],
    state: text(json, 'state') as OrderState,
    filledQuantity: scaled(json, 'filledQuantity', QUANTITY_SCALE),
    margin: scaled(json, 'margin', MONEY_SCALE),
    conversionRate: scaled(json, 'conversionRate', RATE_SCALE),
    submittedMicros: integer(json, 'submittedMicros'),
    fillIds: texts(json, 'fillIds'),
  };
}

function encodePosition(position: PositionTerms): Json {
  const { quantity, cost, averagePrice, ...plain } = position;
  return {
    ...plain,
    quantity: formatScaled(quantity, QUANTITY_SCALE),
    cost: formatScaled(cost, COST_SCALE),
    averagePrice: formatScaled(averagePrice, PRICE_SCALE),
  };
}

function decodePosition(json: Json): PositionTerms {
  return {
    positionId: text(json, 'positionId'),
    symbol: text(json, 'symbol'),
    side: text(json, 'side') as PositionTerms['side'],
    quantity: scaled(json, 'quantity', QUANTITY_SCALE),
    cost: scaled(json, 'cost', COST_SCALE),
    averagePrice: scaled(json, 'averagePrice', PRICE_SCALE),
  };
}

function encodeSide({ quantity, margin }: SideTotals): Json {
  return { quantity: formatScaled(quantity, QUANTITY_SCALE), margin: formatScaled(margin, MONEY_SCALE) };
}

function decodeTotals(json: Json): SymbolTotals {
  return { buy: decodeSide(json, 'buy'), sell: decodeSide(json, 'sell') };
}

function decodeSide(json: Json, name: 'buy' | 'sell'): SideTotals {
  const side = asObject(json[name], name);
  return { quantity: scaled(side, 'quantity', QUANTITY_SCALE), margin: scaled(side, 'margin', MONEY_SCALE) };
}

function byOrderId(orders: readonly WorkingOrder[]): PersistentMap<WorkingOrder> {
  return orders.reduce((map, order) => map.with(order.orderId, order), PersistentMap.empty<WorkingOrder>());
}

type EndedList = EndedOrders['young'];

function newestFirst(list: EndedList): readonly WorkingOrder[] {
  const orders: WorkingOrder[] = [];
  for (let entry = list; entry; entry = entry.next) orders.push(entry.order);
  return orders;
}

/** Both newest first. */
function endedOrders(young: readonly WorkingOrder[], old: readonly WorkingOrder[]): EndedOrders {
  const chained = (orders: readonly WorkingOrder[]) =>
    orders.reduceRight<EndedList>((next, order) => ({ order, next }), undefined);
  return { young: chained(young), youngCount: young.length, old: chained(old) };
}
