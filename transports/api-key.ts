/**
 * API keys: `at_<env>_<tenant number in base 36>_<30 base62>_<6 base62 CRC32>`.
 * The checksum refuses slips of the pen before anything is looked up, and lets scanners find leaked keys.
 */
import { createHash, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const KEY = /^at_[a-z]{1,12}_[0-9a-z]{1,12}_[0-9A-Za-z]{30}_[0-9A-Za-z]{6}$/;

/**
 * A new key, about 178 bits of chance; it is shown once and only its hash is kept.
 *
 * @param env lower-case letters, such as `paper`
 * @param tenantId zero for roles of the platform
 */
export function newApiKey(env: string, tenantId: number): string {
  const secret = Array.from({ length: 30 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  const body = `at_${env}_${tenantId.toString(36)}_${secret}`;
  const key = `${body}_${checksum(body)}`;
  if (!isWellFormedKey(key)) throw new RangeError(`env must be 1 to 12 lower-case letters, was ${env}`);
  return key;
}

export function isWellFormedKey(text: string): boolean {
  if (!KEY.test(text)) return false;
  const end = text.lastIndexOf('_');
  return checksum(text.slice(0, end)) === text.slice(end + 1);
}

/** What is stored of a key. Its entropy makes a slow hash needless. */
export function hashApiKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function checksum(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let digit = 0; digit < 6; digit++) {
    text = ALPHABET[rest % ALPHABET.length]! + text;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return text;
}
