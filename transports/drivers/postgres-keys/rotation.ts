/**
 * New data keys for old. May be stopped anywhere and called again: it goes on with what is left, and what is done is not done
 * twice. Values stay readable and writable meanwhile.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { EncryptionError, seal, Shredded, unseal, type Place } from '../../envelope.ts';
import { addKeyVersion, keyToEncrypt, readKeys, schemaOf, UnknownMasterKey } from '../postgres-keys.ts';
import type { KeyOwner, KeyRing, MasterKeys } from '../postgres-keys.ts';
import type { Database, Queryable } from '../postgres.ts';
import { behind, countBehind, placeIn, type EncryptedColumn } from './column.ts';
import { defaultBatchRows, eventOf, personKeys, retryMs, type BatchOptions, type KeyEvent } from './pass.ts';

export interface Rotation {
  readonly events: readonly KeyEvent[];
  /** Whether it went on with one that had not come to its end. */
  readonly isResumed: boolean;
  readonly reencrypted: number;
  /** Values that no key opens; they are left as they are. */
  readonly unreadable: number;
}

/**
 * Gives a tenant and all its people, or one person, a new version of their keys, and encrypts everything with it.
 * Where the one before has not come to its end, that one is finished instead.
 *
 * @param columns all that hold values of the owner
 * @throws Shredded, UnknownMasterKey
 */
export async function rotateKeys(
  database: Database,
  masters: MasterKeys,
  owner: KeyOwner,
  columns: readonly EncryptedColumn[],
  options: BatchOptions = {},
): Promise<Rotation> {
  const ours = columns.filter(({ subjectColumn }) => owner.subjectId === undefined || subjectColumn !== undefined);
  const before = await finish(database, masters, owner, ours, options);
  if (before.people + before.reencrypted > 0) return rotation(owner, undefined, before);
  const version = await database.transaction((transaction) => nextVersion(transaction, masters, owner));
  if (version === undefined) return { events: [], isResumed: false, reencrypted: 0, unreadable: 0 };
  return rotation(owner, version, await finish(database, masters, owner, ours, options));
}

interface Done {
  /** Who got a new key. */
  readonly people: number;
  readonly reencrypted: number;
  readonly unreadable: number;
}

function rotation(owner: KeyOwner, version: number | undefined, { reencrypted, unreadable }: Done): Rotation {
  const isResumed = version === undefined;
  const done = eventOf(owner, 'reencrypt:values', { reencrypted, unreadable, isResumed });
  const events = isResumed ? [done] : [eventOf(owner, 'rotate:data-key', { version }), done];
  return { events, isResumed, reencrypted, unreadable };
}

/** Whatever is behind: people whose keys are older than their tenant's, then values whose keys are not the newest. */
async function finish(
  database: Database,
  masters: MasterKeys,
  owner: KeyOwner,
  columns: readonly EncryptedColumn[],
  options: BatchOptions,
): Promise<Done> {
  const people = owner.subjectId === undefined ? await rotatePeople(database, masters, owner.tenantId, options) : 0;
  let reencrypted = 0;
  let unreadable = 0;
  for (const column of columns) {
    const done = await reencrypt(database, masters, owner, column, options);
    reencrypted += done.reencrypted;
    unreadable += done.unreadable;
  }
  return { people, reencrypted, unreadable };
}

async function nextVersion(transaction: Queryable, masters: MasterKeys, owner: KeyOwner): Promise<number | undefined> {
  const version = await addKeyVersion(transaction, masters, owner);
  if (version !== undefined || owner.subjectId !== undefined) return version;
  return (await keyToEncrypt(transaction, masters, owner)).version;
}

/** In the order of their ids, from the one behind `after`. */
async function peopleDue(
  queryable: Queryable,
  tenantId: number,
  after: string,
  limit: number,
): Promise<readonly string[]> {
  const { rows } = await queryable.query<{ subject_id: string }>(
    `select subject_id from ${personKeys(tenantId).table} where subject_id > $2 group by subject_id
     having bool_and(wrapped is not null)
       and max(generation) < (select max(version) from platform.data_key where tenant_id = $1) order by 1 limit $3`,
    [tenantId, after, limit],
  );
  return rows.map(({ subject_id }) => subject_id);
}

