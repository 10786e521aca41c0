/** Destroying keys, so that what they have encrypted is gone. Called again it changes nothing. */
import { keysOf, schemaOf, type KeyOwner } from '../postgres-keys.ts';
import type { Database, Queryable } from '../postgres.ts';
import { eventOf, personKeys, type KeyEvent } from './pass.ts';

/**
 * Destroys the keys of a tenant and all its people, or of one person: what they have encrypted can never be read again.
 * Nothing new is encrypted for them either. When it returns, the destruction is durable.
 */
export async function shred(
  database: Database,
  owner: KeyOwner,
): Promise<{ events: readonly KeyEvent[]; destroyed: number }> {
  const { tenantId, subjectId } = owner;
  const destroyed = await database.transaction(async (transaction) => {
    await transaction.query('set local synchronous_commit = on');
    const ofOwner = await destroy(transaction, owner);
    return subjectId === undefined ? ofOwner + (await destroyPeople(transaction, tenantId)) : ofOwner;
  });
  // The rows as they were before are still in the files of the tables; this takes them out.
  for (const table of new Set([keysOf(owner).table, `${schemaOf(tenantId)}.person_key`]))
    await database.query(`vacuum ${table}`);
  const log = subjectId === undefined ? undefined : tenantId || undefined;
  const event = { ...eventOf(owner, 'shred:data-key', { destroyed }), tenantId: log };
  return { events: destroyed === 0 ? [] : [event], destroyed };
}

/** The keys of one owner; where there is none, a mark that there never will be. */
async function destroy(transaction: Queryable, owner: KeyOwner): Promise<number> {
  const { table, where, values } = keysOf(owner);
  await (owner.subjectId === undefined
    ? transaction.query(
        `insert into ${table} (tenant_id, version, shredded_at) values ($1, 1, clock_timestamp()) on conflict do nothing`,
        values,
      )
    : transaction.query(
        `insert into ${table} (subject_id, version, generation, shredded_at) values ($1, 1, 0, clock_timestamp())
         on conflict do nothing`,
        values,
      ));
  // Waits for whoever is using a key or making the next version; the statement after this one sees what they have done.
  await transaction.query(`select from ${table} where ${where} order by version desc for update`, values);
  return wipe(transaction, table, where, values);
}

/** Nobody can make a new one meanwhile: that takes the tenant's key, which is locked and gone. */
async function destroyPeople(transaction: Queryable, tenantId: number): Promise<number> {
  return wipe(transaction, personKeys(tenantId).table, 'true', []);
}

async function wipe(transaction: Queryable, table: string, where: string, values: unknown[]): Promise<number> {
  const { rowCount } = await transaction.query(
    `update ${table} set wrapped = null, master_key_id = null, shredded_at = clock_timestamp()
     where ${where} and wrapped is not null`,
    values,
  );
  return rowCount;
}
