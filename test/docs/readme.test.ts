/** README.md is true: its examples run as they stand, its port map is the platform's. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { services } from '../../config/ports.ts';
import { PlatformProcess, type Frame } from '../support/platform-process.ts';
import { codeBlocks, project, readPage, section, tableRows } from './markdown.ts';

const readme = readPage('README.md');

test('the port map is that of config/ports.ts', () => {
  const rows = tableRows(section(readme, 'Ports')).map(([port, service, , reach]) => ({
    ...{ port: Number(port), service: service?.replaceAll('`', ''), reach },
  }));
  const map = Object.entries(services).map(([service, terms]) => ({ service, ...terms }));
  expect(rows).toEqual(map.toSorted((a, b) => a.port - b.port));
});

describe('first trade in a minute', () => {
  const examples = section(readme, 'First trade in a minute');
  let platform: PlatformProcess;

  beforeAll(async () => {
    platform = await PlatformProcess.onFreePorts();
    await platform.start();
  }, 120_000);
  afterAll(() => platform?.dispose(), 30_000);

  /** An example as it stands, on the ports and in the folder of this platform. */
  function here(example: string): string {
    return example
      .replaceAll('127.0.0.1:3001', `127.0.0.1:${platform.port('api')}`)
      .replaceAll('127.0.0.1:5001', `127.0.0.1:${platform.port('data-bridge')}`)
      .replaceAll('.aitrading/', `${platform.home}/`);
  }

  test('the shell buys, the same order again changes nothing, and the script sells', async () => {
    const [account, quote, order, positions] = shellAnswers();
    expect(account).toMatchObject({ id: 'demo-1', currency: 'USD', balance: '100000.00' });
    expect(quote).toMatchObject({ symbol: 'EURUSD', bid: expect.stringMatching(/^\d\.\d{5}$/) });
    expect(order).toMatchObject({ clientOrderId: 'first-1', state: 'SUBMITTED', duplicate: false });
    expect(positions).toEqual({ items: expect.any(Array) });

    const body = /-d '(\{.*?\})'/s.exec(examples)![1]!;
    const path = '/api/v1/accounts/demo-1/orders';
    const again = await platform.call('api', path, { method: 'POST', token: keyOfTrader(), body });
    expect(again).toMatchObject({ status: 201, json: { ...order, duplicate: true } });

    const frames = await scriptFrames((frame) => dataOf(frame)?.type === 'position-closed');
    expect(frames[0]?.type).toBe('hello');
    for (const id of ['1', '2', '3']) expect(replyTo(id, frames)).toMatchObject({ ok: true });
    const filled = dataOf(frames.find((frame) => dataOf(frame)?.type === 'order-filled'));
    expect(replyTo('3', frames)).toMatchObject({ result: { clientOrderId: 'first-2', orderId: filled?.orderId } });
    const snapshots = frames.filter(({ type }) => type === 'snapshot').map((frame) => frame['channel']);
    expect(snapshots).toEqual(expect.arrayContaining(['quotes:EURUSD', 'orders:demo-1', 'positions:demo-1']));
  }, 60_000);

  /** What each curl of the shell example is answered. */
  // Tests look into answers of many shapes.
  // oxlint-disable-next-line typescript/no-explicit-any
  function shellAnswers(): any[] {
    const [shell, ...more] = codeBlocks(examples, 'sh');
    expect(more).toEqual([]);
    // Answers end without a line break.
    const eachOnALine = 'curl() { command curl "$@"; echo; }\n';
    const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', eachOnALine + here(shell!)], {
      ...{ cwd: project, encoding: 'utf8', timeout: 20_000 },
    });
    if (status !== 0) throw new Error(stderr);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  }

  function keyOfTrader(): string {
    return platform.credentials().trader.apiKey;
  }

  /** What the script has printed by the time that a frame passes the test; then it is stopped, as Ctrl-C would. */
  async function scriptFrames(isLast: (frame: Frame) => boolean): Promise<Frame[]> {
    const folder = mkdtempSync(join(tmpdir(), 'trade-'));
    const file = join(folder, 'trade.mjs');
    writeFileSync(file, here(codeBlocks(examples, 'js')[0]!));
    const child = spawn(process.execPath, [file, keyOfTrader()], {
      ...{ stdio: ['ignore', 'pipe', 'inherit'], timeout: 20_000 },
    });
    onTestFinished(() => {
      child.kill();
      rmSync(folder, { recursive: true });
    });
    const frames: Frame[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      const frame = JSON.parse(line) as Frame;
      frames.push(frame);
      if (isLast(frame)) return frames;
    }
    const said = frames.filter(({ type }) => type !== 'quote');
    throw new Error(`what was wanted did not come within 20 s, but ${JSON.stringify(said)}`);
  }
});

function dataOf(frame: Frame | undefined): { type?: string; orderId?: string } | undefined {
  return frame?.['data'] as { type?: string; orderId?: string } | undefined;
}

function replyTo(id: string, frames: readonly Frame[]): Frame | undefined {
  return frames.find((frame) => frame.type === 'reply' && frame['id'] === id);
}
