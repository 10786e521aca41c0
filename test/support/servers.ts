/** Vitest global set-up: sees that the machine has what the tests start, and installs what is missing where it may. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { installPackages, type Machine } from './apt.ts';

/** Debian packages by the programs that tests start. */
const wanted = [
  // The oldest server the platform supports speaks for every external one.
  { package: 'postgresql', programs: ['psql', 'initdb'] },
  // Is shared by nodes, hung and killed.
  { package: 'redis-server', programs: ['redis-server'] },
  // Hands a connection to another user after each transaction.
  { package: 'pgbouncer', programs: ['pgbouncer'] },
  // Opens the browser pages.
  { package: 'chromium', programs: ['chromium'] },
  // Counts the calls that make a commit durable.
  { package: 'strace', programs: ['strace'] },
  // Runs the examples of the documents.
  { package: 'curl', programs: ['curl'] },
] as const;

export default function setup(): void {
  requireNode(24);
  const missing = wanted.filter(({ programs }) => !programs.every(hasProgram)).map((need) => need.package);
  const names = wanted.map((need) => need.package).join(', ');
  if (missing.length === 0) return say(`${names} are there`);
  if (!isDebian() || process.getuid?.() !== 0) {
    throw new Error(`the tests need ${missing.join(', ')}: as root, apt-get install ${missing.join(' ')}`);
  }
  const startedMs = performance.now();
  installPackages(missing, machine);
  say(`installed ${missing.join(', ')} in ${Math.round((performance.now() - startedMs) / 1000)} s`);
}

const machine: Machine = {
  apt(...words) {
    try {
      const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
      execFileSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=300', ...words], { env: environment, stdio: 'pipe' });
    } catch (error) {
      const { stderr = '' } = error as { stderr?: Buffer | string };
      throw new Error(`apt-get ${words.join(' ')} failed: ${String(stderr).trim().split('\n').at(-1)}`, {
        cause: error,
      });
    }
  },
  read: (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined),
  write: (path, content) => writeFileSync(path, content, { mode: 0o755 }),
  remove: (path) => rmSync(path, { force: true }),
};

function requireNode(major: number): void {
  if (Number.parseInt(process.versions.node, 10) >= major) return;
  throw new Error(
    `the tests need Node ${major}, this is ${process.version}: run them with "npm test", which brings it`,
  );
}

// Debian keeps the programs of a PostgreSQL server out of PATH, below a folder of its version.
function hasProgram(name: string): boolean {
  const versions = Array.from({ length: 10 }, (_, index) => `/usr/lib/postgresql/${index + 14}/bin`);
  return [...(process.env['PATH'] ?? '').split(delimiter), ...versions].some((folder) =>
    isExecutable(join(folder, name)),
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isDebian(): boolean {
  return existsSync('/etc/debian_version');
}

function say(line: string): void {
  process.stdout.write(`test servers: ${line}\n`);
}
