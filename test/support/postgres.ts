/** Real PostgreSQL servers for tests: one a file, a fresh database a test. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { silentLog } from '../../runtime/actor.ts';
import { embeddedBinaries, type Binaries } from '../../transports/drivers/embedded-postgres/binaries.ts';
import { startPostgres, type EmbeddedPostgres } from '../../transports/drivers/embedded-postgres.ts';
import { migrate } from '../../transports/drivers/migrations.ts';
import { connectDatabase, type ConnectionOptions, type Database } from '../../transports/drivers/postgres.ts';

export interface TestServer {
  readonly server: EmbeddedPostgres;
  /** A pool on an empty database of its own; closed after the file's last test. */
  emptyDatabase(): Promise<Database>;
  /** The same with the platform's schema in it. */
  platformDatabase(): Promise<Database>;
  /** Another pool on the same database. */
  another(database: Database): Database;
}

/** Runs the embedded PostgreSQL, or another, for the tests of this file. */
export function usePostgres(binaries: () => Binaries = embeddedBinaries): TestServer {
  let server: EmbeddedPostgres | undefined;
  let home: string;
  let counter = 0;
  const names = new Map<Database, string>();

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'aitrading-test-'));
    server = await startPostgres(binaries(), { home, log: silentLog, onExit: () => {} });
  });
  afterAll(async () => {
    await Promise.all([...names.keys()].map((database) => database.close()));
    await server?.stop();
    rmSync(home, { recursive: true, force: true });
  });

  const running = (): EmbeddedPostgres => {
    if (!server) throw new Error('the server runs from beforeAll to afterAll');
    return server;
  };
  const open = (name: string): Database => {
    const { host, port, user, password } = running();
    const database = connectDatabase({ host, port, user, password, database: name, log: silentLog, poolSize: 5 });
    names.set(database, name);
    return database;
  };
  const emptyDatabase = async (): Promise<Database> => {
    const name = `test_${++counter}`;
    const first = open(running().database);
    await first.query(`create database ${name}`);
    return open(name);
  };
  return {
    get server() {
      return running();
    },
    emptyDatabase,
    platformDatabase: async () => {
      const database = await emptyDatabase();
      await migrate(database);
      return database;
    },
    another: (database) => open(names.get(database)!),
  };
}

/** The system's own PostgreSQL, the newest where there are several; undefined where none is installed. */
export function systemPostgres(): Binaries | undefined {
  const versions = '/usr/lib/postgresql';
  if (!existsSync(versions)) return undefined;
  const newest = readdirSync(versions)
    .filter((version) => existsSync(join(versions, version, 'bin', 'initdb')))
    .toSorted((a, b) => Number(b) - Number(a))[0];
  return newest === undefined ? undefined : { root: join(versions, newest), links: [] };
}

/** How to reach the embedded server of a running platform, from what it keeps in its home. */
export function embeddedLogin(home: string): ConnectionOptions {
  const pidFile = readdirSync(home, { recursive: true, encoding: 'utf8' }).find((name) =>
    name.endsWith('postmaster.pid'),
  );
  if (pidFile === undefined) throw new Error(`no server runs in ${home}`);
  const port = Number(readFileSync(join(home, pidFile), 'utf8').split('\n')[3]);
  const password = readFileSync(join(home, 'postgres.password'), 'utf8').trim();
  return { host: '127.0.0.1', port, user: 'postgres', password, database: 'aitrading' };
}
