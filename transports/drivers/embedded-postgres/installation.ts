/**
 * Where PostgreSQL's files lie and as whom it runs. PostgreSQL refuses root and a user without a name,
 * so the launcher finds an unprivileged way that changes nothing on the machine.
 */
import { createHash } from 'node:crypto';
import { existsSync, lchownSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { cp, rename } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { writeDurably } from '../write-durably.ts';
import { linkLibraries, type Binaries } from './binaries.ts';
import { PostgresUnusable } from './errors.ts';
import { plainEnvironment, run } from './processes.ts';

export interface Installation {
  /** Goes before every PostgreSQL command: makes it another user, or nothing. */
  readonly prefix: readonly string[];
  /** Owner of the files; undefined where it is ourselves. */
  readonly uid: number | undefined;
  /** Belongs to `uid`, mode 0700; holds the cluster in `data`. */
  readonly folder: string;
  readonly bin: string;
  readonly env: Readonly<Record<string, string>>;
}

/** By convention the user who owns nothing. */
const nobody = 65_534;

interface Way {
  readonly name: string;
  readonly prefix: readonly string[];
  readonly uid: number | undefined;
}

// In a user namespace the files stay root's, and root's own folders can be passed: the first choice.
const inNamespace: Way = {
  name: 'unshare',
  prefix: ['unshare', '-U', `--map-user=${nobody}`, `--map-group=${nobody}`],
  uid: undefined,
};
const asNobody: Way = {
  name: 'setpriv',
  prefix: ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'],
  uid: nobody,
};
const asOurselves: Way = { name: 'plain', prefix: [], uid: undefined };

export interface InstallOptions {
  readonly home: string;
  /** The ways to try, by name; absent: those that fit the user we run as. */
  readonly only?: 'unshare' | 'setpriv';
  /** Parent of the folder that replaces the home where another user cannot reach it. */
  readonly spareParent?: string;
}

/** @throws PostgresUnusable with what each way ran into */
export async function install(binaries: Binaries, options: InstallOptions): Promise<Installation> {
  const complaints: string[] = [];
  for (const way of waysFor(options.only)) {
    const installed = await tryWay(way, binaries, options);
    if (typeof installed === 'object') return installed;
    complaints.push(`${way.name}: ${installed}`);
  }
  throw new PostgresUnusable(complaints.join(', '));
}

function waysFor(only: InstallOptions['only']): readonly Way[] {
  if (only) return only === 'unshare' ? [inNamespace] : [asNobody];
  if (process.getuid?.() === 0) return [inNamespace, asNobody];
  return hasName() ? [asOurselves] : [inNamespace];
}

function hasName(): boolean {
  try {
    userInfo();
    return true;
  } catch {
    return false;
  }
}

async function tryWay(way: Way, binaries: Binaries, options: InstallOptions): Promise<Installation | string> {
  const as = (...command: string[]) => run([...way.prefix, ...command]);
  // initdb wants a name for its user; `id -un` fails as it would.
  const named = await as('id', '-un');
  if (way.prefix.length > 0 && !named.ok) return named.complaint;

  const folder = await reachableFolder(way, options);
  if (folder === undefined) return `user ${way.uid ?? nobody} cannot reach ${options.home}`;

  const env = { ...plainEnvironment(), ...linkLibraries(binaries, join(folder, 'lib')) };
  const runs = (root: string) => run([...way.prefix, join(root, 'bin', 'postgres'), '--version'], env);
  const inPlace = await runs(binaries.root);
  if (inPlace.ok) return { prefix: way.prefix, uid: way.uid, folder, bin: join(binaries.root, 'bin'), env };
  if (way.prefix.length === 0) return inPlace.complaint;

  const copy = await copyBinaries(binaries.root, folder);
  const copied = await runs(copy);
  return copied.ok ? { prefix: way.prefix, uid: way.uid, folder, bin: join(copy, 'bin'), env } : copied.complaint;
}

/**
 * The home's own folder, or one outside whose place is noted in the home: a user other than its owner must be able to
 * search every folder above the data.
 */
async function reachableFolder(
  way: Way,
  { home, spareParent = '/var/lib' }: InstallOptions,
): Promise<string | undefined> {
  const pointer = join(home, 'postgres.location');
  const noted = existsSync(pointer) ? readFileSync(pointer, 'utf8').trim() : undefined;
  const inHome = noted ?? join(home, 'postgres');
  if (await isReachable(way, inHome)) return inHome;
  if (noted !== undefined || way.uid === undefined || existsSync(join(inHome, 'data'))) return undefined;
  const spare = join(spareParent, `aitrading-${createHash('sha256').update(home).digest('hex').slice(0, 16)}`);
  if (!(await isReachable(way, spare))) return undefined;
  writeDurably(pointer, `${spare}\n`, 0o600);
  return spare;
}

async function isReachable(way: Way, folder: string): Promise<boolean> {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (process.getuid?.() === 0) giveTo(folder, way.uid ?? 0);
  } catch {
    return false;
  }
  return (await run([...way.prefix, 'sh', '-c', 'test -w "$1" && cd "$1"', 'sh', folder])).ok;
}

/** Hands a folder over with all that is in it, itself last, so that one that was interrupted is done again. */
export function giveTo(folder: string, uid: number): void {
  if (statSync(folder).uid === uid) return;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    lchownSync(join(entry.parentPath, entry.name), uid, uid);
  }
  lchownSync(folder, uid, uid);
}

async function copyBinaries(from: string, folder: string): Promise<string> {
  const copy = join(folder, 'native');
  const unfinished = `${copy}.new`;
  // Made anew each time: the package may have been upgraded since.
  for (const old of [unfinished, copy]) rmSync(old, { recursive: true, force: true });
  await cp(from, unfinished, { recursive: true, verbatimSymlinks: true });
  await rename(unfinished, copy);
  return copy;
}
