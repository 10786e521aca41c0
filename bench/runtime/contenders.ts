/** Who is measured: our runtime, libraries for Node from packages of their own, and Erlang/OTP where it is installed. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Step } from './plan.ts';
import type { Command } from './session.ts';

export interface Contender {
  readonly name: string;
  readonly command?: Command;
  /** Why it cannot run, where it has no command. */
  readonly skipped?: string;
  /** What alone it is asked for; everything when absent. */
  readonly only?: Step['request'];
}

const peers = join(import.meta.dirname, '../peers/runtime');
const installWithinMs = 180_000;
const run = promisify(execFile);

export const platform: Contender = {
  name: 'aitrading',
  command: nodeCommand(join(import.meta.dirname, 'contender/platform.ts')),
};

/** Installs and compiles what they need. Never rejects: what cannot run says why. */
export async function preparePeers(cleanup: AsyncDisposableStack): Promise<readonly Contender[]> {
  const [libraries, erlang] = await Promise.all([prepareLibraries(), prepareErlang(cleanup)]);
  return [...libraries, ...erlang];
}

async function prepareLibraries(): Promise<readonly Contender[]> {
  const { dependencies } = JSON.parse(await readFile(join(peers, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const refusal = await install();
  return Object.entries(dependencies).map(([name, version]) => ({
    name: `${name} ${version}`,
    ...(refusal === undefined ? { command: nodeCommand(join(peers, `${name}.ts`)) } : { skipped: refusal }),
  }));
}

function nodeCommand(file: string): Command {
  return [process.execPath, '--expose-gc', file];
}

async function install(): Promise<string | undefined> {
  if (existsSync(join(peers, 'node_modules'))) return undefined;
  try {
    await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: peers, timeout: installWithinMs });
    return undefined;
  } catch (error) {
    return `npm ci in bench/peers/runtime failed: ${firstLine(error)}`;
  }
}

async function prepareErlang(cleanup: AsyncDisposableStack): Promise<readonly Contender[]> {
  let name = 'Erlang/OTP';
  const both = (how: (asking: string) => Pick<Contender, 'command' | 'skipped'>): readonly Contender[] => [
    { name, ...how('gen_server') },
    { name: `${name} bare processes`, ...how('bare'), only: 'asks' },
  ];
  try {
    const release = 'io:put_chars(erlang:system_info(otp_release)), halt().';
    name = `${name} ${(await run('erl', ['-noshell', '-eval', release])).stdout.trim()}`;
    const folder = await mkdtemp(join(tmpdir(), 'bench-runtime-'));
    cleanup.defer(() => rm(folder, { recursive: true, force: true }));
    await run('erlc', ['-o', folder, join(peers, 'contender.erl')]);
    // One scheduler: one core, as Node has. The reports of crashes are not written, and so not made.
    const words = [
      '+S',
      '1:1',
      '-noshell',
      '-kernel',
      'logger_level',
      'none',
      '-pa',
      folder,
      '-run',
      'contender',
      'main',
    ];
    return both((asking) => ({ command: ['erl', ...words, asking] }));
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const skipped = isAbsent ? 'erl or erlc is not on PATH' : `erl or erlc failed: ${firstLine(error)}`;
    return both(() => ({ skipped }));
  }
}

function firstLine(error: unknown): string {
  return (error as Error).message.split('\n', 1)[0]!;
}
