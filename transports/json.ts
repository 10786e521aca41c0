/** JSON as we accept it, from requests and from sockets: what RFC 8259 leaves open is refused. */

/** Deepest nesting of objects and arrays. */
export const maxDepth = 32;

export type JsonFault = 'malformed' | 'duplicate-key' | 'forbidden-key' | 'too-deep' | 'lone-surrogate';

export type JsonResult =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly fault: JsonFault; readonly detail: string };

/**
 * Parses one JSON text. Refused, beside malformed text: a key twice in one object, of which parsers silently take the last;
 * keys that reach into prototypes; nesting deeper than `maxDepth`; and escapes that are no Unicode text.
 */
export function parseJson(text: string): JsonResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse('malformed');
  }
  const keys = countKeys(value, 1);
  if (typeof keys !== 'number') return refuse(keys);
  // A key that came twice is there once in the value, so the text has more members than the value has keys.
  if (countMembers(text) !== keys) return refuse('duplicate-key');
  // Unpaired surrogates stand in the text itself or are written as escapes; most texts have neither.
  const isPlain = !text.includes(String.raw`\u`) && text.isWellFormed();
  return isPlain || isWellFormed(value) ? { ok: true, value } : refuse('lone-surrogate');
}

/** All keys of all objects in a parsed value. */
function countKeys(value: unknown, depth: number): number | JsonFault {
  if (typeof value !== 'object' || value === null) return 0;
  if (depth > maxDepth) return 'too-deep';
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) {
      const below = countKeys(item, depth + 1);
      if (typeof below !== 'number') return below;
      count += below;
    }
    return count;
  }
  // A parsed value has own keys only, and this is the quickest way to them.
  for (const key in value) {
    if (key === '__proto__' || key === 'constructor') return 'forbidden-key';
    const below = countKeys((value as Record<string, unknown>)[key], depth + 1);
    if (typeof below !== 'number') return below;
    count += below + 1;
  }
  return count;
}

function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, member]) => key.isWellFormed() && isWellFormed(member));
}

const QUOTE = 34;
const COLON = 58;
const BACKSLASH = 92;

/** In text known to be JSON, colons outside strings and members are the same in number. */
function countMembers(text: string): number {
  let members = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === COLON) members += 1;
    else if (code === QUOTE) at = endOfString(text, at);
  }
  return members;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  for (let code = text.charCodeAt(at); code !== QUOTE; code = text.charCodeAt(at)) at += code === BACKSLASH ? 2 : 1;
  return at;
}

const details: Readonly<Record<JsonFault, string>> = {
  malformed: 'the text is not JSON',
  'duplicate-key': 'an object has the same key twice',
  'forbidden-key': 'keys must not be __proto__ or constructor',
  'too-deep': `objects and arrays must be nested at most ${maxDepth} deep`,
  'lone-surrogate': 'a text holds half of a surrogate pair',
};

function refuse(fault: JsonFault): JsonResult {
  return { ok: false, fault, detail: details[fault] };
}
