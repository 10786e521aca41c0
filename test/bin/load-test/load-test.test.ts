import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { LoadReport } from '../../../bin/load-test/report.ts';
import { PlatformProcess } from '../../support/platform-process.ts';

const program = fileURLToPath(new URL('../../../bin/aitrading.js', import.meta.url));

function loadTest(args: readonly string[], environment: Record<string, string> = {}) {
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile(
      process.execPath,
      [program, 'load-test', ...args],
      { env: { ...process.env, ...environment } },
      (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}

test('a few of each kind of user see a platform without a fault, and the report says so', async () => {
  const platform = await PlatformProcess.onFreePorts();
  onTestFinished(() => platform.dispose());
  await platform.start();
  const environment = { AITRADING_HOME: platform.home, PORT_OFFSET: String(platform.offset) };
  const args = ['--users', '20', '--seconds', '3', '--ramp-seconds', '0', '--orders-per-second', '10'];
  const mix = ['--mix', 'subscriber=5,trader=5,slow=5,reconnecting=5'];
  const { code, out, err } = await loadTest([...args, ...mix], environment);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain('errors        none');
  const report = JSON.parse(readFileSync(join(platform.home, 'load-test.json'), 'utf8')) as LoadReport;
  expect(report).toMatchObject({ users: 20, errors: {}, connections: { opened: 20, refused: 0 }, gaps: { seen: 0 } });
  expect(report.orders.accepted).toBeGreaterThan(0);
  expect(report.deliveries).toBeGreaterThan(100);
}, 90_000);

test.each([
  [['--users', '0'], 'whole number from 1 to 20000'],
  [['--users', '20001'], 'whole number from 1 to 20000'],
  [['--mix', 'nobody=1'], 'kinds: subscriber, trader, slow, reconnecting'],
  [['--url', 'ws://example.com/stream'], 'of this machine'],
  [['--symbols', 'EURUSD,,'], 'names with commas'],
])('%j is a wrong use', async (args, reason) => {
  const { code, err } = await loadTest(args);
  expect(code).toBe(2);
  expect(err).toContain(reason);
});
