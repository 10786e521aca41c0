/** Moments on the wire: RFC 3339 in UTC with microseconds. */

let cachedSecond = Number.NaN;
let cachedPrefix = '';

/**
 * @param micros since the epoch, an integer, years 0 to 9999
 * @example formatTime(0) // '1970-01-01T00:00:00.000000Z'
 */
export function formatTime(micros: number): string {
  const second = Math.floor(micros / 1_000_000);
  // Nearly all moments that are written fall into the second of the one before, and the calendar is the dear part.
  if (second !== cachedSecond) {
    cachedPrefix = new Date(second * 1000).toISOString().slice(0, 19);
    cachedSecond = second;
  }
  return `${cachedPrefix}.${String(micros - second * 1_000_000).padStart(6, '0')}Z`;
}

const WIRE_TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})Z$/;

/** The inverse of `formatTime`; undefined for any other text. */
export function parseTime(text: string): number | undefined {
  const match = WIRE_TIME.exec(text);
  if (!match) return undefined;
  const [, prefix = '', fraction] = match;
  if (prefix !== cachedPrefix) {
    const millis = Date.parse(`${prefix}Z`);
    // Date.parse takes 30 February for 2 March.
    if (Number.isNaN(millis) || !new Date(millis).toISOString().startsWith(prefix)) return undefined;
    cachedPrefix = prefix;
    cachedSecond = millis / 1000;
  }
  return cachedSecond * 1_000_000 + Number(fraction);
}
