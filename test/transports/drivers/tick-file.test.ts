import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import fc from 'fast-check';
import { strToU8, zipSync } from 'fflate';
import { afterAll, expect, test } from 'vitest';

import { readTicks, type TickFileOptions } from '../../../transports/drivers/tick-file.ts';
import type { Tick } from '../../../transports/drivers/tick-line.ts';
import { testDataFile } from '../../support/test-data.ts';

const folder = mkdtempSync(join(tmpdir(), 'tick-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function fileOf(content: string | Uint8Array, extension = 'csv'): string {
  const path = join(folder, `${(files += 1)}.${extension}`);
  writeFileSync(path, content);
  return path;
}

const milliseconds = { columns: ['milliseconds', 'bid', 'ask'], date: '2014-05-08' } as const;
const times = { columns: ['time', 'bid', 'ask'] } as const;

async function ticksOf(options: TickFileOptions): Promise<Tick[]> {
  const ticks: Tick[] = [];
  for await (const batch of readTicks(options)) ticks.push(...batch);
  return ticks;
}

const midnight = Date.parse('2014-05-08T00:00:00Z') * 1000;
const two = [
  { timeMicros: midnight + 17_007_000, bid: 139_147_000, ask: 139_148_000 },
  { timeMicros: midnight + 17_264_000, bid: 139_147_000, ask: 139_149_000 },
];

test.each([
  ['as it is', '17007,1.39147,1.39148\n17264,1.39147,1.39149\n'],
  ['without a line break at the end', '17007,1.39147,1.39148\n17264,1.39147,1.39149'],
  ['with CRLF', '17007,1.39147,1.39148\r\n17264,1.39147,1.39149\r\n'],
  ['with a header', 'ms,bid,ask\n17007,1.39147,1.39148\n17264,1.39147,1.39149\n'],
  ['with a byte order mark', '\ufeff17007,1.39147,1.39148\n17264,1.39147,1.39149\n'],
  ['with empty lines', '\n17007,1.39147,1.39148\n\r\n\n17264,1.39147,1.39149\n\n'],
  ['with more columns than are named', '17007,1.39147,1.39148,5,x\n17264,1.39147,1.39149,,\n'],
])('a file %s gives its ticks', async (_, content) => {
  expect(await ticksOf({ path: fileOf(content), ...milliseconds })).toEqual(two);
});

const csv = '17007,1.39147,1.39148\n17264,1.39147,1.39149\n';
test.each([
  ['gz', gzipSync(csv)],
  ['zip', zipSync({ 'a.csv': strToU8(csv) })],
  ['zip', zipSync({ 'a.csv': [strToU8(csv), { level: 0 }], 'b.csv': strToU8('not a tick') })],
])('a %s archive gives the ticks of its first file', async (extension, content) => {
  expect(await ticksOf({ path: fileOf(content, extension), ...milliseconds })).toEqual(two);
});

test('columns come in any order and some are skipped', async () => {
  const path = fileOf('EURUSD,1.39148,x,1.39147,17007\n');
  expect(await ticksOf({ path, ...milliseconds, columns: ['skip', 'ask', 'skip', 'bid', 'milliseconds'] })).toEqual([
    two[0],
  ]);
});

test.each([
  ['1', 100_000_000],
  ['0.00000001', 1],
  ['64123.5', 6_412_350_000_000],
  ['90071992.54740991', Number.MAX_SAFE_INTEGER],
  ['1.10000000', 110_000_000],
])('the price %s is read exactly', async (text, scaled) => {
  expect(await ticksOf({ path: fileOf(`0,${text},${text}`), ...milliseconds })).toEqual([
    { timeMicros: midnight, bid: scaled, ask: scaled },
  ]);
});

test.each([
  ['17007,1.39x,1.4', 'bid must be a price above zero with at most 8 places, was "1.39x"'],
  ['17007,0,1.4', 'bid must be a price above zero with at most 8 places, was "0"'],
  ['17007,-1.3,1.4', 'bid must be a price above zero with at most 8 places, was "-1.3"'],
  ['17007,1e0,1.4', 'bid must be a price above zero with at most 8 places, was "1e0"'],
  ['17007,.5,1.4', 'bid must be a price above zero with at most 8 places, was ".5"'],
  ['17007,5.,1.4', 'bid must be a price above zero with at most 8 places, was "5."'],
  ['17007,1.3.1,1.4', 'bid must be a price above zero with at most 8 places, was "1.3.1"'],
  ['17007,1.3,90071992.54740992', 'ask must be a price above zero with at most 8 places, was "90071992.54740992"'],
  ['17007,1.3,1.123456789', 'ask must be a price above zero with at most 8 places, was "1.123456789"'],
  ['17007,1.3,', 'ask must be a price above zero with at most 8 places, was ""'],
  ['17007,1.3', 'ask must be a column of the line, it has too few'],
  ['86400000,1.3,1.4', 'milliseconds must be 0 to 86399999 since midnight, was "86400000"'],
  ['x,1.3,1.4', 'milliseconds must be 0 to 86399999 since midnight, was "x"'],
  ['bid,ask,time', 'milliseconds must be 0 to 86399999 since midnight, was "bid"'],
])('the line %s is refused with its number, what was wanted and what was found', async (line, message) => {
  const path = fileOf(`ms,bid,ask\n17007,1.39147,1.39148\n${line}\n17264,1.39147,1.39149\n`);
  await expect(ticksOf({ path, ...milliseconds })).rejects.toMatchObject({
    name: 'TickFileError',
    path,
    line: 3,
    message: `${path}:3: ${message}`,
  });
});

test.each([
  ['20140508 17:30,1.1,1.2', undefined, '2014-05-08T17:30:00Z', 0],
  ['2014.05.08 17:30:00.250,1.1,1.2', '-05:00', '2014-05-08T22:30:00.250Z', 0],
  ['2014-05-08T17:30:00.123456Z,1.1,1.2', '-05:00', '2014-05-08T17:30:00.123Z', 456],
  ['2014-05-08T17:30:00+02:00,1.1,1.2', 'America/New_York', '2014-05-08T15:30:00Z', 0],
  ['2014-01-08 17:30:00,1.1,1.2', 'America/New_York', '2014-01-08T22:30:00Z', 0],
  ['2014-07-08 17:30:00,1.1,1.2', 'America/New_York', '2014-07-08T21:30:00Z', 0],
  ['2014-11-02 01:30:00,1.1,1.2', 'America/New_York', '2014-11-02T05:30:00Z', 0],
  ['2014-03-09 02:30:00,1.1,1.2', 'America/New_York', '2014-03-09T07:30:00Z', 0],
])('the time of %s in zone %s is %s', async (line, timezone, iso, micros) => {
  const [tick] = await ticksOf({ path: fileOf(line), ...times, ...(timezone === undefined ? {} : { timezone }) });
  expect(tick?.timeMicros).toBe(Date.parse(iso) * 1000 + micros);
});

test.each(['20140631 10:00', '20140508 24:00', '2014-05/08 10:00', '10:00', '20140508 10:60', '1399525217'])(
  'the time %s is refused',
  async (time) => {
    const path = fileOf(`${time},1.1,1.2\n`);
    await expect(ticksOf({ path, ...times })).rejects.toThrow(`${path}:1: time must be a date and time such as`);
  },
);

test.each([
  [{ columns: ['bid', 'ask'] }, 'columns must hold bid, ask and one of milliseconds and time, each once, were bid,ask'],
  [
    { columns: ['time', 'bid', 'ask', 'volume' as 'skip'] },
    'columns must be of milliseconds, time, bid, ask, skip, found "volume"',
  ],
  [{ columns: ['time', 'bid', 'bid'] }, 'each once, were time,bid,bid'],
  [{ columns: ['milliseconds', 'bid', 'ask'] }, 'milliseconds count from a date YYYY-MM-DD, was undefined'],
  [{ ...milliseconds, date: '2014-13-08' }, 'date must be a day of the calendar, was 2014-13-08'],
  [
    { ...times, timezone: 'Mars/Olympus' },
    'timezone must be an offset such as -05:00 or an IANA name, was Mars/Olympus',
  ],
] satisfies [Omit<TickFileOptions, 'path'>, string][])('options %j are refused at once', (options, message) => {
  const open = () => readTicks({ path: fileOf(csv), ...options });
  expect(open).toThrow(RangeError);
  expect(open).toThrow(message);
});

test('a file that is not there is an error with its cause', () => {
  const path = join(folder, 'absent.csv');
  expect(() => readTicks({ path, ...milliseconds })).toThrow(
    expect.objectContaining({
      name: 'TickFileError',
      message: `${path}: cannot be opened`,
      cause: expect.objectContaining({ code: 'ENOENT' }),
    }),
  );
});

const noise = Array.from(
  { length: 5_000 },
  (_, at) => `${at},1.${(at * 7_919) % 99_991},2.${(at * 104_729) % 99_991}\n`,
).join('');
test.each([
  ['zip', zipSync({ 'a.csv': strToU8(noise) }), 'the archive is cut off'],
  ['gz', gzipSync(noise), 'cannot be read: unexpected end of file'],
])('a %s archive that is cut off is an error and not a short day', async (extension, content, message) => {
  const path = fileOf(content.subarray(0, content.length >> 1), extension);
  await expect(ticksOf({ path, ...milliseconds })).rejects.toThrow(`${path}: ${message}`);
});

test('a zip without a file in it, and a file that is no zip, are errors', async () => {
  for (const content of [zipSync({}), strToU8(noise)]) {
    const path = fileOf(content, 'zip');
    await expect(ticksOf({ path, ...milliseconds })).rejects.toThrow(
      `${path}: must be a zip archive with a file in it`,
    );
  }
});

test.each(['', '\n\n', 'ms,bid,ask\n'])('a file that holds no tick is an error, as %j', async (content) => {
  const path = fileOf(content);
  await expect(ticksOf({ path, ...milliseconds })).rejects.toThrow(`${path}: must hold ticks, found none`);
});

test('a line without end is refused before it fills the memory', async () => {
  const path = fileOf('1'.repeat(200_000));
  await expect(ticksOf({ path, ...milliseconds })).rejects.toThrow('a line must have at most 4096 bytes');
});

test('ticks come in batches of at most 1,000, and the bytes read grow to the size of the file', async () => {
  const file = readTicks({ path: fileOf(noise), ...milliseconds });
  const sizes: number[] = [];
  const read: number[] = [];
  for await (const batch of file) {
    sizes.push(batch.length);
    read.push(file.readBytes);
  }
  expect(sizes).toEqual([1_000, 1_000, 1_000, 1_000, 1_000]);
  expect(read.toSorted((one, other) => one - other)).toEqual(read);
  expect(read[0]).toBeLessThan(file.totalBytes);
  expect(read.at(-1)).toBe(file.totalBytes);
});

test('what is written is what is read, wherever chunks of the file end', async () => {
  const price = fc.integer({ min: 1, max: 10 ** 12 });
  const anyTick = fc.record({ ms: fc.integer({ min: 0, max: 86_399_999 }), bid: price, ask: price });
  const text = (scaled: number) => `${Math.floor(scaled / 1e8)}.${String(scaled % 1e8).padStart(8, '0')}`;
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyTick, { minLength: 1, maxLength: 50 }),
      fc.constantFrom('\n', '\r\n'),
      async (ticks, lineBreak) => {
        // Repeated beyond the size of a chunk, so that lines are cut at every place.
        const many = Array.from({ length: 60 }, () => ticks).flat();
        const path = fileOf(many.map(({ ms, bid, ask }) => `${ms},${text(bid)},${text(ask)}`).join(lineBreak));
        const expected = many.map(({ ms, bid, ask }) => ({ timeMicros: midnight + ms * 1000, bid, ask }));
        expect(await ticksOf({ path, ...milliseconds })).toEqual(expected);
      },
    ),
    { numRuns: 30 },
  );
});

const fxcm = testDataFile('data/fxcm-tick-eurusd-20140508_quote.zip');
test.skipIf(!fxcm)('a recorded day has all its ticks, in order, crossed ones included', async () => {
  const ticks = await ticksOf({ path: fxcm!, ...milliseconds, timezone: '-05:00' });
  expect(ticks).toHaveLength(167_466);
  expect(ticks.filter(({ bid, ask }) => bid > ask)).toHaveLength(18_285);
  expect(ticks[0]).toEqual({
    timeMicros: Date.parse('2014-05-08T05:00:17.007Z') * 1000,
    bid: 139_147_000,
    ask: 139_148_000,
  });
  expect(ticks.every(({ timeMicros }, at) => at === 0 || timeMicros >= ticks[at - 1]!.timeMicros)).toBe(true);
});
