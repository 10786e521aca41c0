/**
 * The outer form of a backup file: frames of AES-256-GCM, each authenticated before anything of it is used.
 * `magic and version (8) · key id (8) · salt (32)`, then frames of `length (4) · last (1) · ciphertext · tag (16)`, numbers big-endian.
 * Key of the file = HKDF-SHA-256(key, salt); nonce = number of the frame; authenticated with it: the head of the file, the number of the
 * frame, whether it is the last, its length. So nothing can be cut, moved, repeated, appended or taken over from another file.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { Terminal } from '../../../runtime/errors.ts';
import type { EncryptionKey } from '../../envelope.ts';

/** The file is not a whole backup of ours. Nothing was changed. */
export class BackupRefused extends Terminal {
  constructor(why: string, cause?: unknown) {
    super(`the backup is refused: ${why}`, { cause });
  }
}

/** Plain bytes of a frame at most. */
export const frameBytes = 1024 * 1024;

const magic = Buffer.from('AITBACK\u0001', 'latin1');
const keyIdAt = 8;
const saltAt = 16;
export const headBytes = 48;
const frameHeadBytes = 5;
const tagBytes = 16;

/** @param source any bytes @returns the file, piece by piece */
export async function* sealFrames(source: AsyncIterable<Buffer>, key: EncryptionKey): AsyncGenerator<Buffer> {
  const head = Buffer.concat([magic, Buffer.from(key.id, 'hex'), randomBytes(headBytes - saltAt)]);
  const fileKey = keyOf(key, head);
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let number = 0;
  yield head;
  for await (const chunk of source) {
    for (let start = 0; start < chunk.length;) {
      // A full frame waits for more: only at the end is it known which one is the last.
      if (waitingBytes === frameBytes) {
        yield sealFrame(head, fileKey, number++, false, Buffer.concat(waiting));
        [waiting, waitingBytes] = [[], 0];
      }
      const part = chunk.subarray(start, start + frameBytes - waitingBytes);
      waiting.push(part);
      waitingBytes += part.length;
      start += part.length;
    }
  }
  yield sealFrame(head, fileKey, number, true, Buffer.concat(waiting));
}

/**
 * The bytes that were sealed. What it gives is authenticated, but that the file is whole is known only once it has ended.
 *
 * @param keys the file names the one it needs
 * @param onBytes how much of the file was read, in all
 * @throws BackupRefused
 */
export async function* openFrames(
  path: string,
  keys: readonly EncryptionKey[],
  onBytes: (bytes: number) => void = () => {},
): AsyncGenerator<Buffer> {
  // A pipe would be waited for, a folder fails without its name.
  const found = await stat(path);
  if (!found.isFile()) throw new BackupRefused(`${path} is ${found.isDirectory() ? 'a folder' : 'no file'}`);
  const file = await open(path);
  try {
    const head = await readExactly(file, headBytes);
    if (!head.subarray(0, magic.length - 1).equals(magic.subarray(0, -1)))
      throw new BackupRefused('it is no backup of this platform');
    if (head[magic.length - 1] !== magic.at(-1))
      throw new BackupRefused(`its format is ${head[magic.length - 1]}, which this version does not know`);
    const keyId = head.toString('hex', keyIdAt, saltAt);
    const key = keys.find(({ id }) => id === keyId);
    if (!key)
      throw new BackupRefused(`it was made with the key ${keyId}, and there is ${keys.map(({ id }) => id).join(', ')}`);
    const fileKey = keyOf(key, head);
    let bytes = head.length;
    for (let number = 0; ; number++) {
      const frameHead = await readExactly(file, frameHeadBytes);
      const length = frameHead.readUInt32BE(0);
      if (length > frameBytes || frameHead[4]! > 1) throw altered(number);
      const sealed = await readExactly(file, length + tagBytes);
      const isLast = frameHead[4] === 1;
      const plain = openFrame(head, fileKey, number, isLast, sealed);
      bytes += frameHead.length + sealed.length;
      onBytes(bytes);
      if (plain.length > 0) yield plain;
      if (isLast) break;
    }
    const { bytesRead } = await file.read(Buffer.alloc(1), 0, 1, null);
    if (bytesRead > 0) throw new BackupRefused('there are bytes behind its end');
  } finally {
    await file.close();
  }
}

function sealFrame(head: Buffer, key: Buffer, number: number, isLast: boolean, plain: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number));
  cipher.setAAD(authenticated(head, number, isLast, plain.length));
  const frame = Buffer.allocUnsafe(frameHeadBytes);
  frame.writeUInt32BE(plain.length, 0);
  frame.writeUInt8(isLast ? 1 : 0, 4);
  return Buffer.concat([frame, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function openFrame(head: Buffer, key: Buffer, number: number, isLast: boolean, sealed: Buffer): Buffer {
  const length = sealed.length - tagBytes;
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number), { authTagLength: tagBytes });
  decipher.setAAD(authenticated(head, number, isLast, length));
  decipher.setAuthTag(sealed.subarray(length));
  const plain = decipher.update(sealed.subarray(0, length));
  try {
    decipher.final();
  } catch (error) {
    throw altered(number, error);
  }
  return plain;
}

function altered(number: number, cause?: unknown): BackupRefused {
  return new BackupRefused(`part ${number + 1} of it was altered or comes from another file`, cause);
}

function authenticated(head: Buffer, number: number, isLast: boolean, length: number): Buffer {
  const rest = Buffer.alloc(13);
  rest.writeBigUInt64BE(BigInt(number), 0);
  rest.writeUInt8(isLast ? 1 : 0, 8);
  rest.writeUInt32BE(length, 9);
  return Buffer.concat([head, rest]);
}

/** The key is the file's alone, so a number is never used twice with it. */
function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(number), 4);
  return nonce;
}

function keyOf(key: EncryptionKey, head: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', key.reveal(), head.subarray(saltAt, headBytes), 'aitrading backup 1', 32));
}

async function readExactly(file: FileHandle, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes);
  for (let at = 0; at < bytes;) {
    const { bytesRead } = await file.read(buffer, at, bytes - at, null);
    if (bytesRead === 0) throw new BackupRefused('it is cut off');
    at += bytesRead;
  }
  return buffer;
}
