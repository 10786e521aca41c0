/** The gateways of the benchmark, each a process on a core of its own in front of the same stub. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { newApiKey } from '../../transports/api-key.ts';
import { startChild } from '../orders/child.ts';

export interface Contender {
  readonly name: string;
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Of the process that is measured; absent: only how fast it answers is. */
  readonly pid?: number;
  /** Undefined where the system does not tell. */
  residentBytes(): number | undefined;
  stop(): Promise<void>;
}

const exec = promisify(execFile);
const folder = import.meta.dirname;
const peers = join(folder, '../peers/ai');
const startWithinMs = 30_000;
const installWithinMs = 180_000;
const rivalName = 'Portkey 1.15.2';

/** Port 8020 in front of two providers. */
export async function startOurs(
  openaiPort: number,
  anthropicPort: number,
): Promise<Contender & { readonly pid: number }> {
  const child = await startChild<{ port: number }>(
    join(folder, 'ours.ts'),
    {
      BENCH_OPENAI: `http://127.0.0.1:${openaiPort}/v1`,
      BENCH_ANTHROPIC: `http://127.0.0.1:${anthropicPort}`,
    },
    startWithinMs,
  );
  await pin(child.pid, 0);
  return {
    ...{ name: 'ours', port: child.ready.port, pid: child.pid },
    headers: { authorization: `Bearer ${newApiKey('bench', 1)}` },
    residentBytes: () => residentBytesOf(child.pid),
    stop: () => child.stop(),
  };
}

/** Portkey's gateway, or why there is none. */
export async function startRival(
  openaiPort: number,
): Promise<Contender | { readonly peer: string; readonly skipped: string }> {
  try {
    if (!existsSync(join(peers, 'node_modules')))
      await exec('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
        cwd: peers,
        timeout: installWithinMs,
      });
  } catch (error) {
    return {
      peer: rivalName,
      skipped: `npm ci in bench/peers/ai failed: ${(error as Error).message.split('\n', 1)[0]}`,
    };
  }
  const port = await freePort();
  const script = join(peers, 'node_modules/@portkey-ai/gateway/build/start-server.js');
  const child = spawn(process.execPath, [script, `--port=${port}`, '--headless'], {
    ...{ cwd: peers, env: { PATH: process.env['PATH'], NODE_ENV: 'production' }, stdio: ['ignore', 'pipe', 'ignore'] },
  });
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  if (!(await saysItIsReady(child))) {
    await stop();
    return { peer: rivalName, skipped: 'it did not start' };
  }
  const pid = child.pid!;
  await pin(pid, 0);
  return {
    ...{ name: rivalName, port, pid, stop },
    headers: {
      ...{ authorization: 'Bearer sk-bench', 'x-portkey-provider': 'openai' },
      'x-portkey-custom-host': `http://127.0.0.1:${openaiPort}/v1`,
    },
    residentBytes: () => residentBytesOf(pid),
  };
}

/** What it prints once it listens. */
async function saysItIsReady(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    const patience = setTimeout(() => resolve(false), startWithinMs);
    const told = (isReady: boolean): void => {
      clearTimeout(patience);
      resolve(isReady);
    };
    let printed = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.includes('Ready for connections')) told(true);
    });
    child.once('exit', () => told(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function residentBytesOf(pid: number): number | undefined {
  try {
    const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1_024;
  } catch {
    return undefined;
  }
}

/** On systems that cannot, processes go where they are put. */
export async function pin(pid: number, core: number): Promise<void> {
  await exec('taskset', ['-p', '-a', '-c', String(core), String(pid)]).catch(() => {});
}
