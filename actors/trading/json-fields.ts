/** Writes text into JSON, and reads fields of JSON that we wrote ourselves. A field that is not as we write it means that the journal is damaged. */
import { parseScaled } from './money.ts';
import { parseTime } from './time.ts';

/** JSON text of a string; what most strings of ours are needs no escaping. */
export function quoted(value: string): string {
  return PLAIN.test(value) ? `"${value}"` : JSON.stringify(value);
}
const PLAIN = /^[\w.:-]*$/;

export type Json = Readonly<Record<string, unknown>>;

/** @throws {TypeError} `value` is no JSON object */
export function asObject(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fault(what, 'an object', value);
  return value as Json;
}

/** @throws {TypeError} */
export function text(json: Json, name: string): string {
  const value = json[name];
  if (typeof value !== 'string') throw fault(name, 'text', value);
  return value;
}

/** @throws {TypeError} */
export function integer(json: Json, name: string): number {
  const value = json[name];
  if (!Number.isSafeInteger(value)) throw fault(name, 'an integer', value);
  return value as number;
}

/** @throws {TypeError} */
export function truth(json: Json, name: string): boolean {
  const value = json[name];
  if (typeof value !== 'boolean') throw fault(name, 'true or false', value);
  return value;
}

/** @throws {TypeError} */
export function texts(json: Json, name: string): readonly string[] {
  const value = json[name];
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string')) throw fault(name, 'texts', value);
  return value;
}

/** @throws {TypeError} */
export function objects(json: Json, name: string): readonly Json[] {
  const value = json[name];
  if (!Array.isArray(value)) throw fault(name, 'a list', value);
  return value.map((each) => asObject(each, name));
}

/** Decimal text as an integer scaled by 10^scale. @throws {TypeError} */
export function scaled(json: Json, name: string, scale: number): bigint {
  const value = json[name];
  const parsed = typeof value === 'string' ? parseScaled(value, scale) : undefined;
  if (parsed === undefined) throw fault(name, `decimal text of at most ${scale} digits`, value);
  return parsed;
}

/** Microseconds since the epoch. @throws {TypeError} */
export function moment(json: Json, name: string): number {
  const value = json[name];
  const parsed = typeof value === 'string' ? parseTime(value) : undefined;
  if (parsed === undefined) throw fault(name, 'a time in UTC with microseconds', value);
  return parsed;
}

function fault(name: string, wanted: string, found: unknown): TypeError {
  return new TypeError(`${name} must be ${wanted}, was ${JSON.stringify(found)}`);
}
