/** PgBouncer in transaction mode before a test's server: a connection of the server has another user after every transaction. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

export interface PgBouncer {
  readonly host: string;
  readonly port: number;
  stop(): Promise<void>;
}

const host = '127.0.0.1';
const readyWithinMs = 10_000;

/** @param users who may log in, with their passwords at the server */
export async function startPgBouncer(
  server: { readonly host: string; readonly port: number },
  users: Readonly<Record<string, string>>,
): Promise<PgBouncer> {
  const folder = mkdtempSync(join(tmpdir(), 'aitrading-pgbouncer-'));
  const port = await freePort();
  const [settings, logins] = [join(folder, 'pgbouncer.ini'), join(folder, 'users.txt')];
  const lines = Object.entries(users).map(([user, password]) => `"${user}" "${password}"\n`);
  writeFileSync(logins, lines.join(''));
  writeFileSync(
    settings,
    `[databases]
* = host=${server.host} port=${server.port}
[pgbouncer]
listen_addr = ${host}
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${logins}
pool_mode = transaction
default_pool_size = 3
max_client_conn = 200
ignore_startup_parameters = extra_float_digits,statement_timeout
`,
  );
  // It refuses to run as root; what it reads belongs to this test alone.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chmodSync(folder, 0o755);
  const child = spawn('pgbouncer', [settings], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(isRoot && { uid: 65_534, gid: 65_534 }),
  });
  let said = '';
  child.stderr.on('data', (text) => (said += String(text)));
  const exit = once(child, 'exit');
  const [user, password] = Object.entries(users)[0]!;
  const deadline = performance.now() + readyWithinMs;
  while (!(await answers({ host, port, user, password, database: 'postgres' }))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`pgbouncer is not ready: ${said.slice(-1_000)}`);
    }
    await delay(20);
  }
  return {
    host,
    port,
    async stop() {
      child.kill('SIGTERM');
      await exit;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function answers(login: pg.ClientConfig): Promise<boolean> {
  const client = new pg.Client(login);
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
