import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  BackupRefused,
  frameBytes,
  headBytes,
  openFrames,
  sealFrames,
} from '../../../../transports/drivers/backup/frames.ts';
import { EncryptionKey } from '../../../../transports/envelope.ts';
import { collect } from '../../support/backup.ts';

const key = EncryptionKey.generate();
const numRuns = Math.round(300 * Number(process.env['TEST_SCALE'] ?? 1));
let path: string;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'aitrading-frames-'));
  path = join(folder, 'file');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function sealed(chunks: readonly Buffer[], by = key): Promise<Buffer> {
  const source = (async function* () {
    yield* chunks;
  })();
  return collect(sealFrames(source, by));
}

async function opened(file: Buffer, keys = [key]): Promise<Buffer> {
  writeFileSync(path, file);
  return collect(openFrames(path, keys));
}

/** Where each frame begins; last the end of the file. */
function frameStarts(file: Buffer): readonly number[] {
  const starts = [headBytes];
  for (let at = headBytes; at < file.length; starts.push(at)) at += 5 + file.readUInt32BE(at) + 16;
  return starts;
}

test.each([0, 1, 100, frameBytes - 1, frameBytes, frameBytes + 1, 3 * frameBytes])(
  '%i bytes come back as they were',
  async (size) => {
    const plain = randomBytes(size);
    const file = await sealed([plain.subarray(0, size >> 1), plain.subarray(size >> 1)]);
    expect(frameStarts(file)).toHaveLength(Math.max(1, Math.ceil(size / frameBytes)) + 1);
    expect((await opened(file)).equals(plain)).toBe(true);
  },
);

test('the same bytes give another file each time, and none of them shows', async () => {
  const plain = Buffer.from('a secret that is long enough to be found');
  const [one, two] = [await sealed([plain]), await sealed([plain])];
  expect(one.subarray(headBytes).equals(two.subarray(headBytes))).toBe(false);
  expect(one.includes('secret')).toBe(false);
});

test('of several keys the one that the file names is used; without it the file is refused by name', async () => {
  const [other, plain] = [EncryptionKey.generate(), randomBytes(10)];
  const file = await sealed([plain], other);
  expect(await opened(file, [key, other])).toEqual(plain);
  await expect(opened(file)).rejects.toThrow(`it was made with the key ${other.id}, and there is ${key.id}`);
});

const three = sealed([randomBytes(2 * frameBytes + 100)]);
const another = sealed([randomBytes(2 * frameBytes + 100)]);
const part = (file: Buffer, from: number, to: number) => file.subarray(frameStarts(file)[from], frameStarts(file)[to]);
const head = (file: Buffer) => file.subarray(0, headBytes);

const damage: Record<string, [change: (file: Buffer, other: Buffer) => Buffer, why: RegExp]> = {
  'is empty': [() => Buffer.alloc(0), /cut off/],
  'is something else': [() => Buffer.alloc(100, 'x'), /no backup of this platform/],
  'has a later format': [(file) => flipped(file, 7, 2), /its format is 3/],
  'names another key': [(file) => flipped(file, 8, 1), /made with the key/],
  'has another salt': [(file) => flipped(file, 16, 1), /part 1 of it was altered/],
  'has a shorter frame': [(file) => flipped(file, headBytes + 1, 0x10), /altered/],
  'has a frame that is too long': [(file) => flipped(file, headBytes, 0x80), /part 1 of it was altered/],
  'ends early by its own word': [(file) => flipped(file, headBytes + 4, 1), /part 1 of it was altered/],
  'has a flag that is none': [(file) => flipped(file, headBytes + 4, 2), /part 1 of it was altered/],
  'goes on by its own word': [(file) => flipped(file, frameStarts(file)[2]! + 4, 1), /part 3 of it was altered/],
  'has a changed bit of ciphertext': [
    (file) => flipped(file, frameStarts(file)[1]! + 99, 4),
    /part 2 of it was altered/,
  ],
  'has a changed bit in a tag': [(file) => flipped(file, frameStarts(file)[2]! - 1, 4), /part 2 of it was altered/],
  'has two frames in another order': [
    (file) => Buffer.concat([head(file), part(file, 1, 2), part(file, 0, 1), part(file, 2, 3)]),
    /part 1/,
  ],
  'has a frame twice': [
    (file) => Buffer.concat([head(file), part(file, 0, 1), part(file, 0, 1), part(file, 2, 3)]),
    /part 2/,
  ],
  'lacks a frame': [(file) => Buffer.concat([head(file), part(file, 1, 3)]), /part 1/],
  'lacks its last frame': [(file) => file.subarray(0, frameStarts(file)[2]), /cut off/],
  'ends within a frame': [(file) => file.subarray(0, -1), /cut off/],
  'has bytes behind its end': [(file) => Buffer.concat([file, Buffer.alloc(1)]), /bytes behind its end/],
  'is two files in one': [(file, other) => Buffer.concat([file, other]), /bytes behind its end/],
  'has a frame of another file': [
    (file, other) => Buffer.concat([head(file), part(file, 0, 1), part(other, 1, 2), part(file, 2, 3)]),
    /part 2/,
  ],
  'has the head of another file': [(file, other) => Buffer.concat([head(other), part(file, 0, 3)]), /part 1/],
};

test.each(Object.entries(damage))('a file that %s is refused', async (_, [change, why]) => {
  const refused = await opened(change(await three, await another)).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(BackupRefused);
  expect((refused as Error).message).toMatch(why);
  expect((refused as Error).message).not.toContain('\n');
});

test('whatever single byte is changed, cut or put in, the file is refused', async () => {
  const file = await sealed([randomBytes(300)]);
  const change = fc.oneof(
    fc.record({
      type: fc.constant('flip' as const),
      at: fc.nat(file.length - 1),
      by: fc.integer({ min: 1, max: 255 }),
    }),
    fc.record({ type: fc.constant('cut' as const), at: fc.nat(file.length - 1), by: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ type: fc.constant('insert' as const), at: fc.nat(file.length), by: fc.integer({ min: 0, max: 255 }) }),
  );
  await fc.assert(
    fc.asyncProperty(change, async ({ type, at, by }) => {
      const [front, back] = [file.subarray(0, at), file.subarray(at)];
      if (type === 'flip') await expect(opened(flipped(file, at, by))).rejects.toThrow(BackupRefused);
      else if (type === 'cut')
        await expect(opened(Buffer.concat([front, back.subarray(by)]))).rejects.toThrow(BackupRefused);
      else await expect(opened(Buffer.concat([front, Buffer.from([by]), back]))).rejects.toThrow(BackupRefused);
    }),
    { numRuns },
  );
});

function flipped(file: Buffer, at: number, by: number): Buffer {
  const copy = Buffer.from(file);
  copy[at]! ^= by;
  return copy;
}
