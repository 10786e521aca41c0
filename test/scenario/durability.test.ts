/** What is acknowledged is on the disk: one order at a time, each waits for a sync of the write-ahead log. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { silentLog } from '../../runtime/actor.ts';
import { connectDatabase, type Database } from '../../transports/drivers/postgres.ts';
import { PlatformProcess, type StreamClient } from '../support/platform-process.ts';
import { embeddedLogin } from '../support/postgres.ts';

const orders = 50;
let platform: PlatformProcess;
let database: Database;
let stream: StreamClient;

beforeAll(async () => {
  platform = await PlatformProcess.onFreePorts();
  await platform.start();
  database = connectDatabase({ ...embeddedLogin(platform.home), log: silentLog });
  stream = await platform.stream(platform.credentials().trader.apiKey);
  await stream.ask({ type: 'subscribe', channels: ['quotes:EURUSD'] });
  await stream.wait((frame) => frame.type === 'quote');
}, 120_000);
afterAll(async () => {
  stream?.close();
  await database?.close();
  await platform.dispose();
}, 30_000);

test('the settings that durability rests on are on', async () => {
  const { rows } = await database.query<{ name: string; setting: string }>(
    `select name, setting from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit')`,
  );
  expect(rows.map(({ setting }) => setting)).toEqual(['on', 'on', 'on']);
});

test("fifty orders, one at a time, raise PostgreSQL's own count of WAL syncs by at least fifty", async () => {
  const before = await walSyncs();
  await sendOneByOne('counted');
  // Each server process publishes its counts about once a second.
  const enough = (): Promise<boolean> => walSyncs().then((now) => now >= before + orders);
  await vi.waitUntil(enough, { timeout: 20_000, interval: 200 });
  expect(await enough()).toBe(true);
}, 60_000);

const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
if (!canTrace) console.info('skipped: strace cannot trace here; the count of WAL syncs stands in for it');

test.runIf(canTrace)(
  'each of fifty orders is acknowledged only after its own sync',
  async () => {
    const trace = join(platform.home, 'syncs.trace');
    const postmaster = (await database.query<{ pid: number }>(`select pg_backend_pid() as pid`)).rows[0]!.pid;
    const parent = readFileSync(`/proc/${postmaster}/stat`, 'utf8').split(') ')[1]!.split(' ')[1]!;
    const servers = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ');
    const tracer = spawn(
      'strace',
      ['-f', '-ttt', '-e', 'trace=fsync,fdatasync', '-o', trace, ...servers.flatMap((pid) => ['-p', pid])],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    // A line for each, "Process … attached", or that one has ended meanwhile: the one that writes the journal may come last.
    let said = '';
    tracer.stderr.on('data', (chunk: Buffer) => (said += String(chunk)));
    await vi.waitUntil(() => said.split('\n').length > servers.length, { timeout: 30_000 });
    const acknowledgedAt = await sendOneByOne('traced');
    tracer.kill('SIGINT');
    await once(tracer, 'exit');

    const syncedAt = readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => /(fsync|fdatasync)(\(| resumed).*= 0/.test(line))
      .map((line) => Number(/ (\d+\.\d+) /.exec(line)![1]) * 1000);
    for (const [i, at] of acknowledgedAt.entries()) {
      expect(syncedAt.filter((syncAt) => syncAt <= at).length).toBeGreaterThanOrEqual(i + 1);
    }
  },
  120_000,
);

/** @returns when each was acknowledged, in milliseconds since 1970 */
async function sendOneByOne(name: string): Promise<number[]> {
  const acknowledgedAt: number[] = [];
  for (let i = 0; i < orders; i++) {
    const terms = {
      symbol: 'EURUSD',
      side: 'buy',
      type: 'limit',
      quantity: '0.01',
      limitPrice: '0.50000',
      timeInForce: 'gtc',
    };
    const reply = await stream.ask({
      type: 'submit-order',
      account: 'demo-1',
      order: { clientOrderId: `${name}-${i}`, ...terms },
    });
    expect(reply).toMatchObject({ ok: true });
    acknowledgedAt.push(performance.timeOrigin + performance.now());
  }
  return acknowledgedAt;
}

async function walSyncs(): Promise<number> {
  const { rows } = await database.query<{ syncs: number }>(
    `select coalesce(sum(fsyncs), 0)::bigint as syncs from pg_stat_io where object = 'wal'`,
  );
  return rows[0]!.syncs;
}
