/** Starts the PostgreSQL whose binaries npm brought, or adopts the one that a dead platform left behind. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Log } from '../../runtime/actor.ts';
import { embeddedBinaries, type Binaries } from './embedded-postgres/binaries.ts';
import { openCluster, superuser, type Cluster } from './embedded-postgres/cluster.ts';
import { PostgresNotStarted } from './embedded-postgres/errors.ts';
import { install, type Installation, type InstallOptions } from './embedded-postgres/installation.ts';
import { adoptOrEnd, isServerOf, lockedBy } from './embedded-postgres/orphan.ts';
import { endServer, isAlive, run } from './embedded-postgres/processes.ts';

export interface EmbeddedPostgres {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly pid: number;
  /** Whether it was running already. An adopted server does not end with this process, but the next one adopts it again. */
  readonly adopted: boolean;
  /** Fast shutdown; resolves once the server has ended. Close the connections first. May be called twice. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions extends InstallOptions {
  /** The data folder, which the caller has locked (`home-lock.ts`). */
  readonly home: string;
  readonly log: Log;
  /** Called once when the server ends without `stop`, with what it said last. */
  readonly onExit: (lines: readonly string[]) => void;
}

const host = '127.0.0.1';
const database = 'aitrading';
const readyWithinMs = 60_000;
const staleLockPatienceMs = 4_000;
const portAttempts = 5;

/**
 * On Linux the server ends with this process, however that ends; `kill -9` included.
 * @throws PostgresUnusable this machine or its data folder does not allow it
 * @throws PostgresNotStarted the server ended before it was ready
 */
export function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  return startPostgres(embeddedBinaries(), options);
}

/** The same with other binaries, such as those of the system's PostgreSQL. */
export async function startPostgres(binaries: Binaries, given: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  mkdirSync(given.home, { recursive: true, mode: 0o711 });
  const options = { ...given, home: realpathSync(given.home) };
  const installation = await install(binaries, options);
  const cluster = await openCluster(options.home, installation);
  const orphan = await adoptOrEnd(cluster);
  const server = orphan ? adopted(orphan.pid, orphan.port, options) : await launch(installation, cluster, options);
  const login = { host, port: server.port, user: superuser, password: cluster.password };
  try {
    await ensureDatabase(login);
  } catch (error) {
    await server.stop();
    throw new PostgresNotStarted('it does not answer', [], error);
  }
  return { ...login, database, ...server };
}

type Server = Pick<EmbeddedPostgres, 'port' | 'pid' | 'adopted' | 'stop'>;

function adopted(pid: number, port: number, { onExit }: EmbeddedPostgresOptions): Server {
  // Not our child: its end is seen only by looking.
  const watch = setInterval(() => {
    if (isAlive(pid)) return;
    clearInterval(watch);
    onExit(['the adopted server has ended']);
  }, 500);
  watch.unref();
  const stop = async (): Promise<void> => {
    clearInterval(watch);
    await endServer(pid);
  };
  return { pid, port, adopted: true, stop };
}

async function launch(installation: Installation, cluster: Cluster, options: EmbeddedPostgresOptions): Promise<Server> {
  const leash = await leashPrefix();
  let ports = 0;
  for (let waitedMs = 0; ;) {
    const port = await freePort();
    const outcome = await launchOnce(port, leash, installation, cluster, options);
    if (!Array.isArray(outcome)) return outcome;
    const said = outcome.join('\n');
    if (/could not create any TCP\/IP sockets|Address already in use/.test(said) && ++ports < portAttempts) continue;
    // After a crash of everything the last server's processes may be on their way out still. The file is never deleted:
    // it and the shared memory it names are what keeps two servers off one cluster.
    if (said.includes('postmaster.pid" already exists') && waitedMs < staleLockPatienceMs) {
      await delay(100);
      waitedMs += 100;
      continue;
    }
    throw new PostgresNotStarted('it ended at once', outcome);
  }
}

