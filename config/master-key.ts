/** What a master key looks like, and what only looks like one. */

/**
 * The 32 bytes of a key written as base64 (also base64url, with or without `=`) or as 64 hex digits.
 * @returns undefined where it is not written like that
 */
export function decodeMasterKey(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  // The last digit has two bits too many: a slip there would go unseen.
  const written = text.replace('=', '').replaceAll('+', '-').replaceAll('/', '_');
  return bytes.toString('base64url') === written ? bytes : undefined;
}

/** Why nobody may use this as a key, as in `was …`; undefined for a good one. Repeats nothing of it. */
export function masterKeyFault(text: string): string | undefined {
  const bytes = decodeMasterKey(text);
  if (!bytes) return 'written in another way';
  if (bytes.every((byte) => byte === 0)) return 'all zeros';
  if (knownKeys.has(bytes.toString('hex'))) return 'a key that is printed in public';
  if (isProgression(bytes)) return 'a row of numbers';
  if (bytes.every((byte) => byte >= 0x20 && byte < 0x7f)) return 'a text and not random bytes';
  // Of 32 random bytes 30 are different on average; fewer than 20 come once in some 10^9 keys.
  if (new Set(bytes).size < leastDifferentBytes) return 'not random';
  return undefined;
}

const leastDifferentBytes = 20;

/** From the test vectors of AES that everybody has (FIPS 197, SP 800-38A, RFC 3394, GCM), where nothing below finds them. */
const knownKeys: ReadonlySet<string> = new Set([
  '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4',
  'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308',
]);

/** 00 01 02 …, ff fe fd …, or one byte again and again. */
function isProgression(bytes: Buffer): boolean {
  const step = (bytes[1]! - bytes[0]!) & 0xff;
  return bytes.every((byte, index) => index === 0 || byte === ((bytes[index - 1]! + step) & 0xff));
}
