/** The master key of a data folder: made once, for its owner alone, and renewed so that a crash in between loses nothing. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  masterKeyPath,
  MasterKeyRefused,
  openMasterKeys,
  renewMasterKey,
  retirePreviousMasterKey,
} from '../../bin/master-keys.ts';
import { masterKeyFault } from '../../config/master-key.ts';
import { Secret } from '../../config/secret.ts';

const unset = { current: undefined, previous: undefined };
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'aitrading-key-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

test('a key is made where there is none, readable for its owner alone, and found again', () => {
  const { current, previous } = openMasterKeys(unset, home);
  expect(previous).toBeUndefined();
  expect(statSync(masterKeyPath(home)).mode & 0o777).toBe(0o600);
  expect(masterKeyFault(readFileSync(masterKeyPath(home), 'utf8').trim())).toBeUndefined();
  expect(openMasterKeys(unset, home).current.id).toBe(current.id);
});

test('a key of the configuration is used as it is, and none is made', () => {
  const text = 'q0ZJx3n8mS5cV1dQw7eRtY2uI9oPaLkHgFbNvCzXs4E=';
  const hex = Buffer.from(text, 'base64').toString('hex');
  const { current, previous } = openMasterKeys({ current: new Secret(text), previous: new Secret(hex) }, home);
  expect(previous?.id).toBe(current.id);
  expect(existsSync(masterKeyPath(home))).toBe(false);
});

test.each([0o640, 0o604, 0o644])('a key file of mode %o is refused', (mode) => {
  openMasterKeys(unset, home);
  chmodSync(masterKeyPath(home), mode);
  expect(() => openMasterKeys(unset, home)).toThrow(MasterKeyRefused);
});

test('a file with something else is refused and not shown', () => {
  writeFileSync(masterKeyPath(home), 'hunter2', { mode: 0o600 });
  expect(() => openMasterKeys(unset, home)).toThrow(
    `the master key in ${masterKeyPath(home)} is not 32 bytes as base64 or hex`,
  );
});

test('a new key stands beside the one before until that is retired', () => {
  const { current: first } = openMasterKeys(unset, home);
  const { current: second, previous } = renewMasterKey(home);
  expect(previous?.id).toBe(first.id);
  expect(second.id).not.toBe(first.id);
  expect(statSync(`${masterKeyPath(home)}.previous`).mode & 0o777).toBe(0o600);
  // One that has not come to its end is gone on with.
  expect(renewMasterKey(home)).toMatchObject({ current: { id: second.id }, previous: { id: first.id } });
  expect(retirePreviousMasterKey(home)).toBe(`${masterKeyPath(home)}.${first.id}`);
  expect(statSync(`${masterKeyPath(home)}.${first.id}`).mode & 0o777).toBe(0o600);
  expect(retirePreviousMasterKey(home)).toBeUndefined();
  expect(openMasterKeys(unset, home)).toMatchObject({ current: { id: second.id }, previous: undefined });
});

test('a crash before the new key was written leaves the old one in both places, and the next run makes it', () => {
  const { current: first } = openMasterKeys(unset, home);
  copyFileSync(masterKeyPath(home), `${masterKeyPath(home)}.previous`);
  const { current, previous } = renewMasterKey(home);
  expect(previous?.id).toBe(first.id);
  expect(current.id).not.toBe(first.id);
});
