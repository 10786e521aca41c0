/**
 * The keys of tenants and of people, wrapped by the master key. None is kept in memory beyond the call that needs it, so that
 * one that was destroyed opens nothing from that commit on, in whichever process.
 */
import { EncryptionError, EncryptionKey, keyIdOf, Shredded, unwrapKey, wrapKey } from '../envelope.ts';
import type { Place, VersionedKey } from '../envelope.ts';
import { tenantSchema } from './migration-files.ts';
import type { Queryable } from './postgres.ts';

/** The key that wraps, and the one before it as long as something is still wrapped by that. */
export interface MasterKeys {
  readonly current: EncryptionKey;
  readonly previous?: EncryptionKey | undefined;
}

/** A tenant, or one of its people. */
export interface KeyOwner {
  /** Zero: the platform itself, whose people are its staff. */
  readonly tenantId: number;
  readonly subjectId?: string | undefined;
}

/** Keys are wrapped by a master key that this process was not given. */
export class UnknownMasterKey extends EncryptionError {
  constructor(id: string, { current, previous }: MasterKeys) {
    const given = [current, previous].flatMap((key) => key?.id ?? []).join(' and ');
    super(`a key is wrapped by the master key ${id}, which must be MASTER_KEY or MASTER_KEY_PREVIOUS; given: ${given}`);
  }
}

/** The keys of one owner, of all versions. */
export interface KeyRing {
  /** Zero where there is none yet. */
  readonly newest: number;
  /** @throws Shredded, UnknownMasterKey, or what `unseal` throws for a wrapped key that was tampered with */
  readonly keyOf: (version: number) => EncryptionKey | undefined;
}

export function schemaOf(tenantId: number): string {
  return tenantId === 0 ? 'platform' : tenantSchema(tenantId);
}

/** Read after the values that they are to open: a key is there before anything is encrypted with it. */
export async function readKeys(queryable: Queryable, masters: MasterKeys, owner: KeyOwner): Promise<KeyRing> {
  const { table, where, values } = keysOf(owner);
  const { rows } = await queryable.query<WrappedKey>(
    `select version, wrapped from ${table} where ${where} order by version`,
    values,
  );
  const opened = new Map<number, EncryptionKey>();
  const keyOf = (version: number): EncryptionKey | undefined => {
    const row = rows.find((one) => one.version === version);
    const key = opened.get(version) ?? (row && unwrap(masters, owner, row));
    if (key) opened.set(version, key);
    return key;
  };
  return { newest: rows.at(-1)?.version ?? 0, keyOf };
}

/**
 * The key to encrypt with, made where there is none. Until the transaction ends nobody can destroy it.
 * @throws Shredded, UnknownMasterKey
 */
export async function keyToEncrypt(
  transaction: Queryable,
  masters: MasterKeys,
  owner: KeyOwner,
): Promise<VersionedKey> {
  const { tenantId, subjectId } = owner;
  const ofTenant = await newestKey(transaction, masters, { tenantId }, 0);
  if (subjectId === undefined) return opened(masters, { tenantId }, ofTenant);
  if (ofTenant.wrapped === null) throw new Shredded(shownOwner({ tenantId }));
  return opened(masters, owner, await newestKey(transaction, masters, owner, ofTenant.version));
}

/**
 * Adds a version; what the ones before it have encrypted stays readable.
 * @returns undefined where the owner has no key at all
 * @throws Shredded
 */
export async function addKeyVersion(
  transaction: Queryable,
  masters: MasterKeys,
  owner: KeyOwner,
): Promise<number | undefined> {
  const { tenantId, subjectId } = owner;
  const ofTenant = subjectId === undefined ? undefined : await lockNewest(transaction, { tenantId }, 'share');
  const last = await lockNewest(transaction, owner, 'update');
  if (!last) return undefined;
  if (last.wrapped === null || ofTenant?.wrapped === null) throw new Shredded(shownOwner(owner));
  await insertKey(transaction, masters, owner, last.version + 1, ofTenant?.version ?? 0);
  return last.version + 1;
}

