/** Columns that hold sealed values, and which of them wait for a newer key. */
import type { Place } from '../../envelope.ts';
import { schemaOf, type KeyOwner } from '../postgres-keys.ts';
import type { Queryable } from '../postgres.ts';

/** A column of the platform's or a tenant's schema that holds sealed values. */
export interface EncryptedColumn {
  readonly table: string;
  readonly column: string;
  /** The primary key. */
  readonly keyColumns: readonly string[];
  /** Names whose key it is; absent: the tenant's own. */
  readonly subjectColumn?: string;
}

/** The place of a value, from the values of its row's primary key. */
export function placeIn({ table, column }: EncryptedColumn, tenantId: number, key: readonly unknown[]): Place {
  return { tenantId, table, column, rowId: JSON.stringify(key.map(String)) };
}

/** Rows (`r`) whose value names an older version than its owner's newest; $1 is the subject id, or null for all. The number stands in bytes 2 to 5 of the value. */
export function behind(
  { tenantId }: Pick<KeyOwner, 'tenantId'>,
  { table, column, subjectColumn }: EncryptedColumn,
): string {
  const keys =
    subjectColumn === undefined
      ? `platform.data_key k where k.tenant_id = ${tenantId}`
      : `${schemaOf(tenantId)}.person_key k where k.subject_id = r.${subjectColumn}`;
  return `${schemaOf(tenantId)}.${table} r
    cross join lateral (select version, wrapped from ${keys} order by version desc limit 1) newest
    where newest.wrapped is not null and substring(r.${column} from 2 for 4) < int4send(newest.version)
      and ($1::text is null or ${subjectColumn === undefined ? 'false' : `r.${subjectColumn} = $1`})`;
}

export async function countBehind(
  queryable: Queryable,
  owner: KeyOwner,
  columns: readonly EncryptedColumn[],
): Promise<number> {
  let count = 0;
  for (const column of columns) {
    const { rows } = await queryable.query<{ rows: number }>(
      `select count(*)::int as rows from ${behind(owner, column)}`,
      [owner.subjectId ?? null],
    );
    count += rows[0]!.rows;
  }
  return count;
}
