import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Reader } from '../../config/read.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'read-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const range = { min: 0, max: 50_000 };

test.each<[string, (read: Reader) => unknown, string, unknown]>([
  ['a text', (read) => read.text('V'), 'as it stands ', 'as it stands '],
  ['a whole number', (read) => read.integer('V', range), '42', 42],
  ['the lowest number', (read) => read.integer('V', range), '0', 0],
  ['the highest number', (read) => read.integer('V', range), '50000', 50_000],
  ['a number below zero', (read) => read.integer('V', { min: -5, max: 5 }), '-5', -5],
  ['a port', (read) => read.port('V', 1), '65535', 65_535],
  ['a choice', (read) => read.choice('V', ['ws', 'uws']), 'uws', 'uws'],
  ['true', (read) => read.boolean('V', false), 'true', true],
  ['false', (read) => read.boolean('V', true), 'false', false],
  ['milliseconds', (read) => read.durationMs('V', 0), '250ms', 250],
  ['seconds with a fraction', (read) => read.durationMs('V', 0), '1.5s', 1_500],
  ['minutes', (read) => read.durationMs('V', 0), '2m', 120_000],
  ['hours', (read) => read.durationMs('V', 0), '1h', 3_600_000],
  ['a host name', (read) => read.host('V'), 'db.internal', 'db.internal'],
  ['an IPv6 address', (read) => read.host('V'), '::1', '::1'],
  [
    'a URL, without the slash at its end',
    (read) => read.url('V', ['https:']),
    'https://a.example/v1/',
    'https://a.example/v1',
  ],
])('reads %s', (_what, readValue, text, value) => {
  const read = new Reader({ V: text });
  expect(readValue(read)).toBe(value);
  expect(read.faults).toEqual([]);
});

test.each<[string, (read: Reader) => unknown, string, string]>([
  [
    'a number above its range',
    (read) => read.integer('PORT_OFFSET', range),
    '70000',
    'PORT_OFFSET must be 0 to 50000, was 70000',
  ],
  [
    'a number below its range',
    (read) => read.integer('PORT_OFFSET', range),
    '-1',
    'PORT_OFFSET must be 0 to 50000, was -1',
  ],
  ['a fraction', (read) => read.integer('PORT_OFFSET', range), '1.5', 'PORT_OFFSET must be 0 to 50000, was 1.5'],
  [
    'a number in other clothes',
    (read) => read.integer('PORT_OFFSET', range),
    '0x10',
    'PORT_OFFSET must be 0 to 50000, was 0x10',
  ],
  ['port zero', (read) => read.port('DB_PORT', 5432), '0', 'DB_PORT must be 1 to 65535, was 0'],
  [
    'no choice',
    (read) => read.choice('WS_ENGINE', ['auto', 'ws', 'uws']),
    'WS',
    'WS_ENGINE must be auto, ws or uws, was WS',
  ],
  ['no boolean', (read) => read.boolean('FLAG', true), 'yes', 'FLAG must be true or false, was yes'],
  [
    'a duration without unit',
    (read) => read.durationMs('WAIT', 1),
    '250',
    'WAIT must be a number with ms, s, m or h, was 250',
  ],
  [
    'a URL as a host',
    (read) => read.host('DB_HOST'),
    'http://db',
    'DB_HOST must be a host name or IP address, was http://db',
  ],
  [
    'a URL of another protocol',
    (read) => read.url('BASE', ['https:']),
    'ftp://a',
    'BASE must be a URL with https:, was a URL of another kind',
  ],
  [
    'no URL',
    (read) => read.url('BASE', ['http:', 'https:']),
    'nowhere',
    'BASE must be a URL with http: or https:, was no URL',
  ],
])('names %s as a fault', (_what, readValue, text, fault) => {
  const name = fault.slice(0, fault.indexOf(' '));
  const read = new Reader({ [name]: text });
  readValue(read);
  expect(read.faults).toEqual([fault]);
});

test.each(['ftp://user:hunter2@host', 'hunter2:', 'hunter2'])(
  'a fault of a URL does not repeat the password in %s',
  (text) => {
    const read = new Reader({ BASE: text });
    read.url('BASE', ['https:']);
    expect(read.faults).toHaveLength(1);
    expect(read.faults.join()).not.toContain('hunter2');
  },
);

test('a variable that is unset or empty gives the fallback', () => {
  const read = new Reader({ EMPTY: '' });
  const found = ['EMPTY', 'UNSET'].map((name) => [
    read.text(name, 'x'),
    read.integer(name, range, 7),
    read.port(name, 8),
    read.durationMs(name, 9),
  ]);
  expect(found).toEqual([
    ['x', 7, 8, 9],
    ['x', 7, 8, 9],
  ]);
  expect(read.faults).toEqual([]);
});

test('a file stands for its variable, without the line break at its end', () => {
  const read = new Reader({ DB_PASSWORD_FILE: file('password', 'one\ntwo\n') });
  expect(read.secret('DB_PASSWORD')?.reveal()).toBe('one\ntwo');
});

test('a number in a file is held to its range', () => {
  const read = new Reader({ PORT_OFFSET_FILE: file('offset', '70000\n') });
  read.integer('PORT_OFFSET', range);
  expect(read.faults).toEqual(['PORT_OFFSET must be 0 to 50000, was 70000']);
});

test('a file that is not there is a fault', () => {
  const path = join(folder, 'nothing');
  const read = new Reader({ DB_PASSWORD_FILE: path });
  expect(read.secret('DB_PASSWORD')).toBeUndefined();
  expect(read.faults).toEqual([`DB_PASSWORD_FILE must be a file that can be read, was ${path} (ENOENT)`]);
});

test('a variable and its file together are a fault that shows neither value', () => {
  const read = new Reader({ DB_PASSWORD: 'hunter2', DB_PASSWORD_FILE: file('other', 'hunter3') });
  expect(read.secret('DB_PASSWORD')).toBeUndefined();
  expect(read.faults).toEqual(['DB_PASSWORD and DB_PASSWORD_FILE are both set: one of them must go']);
});

test('a whole number is read exactly when it lies in the range', () => {
  fc.assert(
    fc.property(fc.integer({ min: -100_000, max: 100_000 }), (value) => {
      const read = new Reader({ V: String(value) });
      const found = read.integer('V', range);
      const inside = value >= range.min && value <= range.max;
      expect([found, read.faults.length]).toEqual(inside ? [value, 0] : [undefined, 1]);
    }),
  );
});

test('a duration keeps its length through every unit', () => {
  const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  fc.assert(
    fc.property(fc.nat(100_000), fc.constantFrom('ms', 's', 'm', 'h'), (count, unit) => {
      expect(new Reader({ V: `${count}${unit}` }).durationMs('V', -1)).toBe(count * units[unit]);
    }),
  );
});
