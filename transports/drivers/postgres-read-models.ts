/** Reads of the tenants' read models, as the API shows them: decimal text, RFC 3339 times, newest first. */
import type { AccountReply } from '../../actors/trading/commands.ts';
import { formatPrice, formatQuantity, type Instrument } from '../../actors/trading/instrument.ts';
import { postingsOf, type BalanceChange } from '../../actors/trading/ledger.ts';
import {
  COST_SCALE,
  formatMoney,
  formatScaled,
  MONEY_SCALE,
  parseScaled,
  PRICE_SCALE,
  QUANTITY_SCALE,
} from '../../actors/trading/money.ts';
import { formatTime } from '../../actors/trading/time.ts';
import type { EntityKey } from '../../runtime/journal.ts';
import { tenantSchema } from './migration-files.ts';
import { pageOf, readCursor, type Page } from './page.ts';
import { momentOf, type Database, type QueryResult } from './postgres.ts';
import { asTenant } from './roles.ts';

export interface AccountIds {
  readonly tenantId: number;
  readonly accountId: number;
}

export interface PageQuery extends AccountIds {
  /** 1 or more. */
  readonly limit: number;
  /** As a page before gave it. */
  readonly cursor?: string;
}

/** When it was booked: from, and up to without; microseconds since the epoch. */
export interface TimeRange {
  readonly fromMicros?: number;
  readonly toMicros?: number;
}

/** Says how many zeros an instrument's prices and quantities end in; without it there are none. */
export type FindInstrument = (symbol: string) => Instrument | undefined;

/** @throws InvalidCursor, DatabaseUnavailable */
export async function listOrders(
  database: Database,
  query: PageQuery & { readonly state?: string },
  find: FindInstrument = () => undefined,
): Promise<Page> {
  const { tenantId, accountId, state, limit } = query;
  const before = readCursor(query.cursor, 'o');
  const { rows } = await readAs<OrderRow>(
    database,
    tenantId,
    `select ${orderColumns} from ${tenantSchema(tenantId)}."order"
     where account_id = $1 and ($2::text is null or state = $2) and (number, order_id) < ($3, $4)
     order by number desc, order_id desc limit $5`,
    [accountId, state ?? null, before[0] ?? lastNumber, before[1] ?? '', limit + 1],
  );
  return pageOf(
    rows,
    limit,
    (row) => orderJson(row, find),
    (row) => ['o', row.number, row.order_id],
  );
}

/** An order with all its events, oldest first, each as it was told when it happened. */
export async function getOrder(
  database: Database,
  { tenantId, accountId, orderId }: AccountIds & { readonly orderId: string },
  find: FindInstrument = () => undefined,
): Promise<object | undefined> {
  const schema = tenantSchema(tenantId);
  const found = await asTenant(database, tenantId, async (transaction) => {
    const { rows } = await transaction.query<OrderRow & { seqs: number[] }>(
      `select ${orderColumns}, seqs from ${schema}."order" where account_id = $1 and order_id = $2`,
      [accountId, orderId],
    );
    const order = rows[0];
    if (!order) return undefined;
    const journal = await transaction.query<{ payload: string }>(
      `select payload from ${schema}.journal where tenant_id = $1 and account_id = $2 and seq = any ($3) order by seq`,
      [tenantId, accountId, order.seqs],
    );
    return { order, journal };
  });
  if (!found) return undefined;
  const { order, journal } = found;
  return { ...orderJson(order, find), events: journal.rows.flatMap(({ payload }) => eventsOf(payload, orderId)) };
}

interface JournalledRow {
  readonly command: { readonly report?: object };
  readonly events: readonly { readonly type: string; readonly orderId?: string; readonly report?: string }[];
  readonly traceId: string | null;
}

/** What a row has of an order, with the request that it came from; of a report that was kept without effect all that it said. */
function eventsOf(payload: string, orderId: string): object[] {
  const { command, events, traceId } = JSON.parse(payload) as JournalledRow;
  return events
    .filter((event) => event.orderId === orderId && event.type.startsWith('order-'))
    .map((event) => ({
      ...event,
      ...(event.type === 'order-report-quarantined' && command.report ? { said: command.report } : {}),
      ...(traceId === null ? {} : { traceId }),
    }));
}

