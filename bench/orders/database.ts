/** Embedded PostgreSQL for the contenders: the same launcher and the same settings for all. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { silentLog } from '../../runtime/actor.ts';
import { startEmbeddedPostgres } from '../../transports/drivers/embedded-postgres.ts';
import { lockedBy } from '../../transports/drivers/embedded-postgres/orphan.ts';

export interface BenchDatabase {
  /** Holds the password. */
  readonly url: string;
  stop(): Promise<void>;
}

/** A new, empty database in a folder of its own, which goes when it stops. */
export async function startDatabase(): Promise<BenchDatabase> {
  const home = temporaryHome();
  const starting = startEmbeddedPostgres({ home, log: silentLog, onExit: () => {} });
  const server = await starting.catch((error: unknown) => {
    removeHome(home);
    throw error;
  });
  return {
    url: urlOf(server.port, server.password),
    stop: async () => {
      await server.stop();
      removeHome(home);
    },
  };
}

export function temporaryHome(): string {
  return mkdtempSync(join(tmpdir(), 'aitrading-bench-'));
}

/** Also what lies outside it, where PostgreSQL's user cannot reach the home. */
export function removeHome(home: string): void {
  for (const folder of [postgresFolder(home), home]) rmSync(folder, { recursive: true, force: true });
}

/** The database that a platform with this home has started. */
export function urlOfHome(home: string): string {
  const running = lockedBy(join(postgresFolder(home), 'data'));
  if (!running) throw new Error(`no database runs in ${home}`);
  return urlOf(running.port, readFileSync(join(home, 'postgres.password'), 'utf8').trim());
}

/** The one row of a query over a connection of its own. */
export async function selectOne<Row extends object>(url: string, query: string): Promise<Row> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Row>(query);
    return rows[0]!;
  } finally {
    await client.end();
  }
}

function urlOf(port: number, password: string): string {
  return `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/aitrading`;
}

function postgresFolder(home: string): string {
  const elsewhere = join(home, 'postgres.location');
  return existsSync(elsewhere) ? readFileSync(elsewhere, 'utf8').trim() : join(home, 'postgres');
}
