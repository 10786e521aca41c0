/** What must be in the table in the end. */
import { entityName, type EntityKey } from '../../runtime/journal.ts';
import type { Queryable } from '../../transports/drivers/postgres.ts';

export class Expectation {
  readonly #ends = new Map<string, number>();
  readonly #rows = new Map<number, number>();

  /** All rows of an entity up to this one were acknowledged. */
  add(key: EntityKey, seq: number): void {
    this.#ends.set(entityName(key), seq);
  }

  /** So many rows of a tenant were acknowledged, whatever their numbers. */
  addRows(tenantId: number, rows: number): void {
    this.#rows.set(tenantId, (this.#rows.get(tenantId) ?? 0) + rows);
  }

  /** @throws {Error} an acknowledged row is not in the table, or one is that was not acknowledged */
  async verify(database: Queryable): Promise<void> {
    const { rows } = await database.query<{
      tenantId: number;
      entityId: number;
      count: number;
      first: number;
      last: number;
    }>(
      `select tenant_id as "tenantId", account_id as "entityId", count(*) as count, min(seq) as first, max(seq) as last
       from platform.journal group by tenant_id, account_id`,
    );
    const faults: string[] = [];
    const left = new Map(this.#ends);
    const loose = new Map(this.#rows);
    for (const row of rows) {
      const { tenantId, count, first, last } = row;
      const few = loose.get(tenantId);
      if (few !== undefined) {
        loose.set(tenantId, few - count);
        continue;
      }
      const name = entityName(row);
      const end = left.get(name) ?? 0;
      left.delete(name);
      if (first !== 1 || last !== end || count !== end)
        faults.push(`${name} has ${count} rows, ${first} to ${last}, of ${end}`);
    }
    for (const [name, end] of left) if (end > 0) faults.push(`${name} has none of ${end} rows`);
    for (const [tenantId, few] of loose) if (few !== 0) faults.push(`tenant ${tenantId} lacks ${few} rows`);
    if (faults.length > 0)
      throw new Error(`the journal is not what was acknowledged: ${faults.slice(0, 5).join('; ')}`);
  }
}
