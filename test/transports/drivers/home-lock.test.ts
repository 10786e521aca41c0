import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HomeInUse, HomeNotWritable, lockHome } from '../../../transports/drivers/home-lock.ts';

let parent: string;
let home: string;
let lockFile: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'aitrading-lock-'));
  home = join(parent, 'home');
  lockFile = join(home, 'platform.lock');
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

test('a folder that is not there is made with those above it, and others cannot look into it', () => {
  lockHome(join(home, 'below'));
  for (const folder of [home, join(home, 'below')]) expect(statSync(folder).mode & 0o777).toBe(0o711);
});

test('a folder that a living process owns is refused in one line with its name and the pid', () => {
  lockHome(home);
  expect(() => lockHome(home)).toThrow(HomeInUse);
  expect(() => lockHome(home)).toThrow(new RegExp(`^the data folder ${home} is in use by process ${process.pid}$`));
});

test('a released folder can be taken again', () => {
  lockHome(home).release();
  const again = lockHome(home);
  again.release();
  again.release();
  expect(readdirSync(home)).toEqual([]);
});

test('the lock of a process that was killed is taken over', async () => {
  const code = `import(${JSON.stringify(new URL('../../../transports/drivers/home-lock.ts', import.meta.url))})
    .then(({ lockHome }) => { lockHome(${JSON.stringify(home)}); console.log('locked'); setInterval(() => {}, 1000); })`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  expect(() => lockHome(home)).toThrow(new RegExp(`in use by process ${child.pid}$`));
  child.kill('SIGKILL');
  await once(child, 'exit');
  lockHome(home);
  expect(existsSync(lockFile)).toBe(true);
});

test.each([
  ['is empty', ''],
  ['is half written', '12'],
  ['holds something else', 'hello\nworld\n'],
  ['names a pid that another process has by now', `${process.pid}\nlong ago\n`],
  ['names a pid that nobody has', '4194305\n1\n'],
])('a lock file that %s keeps nobody out', (_, text) => {
  lockHome(home).release();
  writeFileSync(lockFile, text);
  lockHome(home);
  expect(() => lockHome(home)).toThrow(HomeInUse);
  expect(readdirSync(home)).toEqual(['platform.lock']);
});

test('releasing leaves a lock that is no longer ours alone', () => {
  const lock = lockHome(home);
  writeFileSync(lockFile, '1\nsomebody else\n');
  lock.release();
  expect(existsSync(lockFile)).toBe(true);
});

test('a folder that cannot be made is told with the reason', () => {
  writeFileSync(home, 'a file');
  chmodSync(home, 0o600);
  expect(() => lockHome(join(home, 'below'))).toThrow(HomeNotWritable);
  expect(() => lockHome(join(home, 'below'))).toThrow(/cannot be written: ENOTDIR/);
});

// The search for the folders above it once went round for ever there.
test.runIf(process.platform === 'linux')('a file system that takes no folders is told at once', () => {
  expect(() => lockHome('/proc/aitrading/home')).toThrow(
    /^the data folder \/proc\/aitrading\/home cannot be written: ENOENT/,
  );
});
