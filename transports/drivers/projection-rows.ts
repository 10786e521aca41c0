/** What commits make of the read models: many events of one order become one row. */
import assert from 'node:assert';
import type { OrderState } from '../../actors/trading/account.ts';
import type {
  AccountEvent,
  CancelReason,
  JournalledCommit,
  OrderEvent,
  PositionEvent,
} from '../../actors/trading/events.ts';
import {
  COST_SCALE,
  formatScaled,
  MONEY_SCALE,
  parseScaled,
  PRICE_SCALE,
  QUANTITY_SCALE,
  RATE_SCALE,
} from '../../actors/trading/money.ts';
import { isWorking, transitions, workingState, type OrderInput } from '../../actors/trading/order.ts';
import type { OrderMove } from '../../actors/trading/order-book.ts';
import { changeObject, optionalFields } from '../../actors/trading/order-fields.ts';

/** Rows as JSON: amounts are decimal text, moments microseconds. Names are those of the columns. */
export interface ProjectionRows {
  readonly newOrders: object[];
  readonly changedOrders: object[];
  readonly fills: object[];
  readonly ledger: object[];
  readonly positions: object[];
  readonly commands: object[];
  readonly checkpoints: object[];
}

/** An order as the read models have it before these commits. */
export interface KnownOrder {
  readonly account_id: number;
  readonly order_id: string;
  readonly state: OrderState;
  /** Decimal text. */
  readonly quantity: string;
  readonly filled_quantity: string;
  readonly limit_price: string | null;
  readonly terms: object;
  readonly progress: Progress;
}

/** What has come upon a working order beside its fills: as much as its state follows from. */
interface Progress {
  readonly isTriggered?: true;
  readonly cancelRequested?: CancelReason;
  readonly isChanging?: true;
}

/** The orders that commits change without having submitted them. */
export function ordersToLookUp(commits: readonly JournalledCommit[]): Pick<KnownOrder, 'account_id' | 'order_id'>[] {
  const wanted = new Map<string, Pick<KnownOrder, 'account_id' | 'order_id'>>();
  const submitted = new Set<string>();
  for (const { accountId, events } of commits) {
    for (const { event } of events) {
      if (!isOrderEvent(event)) continue;
      const key = orderKey(accountId, event.orderId);
      if (event.type === 'order-submitted' || event.type === 'order-denied') submitted.add(key);
      else if (!submitted.has(key)) wanted.set(key, { account_id: accountId, order_id: event.orderId });
    }
  }
  return [...wanted.values()];
}

/** @param commits each account's in order of seq */
export function projectionRows(commits: readonly JournalledCommit[], known: readonly KnownOrder[]): ProjectionRows {
  const orders = new Map(known.map((order) => [orderKey(order.account_id, order.order_id), untouched(order)]));
  const positions = new Map<string, object>();
  const fills: object[] = [];
  const ledger: object[] = [];
  const lastSeqs = new Map<number, number>();
  const commands = commits.map(({ accountId: account_id, commandId: command_id, digest, seq }) => ({
    account_id,
    command_id,
    digest,
    seq,
  }));

  for (const { accountId, seq, events } of commits) {
    lastSeqs.set(accountId, seq);
    events.forEach(({ event }, ordinal) => {
      const at = { account_id: accountId, seq, ordinal, at: event.timeMicros };
      if (isOrderEvent(event)) {
        touch(orders, accountId, seq, event);
        if (event.type === 'order-filled' || event.type === 'order-partially-filled')
          fills.push({ ...at, ...fillRow(event) });
      } else if (event.type === 'balance-changed') ledger.push({ ...at, ...ledgerRow(event) });
      else if (isPositionEvent(event))
        positions.set(orderKey(accountId, event.positionId), { ...at, ...positionRow(event) });
    });
  }

  const touched = [...orders.values()].filter(({ seqs }) => seqs.length > 0);
  return {
    newOrders: touched.filter(({ row }) => row).map((order) => ({ ...order.row, ...changeRow(order) })),
    changedOrders: touched.filter(({ row }) => !row).map(changeRow),
    fills,
    ledger,
    positions: [...positions.values()],
    commands,
    checkpoints: [...lastSeqs].map(([account_id, seq]) => ({
      account_id,
      seq,
      working_orders: workingOrders(touched, account_id),
    })),
  };
}

