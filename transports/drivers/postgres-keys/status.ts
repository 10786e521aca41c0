/** Which keys there are, for an operator; nothing in it is secret. */
import type { Database } from '../postgres.ts';
import { countBehind, type EncryptedColumn } from './column.ts';
import { dataKeys, personKeys, scopes } from './pass.ts';

export interface KeyStatus {
  /** The platform first, then the tenants that have a key. */
  readonly owners: readonly {
    readonly tenantId: number;
    readonly version: number;
    readonly createdAt: Date;
    readonly isShredded: boolean;
    readonly people: number;
    readonly shreddedPeople: number;
    /** Values that wait to be encrypted with a newer key. */
    readonly behind: number;
  }[];
  /** How many keys each master key wraps. */
  readonly wrappedBy: Readonly<Record<string, number>>;
}

export async function keyStatus(database: Database, columns: readonly EncryptedColumn[]): Promise<KeyStatus> {
  const { rows } = await database.query<{ tenantId: number; version: number; createdAt: Date; isShredded: boolean }>(
    `select distinct on (tenant_id) tenant_id as "tenantId", version, created_at as "createdAt", wrapped is null as "isShredded"
     from platform.data_key order by tenant_id, version desc`,
  );
  const wrappedBy: Record<string, number> = {};
  const count = async (table: string): Promise<void> => {
    const found = await database.query<{ id: string; keys: number }>(
      `select master_key_id as id, count(*)::int as keys from ${table} where wrapped is not null group by 1`,
    );
    for (const { id, keys } of found.rows) wrappedBy[id] = (wrappedBy[id] ?? 0) + keys;
  };
  await count(dataKeys.table);
  const withPeople = await scopes(database);
  for (const tenantId of withPeople) await count(personKeys(tenantId).table);
  const owners = [];
  for (const row of rows) {
    if (!withPeople.includes(row.tenantId)) continue;
    const people = await database.query<{ people: number; shreddedPeople: number }>(
      `select count(distinct subject_id)::int as people,
         count(distinct subject_id) filter (where wrapped is null)::int as "shreddedPeople" from ${personKeys(row.tenantId).table}`,
    );
    const behind = await countBehind(database, { tenantId: row.tenantId }, columns);
    owners.push({ ...row, ...people.rows[0]!, behind });
  }
  return { owners, wrappedBy };
}
