import { beforeEach, expect, test } from 'vitest';
import { installPackages, type Machine } from './apt.ts';

const policyPath = '/usr/sbin/policy-rc.d';
const clusterPath = '/etc/postgresql-common/createcluster.conf';

let files: Map<string, string>;
let calls: { words: string; policy: string | undefined; cluster: string | undefined }[];
let failing = '';

const machine: Machine = {
  apt(...words) {
    calls.push({ words: words.join(' '), policy: files.get(policyPath), cluster: files.get(clusterPath) });
    if (words.includes('postgresql-common')) files.set(clusterPath, 'ssl = on\n');
    if (failing !== '' && words.includes(failing)) throw new Error('no such package');
  },
  read: (path) => files.get(path),
  write: (path, content) => void files.set(path, content),
  remove: (path) => void files.delete(path),
};

beforeEach(() => {
  files = new Map();
  calls = [];
  failing = '';
});

test('a server is installed without being started and without a cluster', () => {
  installPackages(['postgresql', 'strace'], machine);
  expect(calls.map(({ words }) => words)).toEqual([
    'update',
    'install -y --no-install-recommends postgresql-common',
    'install -y --no-install-recommends postgresql strace',
  ]);
  expect(calls[1]?.policy).toContain('exit 101');
  expect(calls[2]?.policy).toContain('exit 101');
  expect(calls[2]?.cluster).toContain('create_main_cluster = false');
});

test('afterwards the machine is configured as it was', () => {
  installPackages(['postgresql'], machine);
  expect([...files]).toEqual([[clusterPath, 'ssl = on\n']]);
});

test('a policy that was there is put back, also when the installation fails', () => {
  files.set(policyPath, 'exit 0\n');
  failing = 'postgresql';
  expect(() => installPackages(['postgresql'], machine)).toThrow('no such package');
  expect(files.get(policyPath)).toBe('exit 0\n');
  expect(files.get(clusterPath)).toBe('ssl = on\n');
});

test('other packages come in one call', () => {
  installPackages(['strace'], machine);
  expect(calls.map(({ words }) => words)).toEqual(['update', 'install -y --no-install-recommends strace']);
  expect(files.size).toBe(0);
});
