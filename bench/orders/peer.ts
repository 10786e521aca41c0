/** The peers: the order path without actors, from packages of their own. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startChild } from './child.ts';
import type { Contender, Durable } from './contender.ts';
import { selectOne } from './database.ts';

const folder = join(import.meta.dirname, '../peers/orders');
const startWithinMs = 20_000;
const installWithinMs = 180_000;

/** @returns why the peers cannot run, undefined when they can */
export async function installPeers(): Promise<string | undefined> {
  if (existsSync(join(folder, 'node_modules'))) return undefined;
  try {
    await promisify(execFile)('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, timeout: installWithinMs });
    return undefined;
  } catch (error) {
    return `npm ci in bench/peers/orders failed: ${(error as Error).message.split('\n', 1)[0]}`;
  }
}

/** Its tables are made anew, in a schema of its own. */
export async function startPeer(name: 'plain' | 'tuned', databaseUrl: string, accounts: number): Promise<Contender> {
  const token = randomBytes(24).toString('base64url');
  const schema = `peer_${name}`;
  const child = await startChild<{ port: number }>(
    join(folder, 'main.ts'),
    {
      NODE_ENV: 'production',
      PEER_VARIANT: name,
      PEER_SCHEMA: schema,
      PEER_TOKEN: token,
      PEER_ACCOUNTS: String(accounts),
      DATABASE_URL: databaseUrl,
    },
    startWithinMs,
  );
  return {
    name,
    ...{ pid: child.pid, port: child.ready.port, token },
    ...{ pause: child.pause, resume: child.resume, stop: child.stop },
    durable: () =>
      selectOne<Durable>(
        databaseUrl,
        `select orders, fills from (select count(*)::int as orders from ${schema}.orders) o,
                                   (select count(*)::int as fills from ${schema}.fill) f`,
      ),
  };
}