/** Wrapped by the current master key instead of the one before. @throws UnknownMasterKey, or what `unseal` throws */
export function rewrap(masters: MasterKeys, owner: KeyOwner, { version, wrapped }: WrappedKey): Buffer {
  return wrap(masters, owner, version, unwrap(masters, owner, { version, wrapped }));
}

export interface WrappedKey {
  readonly version: number;
  /** Null: destroyed. */
  readonly wrapped: Buffer | null;
}

/** Where an owner's keys are: a table, and a condition with its values. */
export function keysOf({ tenantId, subjectId }: KeyOwner): { table: string; where: string; values: unknown[] } {
  return subjectId === undefined
    ? { table: 'platform.data_key', where: 'tenant_id = $1', values: [tenantId] }
    : { table: `${schemaOf(tenantId)}.person_key`, where: 'subject_id = $1', values: [subjectId] };
}

function shownOwner({ tenantId, subjectId }: KeyOwner): string {
  const tenant = tenantId === 0 ? 'the platform' : `tenant ${tenantId}`;
  return subjectId === undefined ? tenant : `a person of ${tenant}`;
}

async function newestKey(
  transaction: Queryable,
  masters: MasterKeys,
  owner: KeyOwner,
  generation: number,
): Promise<WrappedKey> {
  const found = await lockNewest(transaction, owner, 'share');
  if (found) return found;
  await insertKey(transaction, masters, owner, 1, generation);
  return (await lockNewest(transaction, owner, 'share'))!;
}

async function lockNewest(
  transaction: Queryable,
  owner: KeyOwner,
  mode: 'share' | 'update',
): Promise<WrappedKey | undefined> {
  const { table, where, values } = keysOf(owner);
  const { rows } = await transaction.query<WrappedKey>(
    `select version, wrapped from ${table} where ${where} order by version desc limit 1 for ${mode}`,
    values,
  );
  return rows[0];
}

/** Whoever is first makes it; the others wait, and then find it. */
async function insertKey(
  transaction: Queryable,
  masters: MasterKeys,
  owner: KeyOwner,
  version: number,
  generation: number,
): Promise<void> {
  const wrapped = wrap(masters, owner, version, EncryptionKey.generate());
  const key = [version, masters.current.id, wrapped];
  await (owner.subjectId === undefined
    ? transaction.query(
        `insert into platform.data_key (tenant_id, version, master_key_id, wrapped) values ($1, $2, $3, $4)
         on conflict do nothing`,
        [owner.tenantId, ...key],
      )
    : transaction.query(
        `insert into ${schemaOf(owner.tenantId)}.person_key (subject_id, generation, version, master_key_id, wrapped)
         values ($1, $2, $3, $4, $5) on conflict do nothing`,
        [owner.subjectId, generation, ...key],
      ));
}

function opened(masters: MasterKeys, owner: KeyOwner, row: WrappedKey): VersionedKey {
  return { version: row.version, key: unwrap(masters, owner, row) };
}

function wrap({ current }: MasterKeys, owner: KeyOwner, version: number, key: EncryptionKey): Buffer {
  return wrapKey({ version: masterVersion, key: current }, placeOf(owner, version), key);
}

function unwrap(masters: MasterKeys, owner: KeyOwner, { version, wrapped }: WrappedKey): EncryptionKey {
  if (wrapped === null) throw new Shredded(shownOwner(owner));
  const id = keyIdOf(wrapped);
  const master = [masters.current, masters.previous].find((key) => key?.id === id);
  if (!master) throw new UnknownMasterKey(id, masters);
  return unwrapKey(() => master, placeOf(owner, version), wrapped);
}

/** Master keys have no numbers: each is known by its id. */
const masterVersion = 0;

function placeOf({ tenantId, subjectId }: KeyOwner, version: number): Place {
  const table = subjectId === undefined ? 'data_key' : 'person_key';
  return { tenantId, table, column: 'wrapped', rowId: JSON.stringify([subjectId ?? null, version]) };
}
