/** The database cluster on disk: made once, with a password from its first start. */
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { syncFolder, writeDurably } from '../write-durably.ts';
import { PostgresNotStarted, PostgresUnusable } from './errors.ts';
import type { Installation } from './installation.ts';
import { run } from './processes.ts';

export interface Cluster {
  readonly data: string;
  readonly password: string;
}

export const superuser = 'postgres';

/** Opens the cluster of a home, creating it where there is none. A creation that was cut short is begun again. */
export async function openCluster(home: string, installation: Installation): Promise<Cluster> {
  const data = join(installation.folder, 'data');
  const passwordFile = join(home, 'postgres.password');
  const exists = existsSync(join(data, 'PG_VERSION'));
  if (!existsSync(passwordFile)) {
    if (exists) throw new PostgresUnusable(`${data} exists but its password file ${passwordFile} is missing`);
    writeDurably(passwordFile, `${randomBytes(32).toString('base64url')}\n`, 0o600);
  }
  const password = readFileSync(passwordFile, 'utf8').trim();
  if (!exists) await createCluster(installation, data, password);
  return { data, password };
}

async function createCluster(installation: Installation, data: string, password: string): Promise<void> {
  const drafts = `${data}.new`;
  // A name of its own: the initdb of a starter that was killed may run on, and empties its folder when it fails.
  const unfinished = `${drafts}-${randomBytes(4).toString('hex')}`;
  const secret = join(installation.folder, 'initdb.password');
  for (const name of readdirSync(installation.folder)) {
    if (name.startsWith(basename(drafts)))
      await rm(join(installation.folder, name), { recursive: true, force: true, maxRetries: 5 });
  }
  mkdirSync(unfinished, { mode: 0o700 });
  try {
    writeFileSync(secret, password, { mode: 0o600 });
    if (installation.uid !== undefined) {
      for (const path of [unfinished, secret]) lchownSync(path, installation.uid, installation.uid);
    }
    // initdb syncs what it wrote: without that the first power cut may take the cluster and what was acknowledged in it.
    const initdb = [join(installation.bin, 'initdb'), '-D', unfinished, '-U', superuser, '-E', 'UTF8', '--locale=C'];
    const auth = ['--auth=scram-sha-256', `--pwfile=${secret}`];
    const made = await run([...installation.prefix, ...initdb, ...auth], installation.env);
    if (!made.ok) throw new PostgresNotStarted('initdb failed', made.output.split('\n').slice(-5));
  } finally {
    rmSync(secret, { force: true });
  }
  renameSync(unfinished, data);
  syncFolder(installation.folder);
}