/** An order on its way through the commits. `row` only where these commits submitted it. */
interface OrderRow {
  readonly accountId: number;
  readonly orderId: string;
  readonly before: OrderState | undefined;
  state: OrderState;
  row: object | undefined;
  quantity: bigint;
  limitPrice: string | null;
  terms: object;
  progress: Progress;
  filledQuantity: bigint;
  /** Sum of price × quantity over the fills in these commits. */
  filledValue: bigint;
  reason: string | undefined;
  updatedMicros: number;
  readonly seqs: number[];
}

function untouched(known: KnownOrder): OrderRow {
  return {
    ...{
      accountId: known.account_id,
      orderId: known.order_id,
      before: known.state,
      state: known.state,
      row: undefined,
    },
    ...{
      quantity: quantityOf(known.quantity),
      limitPrice: known.limit_price,
      terms: known.terms,
      progress: known.progress,
    },
    ...{
      filledQuantity: quantityOf(known.filled_quantity),
      filledValue: 0n,
      reason: undefined,
      updatedMicros: 0,
      seqs: [],
    },
  };
}

function quantityOf(text: string): bigint {
  const value = parseScaled(text, QUANTITY_SCALE);
  assert(value !== undefined, `a quantity must be decimal text of at most ${QUANTITY_SCALE} digits, was ${text}`);
  return value;
}

type FirstEvent = Extract<OrderEvent, { type: 'order-submitted' | 'order-denied' }>;

function submitted(accountId: number, seq: number, event: FirstEvent): OrderRow {
  return {
    ...{ accountId, orderId: event.orderId, before: undefined, row: termsRow(event, seq) },
    ...{ state: event.type === 'order-submitted' ? 'SUBMITTED' : 'DENIED', quantity: event.quantity },
    ...{ limitPrice: priceText(event.limitPrice), terms: optionalFields(event), progress: {} },
    ...{ filledQuantity: 0n, filledValue: 0n, reason: undefined, updatedMicros: 0, seqs: [] },
  };
}

function touch(orders: Map<string, OrderRow>, accountId: number, seq: number, event: OrderEvent): void {
  const key = orderKey(accountId, event.orderId);
  if (event.type === 'order-submitted' || event.type === 'order-denied')
    orders.set(key, submitted(accountId, seq, event));
  const order = orders.get(key);
  if (!order) {
    assert(event.type === 'order-report-quarantined', `${event.type} of ${event.orderId}, which was never submitted`);
    return;
  }
  if (order.seqs.at(-1) !== seq) order.seqs.push(seq);
  order.updatedMicros = event.timeMicros;
  if (event.type === 'order-submitted' || event.type === 'order-denied' || event.type === 'order-report-quarantined')
    return;
  move(order, event);
  const next = transitions[order.state][event.type.slice('order-'.length) as OrderInput];
  if (next === 'ignored' || next === 'quarantine') return;
  const { quantity, filledQuantity, progress } = order;
  const { isTriggered, cancelRequested, isChanging } = progress;
  order.state =
    next === 'working'
      ? workingState({
          ...{ quantity, filledQuantity },
          ...(isTriggered && { isTriggered }),
          ...(cancelRequested && { cancelRequested }),
          ...(isChanging && { pendingChange: noChange }),
        })
      : next;
}

const noChange = { requestId: '', change: {}, margin: 0n, marginBefore: 0n };

function move(order: OrderRow, event: OrderMove): void {
  switch (event.type) {
    case 'order-rejected':
    case 'order-canceled':
    case 'order-update-rejected':
    case 'order-cancel-rejected':
    case 'order-unknown':
      order.reason = event.reason;
      break;
    case 'order-partially-filled':
    case 'order-filled':
      order.filledQuantity = event.filledQuantity;
      order.filledValue += event.price * event.quantity;
      break;
    case 'order-triggered':
      order.progress = { ...order.progress, isTriggered: true };
      break;
    case 'order-trailed':
      order.terms = { ...order.terms, stopPrice: priceText(event.stopPrice) };
      break;
    case 'order-updated': {
      const { quantity, limitPrice, ...rest } = event.change;
      order.quantity = quantity ?? order.quantity;
      order.limitPrice = limitPrice === undefined ? order.limitPrice : priceText(limitPrice);
      order.terms = { ...order.terms, ...changeObject(rest) };
      break;
    }
    case 'order-pending-cancel':
      order.progress = { ...order.progress, cancelRequested: event.reason ?? 'requested' };
      break;
    case 'order-pending-update':
      order.progress = { ...order.progress, isChanging: true };
      break;
    case 'order-accepted':
    case 'order-expired':
      break;
  }
  if (event.type === 'order-updated' || event.type === 'order-update-rejected') {
    const { isChanging: _answered, ...rest } = order.progress;
    order.progress = rest;
  }
  if (event.type === 'order-cancel-rejected') {
    const { cancelRequested: _answered, ...rest } = order.progress;
    order.progress = rest;
  }
}

