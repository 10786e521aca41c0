// oxlint-disable typescript/restrict-template-expressions, typescript/no-misused-spread -- printing a key by mistake is the subject
import { format, inspect } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  Altered,
  decrypt,
  encrypt,
  EncryptionError,
  EncryptionKey,
  ForeignPlace,
  keyIdOf,
  keyVersionOf,
  Malformed,
  overheadBytes,
  seal,
  UnknownKeyVersion,
  unseal,
  unwrapKey,
  wrapKey,
  WrongKey,
  type Place,
} from '../../transports/envelope.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const place: Place = { tenantId: 7, table: 'person_detail', column: 'value', rowId: '["u-1","email"]' };
const key = EncryptionKey.generate();
const keyOf = (version: number) => (version === 3 ? key : undefined);
const sealed = (value: string | Uint8Array, at = place): Buffer => seal({ version: 3, key }, at, Buffer.from(value));

function refusal(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was refused');
}

const gcmPlaintext =
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255';
const gcmCiphertext =
  '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad';
const gcmKey = 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308';

// McGrew and Viega, The Galois/Counter Mode of Operation, cases 13 to 16: AES-256 with nonces of 96 bits.
test.each([
  ['13', '00'.repeat(32), '00'.repeat(12), '', '', '', '530f8afbc74536b9a963b4f1c4cb738b'],
  [
    ...(['14', '00'.repeat(32), '00'.repeat(12), '', '00'.repeat(16)] as const),
    ...(['cea7403d4d606b6e074ec5d3baf39d18', 'd0d1c8a799996bf0265b98b5d48ab919'] as const),
  ],
  ['15', gcmKey, 'cafebabefacedbaddecaf888', '', gcmPlaintext, gcmCiphertext, 'b094dac5d93471bdec1a502270e3cc6c'],
  [
    ...(['16', gcmKey, 'cafebabefacedbaddecaf888', 'feedfacedeadbeeffeedfacedeadbeefabaddad2'] as const),
    ...([gcmPlaintext.slice(0, 120), gcmCiphertext.slice(0, 120), '76fc6ece0f4e1768cddf8853bb2d551b'] as const),
  ],
])('case %s of the GCM specification comes out', (_case, keyText, nonce, associated, value, ciphertext, tag) => {
  const vectorKey = new EncryptionKey(hex(keyText));
  const made = encrypt(vectorKey, hex(nonce), hex(associated), hex(value));
  expect({ ciphertext: made.ciphertext.toString('hex'), tag: made.tag.toString('hex') }).toEqual({ ciphertext, tag });
  expect(decrypt(vectorKey, hex(nonce), hex(associated), hex(ciphertext), hex(tag))).toEqual(hex(value));
  expect(decrypt(vectorKey, hex(nonce), hex(`${associated}00`), hex(ciphertext), hex(tag))).toBeUndefined();
});

test('whatever is sealed opens again, in its place', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 600 }),
      fc.record({ tenantId: fc.nat(), table: fc.string(), column: fc.string(), rowId: fc.string({ unit: 'binary' }) }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      (value, at, version) => {
        const text = seal({ version, key }, at, value);
        expect(text.length).toBe(value.length + overheadBytes);
        expect([keyVersionOf(text), keyIdOf(text)]).toEqual([version, key.id]);
        expect(unseal((asked) => (asked === version ? key : undefined), at, text)).toEqual(Buffer.from(value));
      },
    ),
  );
});

test('a flipped bit is refused wherever it is', () => {
  const text = sealed('trader@demo.example');
  const classes = new Set<string>();
  for (let bit = 0; bit < text.length * 8; bit++) {
    const altered = Buffer.from(text);
    altered[bit >> 3]! ^= 1 << (bit & 7);
    const error = refusal(() => unseal(() => key, place, altered));
    expect(error).toBeInstanceOf(EncryptionError);
    classes.add(error.name);
  }
  expect([...classes].toSorted()).toEqual(['Altered', 'ForeignPlace', 'Malformed', 'WrongKey']);
});

test('what is cut off anywhere, or longer, is refused', () => {
  const text = sealed('trader@demo.example');
  for (let length = 0; length < text.length; length++)
    expect(refusal(() => unseal(keyOf, place, text.subarray(0, length)))).toBeInstanceOf(EncryptionError);
  expect(refusal(() => unseal(keyOf, place, Buffer.concat([text, Buffer.of(0)])))).toBeInstanceOf(Altered);
  expect(refusal(() => unseal(keyOf, place, Buffer.alloc(0)))).toBeInstanceOf(Malformed);
});

test.each<[string, Partial<Place>]>([
  ['tenant', { tenantId: 8 }],
  ['table', { table: 'broker' }],
  ['column', { column: 'password' }],
  ['row', { rowId: '["u-2","email"]' }],
  ['border between table and column', { table: 'person_detailv', column: 'alue' }],
])('a value does not open in another %s', (_what, change) => {
  expect(refusal(() => unseal(keyOf, { ...place, ...change }, sealed('x')))).toBeInstanceOf(ForeignPlace);
});

