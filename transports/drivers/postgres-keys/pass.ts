/** What the passes over keys and values have in common. */
import type { AuditEntry } from '../../../actors/audit-log.ts';
import { schemaOf, type KeyOwner } from '../postgres-keys.ts';
import type { Database } from '../postgres.ts';

/** What happened, for the audit log; the caller adds who did it, and when. */
export type KeyEvent = Omit<AuditEntry, 'subject' | 'timeMicros'>;

export interface BatchOptions {
  /** In one transaction at most; 200 where absent. */
  readonly batchRows?: number;
  /** After each commit, with how many rows are done. */
  readonly onBatch?: (rows: number) => void;
}

export const defaultBatchRows = 200;
/** For rows that somebody else is just writing. */
export const retryMs = 20;

export interface KeyTable {
  readonly table: string;
  readonly idColumn: 'tenant_id' | 'subject_id';
  readonly idType: 'int' | 'text';
  ownerOf(id: number | string): KeyOwner;
}

export const dataKeys: KeyTable = {
  table: 'platform.data_key',
  idColumn: 'tenant_id',
  idType: 'int',
  ownerOf: (id) => ({ tenantId: Number(id) }),
};

export function personKeys(tenantId: number): KeyTable {
  return {
    table: `${schemaOf(tenantId)}.person_key`,
    idColumn: 'subject_id',
    idType: 'text',
    ownerOf: (id) => ({ tenantId, subjectId: String(id) }),
  };
}

/** The platform and the tenants whose schema has keys. */
export async function scopes(database: Database): Promise<readonly number[]> {
  const { rows } = await database.query<{ tenant_id: number }>(
    `select tenant_id from platform.tenant where to_regclass('t_' || tenant_id || '.person_key') is not null order by 1`,
  );
  return [0, ...rows.map(({ tenant_id }) => tenant_id)];
}

export function eventOf({ tenantId, subjectId }: KeyOwner, action: string, details: object): KeyEvent {
  const target = subjectId ?? (tenantId === 0 ? 'platform' : `tenant ${tenantId}`);
  return { tenantId: tenantId || undefined, action, target, details };
}
