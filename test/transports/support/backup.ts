/** A platform with something in every table, and all that a database holds as text to compare. */
import { randomBytes } from 'node:crypto';
import { readTables, writePlainly } from '../../../transports/drivers/backup/catalog.ts';
import { tenantSchema } from '../../../transports/drivers/migration-files.ts';
import type { Database } from '../../../transports/drivers/postgres.ts';
import { provisionTenant, registerAccount } from '../../../transports/drivers/provisioning.ts';

export const awkward = 'tab\t line\n return\r back\\slash \\. \\N "quotes" ünï 🎈 \u0001';

/** Two tenants, `acme` and `other`, with some rows in each of their tables. */
export async function fillPlatform(database: Database, journalRows = 300): Promise<void> {
  for (const slug of ['acme', 'other']) {
    const { tenantId } = await provisionTenant(database, { slug, name: `${slug} ${awkward}` });
    for (const account of ['a-1', 'a-2']) {
      const terms = { currency: 'USD', oms: 'netting' as const, leverage: 30, aiMayOrder: false, owner: 'trader' };
      await registerAccount(database, tenantId, { ...terms, slug: account });
    }
    await fillTenant(database, tenantId, journalRows);
  }
  await database.query(
    `insert into platform.api_key (key_id, role, scopes, name) values ('ops', 'ops', '{read,"a,b"}', $1)`,
    [awkward],
  );
  await fillAudit(database, 'platform', undefined);
}

async function fillTenant(database: Database, tenantId: number, journalRows: number): Promise<void> {
  const schema = tenantSchema(tenantId);
  await database.query(
    `insert into ${schema}.journal (tenant_id, account_id, seq, epoch, command_id, digest, payload)
     select $1, 1 + n % 2, 1 + n / 2, 1, 'order:' || n, sha256(n::text::bytea), $2 || n || repeat('x', n % 500)
     from generate_series(0, $3::int - 1) n`,
    [tenantId, awkward, journalRows],
  );
  await database.query(
    `insert into ${schema}."order" (account_id, order_id, number, client_order_id, symbol, side, type, quantity, time_in_force, source,
       state, filled_quantity, filled_value, denial, submitted_at, updated_at, seqs)
     select 1, 'o-' || n, n, $1 || n, 'EURUSD', 'buy', 'limit', 0.1, 'gtc', 'client', 'FILLED', 0.1, 0.108012345678901234,
       jsonb_build_object('code', $1::text), clock_timestamp(), clock_timestamp(), array[n, n + 1] from generate_series(1, 20) n`,
    [awkward],
  );
  await database.query(`insert into ${schema}.checkpoint values (1, 5, 0)`);
  await database.query(`insert into ${schema}.command values (1, $1, '\\x00ff', 3)`, [awkward]);
  await database.query(
    `insert into ${schema}.api_key (key_id, role, scopes, name, expires_at) values ('key-1', 'trader', '{}', 'one', 'infinity')`,
  );
  await database.query(`insert into platform.credential values ($1, $2, 'key-1')`, [randomBytes(32), tenantId]);
  await database.query(`insert into ${schema}.signal values ('s-1', clock_timestamp(), $1)`, [
    JSON.stringify({ text: 'a\nb', number: 1.5 }),
  ]);
  await database.query(
    `insert into platform.data_key (tenant_id, version, master_key_id, wrapped) values ($1, 1, 'm', $2)`,
    [tenantId, randomBytes(60)],
  );
  await database.query(
    `insert into ${schema}.person_key (subject_id, version, generation, master_key_id, wrapped) values ('s-1', 1, 1, 'm', '\\x01'), ('s-2', 1, 1, 'm', '\\x02')`,
  );
  await fillAudit(database, schema, tenantId);
}

async function fillAudit(database: Database, schema: string, tenantId: number | undefined): Promise<void> {
  await database.query(
    `insert into ${schema}.audit values (1, clock_timestamp(), $1, 'me', 'do:it', 'x', '{}', $2, $2)`,
    [tenantId ?? null, Buffer.alloc(32, 7)],
  );
}

/**
 * Every row of every table, by the table's name; identity sequences, owners and rights too.
 * What a restore renews is left out: epochs of slots and their owner, and of streams.
 */
export async function dump(database: Database): Promise<Readonly<Record<string, unknown>>> {
  const connection = await database.connect();
  try {
    await writePlainly(connection);
    const all: Record<string, unknown> = {};
    const { rows: schemas } = await connection.query<{ name: string }>(
      `select nspname::text as name from pg_namespace where nspname !~ '^(pg_|information_schema)' order by nspname`,
    );
    for (const { name: schema } of schemas) {
      for (const { name, columns, orderBy } of await readTables(connection, schema)) {
        const renewed = name === 'account' ? ['stream_epoch'] : ['epoch', 'owner', 'incarnation', 'latest_claim'];
        const isRenewed = (column: string) =>
          (name === 'account' || name === 'slot') && schema !== 'public' && renewed.includes(column);
        const kept = columns.filter((column) => !isRenewed(column)).map((column) => `r."${column}"`);
        const { rows } = await connection.query<{ row: string }>(
          `select row(${kept.join(', ')})::text as row from "${schema}"."${name}" r order by ${orderBy}`,
        );
        all[`${schema}.${name}`] = rows.map(({ row }) => row);
      }
    }
    const facts = {
      sequences: `select schemaname, sequencename, last_value from pg_sequences`,
      relations: `select c.oid::regclass::text as name, c.relkind, pg_get_userbyid(c.relowner) as owner, array(select unnest(c.relacl)::text order by 1) as rights
        from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname ~ '^(platform|t_|restore_|replaced_|aside_)'`,
      schemas: `select nspname::text, pg_get_userbyid(nspowner) as owner, array(select unnest(nspacl)::text order by 1) as rights from pg_namespace where nspname !~ '^pg_'`,
      partitions: `select inhrelid::regclass::text as child, inhparent::regclass::text as parent from pg_inherits`,
      constraints: `select conrelid::regclass::text as name, conname, pg_get_constraintdef(oid) from pg_constraint where conrelid <> 0 and connamespace <> 'pg_catalog'::regnamespace`,
    };
    for (const [name, text] of Object.entries(facts)) {
      const { rows } = await connection.query(text);
      all[name] = rows.map((row) => JSON.stringify(row)).toSorted();
    }
    return all;
  } finally {
    await connection.close();
  }
}

/** Rows of one schema only. */
export function partOf(all: Readonly<Record<string, unknown>>, schema: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => name.startsWith(`${schema}.`)));
}

export async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}
