/** How the program finds its Node. An older one is played by telling it another version; what it then runs is the real one. */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const program = join(import.meta.dirname, '../../bin/aitrading.js');
const older = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.9.0'}})`;
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'launcher-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function launch(path: string, words: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const env = { PATH: process.env['PATH'] ?? '', ...environment };
  const child = spawn(process.execPath, ['--import', older, path, ...words], { cwd: folder, env });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => (said.stdout += text));
  child.stderr.on('data', (text) => (said.stderr += text));
  return new Promise<typeof said & { code: number | null }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...said, code }));
  });
}

test('an older Node hands over to the one of the project, arguments, output and exit code included', async () => {
  const good = await launch(program, ['config', 'check', '--json'], { SIMULATOR_SEED: '7' });
  expect(good).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(good.stdout)).toMatchObject({ config: { simulator: { seed: 7 } } });
  expect(await launch(program, ['strat'])).toMatchObject({ code: 2, stdout: '' });
});

test('without the Node of the project the answer is one line that says what to do', async () => {
  mkdirSync(join(folder, 'bin'));
  const copy = join(folder, 'bin/aitrading.js');
  cpSync(program, copy);
  const { code, stdout, stderr } = await launch(copy, ['start']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^aitrading: needs Node 24, this is v\S+: run npm ci, which brings it\n$/);
});
