/** A server that a dead platform left running on our data: adopted if it answers to our password, ended otherwise. */
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { superuser, type Cluster } from './cluster.ts';
import { commandLine, endServer, isAlive } from './processes.ts';

export interface RunningServer {
  readonly pid: number;
  readonly port: number;
}

/** What `postmaster.pid` says. The file outlives a crash, so its pid may be nobody's or a stranger's by now. */
export function lockedBy(data: string): RunningServer | undefined {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
    const pid = Number(lines[0]);
    return Number.isSafeInteger(pid) && pid > 0 ? { pid, port: Number(lines[3]) } : undefined;
  } catch {
    return undefined;
  }
}

export async function isServerOf(pid: number, data: string): Promise<boolean> {
  const command = await commandLine(pid);
  return command.includes('postgres') && command.includes(data);
}

/**
 * @param patienceMs how long a server that is starting or stopping is waited for
 * @returns the adopted server; undefined when there is none, or it is gone
 */
export async function adoptOrEnd(cluster: Cluster, patienceMs = 4_000): Promise<RunningServer | undefined> {
  for (let waitedMs = 0; ; waitedMs += 100) {
    const server = lockedBy(cluster.data);
    if (!server || !isAlive(server.pid) || !(await isServerOf(server.pid, cluster.data))) return undefined;
    const answer = await asks(server, cluster);
    if (answer === 'ours') return server;
    if (answer === 'stranger' || waitedMs >= patienceMs) {
      await endServer(server.pid);
      return undefined;
    }
    await delay(100);
  }
}

/** Starting or stopping servers refuse with 57P03, and a stopped one's port is closed: neither says whose it is. */
async function asks(server: RunningServer, { data, password }: Cluster): Promise<'ours' | 'stranger' | 'not-now'> {
  const { port } = server;
  const login = { host: '127.0.0.1', port, user: superuser, password, database: 'postgres' };
  const client = new pg.Client({ ...login, connectionTimeoutMillis: 1_000, query_timeout: 1_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ data_directory: string }>('show data_directory');
    return rows[0] && realpathSync(rows[0].data_directory) === realpathSync(data) ? 'ours' : 'stranger';
  } catch (error) {
    return ((error as { code?: string }).code ?? '').startsWith('28') ? 'stranger' : 'not-now';
  } finally {
    await client.end().catch(() => {});
  }
}
