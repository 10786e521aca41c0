/** How to reach the embedded server that another process runs. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConnectionOptions } from '../postgres.ts';
import { superuser } from './cluster.ts';
import { lockedBy } from './orphan.ts';
import { isAlive } from './processes.ts';

/** Undefined where none runs on the data folder. */
export function runningPostgres(home: string): ConnectionOptions | undefined {
  const pointer = join(home, 'postgres.location');
  const folder = existsSync(pointer) ? readFileSync(pointer, 'utf8').trim() : join(home, 'postgres');
  const server = lockedBy(join(folder, 'data'));
  const secret = join(home, 'postgres.password');
  if (!server || !isAlive(server.pid) || !existsSync(secret)) return undefined;
  const password = readFileSync(secret, 'utf8').trim();
  return { host: '127.0.0.1', port: server.port, user: superuser, password, database: 'aitrading' };
}
