import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const bench = join(import.meta.dirname, '../../bench');
const good = `export async function run({ scale, emit }) {
  emit({ name: 'size', value: 1000 * scale, unit: 'items', direction: 'higher', peer: 'peer 1.0', peerValue: 500 });
}`;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bench-'));
  for (const file of ['main.ts', 'report.ts']) copyFileSync(join(bench, file), join(folder, file));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, 'good.ts'), good);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function runBench(...words: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'main.ts'), ...words], {
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

test('a suite is the file of its name, and prints one JSON object a measurement', () => {
  const { code, out } = runBench('good', '--json');
  expect([code, JSON.parse(out)]).toMatchObject([
    0,
    { suite: 'good', name: 'size', value: 1000, peer: 'peer 1.0', ratio: 2 },
  ]);
});

test('without --json people read a row', () => {
  expect(runBench('good').out).toMatch(/good\s+size\s+1,000 items\s+peer 1\.0\s+500\s+× 2/);
});

test.each([
  ['an unknown suite', ['other'], 'no suite other; suites: good'],
  ['no suite', [], 'name one suite; suites: good'],
  ['two suites', ['good', 'good'], 'name one suite; suites: good'],
  ['an unknown option', ['good', '--fast'], '--fast'],
  ['a scale beyond the whole', ['good', '--scale=2'], '--scale must be above 0 and at most 1, was 2'],
])('%s ends with code 2 and the list', (_what, words, message) => {
  const { code, err } = runBench(...words);
  expect(code).toBe(2);
  expect(err).toContain(message);
});

test('help names the suites', () => {
  expect(runBench('--help')).toMatchObject({ code: 0, out: expect.stringContaining('Suites: good') as string });
});

test('the smoke run takes every suite at a hundredth of its size', () => {
  writeFileSync(
    join(folder, 'strict.ts'),
    `export async function run({ scale, emit }) {
    if (scale !== 0.01) throw new Error('too large');
    emit({ name: 'n', value: 1, unit: 'items', direction: 'higher' });
  }`,
  );
  const { code, out } = runBench('--smoke');
  expect(code).toBe(0);
  expect(out).toMatch(/smoke good: ran .*\nsmoke strict: ran /);
});

test.each([
  ['throws', `export async function run() { throw new Error('broken'); }`],
  ['measures nothing', 'export async function run() {}'],
  ['does not load', 'import "./nowhere.ts";'],
])('the smoke run goes on after a suite that %s, and fails', (_what, source) => {
  writeFileSync(join(folder, 'bad.ts'), source);
  const { code, out } = runBench('--smoke');
  expect(code).toBe(1);
  expect(out).toMatch(/smoke bad: failed .*\nsmoke good: ran /);
});
