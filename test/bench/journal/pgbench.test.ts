import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findPgbench, latenciesOf, totalsOf } from '../../../bench/journal/pgbench.ts';

function installed(...versions: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const version of versions) {
    mkdirSync(join(folder, version, 'bin'), { recursive: true });
    const program = `#!/bin/sh\necho 'pgbench (PostgreSQL) ${version}.4 (Debian ${version}.4-1)'\n`;
    writeFileSync(join(folder, version, 'bin', 'pgbench'), program, { mode: 0o755 });
  }
  return folder;
}

test('the newest pgbench is the peer, named with its version', async () => {
  const folder = installed('9', '15', '14');
  const path = join(folder, '15', 'bin', 'pgbench');
  expect(await findPgbench(folder)).toEqual({ path, name: 'pgbench 15.4' });
});

test.each([
  ['no PostgreSQL', () => '/nowhere'],
  ['one without it', () => installed()],
])('with %s the peer is skipped, and the line says what to install', async (_, folder) => {
  expect(await findPgbench(folder())).toEqual({ skipped: expect.stringContaining('apt-get install') as string });
});

test('its log tells how long each transaction took', () => {
  expect(latenciesOf('0 1 2500 0 1700000000 1\n31 7 900 0 1700000000 2\n')).toEqual([2.5, 0.9]);
  expect(latenciesOf('')).toEqual([]);
});

test('a transaction that failed is no sample', () => {
  expect(() => latenciesOf('0 1 failed 0 1700000000 1\n')).toThrow('0 1 failed');
});

const output = (failed: number): string => `transaction type: script.sql
number of clients: 32
number of transactions actually processed: 12345
number of failed transactions: ${failed} (0.000%)
latency average = 3.1 ms
initial connection time = 50.1 ms
tps = 6172.512345 (without initial connection time)
`;

test('its last words tell the rows and the rate', () => {
  expect(totalsOf(output(0))).toEqual({ rows: 12_345, rowsPerSecond: 6_172.512345 });
});

test.each([
  ['no figure', 'pgbench: error', 'no figure'],
  ['a failed transaction', output(3), '3 transactions of pgbench failed'],
])('a run with %s is refused', (_, text, message) => {
  expect(() => totalsOf(text)).toThrow(message);
});
