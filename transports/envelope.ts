/**
 * Encrypted values as they lie in the database: AES-256-GCM, bound to their place, naming the key that opens them.
 * `format (1) · key version (4) · key id (8) · place (8) · nonce (12) · ciphertext · tag (16)`, numbers big-endian; all in front
 * of the nonce is authenticated too. Key id and place are there to say why a value does not open; the tag decides whether it does.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, createSecretKey, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { Terminal } from '../runtime/errors.ts';

/** Where a value stands. A value that was moved to another place does not open there. */
export interface Place {
  /** Zero: the platform itself. */
  readonly tenantId: number;
  readonly table: string;
  readonly column: string;
  readonly rowId: string;
}

export interface VersionedKey {
  /** 0 to 4294967295. */
  readonly version: number;
  readonly key: EncryptionKey;
}

/** A value that does not open. No message holds a row id, a key, or anything of the value. */
export abstract class EncryptionError extends Terminal {}

/** Not a value of ours: cut off, or of a format that this version does not know. */
export class Malformed extends EncryptionError {
  constructor(what: string) {
    super(`an encrypted value must be ${what}`);
  }
}

/** Changed since it was written. */
export class Altered extends EncryptionError {
  constructor(place: Place) {
    super(`the value in ${shown(place)} was altered`);
  }
}

/** Written for another tenant, table, column or row. */
export class ForeignPlace extends EncryptionError {
  constructor(place: Place) {
    super(`the value in ${shown(place)} was written for another place`);
  }
}

/** The key has the right version but is another one. */
export class WrongKey extends EncryptionError {
  constructor(place: Place, version: number) {
    super(`the value in ${shown(place)} was encrypted with another key of version ${version}`);
  }
}

export class UnknownKeyVersion extends EncryptionError {
  constructor(place: Place, version: number) {
    super(`the value in ${shown(place)} needs key version ${version}, which there is not`);
  }
}

/** The key was destroyed on purpose: nobody can ever open the value. */
export class Shredded extends EncryptionError {
  constructor(whose: string) {
    super(`the key of ${whose} was destroyed`);
  }
}

/** 256 bits that never print. */
export class EncryptionKey {
  /** Tells keys apart and may be shown: 16 hex digits from which the key does not follow. */
  readonly id: string;
  readonly #key: KeyObject;

