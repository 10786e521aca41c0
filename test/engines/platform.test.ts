/** The whole platform on the engine that it is told to take. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { portsAt } from '../../config/ports.ts';
import { freeOffset } from '../support/platform-process.ts';
import { nodeLauncher, uwsLauncher, type Launcher } from './launcher.ts';

const launcher = await uwsLauncher();
if ('skipped' in launcher) process.stdout.write(`SKIPPED, the platform on uWebSockets.js: ${launcher.skipped}\n`);

const { command, args, cwd } = nodeLauncher();
const without: Launcher = { command, cwd, args: [...args, '--import', join(import.meta.dirname, 'resolve-none.ts')] };

const home = mkdtempSync(join(tmpdir(), 'aitrading-engine-'));
let child: ChildProcess | undefined;
let output = '';

afterEach(async () => {
  if (child && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  rmSync(home, { recursive: true, force: true });
});

function launch({ command, args, cwd }: Launcher, engine: string, offset: number): ChildProcess {
  output = '';
  child = spawn(command, [...args, 'bin/aitrading.js', 'start'], {
    cwd,
    env: { ...process.env, LOG_LEVEL: 'info', WS_ENGINE: engine, AITRADING_HOME: home, PORT_OFFSET: String(offset) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (text) => (output += String(text)));
  return child;
}

async function listening(child: ChildProcess): Promise<void> {
  while (!output.includes('"addresses"')) {
    const [event] = await Promise.race([once(child.stdout!, 'data'), once(child, 'exit').then(() => ['exit'])]);
    if (event === 'exit') throw new Error(output);
  }
}

async function healthOf(port: number): Promise<{ service: string; checks: { websockets: { output: string }[] } }> {
  const response = await fetch(`http://127.0.0.1:${port}/health`);
  return (await response.json()) as Awaited<ReturnType<typeof healthOf>>;
}

test('an engine that was asked for and is not there ends the start with one line', async () => {
  const [code] = await once(launch(without, 'uws', await freeOffset()), 'exit');
  expect(code).toBe(1);
  expect(output.trim().split('\n').at(-1)).toBe(
    'aitrading: WS_ENGINE=uws: uWebSockets.js cannot be loaded: it is not installed; ' +
      'npm i uNetworking/uWebSockets.js#v20.69.0 brings it, for glibc 2.38 or newer on Linux',
  );
});

test('where it is not there and none was asked for, ws takes its place and health says why', async () => {
  const offset = await freeOffset();
  await listening(launch(without, 'auto', offset));
  const { checks } = await healthOf(portsAt(offset)['data-bridge']);
  expect(checks.websockets[0]?.output).toMatch(/^ws: uWebSockets\.js cannot be loaded: it is not installed/);
});

describe.skipIf('skipped' in launcher)('where it is there', () => {
  test('streams and health are served on port 5001, and nothing else', async () => {
    if ('skipped' in launcher) throw new Error(launcher.skipped);
    const offset = await freeOffset();
    const running = launch(launcher, 'uws', offset);
    await listening(running);
    const ports = portsAt(offset);
    const port = ports['data-bridge'];
    expect(await healthOf(port)).toMatchObject({
      service: 'data-bridge',
      checks: { websockets: [{ status: 'pass', output: 'uWebSockets.js' }] },
    });
    expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${ports.api}/livez`)).headers.has('uwebsockets')).toBe(false);
    const client = new WebSocket(`ws://127.0.0.1:${port}/stream`);
    const frames: string[] = [];
    client.on('message', (data: Buffer) => frames.push(data.toString()));
    await once(client, 'message');
    running.kill('SIGTERM');
    const [closeCode] = await once(client, 'close');
    const types = frames.map((frame) => (JSON.parse(frame) as { type: string }).type);
    expect([types[0], types.at(-1), closeCode]).toEqual(['hello', 'bye', 1012]);
    if (running.exitCode === null) await once(running, 'exit');
    expect(running.exitCode).toBe(0);
  });
});
