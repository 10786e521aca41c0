/** The processes of the comparison: who serves, and the sink that they all serve. Each has a core of its own where that can be had. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { uwsLauncher } from '../../test/engines/launcher.ts';
import { startChild, type Child, type Launcher } from '../orders/child.ts';
import type { Job, JobResult } from './publishing.ts';
import type { SinkJob, SinkResult, Subscriber } from './sink.ts';

export interface Contender {
  readonly name: string;
  readonly port: number;
  readonly tickPort: number | undefined;
  readonly subscribers: readonly Subscriber[];
  run(job: Job): Promise<JobResult>;
  stop(): Promise<void>;
}

export interface Sink {
  run(job: SinkJob): Promise<SinkResult>;
  stop(): Promise<void>;
}

const peers = join(import.meta.dirname, '../peers/stream');
const startWithinMs = 30_000;
const installWithinMs = 180_000;
const exec = promisify(execFile);

const authenticate = '{"type":"authenticate","id":"1","token":"bench"}';

/** @param symbols beside EURUSD, one for each client in turn: clients then all follow something else */
export function ourSubscribers(
  format: 'json' | 'binary' | 'batch' = 'json',
  symbols: readonly string[] = [],
): Subscriber[] {
  return [undefined, ...symbols].slice(symbols.length > 0 ? 1 : 0).map((symbol) => {
    const channels = ['quotes:EURUSD', ...(symbol === undefined ? [] : [`quotes:${symbol}`])];
    return {
      path: '/stream',
      ...(format !== 'json' && { protocol: `aitrading.v1.${format}` }),
      messages: [authenticate, JSON.stringify({ type: 'subscribe', id: '2', channels })],
      // What comes compressed is not looked into.
      lastAnswer: format === 'batch' ? '' : `"type":"snapshot","channel":"${channels.at(-1)}"`,
    };
  });
}

const plain: readonly Subscriber[] = [{ path: '/', messages: [], lastAnswer: '' }];
const socketIo: readonly Subscriber[] = [
  { path: '/socket.io/?EIO=4&transport=websocket', messages: ['40'], lastAnswer: '40{' },
];

export function startOurs(environment: Readonly<Record<string, string>> = {}): Promise<Contender> {
  return start('ours', join(import.meta.dirname, 'ours.ts'), ourSubscribers(), environment);
}

/** @returns those that can be had, and why the others cannot */
export async function startPeers(): Promise<{ running: readonly Contender[]; missing: ReadonlyMap<string, string> }> {
  const missing = new Map<string, string>();
  const running: Contender[] = [];
  const cannotInstall = await installPeers();
  if (cannotInstall === undefined) {
    running.push(await start('ws 8.23.0 client.send', join(peers, 'naive.ts'), plain));
    running.push(await start('socket.io 4.8.4', join(peers, 'socket-io.ts'), socketIo));
  } else {
    missing.set('ws 8.23.0 client.send', cannotInstall).set('socket.io 4.8.4', cannotInstall);
  }
  const uws = await uwsLauncher();
  const name = 'uWebSockets.js 20.57.0 publish';
  if ('skipped' in uws) missing.set(name, uws.skipped);
  else running.push(await start(name, join(peers, 'uws.ts'), plain, {}, uws));
  return { running, missing };
}

export async function startSink(): Promise<Sink> {
  const child = await startChild<object>(join(import.meta.dirname, 'sink.ts'), {}, startWithinMs);
  await pin(child.pid, 1);
  return { run: (job) => ask<SinkResult>(child, job), stop: () => child.stop() };
}

async function start(
  name: string,
  file: string,
  subscribers: readonly Subscriber[],
  environment: Readonly<Record<string, string>> = {},
  launcher: Launcher = { command: process.execPath, args: [] },
): Promise<Contender> {
  const collecting = { ...launcher, args: [...launcher.args, '--expose-gc'] };
  const child = await startChild<{ port: number; tickPort?: number }>(file, environment, startWithinMs, collecting);
  await pin(child.pid, 0);
  const { port, tickPort } = child.ready;
  return {
    ...{ name, port, tickPort, subscribers },
    run: (job) => ask<JobResult>(child, job),
    stop: () => child.stop(),
  };
}

function ask<Result>(child: Child<unknown>, job: object): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: { done: Result } | { failed: string }): void => {
      child.process.off('exit', onExit);
      if ('done' in message) resolve(message.done);
      else reject(new Error(message.failed));
    };
    const onExit = (): void => reject(new Error('a process of the benchmark has ended'));
    child.process.once('message', onMessage).once('exit', onExit);
    child.process.send(job);
  });
}

/** On systems that cannot, processes go where they are put. */
async function pin(pid: number, core: number): Promise<void> {
  await exec('taskset', ['-p', '-a', '-c', String(core), String(pid)]).catch(() => {});
}

async function installPeers(): Promise<string | undefined> {
  if (existsSync(join(peers, 'node_modules'))) return undefined;
  try {
    await exec('npm', ['ci', '--no-audit', '--no-fund'], { cwd: peers, timeout: installWithinMs });
    return undefined;
  } catch (error) {
    return `npm ci in bench/peers/stream failed: ${(error as Error).message.split('\n', 1)[0]}`;
  }
}