  /** @param bytes 32; copied, so that the caller can wipe them */
  constructor(bytes: Uint8Array) {
    if (bytes.byteLength !== keyBytes)
      throw new RangeError(`a key must have ${keyBytes} bytes, had ${bytes.byteLength}`);
    this.#key = createSecretKey(bytes);
    this.id = createHmac('sha256', this.#key)
      .update('aitrading key id')
      .digest('hex')
      .slice(0, idBytes * 2);
  }

  static generate(): EncryptionKey {
    return wiping(randomBytes(keyBytes), (bytes) => new EncryptionKey(bytes));
  }

  /** The key itself, for the call that needs it. Do not keep it. */
  reveal(): KeyObject {
    return this.#key;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  // What console.log and util.inspect ask for; the registered symbol spares an import.
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

/** Encrypts for one place. The same value twice gives two texts. */
export function seal({ version, key }: VersionedKey, place: Place, value: Uint8Array): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(format, 0);
  header.writeUInt32BE(version, versionAt);
  header.write(key.id, idAt, 'hex');
  placeDigest(place).copy(header, placeAt);
  const nonce = randomBytes(nonceBytes);
  const { ciphertext, tag } = encrypt(key, nonce, authenticated(header, place), value);
  return Buffer.concat([header, nonce, ciphertext, tag]);
}

/**
 * Opens what was sealed for this place.
 *
 * @param keyOf the key of a version; undefined where there is none; may throw Shredded
 * @throws Malformed, UnknownKeyVersion, WrongKey, ForeignPlace, Altered
 */
export function unseal(
  keyOf: (version: number) => EncryptionKey | undefined,
  place: Place,
  sealed: Uint8Array,
): Buffer {
  const text = asBuffer(sealed);
  const version = keyVersionOf(text);
  const key = keyOf(version);
  if (!key) throw new UnknownKeyVersion(place, version);
  if (keyIdOf(text) !== key.id) throw new WrongKey(place, version);
  const header = text.subarray(0, headerBytes);
  if (!header.subarray(placeAt).equals(placeDigest(place))) throw new ForeignPlace(place);
  const nonce = text.subarray(headerBytes, headerBytes + nonceBytes);
  const ciphertext = text.subarray(headerBytes + nonceBytes, -tagBytes);
  const value = decrypt(key, nonce, authenticated(header, place), ciphertext, text.subarray(-tagBytes));
  if (!value) throw new Altered(place);
  return value;
}

/** Which version of the key a value names. @throws Malformed */
export function keyVersionOf(sealed: Uint8Array): number {
  const text = asBuffer(sealed);
  if (text.length < overheadBytes) throw new Malformed(`of ${overheadBytes} bytes at least, had ${text.length}`);
  if (text[0] !== format) throw new Malformed(`of format ${format}, was of ${text[0]}`);
  return text.readUInt32BE(versionAt);
}

/** Which key a value names, as `EncryptionKey.id`. @throws Malformed */
export function keyIdOf(sealed: Uint8Array): string {
  keyVersionOf(sealed);
  return asBuffer(sealed).toString('hex', idAt, placeAt);
}

/** Encrypts a key with another, for one place. */
export function wrapKey(wrapping: VersionedKey, place: Place, key: EncryptionKey): Buffer {
  return wiping(key.reveal().export(), (bytes) => seal(wrapping, place, bytes));
}

/** @throws what `unseal` throws */
export function unwrapKey(
  keyOf: (version: number) => EncryptionKey | undefined,
  place: Place,
  wrapped: Uint8Array,
): EncryptionKey {
  return wiping(unseal(keyOf, place, wrapped), (bytes) => new EncryptionKey(bytes));
}

/** AES-256-GCM as NIST SP 800-38D has it. A nonce must never come again with the same key. */
export function encrypt(
  key: EncryptionKey,
  nonce: Uint8Array,
  associated: Uint8Array,
  value: Uint8Array,
): { ciphertext: Buffer; tag: Buffer } {
  const cipher = createCipheriv('aes-256-gcm', key.reveal(), nonce, { authTagLength: tagBytes }).setAAD(associated);
  const ciphertext = Buffer.concat([cipher.update(value), cipher.final()]);
  return { ciphertext, tag: cipher.getAuthTag() };
}

/** Undefined where the tag does not fit: nothing of the value is given away then. */
export function decrypt(
  key: EncryptionKey,
  nonce: Uint8Array,
  associated: Uint8Array,
  ciphertext: Uint8Array,
  tag: Uint8Array,
): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key.reveal(), nonce, { authTagLength: tagBytes });
  decipher.setAAD(associated).setAuthTag(tag);
  const value = decipher.update(ciphertext);
  try {
    return Buffer.concat([value, decipher.final()]);
  } catch {
    value.fill(0);
    return undefined;
  }
}

const format = 1;
const keyBytes = 32;
const idBytes = 8;
const nonceBytes = 12;
const tagBytes = 16;
const versionAt = 1;
const idAt = 5;
const placeAt = idAt + idBytes;
const headerBytes = placeAt + 8;
/** What a value grows by. */
export const overheadBytes = headerBytes + nonceBytes + tagBytes;

function authenticated(header: Buffer, place: Place): Buffer {
  return Buffer.concat([header, placeText(place)]);
}

function placeDigest(place: Place): Buffer {
  return createHash('sha256')
    .update(placeText(place))
    .digest()
    .subarray(0, headerBytes - placeAt);
}

/** JSON, so that no two places have one text: ("a", "bc") is not ("ab", "c"). */
function placeText({ tenantId, table, column, rowId }: Place): Buffer {
  return Buffer.from(JSON.stringify([tenantId, table, column, rowId]));
}

function shown({ tenantId, table, column }: Place): string {
  return `${table}.${column} of tenant ${tenantId}`;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function wiping<T>(bytes: Buffer, use: (bytes: Buffer) => T): T {
  try {
    return use(bytes);
  } finally {
    bytes.fill(0);
  }
}
