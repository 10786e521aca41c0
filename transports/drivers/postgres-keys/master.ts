/** A new master key. May be stopped anywhere and called again: it goes on with the keys that are left. */
import { setTimeout as delay } from 'node:timers/promises';
import { rewrap, type MasterKeys, type WrappedKey } from '../postgres-keys.ts';
import type { Database, Queryable } from '../postgres.ts';
import { dataKeys, defaultBatchRows, personKeys, retryMs, scopes } from './pass.ts';
import type { BatchOptions, KeyEvent, KeyTable } from './pass.ts';

/**
 * Wraps every key that the previous master key wraps by the current one. Every node must have been started with both before.
 * @returns how many keys were wrapped anew
 * @throws UnknownMasterKey some key is wrapped by neither
 */
export async function rotateMaster(
  database: Database,
  masters: MasterKeys,
  options: BatchOptions = {},
): Promise<{ events: readonly KeyEvent[]; rewrapped: number }> {
  let rewrapped = await rewrapTable(database, masters, dataKeys, options);
  for (const tenantId of await scopes(database))
    rewrapped += await rewrapTable(database, masters, personKeys(tenantId), options);
  const details = { masterKeyId: masters.current.id, rewrapped };
  const event = { tenantId: undefined, action: 'rotate:master-key', target: 'master key', details };
  return { events: rewrapped === 0 ? [] : [event], rewrapped };
}

async function rewrapTable(
  database: Database,
  masters: MasterKeys,
  keys: KeyTable,
  options: BatchOptions,
): Promise<number> {
  let rewrapped = 0;
  for (;;) {
    const done = await rewrapPass(database, masters, keys, options);
    rewrapped += done;
    // Keys that others hold are passed over.
    const { rows } = await database.query<{ left: boolean }>(
      `select exists (select from ${keys.table} where wrapped is not null and master_key_id <> $1) as left`,
      [masters.current.id],
    );
    if (!rows[0]!.left) return rewrapped;
    if (done === 0) await delay(retryMs);
  }
}

async function rewrapPass(
  database: Database,
  masters: MasterKeys,
  keys: KeyTable,
  { batchRows = defaultBatchRows, onBatch }: BatchOptions,
): Promise<number> {
  let rewrapped = 0;
  let last: KeyRow | undefined;
  for (;;) {
    const rows = await database.transaction((transaction) => rewrapBatch(transaction, masters, keys, last, batchRows));
    last = rows.at(-1);
    if (!last) return rewrapped;
    rewrapped += rows.length;
    onBatch?.(rows.length);
  }
}

type KeyRow = WrappedKey & { readonly id: number | string };

/** The next ones in the order of their primary key: going by it spares a look at those that are done. */
async function rewrapBatch(
  transaction: Queryable,
  masters: MasterKeys,
  { table, idColumn, idType, ownerOf }: KeyTable,
  after: KeyRow | undefined,
  batchRows: number,
): Promise<readonly KeyRow[]> {
  const { rows } = await transaction.query<KeyRow>(
    `select ${idColumn} as id, version, wrapped from ${table} where wrapped is not null and master_key_id <> $1
       ${after ? `and (${idColumn}, version) > ($3, $4)` : ''}
     order by ${idColumn}, version limit $2 for update skip locked`,
    [masters.current.id, batchRows, ...(after ? [after.id, after.version] : [])],
  );
  if (rows.length === 0) return rows;
  await transaction.query(
    `update ${table} k set wrapped = new.wrapped, master_key_id = $1
     from unnest($2::${idType}[], $3::int[], $4::bytea[]) as new (id, version, wrapped)
     where k.${idColumn} = new.id and k.version = new.version`,
    [
      masters.current.id,
      rows.map(({ id }) => id),
      rows.map(({ version }) => version),
      rows.map((row) => rewrap(masters, ownerOf(row.id), row)),
    ],
  );
  return rows;
}