/** @throws InvalidCursor, DatabaseUnavailable */
export async function listFills(
  database: Database,
  query: PageQuery & TimeRange,
  find: FindInstrument = () => undefined,
): Promise<Page> {
  const columns = `fill_id, order_id, symbol, side, ${amount('quantity')}, ${amount('price')}, ${micros('at')}, ${micros('broker_at')}`;
  const rows = await rowsBySeq<FillRow>(database, query, 'fill', columns);
  const json = (row: FillRow): object => ({
    fillId: row.fill_id,
    orderId: row.order_id,
    symbol: row.symbol,
    side: row.side,
    quantity: quantityText(row.quantity, find(row.symbol)),
    price: priceText(row.price, find(row.symbol)),
    time: formatTime(row.at),
    brokerTime: formatTime(row.broker_at),
  });
  return pageOf(rows, query.limit, json, (row) => ['s', row.seq, row.ordinal]);
}

/** Changes of the balance. @throws InvalidCursor, DatabaseUnavailable */
export async function listLedger(database: Database, query: PageQuery & TimeRange): Promise<Page> {
  const columns = `reason, ${amount('amount')}, ${amount('balance')}, currency, order_id, fill_id, position_id, ${amount('quote_amount')},
    quote_currency, ${amount('conversion_rate')}, ${micros('at')}`;
  const rows = await rowsBySeq<LedgerRow>(database, query, 'ledger', columns);
  const json = (row: LedgerRow): object => ({
    reason: row.reason,
    amount: moneyText(row.amount, row.currency),
    balance: moneyText(row.balance, row.currency),
    currency: row.currency,
    ...present({
      orderId: row.order_id,
      fillId: row.fill_id,
      positionId: row.position_id,
      quoteAmount: row.quote_amount,
      quoteCurrency: row.quote_currency,
      conversionRate: row.conversion_rate,
    }),
    postings: postingsOf(changeOf(row)).map((posting) => ({
      ...{ account: posting.account, currency: posting.currency, amount: formatScaled(posting.amount, COST_SCALE) },
    })),
    time: formatTime(row.at),
  });
  return pageOf(rows, query.limit, json, (row) => ['s', row.seq, row.ordinal]);
}

function changeOf({ reason, amount: booked, currency, quote_amount, quote_currency }: LedgerRow): BalanceChange {
  return {
    ...{ reason: reason as BalanceChange['reason'], amount: parseScaled(booked, MONEY_SCALE)!, currency },
    ...(quote_amount === null ? {} : { quoteAmount: parseScaled(quote_amount, COST_SCALE)! }),
    ...(quote_currency === null ? {} : { quoteCurrency: quote_currency }),
  };
}

/** What became of a command, however long ago; undefined where the read models hold none with this id. */
export async function findCommand(
  database: Database,
  key: EntityKey,
  commandId: string,
): Promise<{ digest: string; seq: number; reply: AccountReply } | undefined> {
  const schema = tenantSchema(key.tenantId);
  const { rows } = await readAs<{ digest: string; seq: number; payload: string }>(
    database,
    key.tenantId,
    `select encode(c.digest, 'hex') as digest, c.seq, j.payload from ${schema}.command c
     join ${schema}.journal j on j.tenant_id = $1 and j.account_id = c.account_id and j.seq = c.seq
     where c.account_id = $2 and c.command_id = $3`,
    [key.tenantId, key.entityId, commandId],
  );
  const found = rows[0];
  if (!found) return undefined;
  const { reply } = JSON.parse(found.payload) as { reply: AccountReply };
  return { digest: found.digest, seq: found.seq, reply };
}

/** Keeps an AI decision; saved again it is replaced. */
export async function saveSignal(
  database: Database,
  tenantId: number,
  signal: { readonly signalId: string; readonly timeMicros: number; readonly body: object },
): Promise<void> {
  await database.query(
    `insert into ${tenantSchema(tenantId)}.signal (signal_id, created_at, body)
     values ($1, ${momentOf('$2')}, $3)
     on conflict (signal_id) do update set body = excluded.body`,
    [signal.signalId, signal.timeMicros, JSON.stringify(signal.body, storable)],
  );
}

/** A model may say anything; PostgreSQL's jsonb holds all of Unicode but U+0000 and halves of surrogate pairs. */
function storable(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? value.toWellFormed().replaceAll('\0', '\uFFFD') : value;
}

export async function getSignal(database: Database, tenantId: number, signalId: string): Promise<object | undefined> {
  const text = `select body from ${tenantSchema(tenantId)}.signal where signal_id = $1`;
  const { rows } = await readAs<{ body: object }>(database, tenantId, text, [signalId]);
  return rows[0]?.body;
}

interface OrderRow {
  readonly order_id: string;
  readonly number: number;
  readonly client_order_id: string;
  readonly symbol: string;
  readonly side: string;
  readonly type: string;
  readonly quantity: string;
  readonly limit_price: string | null;
  readonly time_in_force: string;
  readonly source: string;
  /** As the API shows them, without the zeros that an instrument's prices end in. */
  readonly terms: Readonly<Record<string, unknown>>;
  readonly state: string;
  readonly filled_quantity: string;
  readonly average_fill_price: string | null;
  readonly denial: object | null;
  readonly reason: string | null;
  readonly submitted_at: number;
  readonly updated_at: number;
}

