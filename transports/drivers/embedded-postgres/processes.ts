/** What the launcher asks of other processes. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export interface Finished {
  readonly ok: boolean;
  /** The last line of what it said, for messages. */
  readonly complaint: string;
  readonly output: string;
}

/** Runs a command to its end. A command that is not there fails like any other. */
export function run(
  command: readonly string[],
  env: Readonly<Record<string, string>> = plainEnvironment(),
): Promise<Finished> {
  const [file, ...args] = command as [string, ...string[]];
  return new Promise((resolve) => {
    // The working directory may be closed to another user, and PostgreSQL's tools look at it.
    execFile(file, args, { env, cwd: '/' }, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`.trim();
      resolve({ ok: error === null, output, complaint: output.split('\n').at(-1) || (error?.message ?? '') });
    });
  });
}

/** An environment without the PG* variables of whoever started us, and with messages in English. */
export function plainEnvironment(): Record<string, string> {
  return { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
}

/** A zombie counts as ended: where nobody reaps it, as in many containers, it would be waited for in vain. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** The command line of a process, empty where there is none. */
export async function commandLine(pid: number): Promise<string> {
  if (process.platform !== 'linux') return (await run(['ps', '-o', 'command=', '-p', String(pid)])).output;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** Waits until a process that is not our child has ended. @returns whether it has */
export async function hasEnded(pid: number, withinMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < withinMs; waitedMs += 50) {
    if (!isAlive(pid)) return true;
    await delay(50);
  }
  return !isAlive(pid);
}

/** Ends a PostgreSQL by pid: fast shutdown first, then without its farewell; either way nothing committed is lost. */
export async function endServer(pid: number, patienceMs = 10_000): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    if (await hasEnded(pid, patienceMs)) return;
  }
}
