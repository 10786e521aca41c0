/** Writes the read models: whole batches of commits in one transaction, one statement a table, each commit once. */
import assert from 'node:assert';
import type { JournalledCommit } from '../../actors/trading/events.ts';
import { tenantSchema } from './migration-files.ts';
import { momentOf, type Database, type Queryable } from './postgres.ts';
import { asTenant } from './roles.ts';
import { ordersToLookUp, projectionRows, type KnownOrder } from './projection-rows.ts';

/**
 * Writes what the commits say, with the accounts' checkpoints. What a checkpoint covers already is left out, so a batch whose
 * outcome was not learnt may be applied again.
 *
 * @param commits of any accounts, each account's in order of seq
 * @throws an assertion when a commit does not follow its account's checkpoint: what is left out now would be missing for ever
 */
export async function applyCommits(database: Database, commits: readonly JournalledCommit[]): Promise<void> {
  if (commits.length === 0) return;
  await database.transaction(async (transaction) => {
    // All of this follows from the journal and its checkpoint stands beside it: what a power cut takes is applied again.
    // So the disk is left to the journal's own commits.
    await transaction.query('set local synchronous_commit = off');
    for (const [tenantId, ofTenant] of Map.groupBy(commits, (commit) => commit.tenantId)) {
      await applyToTenant(transaction, tenantSchema(tenantId), ofTenant);
    }
  });
}

/** The last seq of each account that the read models hold. */
export async function checkpoints(database: Database, tenantId: number): Promise<ReadonlyMap<number, number>> {
  const text = `select account_id, seq from ${tenantSchema(tenantId)}.checkpoint`;
  const { rows } = await asTenant(database, tenantId, (transaction) =>
    transaction.query<{ account_id: number; seq: number }>(text),
  );
  return new Map(rows.map(({ account_id, seq }) => [account_id, seq]));
}

/** Accounts with working orders or open positions: those that must run although nobody asks for them. */
export async function accountsToStart(database: Database, tenantId: number): Promise<readonly number[]> {
  const schema = tenantSchema(tenantId);
  const text = `select account_id from ${schema}.checkpoint where working_orders > 0
    union select account_id from ${schema}.position where state = 'open' order by account_id`;
  const { rows } = await asTenant(database, tenantId, (transaction) => transaction.query<{ account_id: number }>(text));
  return rows.map(({ account_id }) => account_id);
}

/** The same within a transaction, for commits of one tenant. */
export async function applyToTenant(
  transaction: Queryable,
  schema: string,
  given: readonly JournalledCommit[],
): Promise<void> {
  const commits = await dropProjected(transaction, schema, given);
  if (commits.length === 0) return;
  const rows = projectionRows(commits, await lookUp(transaction, schema, ordersToLookUp(commits)));
  const write = async (table: object[], text: string): Promise<void> => {
    if (table.length > 0) await transaction.query(text, [JSON.stringify(table)]);
  };
  await write(rows.newOrders, insertOrders(schema));
  await write(rows.changedOrders, changeOrders(schema));
  await write(rows.fills, insertFills(schema));
  await write(rows.ledger, insertLedger(schema));
  await write(rows.positions, putPositions(schema));
  await write(rows.commands, insertCommands(schema));
  await write(rows.checkpoints, putCheckpoints(schema));
}

async function dropProjected(
  transaction: Queryable,
  schema: string,
  commits: readonly JournalledCommit[],
): Promise<readonly JournalledCommit[]> {
  const { rows } = await transaction.query<{ account_id: number; seq: number }>(
    `select account_id, seq from ${schema}.checkpoint where account_id = any ($1) order by account_id for update`,
    [[...new Set(commits.map(({ accountId }) => accountId))]],
  );
  const projected = new Map(rows.map(({ account_id, seq }) => [account_id, seq]));
  return commits.filter(({ accountId, seq }) => {
    const last = projected.get(accountId) ?? 0;
    if (seq <= last) return false;
    assert(seq === last + 1, `seq ${seq} of account ${accountId} must follow the projected ${last}`);
    projected.set(accountId, seq);
    return true;
  });
}

async function lookUp(
  transaction: Queryable,
  schema: string,
  wanted: readonly Pick<KnownOrder, 'account_id' | 'order_id'>[],
): Promise<readonly KnownOrder[]> {
  if (wanted.length === 0) return [];
  const { rows } = await transaction.query<KnownOrder>(
    `select o.account_id, o.order_id, o.state, trim_scale(o.quantity)::text as quantity, trim_scale(o.filled_quantity)::text as filled_quantity,
       trim_scale(o.limit_price)::text as limit_price, o.terms, o.progress
     from ${schema}."order" o
     join json_to_recordset($1) as r (account_id bigint, order_id text) using (account_id, order_id)`,
    [JSON.stringify(wanted)],
  );
  return rows;
}

