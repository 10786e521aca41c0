/** docs/replay.md is true: its example gives what it shows, its options are those of the command. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { codeBlocks, project, readPage, section, tableRows } from './markdown.ts';

const page = readPage('docs/replay.md');
const program = join(project, 'bin/aitrading.js');

test('the example gives what the page shows, but for the speed and the hash of a version', () => {
  const example = section(page, 'An example');
  const [[ticks, orders], [command], [shown]] = ['csv', 'sh', 'text'].map((language) =>
    codeBlocks(example, language),
  ) as [[string, string], [string], [string]];
  const folder = mkdtempSync(join(tmpdir(), 'replay-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'ticks.csv'), ticks);
  writeFileSync(join(folder, 'orders.csv'), orders);
  const here = command.replace('npx aitrading', `'${process.execPath}' '${program}'`);
  const { status, stdout } = spawnSync('bash', ['-c', here], { cwd: folder, encoding: 'utf8' });
  expect(status).toBe(0);
  expect(lasting(stdout)).toBe(lasting(shown));
}, 30_000);

function lasting(summary: string): string {
  return summary.replace(/^ticks\/s +[\d,]+$/m, 'ticks/s').replace(/^state +[0-9a-f]{64}$/m, 'state');
}

test('the options of the page are those of the command', () => {
  const { stdout } = spawnSync(process.execPath, [program, 'replay', '--help'], { encoding: 'utf8' });
  const options = [...stdout.matchAll(/^ +(?:-\w, )?(--[a-z]+)/gm)].map(([, name]) => name);
  const told = tableRows(section(page, 'Options')).map(([option]) => option!.replaceAll('`', ''));
  expect(told).toEqual(options.filter((name) => name !== '--help'));
}, 30_000);
