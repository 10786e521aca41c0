/** One platform a data folder: `platform.lock` names the process that owns it, by pid and start time. */
import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Terminal } from '../../runtime/errors.ts';

export interface HomeLock {
  /** Gives the folder back. May be called twice. */
  release(): void;
}

/** A running process owns the folder. */
export class HomeInUse extends Terminal {
  constructor(home: string, pid: number) {
    super(`the data folder ${home} is in use by process ${pid}`);
  }
}

export class HomeNotWritable extends Terminal {
  constructor(home: string, cause: unknown) {
    super(`the data folder ${home} cannot be written: ${(cause as Error).message}`, { cause });
  }
}

interface Owner {
  readonly pid: number;
  /** Tells a process from a later one with the same pid. */
  readonly started: string;
}

/**
 * Takes the data folder, creating it where it is missing.
 * The lock of a dead process is taken over, whatever state its file is in.
 * @throws HomeInUse, HomeNotWritable
 */
export function lockHome(home: string): HomeLock {
  const path = join(home, 'platform.lock');
  const draft = `${path}.${process.pid}`;
  const mine = ownerText({ pid: process.pid, started: startOf(process.pid) ?? '' });
  try {
    makeFolder(home);
    writeFileSync(draft, mine, { mode: 0o600 });
  } catch (error) {
    throw new HomeNotWritable(home, error);
  }
  try {
    take(home, path, draft);
  } finally {
    rmSync(draft, { force: true });
  }
  return {
    release: () => {
      if (read(path) === mine) rmSync(path, { force: true });
    },
  };
}

/** With the folders above it. Node's own way to make those never returns where one is refused with ENOENT, as below /proc. */
function makeFolder(path: string): void {
  const isThere = () => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (isThere()) return;
  if (!existsSync(dirname(path))) makeFolder(dirname(path));
  try {
    // Others may pass through but not look in: an unprivileged PostgreSQL must reach its own folder below.
    mkdirSync(path, { mode: 0o711 });
  } catch (error) {
    // Another starter may have been faster.
    if (!isThere()) throw error;
  }
}

/** The lock appears complete or not at all: a link to a file that is already written. */
function take(home: string, path: string, draft: string): void {
  while (!tryLink(draft, path)) {
    const found = read(path);
    if (found === undefined) continue;
    const owner = parseOwner(found);
    if (owner && startOf(owner.pid) === owner.started) throw new HomeInUse(home, owner.pid);
    setAside(path, `${draft}.stale`, found);
  }
}

/** Removes a dead owner's lock, unless another starter has replaced it since it was read: that one is put back. */
function setAside(path: string, aside: string, expected: string): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (read(aside) !== expected) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function ownerText(owner: Owner): string {
  return `${owner.pid}\n${owner.started}\n`;
}

function parseOwner(text: string): Owner | undefined {
  const [pid, started] = text.split('\n');
  return pid && started !== undefined && /^[1-9]\d*$/.test(pid) ? { pid: Number(pid), started } : undefined;
}

/** When a process started, in a form that no other process shares; undefined where it does not run. */
function startOf(pid: number): string | undefined {
  try {
    if (process.platform !== 'linux') {
      const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).trim();
      return text === '' ? undefined : text;
    }
    // The command name may hold spaces and brackets: fields are counted from behind it. Field 22 is the start, in ticks since boot.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return undefined;
    return `${fields[19]}@${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}`;
  } catch {
    return undefined;
  }
}
