/** Processes of the benchmark: started with what they need, ready when they say so, ended by their pid. */
import { fork, type ChildProcess } from 'node:child_process';

export interface Child<Ready> {
  readonly pid: number;
  readonly process: ChildProcess;
  /** The first message of the process. */
  readonly ready: Ready;
  /** Takes the processor from it and gives it back; nothing where the system has no such signals. */
  pause(): void;
  resume(): void;
  /** Resolves once the process has ended. May be called twice. */
  stop(): Promise<void>;
}

/** What runs a file: Node itself, or something in front of it. */
export interface Launcher {
  readonly command: string;
  readonly args: readonly string[];
}

const drainWithinMs = 15_000;

/**
 * Runs a TypeScript file until `stop`. It gets nothing of our environment but the path to programs; what it prints goes to stderr.
 * @throws {Error} it ended before it was ready, or the time is over
 */
export async function startChild<Ready>(
  file: string,
  environment: Readonly<Record<string, string>>,
  withinMs: number,
  launcher: Launcher = { command: process.execPath, args: [] },
): Promise<Child<Ready>> {
  const child = fork(file, [], {
    ...{ env: { PATH: process.env['PATH'], ...environment }, stdio: ['ignore', 2, 2, 'ipc'] },
    ...{ execPath: launcher.command, execArgv: [...launcher.args] },
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const pause = (): void => signal(child, 'SIGSTOP');
  const resume = (): void => signal(child, 'SIGCONT');
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    resume();
    child.kill('SIGTERM');
    const patience = setTimeout(() => child.kill('SIGKILL'), drainWithinMs);
    await exited;
    clearTimeout(patience);
  };
  try {
    const ready = await firstMessage<Ready>(child, file, withinMs);
    return { pid: child.pid!, process: child, ready, pause, resume, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function signal(child: ChildProcess, name: 'SIGSTOP' | 'SIGCONT'): void {
  if (process.platform !== 'win32') child.kill(name);
}

function firstMessage<Ready>(child: ChildProcess, file: string, withinMs: number): Promise<Ready> {
  return new Promise((resolve, reject) => {
    const patience = setTimeout(() => reject(new Error(`${file} was not ready within ${withinMs} ms`)), withinMs);
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`${file} ended with ${signal ?? code} before it was ready`)));
    child.once('message', (message) => {
      clearTimeout(patience);
      resolve(message as Ready);
    });
  });
}