async function rotatePeople(
  database: Database,
  masters: MasterKeys,
  tenantId: number,
  { batchRows = defaultBatchRows, onBatch }: BatchOptions,
): Promise<number> {
  let people = 0;
  let after = '';
  for (;;) {
    const due = await peopleDue(database, tenantId, after, batchRows);
    if (due.length === 0 && after === '') return people;
    // Once more from the beginning: somebody may have come in before the place this pass was at.
    after = due.at(-1) ?? '';
    if (due.length === 0) continue;
    await database.transaction(async (transaction) => {
      for (const subjectId of due)
        await addKeyVersion(transaction, masters, { tenantId, subjectId }).catch(unlessShredded);
    });
    people += due.length;
    onBatch?.(due.length);
  }
}

async function reencrypt(
  database: Database,
  masters: MasterKeys,
  owner: KeyOwner,
  column: EncryptedColumn,
  options: BatchOptions,
): Promise<{ reencrypted: number; unreadable: number }> {
  let reencrypted = 0;
  for (;;) {
    const pass = await reencryptPass(database, masters, owner, column, options);
    reencrypted += pass.reencrypted;
    // Rows that others hold are passed over, and rows that others write may be written with the key before.
    const left = await countBehind(database, owner, [column]);
    if (left <= pass.unreadable) return { reencrypted, unreadable: left };
    if (pass.reencrypted === 0) await delay(retryMs);
  }
}

async function reencryptPass(
  database: Database,
  masters: MasterKeys,
  owner: KeyOwner,
  column: EncryptedColumn,
  { batchRows = defaultBatchRows, onBatch }: BatchOptions,
): Promise<{ reencrypted: number; unreadable: number }> {
  let after: readonly unknown[] | undefined;
  let reencrypted = 0;
  let unreadable = 0;
  for (;;) {
    const batch = await database.transaction((transaction) =>
      reencryptBatch(transaction, masters, owner, column, after, batchRows),
    );
    if (!batch.last) return { reencrypted, unreadable };
    after = batch.last;
    reencrypted += batch.reencrypted;
    unreadable += batch.unreadable;
    onBatch?.(batch.reencrypted);
  }
}

async function reencryptBatch(
  transaction: Queryable,
  masters: MasterKeys,
  owner: KeyOwner,
  column: EncryptedColumn,
  after: readonly unknown[] | undefined,
  batchRows: number,
): Promise<{ last?: readonly unknown[]; reencrypted: number; unreadable: number }> {
  const { tenantId } = owner;
  const { keyColumns, subjectColumn } = column;
  const names = keyColumns.map((name) => `r.${name}`);
  const cursor = after ? `and (${names.join()}) > (${after.map((_, index) => `$${index + 3}`).join()})` : '';
  const { rows } = await transaction.query<Record<string, unknown> & { sealed: Buffer }>(
    `select ${names.join()}, r.${column.column} as sealed from ${behind(owner, column)} ${cursor}
     order by ${names.join()} limit $2 for update of r skip locked`,
    [owner.subjectId ?? null, batchRows, ...(after ?? [])],
  );
  const rings = new Map<unknown, KeyRing>();
  let reencrypted = 0;
  for (const row of rows) {
    const subjectId = subjectColumn === undefined ? undefined : String(row[subjectColumn]);
    const ring = rings.get(subjectId) ?? (await readKeys(transaction, masters, { tenantId, subjectId }));
    rings.set(subjectId, ring);
    const key = keyColumns.map((name) => row[name]);
    const sealed = resealed(ring, placeIn(column, tenantId, key), row.sealed);
    if (!sealed) continue;
    const where = keyColumns.map((name, index) => `${name} = $${index + 2}`).join(' and ');
    const table = `${schemaOf(tenantId)}.${column.table}`;
    await transaction.query(`update ${table} set ${column.column} = $1 where ${where}`, [sealed, ...key]);
    reencrypted += 1;
  }
  const last = rows.at(-1);
  return {
    reencrypted,
    unreadable: rows.length - reencrypted,
    ...(last && { last: keyColumns.map((name) => last[name]) }),
  };
}

/** Undefined where no key opens it, or its keys have just been destroyed. A missing master key is not the value's fault. */
function resealed({ newest, keyOf }: KeyRing, place: Place, sealed: Buffer): Buffer | undefined {
  try {
    const value = unseal(keyOf, place, sealed);
    const again = seal({ version: newest, key: keyOf(newest)! }, place, value);
    value.fill(0);
    return again;
  } catch (error) {
    if (error instanceof EncryptionError && !(error instanceof UnknownMasterKey)) return undefined;
    throw error;
  }
}

/** Whoever is forgotten meanwhile holds up nobody: no statement has failed, so the transaction goes on. */
function unlessShredded(error: unknown): void {
  if (!(error instanceof Shredded)) throw error;
}
