/** How the program finds its Node. An older one is played by telling it another version; what it then runs is the real one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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

// npm hands a signal on to its shell alone, so a shell that stayed in between would leave the platform behind, running.
test('SIGTERM to npm reaches the platform that npm start has started, and npm waits for its end', async () => {
  mkdirSync(join(folder, 'bin'));
  cpSync(join(import.meta.dirname, '../../package.json'), join(folder, 'package.json'));
  writeFileSync(
    join(folder, 'bin/aitrading.js'),
    `const life = setTimeout(() => {}, 10_000);
    process.on('SIGTERM', () => { clearTimeout(life); console.log('drained'); });
    console.log('started');`,
  );
  const npm = spawn('npm', ['start', '--silent'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  npm.stdout.setEncoding('utf8').on('data', (text) => (said += text));
  await once(npm.stdout, 'data');
  npm.kill('SIGTERM');
  const [code] = await once(npm, 'close');
  expect({ code, said }).toEqual({ code: 0, said: 'started\ndrained\n' });
});