const orderColumns = `account_id bigint, order_id text, state text, quantity numeric, limit_price numeric, terms jsonb, progress jsonb,
  filled_quantity numeric, filled_value numeric, reason text, updated_at bigint, seqs bigint[]`;

const insertOrders = (schema: string): string => `
insert into ${schema}."order" (account_id, order_id, number, client_order_id, symbol, side, type, quantity, limit_price, time_in_force,
  source, terms, progress, state, filled_quantity, filled_value, denial, reason, submitted_at, updated_at, seqs)
select r.account_id, r.order_id, r.number, r.client_order_id, r.symbol, r.side, r.type, r.quantity, r.limit_price, r.time_in_force,
  r.source, r.terms, r.progress, r.state, r.filled_quantity, r.filled_value, r.denial, r.reason, ${momentOf('r.submitted_at')}, ${momentOf('r.updated_at')}, r.seqs
from json_to_recordset($1) as r (${orderColumns}, number bigint, client_order_id text, symbol text, side text, type text,
  time_in_force text, source text, denial jsonb, submitted_at bigint)`;

const changeOrders = (schema: string): string => `
update ${schema}."order" o
set state = r.state, quantity = r.quantity, limit_price = r.limit_price, terms = r.terms, progress = r.progress,
  filled_quantity = r.filled_quantity, filled_value = o.filled_value + r.filled_value,
  reason = coalesce(r.reason, o.reason), updated_at = ${momentOf('r.updated_at')}, seqs = o.seqs || r.seqs
from json_to_recordset($1) as r (${orderColumns})
where o.account_id = r.account_id and o.order_id = r.order_id`;

const insertFills = (schema: string): string => `
insert into ${schema}.fill (account_id, seq, ordinal, fill_id, order_id, symbol, side, quantity, price, at, broker_at)
select r.account_id, r.seq, r.ordinal, r.fill_id, r.order_id, r.symbol, r.side, r.quantity, r.price, ${momentOf('r.at')}, ${momentOf('r.broker_at')}
from json_to_recordset($1) as r (account_id bigint, seq bigint, ordinal int, fill_id text, order_id text, symbol text, side text,
  quantity numeric, price numeric, at bigint, broker_at bigint)`;

const insertLedger = (schema: string): string => `
insert into ${schema}.ledger (account_id, seq, ordinal, reason, amount, balance, currency, order_id, fill_id, position_id, quote_amount,
  quote_currency, conversion_rate, at)
select r.account_id, r.seq, r.ordinal, r.reason, r.amount, r.balance, r.currency, r.order_id, r.fill_id, r.position_id, r.quote_amount,
  r.quote_currency, r.conversion_rate, ${momentOf('r.at')}
from json_to_recordset($1) as r (account_id bigint, seq bigint, ordinal int, reason text, amount numeric, balance numeric, currency text,
  order_id text, fill_id text, position_id text, quote_amount numeric, quote_currency text,
  conversion_rate numeric, at bigint)`;

const putPositions = (schema: string): string => `
insert into ${schema}.position (account_id, position_id, symbol, side, state, quantity, cost, average_price, updated_at, seq)
select r.account_id, r.position_id, r.symbol, r.side, r.state, r.quantity, r.cost, r.average_price, ${momentOf('r.at')}, r.seq
from json_to_recordset($1) as r (account_id bigint, position_id text, symbol text, side text, state text, quantity numeric, cost numeric,
  average_price numeric, at bigint, seq bigint)
on conflict (account_id, position_id) do update
set symbol = excluded.symbol, side = excluded.side, state = excluded.state, quantity = excluded.quantity, cost = excluded.cost,
  average_price = excluded.average_price, updated_at = excluded.updated_at, seq = excluded.seq`;

// The first outcome of a command id is the one that counts.
const insertCommands = (schema: string): string => `
insert into ${schema}.command (account_id, command_id, digest, seq)
select r.account_id, r.command_id, decode(r.digest, 'hex'), r.seq
from json_to_recordset($1) as r (account_id bigint, command_id text, digest text, seq bigint)
on conflict do nothing`;

const putCheckpoints = (schema: string): string => `
insert into ${schema}.checkpoint as c (account_id, seq, working_orders)
select r.account_id, r.seq, r.working_orders
from json_to_recordset($1) as r (account_id bigint, seq bigint, working_orders int)
on conflict (account_id) do update
set seq = greatest(c.seq, excluded.seq), working_orders = c.working_orders + excluded.working_orders`;
