/** Makes the read models of a tenant anew: whatever is wrong with them, the journal is not. */
import { decodePayload } from '../../actors/trading/codec.ts';
import type { JournalledCommit } from '../../actors/trading/events.ts';
import { tenantSchema } from './migration-files.ts';
import { patiently, withMigrator } from './migrations.ts';
import { applyToTenant } from './postgres-projection.ts';
import type { Database, Queryable } from './postgres.ts';

export interface Rebuilt {
  readonly rows: number;
  readonly accounts: number;
}

/**
 * Empties the read models and their checkpoints and folds the journal into them again, all in one transaction: until it commits,
 * whoever reads them waits, and if it does not, they are as they were. No platform should serve meanwhile; one that does
 * loses nothing, since its projector goes on behind the new checkpoints.
 *
 * @param onProgress rows that are done, and how many there are
 */
export function rebuildReadModels(
  database: Database,
  { tenantId, tenant }: { readonly tenantId: number; readonly tenant: string },
  onProgress: (done: number, total: number) => void = () => {},
): Promise<Rebuilt> {
  const schema = tenantSchema(tenantId);
  return withMigrator(database, (connection) =>
    patiently(connection, async (transaction) => {
      await transaction.query(`truncate ${readModels.map((table) => `${schema}.${table}`).join(', ')}`);
      const accounts = await accountNames(transaction, schema);
      const total = await countRows(transaction, schema);
      const seen = new Set<number>();
      let rows = 0;
      for await (const page of pages(transaction, schema)) {
        const commits = page.map((row) => commitOf(row, { tenantId, tenant, accounts }));
        await applyToTenant(transaction, schema, commits);
        for (const { account_id } of page) seen.add(account_id);
        rows += page.length;
        onProgress(rows, total);
      }
      return { rows, accounts: seen.size };
    }),
  );
}

/** All that follows from the journal. */
export const readModels = ['checkpoint', '"order"', 'fill', 'ledger', 'position', 'command'] as const;

const pageRows = 1_000;

interface StoredRow {
  readonly account_id: number;
  readonly seq: number;
  readonly command_id: string;
  readonly digest: string;
  readonly payload: string;
}

async function accountNames(transaction: Queryable, schema: string): Promise<ReadonlyMap<number, string>> {
  const { rows } = await transaction.query<{ account_id: number; slug: string }>(
    `select account_id, slug from ${schema}.account`,
  );
  return new Map(rows.map(({ account_id, slug }) => [account_id, slug]));
}

async function countRows(transaction: Queryable, schema: string): Promise<number> {
  const { rows } = await transaction.query<{ count: number }>(`select count(*) as count from ${schema}.journal`);
  return rows[0]!.count;
}

/** A cursor sorts once, if it must; a query a page would, on a table without statistics, sort all of it for each page. */
async function* pages(transaction: Queryable, schema: string): AsyncIterable<readonly StoredRow[]> {
  await transaction.query(`declare journal_rows no scroll cursor for
    select account_id, seq, command_id, encode(digest, 'hex') as digest, payload from ${schema}.journal order by account_id, seq`);
  for (;;) {
    const { rows } = await transaction.query<StoredRow>(`fetch ${pageRows} from journal_rows`);
    if (rows.length > 0) yield rows;
    if (rows.length < pageRows) return;
  }
}

function commitOf(
  { account_id, seq, command_id, digest, payload }: StoredRow,
  of: { readonly tenantId: number; readonly tenant: string; readonly accounts: ReadonlyMap<number, string> },
): JournalledCommit {
  const { tenantId, tenant, accounts } = of;
  return {
    ...{ tenantId, tenant, accountId: account_id, account: accounts.get(account_id) ?? String(account_id) },
    ...{ seq, commandId: command_id, digest },
    events: decodePayload(payload).events.map((event) => ({ event })),
  };
}
