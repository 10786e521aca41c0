/**
 * How to start a Node process in which uWebSockets.js loads. The package is in a folder of its own, `uws/`, installed from its lock
 * when it is missing. It needs a newer C library than some systems have: there the process runs on a private copy of Debian's.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Launcher {
  readonly command: string;
  /** In front of the script and its own arguments. */
  readonly args: readonly string[];
  readonly cwd: string;
}

export interface Skipped {
  /** Why there is no uWebSockets.js on this machine, in one line. */
  readonly skipped: string;
}

const root = join(import.meta.dirname, '../..');
const folder = join(import.meta.dirname, 'uws');
const libraries = join(folder, 'libc');
const resolver = join(import.meta.dirname, 'resolve-uws.ts');
const installWithinMs = 180_000;
/** Of the C library that the package is built for. */
const neededMinor = 38;
const loaders: Partial<Record<NodeJS.Architecture, string>> = {
  x64: 'ld-linux-x86-64.so.2',
  arm64: 'ld-linux-aarch64.so.1',
};
const run = promisify(execFile);

/** Plain Node, for the same script on another engine. */
export function nodeLauncher(): Launcher {
  return { command: process.execPath, args: [], cwd: root };
}

/** Installs what is missing, below `test/engines/uws` alone. Never rejects; may be called at once by several processes. */
export async function uwsLauncher(): Promise<Launcher | Skipped> {
  try {
    await install();
    const loader = hasLibrary() ? [] : await privateLoader();
    const [first, ...rest] = loader;
    const before = first === undefined ? [] : [...rest, process.execPath];
    const command = first ?? process.execPath;
    const launcher = { command, args: [...before, '--import', resolver], cwd: root };
    await run(launcher.command, [...launcher.args, '--eval', "await import('uWebSockets.js')"], { cwd: root });
    return launcher;
  } catch (error) {
    return { skipped: `uWebSockets.js cannot be had here: ${reasonOf(error)}` };
  }
}

async function install(): Promise<void> {
  const target = join(folder, 'node_modules');
  if (existsSync(target)) return;
  await made(target, async (work) => {
    for (const name of ['package.json', 'package-lock.json', '.npmrc'])
      await copyFile(join(folder, name), join(work, name));
    await run('npm', ['ci', '--ignore-scripts'], { cwd: work, timeout: installWithinMs });
    return join(work, 'node_modules');
  });
}

/** False for a C library that is not GNU's, too. */
function hasLibrary(): boolean {
  if (process.platform !== 'linux') return true;
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  const [major, minor] = (header.glibcVersionRuntime ?? '0.0').split('.').map(Number);
  return major! > 2 || (major === 2 && minor! >= neededMinor);
}

async function privateLoader(): Promise<string[]> {
  const name = loaders[process.arch];
  if (name === undefined) throw new Error(`there is no copy of the C library for ${process.arch}`);
  if (!existsSync(libraries)) await made(libraries, fetchLibraries);
  const below = await readdir(join(libraries, 'usr/lib'));
  const triplet = below.find((each) => each.endsWith('-linux-gnu'));
  if (triplet === undefined) throw new Error('the packages of the C library hold no libraries');
  const path = join(libraries, 'usr/lib', triplet);
  return [join(path, name), '--library-path', path];
}

/** Of Debian 13, with an apt that knows of nothing else: the system is not touched. */
async function fetchLibraries(work: string): Promise<string> {
  for (const each of ['lists/partial', 'cache/archives/partial', 'parts', 'root'])
    await mkdir(join(work, each), { recursive: true });
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
  await writeFile(join(work, 'sources.list'), `deb [signed-by=${keys}] ${await debianMirror()} trixie main\n`);
  await writeFile(join(work, 'status'), '');
  const settings = {
    'Dir::State': work,
    'Dir::State::status': join(work, 'status'),
    'Dir::Cache': join(work, 'cache'),
    'Dir::Etc::sourcelist': join(work, 'sources.list'),
    'Dir::Etc::sourceparts': join(work, 'parts'),
    'Dir::Etc::preferences': join(work, 'none'),
    'Dir::Etc::preferencesparts': join(work, 'parts'),
    // The user that apt takes otherwise cannot write here.
    'APT::Sandbox::User': 'root',
  };
  const options = ['-q', ...Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`])];
  const packages = ['libc6', 'libstdc++6', 'libgcc-s1'];
  await run('apt-get', [...options, 'update'], { timeout: installWithinMs });
  await run('apt-get', [...options, 'download', ...packages], { cwd: work, timeout: installWithinMs });
  const files = (await readdir(work)).filter((name) => name.endsWith('.deb'));
  for (const file of files) await run('dpkg-deb', ['-x', join(work, file), join(work, 'root')]);
  return join(work, 'root');
}

/** The archive that this system installs from. */
async function debianMirror(): Promise<string> {
  const lists = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'].filter((file) => existsSync(file));
  const texts = await Promise.all(lists.map((file) => readFile(file, 'utf8')));
  const mirror = texts.join('\n').match(/https?:\/\/\S+\/debian\b/)?.[0];
  if (mirror === undefined) throw new Error('this system names no archive of Debian');
  return mirror;
}

/** Makes a folder aside and moves it to its place whole, so that several processes may do it at once: the first one's stays. */
async function made(target: string, make: (work: string) => Promise<string>): Promise<void> {
  const work = await mkdtemp(`${target}.`);
  try {
    const result = await make(work);
    await rename(result, target).catch((error: unknown) => {
      if (!existsSync(target)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function reasonOf(error: unknown): string {
  const { stderr = '', message } = error as Error & { stderr?: string };
  const lines = stderr.trim().split('\n');
  const said = lines.findLast((line) => line.trim() !== '');
  return said ?? message.split('\n', 1)[0] ?? 'for no known reason';
}
