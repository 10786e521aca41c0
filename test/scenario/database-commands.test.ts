/** The commands that look after the database, on one that a platform has used. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { PlatformProcess } from '../support/platform-process.ts';

const program = fileURLToPath(new URL('../../bin/aitrading.js', import.meta.url));
let platform: PlatformProcess;

beforeAll(async () => {
  platform = await PlatformProcess.onFreePorts();
}, 120_000);
afterAll(() => platform.dispose(), 30_000);

test('what a migration would do is told before there is a database, and none is made', async () => {
  const { code, stdout } = await run('migrate', '--dry-run');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^platform: 1 registry-and-journal\nplatform: 2 rights\n/);
  expect(stdout).toMatch(/\n\d+ migrations to apply\n$/);
  expect((await run('database', 'drift')).stdout).toBe('platform is missing\n');
}, 60_000);

test('read models that are made anew show what they showed before', async () => {
  await platform.start();
  const token = platform.credentials().trader.apiKey;
  const stream = await platform.stream(token);
  await stream.ask({ type: 'subscribe', channels: ['quotes:EURUSD'] });
  await stream.wait((frame) => frame.type === 'quote');
  for (let i = 0; i < 20; i++) {
    const body = {
      clientOrderId: `c-${i}`,
      symbol: 'EURUSD',
      side: i % 3 ? 'buy' : 'sell',
      type: 'market',
      quantity: '0.01',
      timeInForce: 'ioc',
    };
    const { status } = await platform.call('api', '/api/v1/accounts/demo-1/orders', { method: 'POST', token, body });
    expect(status).toBe(201);
  }
  const shown = async (): Promise<unknown> =>
    Promise.all(
      ['orders', 'fills', 'ledger'].map(
        async (list) => (await platform.call('api', `/api/v1/accounts/demo-1/${list}?limit=100`, { token })).json,
      ),
    );
  await vi.waitUntil(async () => {
    const { json } = await platform.call('api', '/api/v1/accounts/demo-1/fills?limit=100', { token });
    return json?.items?.length === 20;
  }, 10_000);
  const before = await shown();
  const refused = await run('database', 'rebuild', 'demo');
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/^aitrading: .*in use by process \d+/)]);
  stream.close();
  platform.signal('SIGTERM');
  await platform.exited();

  expect((await run('database', 'drift')).stdout).toBe('all schemas and rights are what the migrations give\n');
  expect((await run('migrate', '--dry-run')).stdout).toBe('0 migrations to apply\n');
  const { code, stdout, stderr } = await run('database', 'rebuild', 'demo', '--json');
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  const { rows, accounts } = JSON.parse(stdout) as { rows: number; accounts: number };
  expect(rows).toBeGreaterThan(40);
  expect(accounts).toBe(2);
  expect(stderr).toMatch(/100 % read models of demo: \d+ of \d+ rows/);
  expect((await run('database', 'rebuild', 'nobody')).stderr).toBe('aitrading: there is no tenant nobody\n');

  await platform.start();
  expect(await shown()).toEqual(before);
}, 120_000);

async function run(...words: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const env = { ...process.env, AITRADING_HOME: platform.home, PORT_OFFSET: String(platform.offset) };
  const child = spawn(process.execPath, [program, ...words], { env });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => (stdout += String(text)));
  child.stderr.on('data', (text) => (stderr += String(text)));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { code, stdout, stderr };
}
