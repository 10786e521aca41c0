/** One transaction an order, in two ways. */
import { Decimal } from 'decimal.js';
import pg from 'pg';
import type { Instrument } from './instruments.ts';
import type { Order } from './messages.ts';
import type { Quote } from './quotes.ts';
import { fillOrder, type Account, type Denial, type Fill } from './trade.ts';

export interface Executed {
  readonly isDuplicate: false;
  readonly orderId: string;
  readonly fillId: string;
  readonly fill: Fill;
  readonly filledAt: Date;
}

export interface Duplicate {
  readonly isDuplicate: true;
  readonly orderId: string;
}

export interface Store {
  /** Resolves once the order and its fill are durable. */
  execute(account: string, order: Order, instrument: Instrument, quote: Quote): Promise<Executed | Duplicate | Denial>;
}

interface Writes {
  readonly account: string;
  readonly order: Order;
  readonly fill: Fill;
  readonly filledAt: Date;
}

interface Written {
  readonly orderId: string;
  readonly fillId: string;
}

type Query = (name: string, text: string, values: unknown[]) => Promise<pg.QueryResult>;

export function plainStore(pool: pg.Pool): Store {
  return store(pool, (client) => (_name, text, values) => client.query(text, values), writeEach);
}

export function tunedStore(pool: pg.Pool): Store {
  return store(pool, (client) => (name, text, values) => client.query({ name, text, values }), writeAtOnce);
}

const uniqueViolation = '23505';

function store(
  pool: pg.Pool,
  queryWith: (client: pg.PoolClient) => Query,
  write: (query: Query, writes: Writes) => Promise<Written>,
): Store {
  return {
    async execute(account, order, instrument, quote) {
      const client = await pool.connect();
      const query = queryWith(client);
      try {
        await client.query('begin');
        const state = await readAccount(query, account, order.symbol);
        const fill = state && fillOrder(order, instrument, quote, state);
        if (!fill || 'code' in fill) {
          await client.query('rollback');
          return fill ?? { code: 'NOT_FOUND', figures: { account } };
        }
        const filledAt = new Date();
        const written = await write(query, { account, order, fill, filledAt });
        await client.query('commit');
        return { isDuplicate: false, ...written, fill, filledAt };
      } catch (error) {
        await client.query('rollback');
        if ((error as { code?: string }).code !== uniqueViolation) throw error;
        return await firstResult(query, account, order.clientOrderId);
      } finally {
        client.release();
      }
    },
  };
}

async function readAccount(query: Query, account: string, symbol: string): Promise<Account | undefined> {
  // Both rows are locked: a row that is only joined would be read as it was before the wait for the lock.
  const { rows } = await query(
    'read-account',
    `select a.leverage, a.balance, a.margin, p.quantity, p.average_price
     from account a join position p on p.account_id = a.id and p.symbol = $2
     where a.id = $1 for update`,
    [account, symbol],
  );
  const row = rows[0];
  return (
    row && {
      leverage: row.leverage,
      balance: new Decimal(row.balance),
      margin: new Decimal(row.margin),
      quantity: new Decimal(row.quantity),
      averagePrice: new Decimal(row.average_price),
    }
  );
}

async function firstResult(query: Query, account: string, clientOrderId: string): Promise<Duplicate> {
  const { rows } = await query('first-result', 'select id from orders where account_id = $1 and client_order_id = $2', [
    account,
    clientOrderId,
  ]);
  return { isDuplicate: true, orderId: `o-${rows[0].id}` };
}

async function writeEach(query: Query, { account, order, fill, filledAt }: Writes): Promise<Written> {
  const { after } = fill;
  const inserted = await query(
    'insert-order',
    `insert into orders (account_id, client_order_id, symbol, side, type, time_in_force, quantity, state)
     values ($1, $2, $3, $4, $5, $6, $7, 'FILLED') returning id`,
    [account, order.clientOrderId, order.symbol, order.side, order.type, order.timeInForce, order.quantity],
  );
  const orderId = inserted.rows[0].id as string;
  const filled = await query(
    'insert-fill',
    `insert into fill (order_id, account_id, quantity, price, profit, filled_at)
     values ($1, $2, $3, $4, $5, $6) returning id`,
    [orderId, account, fill.quantity.toFixed(), fill.price.toFixed(), fill.profit.toFixed(), filledAt],
  );
  await query(
    'update-position',
    'update position set quantity = $3, average_price = $4 where account_id = $1 and symbol = $2',
    [account, order.symbol, after.quantity.toFixed(), after.averagePrice.toFixed()],
  );
  await query('update-account', 'update account set balance = $2, margin = $3 where id = $1', [
    account,
    after.balance.toFixed(),
    after.margin.toFixed(),
  ]);
  return { orderId: `o-${orderId}`, fillId: `f-${filled.rows[0].id}` };
}

async function writeAtOnce(query: Query, { account, order, fill, filledAt }: Writes): Promise<Written> {
  const { after } = fill;
  const { rows } = await query(
    'write-order',
    `with inserted as (
       insert into orders (account_id, client_order_id, symbol, side, type, time_in_force, quantity, state)
       values ($1, $2, $3, $4, $5, $6, $7, 'FILLED') returning id
     ), filled as (
       insert into fill (order_id, account_id, quantity, price, profit, filled_at)
       select id, $1, $7, $8, $9, $10 from inserted returning id
     ), positioned as (
       update position set quantity = $11, average_price = $12 where account_id = $1 and symbol = $3
     ), booked as (
       update account set balance = $13, margin = $14 where id = $1
     )
     select inserted.id as order_id, filled.id as fill_id from inserted, filled`,
    [
      account,
      order.clientOrderId,
      order.symbol,
      order.side,
      order.type,
      order.timeInForce,
      order.quantity,
      fill.price.toFixed(),
      fill.profit.toFixed(),
      filledAt,
      after.quantity.toFixed(),
      after.averagePrice.toFixed(),
      after.balance.toFixed(),
      after.margin.toFixed(),
    ],
  );
  return { orderId: `o-${rows[0].order_id}`, fillId: `f-${rows[0].fill_id}` };
}
