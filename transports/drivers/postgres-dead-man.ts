/** Dead man's switches as the database keeps them. */
import type { DeadMan } from '../../actors/dead-man.ts';
import type { Queryable } from './postgres.ts';

interface Row {
  readonly tenant_id: number;
  readonly account_id: number;
  readonly timeout_ms: number;
}

type Kept = Pick<DeadMan, 'tenantId' | 'accountId' | 'timeoutMs'>;

export async function listDeadMen(database: Queryable): Promise<readonly Kept[]> {
  const { rows } = await database.query<Row>('select tenant_id, account_id, timeout_ms from platform.dead_man');
  return rows.map((row) => ({ tenantId: row.tenant_id, accountId: row.account_id, timeoutMs: row.timeout_ms }));
}

/** @param deadMan with a timeout of 0 it is forgotten */
export async function saveDeadMan(database: Queryable, { tenantId, accountId, timeoutMs }: Kept): Promise<void> {
  if (timeoutMs === 0) {
    await database.query('delete from platform.dead_man where tenant_id = $1 and account_id = $2', [
      tenantId,
      accountId,
    ]);
    return;
  }
  await database.query(
    `insert into platform.dead_man (tenant_id, account_id, timeout_ms) values ($1, $2, $3)
     on conflict (tenant_id, account_id) do update set timeout_ms = excluded.timeout_ms`,
    [tenantId, accountId, timeoutMs],
  );
}