/** Makes the kernel interrupt the server when the thread that spawned it ends; nothing where that cannot be had. */
async function leashPrefix(): Promise<readonly string[]> {
  const leash = ['setpriv', '--pdeathsig', 'INT'];
  return process.platform === 'linux' && (await run([...leash, 'true'])).ok ? leash : [];
}

/** @returns the server once it is ready, or its last lines when it ended before */
async function launchOnce(
  port: number,
  leash: readonly string[],
  installation: Installation,
  cluster: Cluster,
  options: EmbeddedPostgresOptions,
): Promise<Server | string[]> {
  const postgres = [join(installation.bin, 'postgres'), '-D', cluster.data, ...settings(port)];
  const [file, ...args] = [...installation.prefix, ...leash, ...postgres] as [string, ...string[]];
  // A group of its own: Ctrl-C in a terminal reaches this process only, which stops the server when all is flushed.
  const child = spawn(file, args, {
    cwd: '/',
    detached: true,
    env: { ...installation.env, ...(await staleLockHint(cluster.data)) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const lines: string[] = [];
  let stopping = false;
  const exited = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      lines.push(error.message);
      resolve();
    });
    child.once('close', () => resolve());
  });
  const ready = await untilReady(child, exited, lines, options.log);
  if (!ready) return lines;
  void exited.then(() => {
    if (!stopping) options.onExit(lines);
  });
  const stop = async (): Promise<void> => {
    stopping = true;
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGINT');
    const patience = setTimeout(() => child.kill('SIGQUIT'), 10_000);
    await exited;
    clearTimeout(patience);
  };
  return { pid: child.pid!, port, adopted: false, stop };
}

function settings(port: number): string[] {
  const values: Record<string, string | number> = {
    port,
    listen_addresses: host,
    unix_socket_directories: '',
    shared_buffers: '64MB',
    max_connections: 60,
    // An append over 200 tenants locks 200 partitions, one over a thousand tenants two thousand relations.
    max_locks_per_transaction: 256,
    // What a transaction waits for is ours to know; the server's own log goes to ours.
    log_destination: 'stderr',
    logging_collector: 'off',
    // macOS keeps an fsync in the drive's cache unless it is asked not to.
    ...(process.platform === 'darwin' ? { wal_sync_method: 'fsync_writethrough' } : {}),
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/**
 * A stale `postmaster.pid` may name a pid that a stranger has by now (small pids repeat in containers), and PostgreSQL would
 * refuse for as long as that process lives. This variable tells it that the process is no server; the shared memory is still checked.
 */
async function staleLockHint(data: string): Promise<Record<string, string>> {
  const owner = lockedBy(data);
  if (!owner || (await isServerOf(owner.pid, data))) return {};
  return { PG_GRANDPARENT_PID: String(owner.pid) };
}

/** @returns false when the server ended first; `lines` keeps what it said last */
async function untilReady(child: ChildProcess, exited: Promise<void>, lines: string[], log: Log): Promise<boolean> {
  const ready = new Promise<true>((resolve) => {
    createInterface({ input: child.stderr! }).on('line', (line) => {
      lines.push(line);
      if (lines.length > 20) lines.shift();
      log.debug({ line }, 'postgres');
      if (line.includes('ready to accept connections')) resolve(true);
    });
  });
  const patience = setTimeout(() => {
    lines.push(`not ready after ${readyWithinMs} ms`);
    child.kill('SIGINT');
  }, readyWithinMs);
  const outcome = await Promise.race([ready, exited.then(() => false)]);
  clearTimeout(patience);
  return outcome;
}

/** Another process may take the port before the server does: the caller chooses anew then. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, host, () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

async function ensureDatabase(login: { host: string; port: number; user: string; password: string }): Promise<void> {
  const client = new pg.Client({ ...login, database: 'postgres', connectionTimeoutMillis: 10_000 });
  client.on('error', () => {});
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
    if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(database)}`);
  } finally {
    await client.end();
  }
}