function priceText(price: bigint | undefined): string | null {
  return price === undefined ? null : formatScaled(price, PRICE_SCALE);
}

function termsRow(event: FirstEvent, seq: number): object {
  return {
    number: seq,
    client_order_id: event.clientOrderId,
    symbol: event.symbol,
    side: event.side,
    type: event.orderType,
    time_in_force: event.timeInForce,
    source: event.source,
    denial: event.type === 'order-denied' ? event.denial : null,
    submitted_at: event.timeMicros,
  };
}

function changeRow(order: OrderRow): object {
  return {
    account_id: order.accountId,
    order_id: order.orderId,
    state: order.state,
    quantity: formatScaled(order.quantity, QUANTITY_SCALE),
    limit_price: order.limitPrice,
    terms: order.terms,
    progress: order.progress,
    filled_quantity: formatScaled(order.filledQuantity, QUANTITY_SCALE),
    filled_value: formatScaled(order.filledValue, PRICE_SCALE + QUANTITY_SCALE),
    // A broker may say anything; PostgreSQL's text holds all of Unicode but U+0000 and halves of surrogate pairs.
    reason: order.reason?.toWellFormed().replaceAll('\0', '\uFFFD') ?? null,
    updated_at: order.updatedMicros,
    seqs: order.seqs,
  };
}

function fillRow(event: Extract<OrderEvent, { type: 'order-filled' | 'order-partially-filled' }>): object {
  return {
    fill_id: event.fillId,
    order_id: event.orderId,
    symbol: event.symbol,
    side: event.side,
    quantity: formatScaled(event.quantity, QUANTITY_SCALE),
    price: formatScaled(event.price, PRICE_SCALE),
    broker_at: event.brokerTimeMicros,
  };
}

function ledgerRow(event: Extract<AccountEvent, { type: 'balance-changed' }>): object {
  return {
    reason: event.reason,
    amount: formatScaled(event.amount, MONEY_SCALE),
    balance: formatScaled(event.balance, MONEY_SCALE),
    currency: event.currency,
    order_id: event.orderId ?? null,
    fill_id: event.fillId ?? null,
    position_id: event.positionId ?? null,
    quote_amount: event.quoteAmount === undefined ? null : formatScaled(event.quoteAmount, COST_SCALE),
    quote_currency: event.quoteCurrency ?? null,
    conversion_rate: event.conversionRate === undefined ? null : formatScaled(event.conversionRate, RATE_SCALE),
  };
}

function positionRow(event: Extract<AccountEvent, { type: `position-${string}` }>): object {
  return {
    position_id: event.positionId,
    symbol: event.symbol,
    side: event.side,
    state: event.type === 'position-closed' ? 'closed' : 'open',
    quantity: formatScaled(event.quantity, QUANTITY_SCALE),
    cost: formatScaled(event.cost, COST_SCALE),
    average_price: formatScaled(event.averagePrice, PRICE_SCALE),
  };
}

/** By how much the number of working orders of an account has changed. */
function workingOrders(orders: readonly OrderRow[], accountId: number): number {
  let change = 0;
  for (const order of orders) {
    if (order.accountId !== accountId) continue;
    change += Number(isWorking(order.state)) - Number(order.before !== undefined && isWorking(order.before));
  }
  return change;
}

function isOrderEvent(event: AccountEvent): event is OrderEvent {
  return event.type.startsWith('order-');
}

function isPositionEvent(event: AccountEvent): event is PositionEvent {
  return event.type.startsWith('position-');
}

function orderKey(accountId: number, id: string): string {
  return `${accountId}/${id}`;
}
