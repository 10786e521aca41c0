/** What is known of people, each encrypted with a key of that person's own: without the key nobody is known any more, in no backup either. */
import { seal, unseal } from '../envelope.ts';
import { keyToEncrypt, readKeys, schemaOf, type MasterKeys } from './postgres-keys.ts';
import { placeIn, type EncryptedColumn } from './postgres-keys/column.ts';
import type { Database, Queryable } from './postgres.ts';
import { asTenant } from './roles.ts';

export interface Person {
  /** Zero: staff of the platform. */
  readonly tenantId: number;
  /** All that orders, journal and audit know of the person; says nothing by itself. */
  readonly subjectId: string;
}

export const personDetails: EncryptedColumn = {
  table: 'person_detail',
  column: 'value',
  keyColumns: ['subject_id', 'name'],
  subjectColumn: 'subject_id',
};

/**
 * Enters details under their names, such as `email`; others of the person stay. Those that are the same already are not written again.
 * @throws Shredded the person was forgotten, and stays so
 */
export async function putPersonDetails(
  database: Database,
  masters: MasterKeys,
  person: Person,
  details: Readonly<Record<string, string>>,
): Promise<void> {
  const known = await readPersonDetails(database, masters, person);
  const changed = Object.entries(details).filter(([name, value]) => known.get(name) !== value);
  if (changed.length === 0) return;
  await database.transaction(async (transaction) => {
    const key = await keyToEncrypt(transaction, masters, person);
    for (const [name, value] of changed) {
      const sealed = seal(key, placeIn(personDetails, person.tenantId, [person.subjectId, name]), Buffer.from(value));
      await transaction.query(
        `insert into ${tableOf(person)} (subject_id, name, value) values ($1, $2, $3)
         on conflict (subject_id, name) do update set value = excluded.value, updated_at = clock_timestamp()`,
        [person.subjectId, name, sealed],
      );
    }
  });
}

/**
 * By name; empty where nothing is known.
 * @throws Shredded the person was forgotten; or what `unseal` throws
 */
export async function readPersonDetails(
  database: Database,
  masters: MasterKeys,
  person: Person,
): Promise<ReadonlyMap<string, string>> {
  const { tenantId, subjectId } = person;
  const read = (queryable: Queryable) =>
    queryable.query<{ name: string; value: Buffer }>(
      `select name, value from ${tableOf(person)} where subject_id = $1 order by name`,
      [subjectId],
    );
  // The role of a tenant sees values; their keys are for the platform alone.
  const { rows } = await (tenantId === 0 ? read(database) : asTenant(database, tenantId, read));
  const { newest, keyOf } = await readKeys(database, masters, person);
  // Asked for even where there are no details: one who was forgotten is not one who was never known.
  keyOf(newest);
  return new Map(
    rows.map(({ name, value }) => {
      const place = placeIn(personDetails, tenantId, [subjectId, name]);
      return [name, unseal(keyOf, place, value).toString()];
    }),
  );
}

/**
 * Gives a person another subject id, where accounts and API keys name one: for ids that say who somebody is. May be repeated.
 * Journal and audit log keep what they have: they are never changed.
 */
export async function renameSubject(database: Database, { tenantId, subjectId }: Person, to: string): Promise<void> {
  const schema = schemaOf(tenantId);
  await database.transaction(async (transaction) => {
    await transaction.query(
      'update platform.credential set key_id = $2 where key_id = $1 and coalesce(tenant_id, 0) = $3',
      [subjectId, to, tenantId],
    );
    await transaction.query(
      `update ${schema}.api_key set key_id = $2
       where key_id = $1 and not exists (select from ${schema}.api_key where key_id = $2)`,
      [subjectId, to],
    );
    await transaction.query(`delete from ${schema}.api_key where key_id = $1`, [subjectId]);
    if (tenantId !== 0)
      await transaction.query(`update ${schema}.account set owner = $2 where owner = $1`, [subjectId, to]);
  });
}

function tableOf({ tenantId }: Person): string {
  return `${schemaOf(tenantId)}.${personDetails.table}`;
}
