/** A trading account as text, and back: exact, whatever it holds. Amounts are decimal text, as in the journal. */
import type { Account, Block, OrderState, PendingChange, SideTotals, SymbolTotals, WorkingOrder } from './account.ts';
import { blockKey, positionKey } from './account-keys.ts';
import { decodeAccountTerms, encodeAccountTerms } from './account-terms.ts';
import type { AccountTerms, BlockReason, CancelReason, OrderTerms, PositionTerms } from './events.ts';
import type { Json } from './json-fields.ts';
import { asObject, integer, objects, scaled, text, texts, truth } from './json-fields.ts';
import { COST_SCALE, formatScaled, MONEY_SCALE, PRICE_SCALE, QUANTITY_SCALE, RATE_SCALE } from './money.ts';
import type { EndedOrders } from './order.ts';
import { changeObject, decodeChange, decodeOptional, optionalFields } from './order-fields.ts';
import { PersistentMap } from './persistent-map.ts';
import type { RecentOrders } from './recent-orders.ts';

/** To be raised with every change of this text, of Account, or of what `evolve` makes of events: older ones are not read then. */
export const ACCOUNT_SNAPSHOT_VERSION = 2;

export function encodeAccount(account: Account): string {
  const { accountId, isOpen, balance, orders, totals, ended, positions, blocks, day, recent, sequences } = account;
  return JSON.stringify({
    ...{ v: ACCOUNT_SNAPSHOT_VERSION, accountId, isOpen, sequences, isMarginCalled: account.isMarginCalled },
    terms: JSON.parse(`{${encodeAccountTerms(account)}}`) as Json,
    balance: money(balance),
    orders: [...orders.values()].map(encodeOrder),
    totals: [...totals].map(([symbol, { buy, sell }]) => ({ symbol, buy: encodeSide(buy), sell: encodeSide(sell) })),
    young: newestFirst(ended.young).map(encodeOrder),
    old: newestFirst(ended.old).map(encodeOrder),
    positions: [...positions.values()].map(encodePosition),
    blocks: [...blocks.values()],
    ...(day && { day: { day: day.day, open: money(day.openEquity), peak: money(day.peakEquity) } }),
    recentOrders: recent.orders,
    recentFills: [...recent.fills].map(([subject, times]) => ({ subject, times })),
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
  const terms = decodeAccountTerms(asObject(json['terms'], 'terms'));
  return {
    ...terms,
    accountId: integer(json, 'accountId'),
    isOpen: truth(json, 'isOpen'),
    balance: scaled(json, 'balance', MONEY_SCALE),
    orders: byOrderId(objects(json, 'orders').map(decodeOrder)),
    totals: new Map(objects(json, 'totals').map((each) => [text(each, 'symbol'), decodeTotals(each)])),
    ended: endedOrders(objects(json, 'young').map(decodeOrder), objects(json, 'old').map(decodeOrder)),
    positions: byKey(terms, objects(json, 'positions').map(decodePosition)),
    blocks: new Map(
      objects(json, 'blocks')
        .map(decodeBlock)
        .map((block) => [blockKey(block.reason, block.subject), block]),
    ),
    day: json['day'] === undefined ? undefined : decodeDay(asObject(json['day'], 'day')),
    isMarginCalled: truth(json, 'isMarginCalled'),
    recent: decodeRecent(json),
    sequences: {
      orders: integer(sequences, 'orders'),
      positions: integer(sequences, 'positions'),
      account: integer(sequences, 'account'),
    },
  };
}

function money(value: bigint): string {
  return formatScaled(value, MONEY_SCALE);
}

function encodeOrder(order: WorkingOrder): Json {
  const { clientOrderId, symbol, side, orderType, timeInForce, source, orderId, state } = order;
  const { limitPrice, pendingChange, cancelRequested, isTriggered, submittedMicros, fillIds } = order;
  return {
    ...{ clientOrderId, symbol, side, orderType, timeInForce, source, orderId, state, submittedMicros, fillIds },
    ...optionalFields(order),
    quantity: formatScaled(order.quantity, QUANTITY_SCALE),
    ...(limitPrice === undefined ? {} : { limitPrice: formatScaled(limitPrice, PRICE_SCALE) }),
    filledQuantity: formatScaled(order.filledQuantity, QUANTITY_SCALE),
    margin: money(order.margin),
    conversionRate: formatScaled(order.conversionRate, RATE_SCALE),
    ...(isTriggered && { isTriggered }),
    ...(cancelRequested && { cancelRequested }),
    ...(pendingChange && { pendingChange: encodePending(pendingChange) }),
  };
}

function encodePending({ requestId, change, margin, marginBefore }: PendingChange): Json {
  return { requestId, change: changeObject(change), margin: money(margin), marginBefore: money(marginBefore) };
}

function decodeOrder(json: Json): WorkingOrder {
  const pending = json['pendingChange'];
  return {
    orderId: text(json, 'orderId'),
    clientOrderId: text(json, 'clientOrderId'),
    symbol: text(json, 'symbol'),
    side: text(json, 'side') as OrderTerms['side'],
    orderType: text(json, 'orderType') as OrderTerms['orderType'],
    quantity: scaled(json, 'quantity', QUANTITY_SCALE),
    ...(json['limitPrice'] === undefined ? {} : { limitPrice: scaled(json, 'limitPrice', PRICE_SCALE) }),
    ...decodeOptional(json),
    timeInForce: text(json, 'timeInForce') as OrderTerms['timeInForce'],
    source: text(json, 'source') as OrderTerms['source'],
    state: text(json, 'state') as OrderState,
    filledQuantity: scaled(json, 'filledQuantity', QUANTITY_SCALE),
    margin: scaled(json, 'margin', MONEY_SCALE),
    conversionRate: scaled(json, 'conversionRate', RATE_SCALE),
    submittedMicros: integer(json, 'submittedMicros'),
    fillIds: texts(json, 'fillIds'),
    ...(json['isTriggered'] === true ? { isTriggered: true } : {}),
    ...(json['cancelRequested'] === undefined
      ? {}
      : { cancelRequested: text(json, 'cancelRequested') as CancelReason }),
    ...(pending === undefined ? {} : { pendingChange: decodePending(asObject(pending, 'pendingChange')) }),
  };
}

function decodePending(json: Json): PendingChange {
  return {
    requestId: text(json, 'requestId'),
    change: decodeChange(asObject(json['change'], 'change')),
    margin: scaled(json, 'margin', MONEY_SCALE),
    marginBefore: scaled(json, 'marginBefore', MONEY_SCALE),
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

function byKey(terms: AccountTerms, positions: readonly PositionTerms[]): ReadonlyMap<string, PositionTerms> {
  return new Map(positions.map((position) => [positionKey(terms, position), position]));
}

function decodeBlock(json: Json): Block {
  return {
    ...{ reason: text(json, 'reason') as BlockReason, subject: text(json, 'subject') },
    sinceMicros: integer(json, 'sinceMicros'),
    figures: asObject(json['figures'], 'figures') as Readonly<Record<string, string>>,
  };
}

function decodeDay(json: Json): Account['day'] {
  return {
    day: text(json, 'day'),
    openEquity: scaled(json, 'open', MONEY_SCALE),
    peakEquity: scaled(json, 'peak', MONEY_SCALE),
  };
}

function decodeRecent(json: Json): RecentOrders {
  return {
    orders: objects(json, 'recentOrders').map((each) => ({
      ...{ key: text(each, 'key'), orderId: text(each, 'orderId'), timeMicros: integer(each, 'timeMicros') },
    })),
    fills: new Map(objects(json, 'recentFills').map((each) => [text(each, 'subject'), times(each)])),
  };
}

function times(json: Json): readonly number[] {
  const { times: found } = json;
  if (!Array.isArray(found) || !found.every(Number.isSafeInteger)) throw new TypeError('times must be integers');
  return found as number[];
}

function encodeSide({ quantity, margin }: SideTotals): Json {
  return { quantity: formatScaled(quantity, QUANTITY_SCALE), margin: money(margin) };
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
