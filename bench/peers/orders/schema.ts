/** The tables with their accounts, each with a flat position of every instrument. */
import type { Pool } from 'pg';
import { instruments } from './instruments.ts';

const tables = `
create table account (
  id text primary key,
  currency text not null,
  leverage int not null,
  balance numeric(38, 18) not null,
  margin numeric(38, 18) not null default 0
);
create table orders (
  id bigint generated always as identity primary key,
  account_id text not null references account,
  client_order_id text not null,
  symbol text not null,
  side text not null,
  type text not null,
  time_in_force text not null,
  quantity numeric(38, 18) not null,
  state text not null,
  created_at timestamptz not null default now(),
  unique (account_id, client_order_id)
);
create table fill (
  id bigint generated always as identity primary key,
  order_id bigint not null references orders,
  account_id text not null references account,
  quantity numeric(38, 18) not null,
  price numeric(38, 18) not null,
  profit numeric(38, 18) not null,
  filled_at timestamptz not null
);
create table position (
  account_id text not null references account,
  symbol text not null,
  quantity numeric(38, 18) not null,
  average_price numeric(38, 18) not null,
  primary key (account_id, symbol)
);`;

export async function prepareTables(pool: Pool, schema: string, accounts: number): Promise<void> {
  await pool.query(`drop schema if exists ${schema} cascade; create schema ${schema}; ${tables}`);
  await pool.query(
    `insert into account (id, currency, leverage, balance)
     select 'bench-' || n, 'USD', 30, 1000000 from generate_series(1, $1) n`,
    [accounts],
  );
  await pool.query(
    `insert into position (account_id, symbol, quantity, average_price)
     select account.id, symbol, 0, 0 from account, unnest($1::text[]) symbol`,
    [[...instruments.keys()]],
  );
  await pool.query('checkpoint');
}