interface BySeq {
  readonly seq: number;
  readonly ordinal: number;
  readonly at: number;
}

interface FillRow extends BySeq {
  readonly fill_id: string;
  readonly order_id: string;
  readonly symbol: string;
  readonly side: string;
  readonly quantity: string;
  readonly price: string;
  readonly broker_at: number;
}

interface LedgerRow extends BySeq {
  readonly reason: string;
  readonly amount: string;
  readonly balance: string;
  readonly currency: string;
  readonly order_id: string | null;
  readonly fill_id: string | null;
  readonly position_id: string | null;
  readonly quote_amount: string | null;
  readonly quote_currency: string | null;
  readonly conversion_rate: string | null;
}

const lastNumber = Number.MAX_SAFE_INTEGER;

const orderColumns = `order_id, number, client_order_id, symbol, side, type, ${amount('quantity')}, ${amount('limit_price')},
  time_in_force, source, terms, state, ${amount('filled_quantity')}, ${amount('average_fill_price')}, denial, reason,
  ${micros('submitted_at')}, ${micros('updated_at')}`;

function amount(column: string): string {
  return `trim_scale(${column})::text as ${column}`;
}

function micros(column: string): string {
  return `(extract(epoch from ${column}) * 1000000)::bigint as ${column}`;
}

async function rowsBySeq<Row extends BySeq>(
  database: Database,
  query: PageQuery & TimeRange,
  table: string,
  columns: string,
): Promise<readonly Row[]> {
  const before = readCursor(query.cursor, 's');
  const { rows } = await readAs<Row>(
    database,
    query.tenantId,
    `select seq, ordinal, ${columns} from ${tenantSchema(query.tenantId)}.${table}
     where account_id = $1 and (seq, ordinal) < ($2, $3) and ($5::bigint is null or at >= ${momentOf('$5')})
       and ($6::bigint is null or at < ${momentOf('$6')}) order by seq desc, ordinal desc limit $4`,
    [
      ...[query.accountId, before[0] ?? lastNumber, before[1] ?? 0, query.limit + 1],
      ...[query.fromMicros ?? null, query.toMicros ?? null],
    ],
  );
  return rows;
}

function readAs<Row extends object>(
  database: Database,
  tenantId: number,
  text: string,
  values: readonly unknown[],
): Promise<QueryResult<Row>> {
  return asTenant(database, tenantId, (transaction) => transaction.query<Row>(text, values));
}

function orderJson(row: OrderRow, find: FindInstrument): object {
  const instrument = find(row.symbol);
  const price = (text: string | null): string | null => (text === null ? null : priceText(text, instrument));
  return {
    orderId: row.order_id,
    clientOrderId: row.client_order_id,
    symbol: row.symbol,
    side: row.side,
    type: row.type,
    quantity: quantityText(row.quantity, instrument),
    filledQuantity: quantityText(row.filled_quantity, instrument),
    ...present({ limitPrice: price(row.limit_price), averageFillPrice: price(row.average_fill_price) }),
    timeInForce: row.time_in_force,
    source: row.source,
    ...termsView(row.terms, instrument),
    state: row.state,
    ...present({ denial: row.denial, reason: row.reason }),
    submittedAt: formatTime(row.submitted_at),
    updatedAt: formatTime(row.updated_at),
  };
}

function termsView(terms: Readonly<Record<string, unknown>>, instrument: Instrument | undefined): object {
  const names = ['stopPrice', 'trailBy', 'stopLoss', 'takeProfit'];
  return Object.fromEntries(
    Object.entries(terms).map(([name, value]) => [
      name,
      names.includes(name) ? priceText(String(value), instrument) : value,
    ]),
  );
}

/** Scaled by 10^8 all of them; a text with more digits than that is not ours and is shown as it is. */
function priceText(text: string, instrument: Instrument | undefined): string {
  const value = parseScaled(text, PRICE_SCALE);
  return value === undefined ? text : formatPrice(instrument, value);
}

function quantityText(text: string, instrument: Instrument | undefined): string {
  const value = parseScaled(text, QUANTITY_SCALE);
  return value === undefined ? text : formatQuantity(instrument, value);
}

function moneyText(text: string, currency: string): string {
  const value = parseScaled(text, MONEY_SCALE);
  return value === undefined ? text : formatMoney(value, currency);
}

/** The fields that have a value. */
function present(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