test('the place is authenticated and not only compared', () => {
  const text = sealed('x');
  const other = { ...place, rowId: '["u-2","email"]' };
  // Somebody who moves a value can also write the digest of the place it goes to.
  sealed('y', other).copy(text, 13, 13, 21);
  expect(refusal(() => unseal(keyOf, other, text))).toBeInstanceOf(Altered);
});

test('places that differ have different texts', () => {
  const part = fc.string({ unit: fc.constantFrom('a', '"', ',', '\\', '[', '\ud800'), maxLength: 4 });
  const places = fc.record({ tenantId: fc.nat(3), table: part, column: part, rowId: part });
  fc.assert(
    fc.property(places, places, (one, other) => {
      fc.pre(JSON.stringify(one) !== JSON.stringify(other));
      expect(refusal(() => unseal(keyOf, other, sealed('x', one)))).toBeInstanceOf(ForeignPlace);
    }),
  );
});

test('another key of the same version is told from an altered value', () => {
  expect(refusal(() => unseal(() => EncryptionKey.generate(), place, sealed('x')))).toBeInstanceOf(WrongKey);
});

test('a version that nobody has, and the version of another key', () => {
  const text = seal({ version: 4, key }, place, Buffer.from('x'));
  expect(refusal(() => unseal(keyOf, place, text))).toBeInstanceOf(UnknownKeyVersion);
  text.writeUInt32BE(3, 1);
  expect(refusal(() => unseal(keyOf, place, text))).toBeInstanceOf(Altered);
});

test('no nonce comes twice in 50,000 values', () => {
  const nonces = new Set<string>();
  for (let count = 0; count < 50_000; count++) nonces.add(sealed('').toString('latin1', 21, 33));
  expect(nonces.size).toBe(50_000);
});

test('a wrapped key opens what the key has sealed, with its master and in its place alone', () => {
  const master = EncryptionKey.generate();
  const at = { tenantId: 7, table: 'data_key', column: 'wrapped', rowId: '1' };
  const wrapped = wrapKey({ version: 0, key: master }, at, key);
  const opened = unwrapKey(() => master, at, wrapped);
  expect(opened.id).toBe(key.id);
  expect(unseal(() => opened, place, sealed('value')).toString()).toBe('value');
  expect(refusal(() => unwrapKey(() => key, at, wrapped))).toBeInstanceOf(WrongKey);
  expect(refusal(() => unwrapKey(() => master, { ...at, tenantId: 8 }, wrapped))).toBeInstanceOf(ForeignPlace);
});

test('a key has 32 bytes', () => {
  expect(() => new EncryptionKey(Buffer.alloc(16))).toThrow('a key must have 32 bytes, had 16');
});

test('no error shows anything of value, key or row', () => {
  const bytes = Buffer.from('hunter2-6f1e-hunter2-6f1e-hunter');
  const secret = new EncryptionKey(bytes);
  const at = { ...place, rowId: 'hunter2-row' };
  const text = seal({ version: 3, key: secret }, at, Buffer.from('hunter2-value'));
  const broken = Buffer.from(text);
  broken[40]! ^= 1;
  const errors = [
    () => unseal(() => secret, at, broken),
    () => unseal(() => secret, { ...at, rowId: 'hunter2-other' }, text),
    () => unseal(() => key, at, text),
    () => unseal(() => undefined, at, text),
    () => unseal(() => secret, at, text.subarray(0, 20)),
  ].map(refusal);
  const printed = errors.map((error) => inspect(error, { depth: 9, showHidden: true })).join();
  expect(errors.every((error) => error instanceof EncryptionError)).toBe(true);
  for (const text of ['hunter2', bytes.toString('hex'), bytes.toString('base64').slice(0, 40)])
    expect(printed).not.toContain(text);
});

const planted = Buffer.from('hunter2-6f1e-hunter2-6f1e-hunter');
const plantedKey = new EncryptionKey(planted);
test.each([
  ['a template string', `${plantedKey}`],
  ['JSON', JSON.stringify({ key: plantedKey })],
  ['util.inspect', inspect({ nested: { plantedKey } }, { depth: 5, showHidden: true })],
  ['util.inspect without custom inspection', inspect(plantedKey, { customInspect: false, showHidden: true })],
  ['console.log, which formats', format('%s %o %O %j', plantedKey, plantedKey, plantedKey, plantedKey)],
  ['a spread copy', inspect({ ...plantedKey })],
])('a key is not in %s', (_where, printed) => {
  for (const text of ['hunter2', planted.toString('hex'), planted.toString('base64').slice(0, 40)])
    expect(printed).not.toContain(text);
});
