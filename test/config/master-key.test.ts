import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeMasterKey, masterKeyFault } from '../../config/master-key.ts';

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

test('32 random bytes are a key in each way of writing', () => {
  for (let count = 0; count < 500; count++) {
    const bytes = randomBytes(32);
    const written = [
      bytes.toString('base64'),
      bytes.toString('base64').slice(0, 43),
      bytes.toString('base64url'),
      bytes.toString('hex'),
      bytes.toString('hex').toUpperCase(),
    ];
    for (const text of written) {
      expect(decodeMasterKey(text)).toEqual(bytes);
      expect(masterKeyFault(text)).toBeUndefined();
    }
  }
});

test.each([
  ['nothing', '', 'written in another way'],
  ['a word', 'changeme', 'written in another way'],
  ['31 bytes', base64(randomBytes(31)), 'written in another way'],
  ['33 bytes', base64(randomBytes(33)), 'written in another way'],
  ['63 hex digits', 'a'.repeat(63), 'written in another way'],
  ['a space in front', ` ${base64(randomBytes(32))}`, 'written in another way'],
  ['bits behind the last byte', 'q0ZJx3n8mS5cV1dQw7eRtY2uI9oPaLkHgFbNvCzXs4F=', 'written in another way'],
  ['zeros', '00'.repeat(32), 'all zeros'],
  ['zeros as base64', base64(Buffer.alloc(32)), 'all zeros'],
  ['ff', 'ff'.repeat(32), 'a row of numbers'],
  ['the numbers from 0', base64(Buffer.from(Array.from({ length: 32 }, (_, index) => index))), 'a row of numbers'],
  [
    'the numbers downwards',
    base64(Buffer.from(Array.from({ length: 32 }, (_, index) => 255 - index))),
    'a row of numbers',
  ],
  ['a sentence', base64(Buffer.from('please-change-this-key-before-us')), 'a text and not random bytes'],
  [
    'the key of SP 800-38A',
    '603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4',
    'a key that is printed in public',
  ],
  [
    'the key of the GCM vectors',
    'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308',
    'a key that is printed in public',
  ],
  ['sixteen bytes twice', randomBytes(16).toString('hex').repeat(2), 'not random'],
  ['digits alone', '1234567890'.repeat(7).slice(0, 64), 'not random'],
])('%s is no key', (_what, text, fault) => {
  expect(masterKeyFault(text)).toBe(fault);
});

test('whatever the text, nothing of it is in the fault', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(masterKeyFault(`hunter2${text}`)).not.toContain('hunter2');
    }),
  );
});
