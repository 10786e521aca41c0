/** One line of a tick file as bytes → a tick, exactly: digits are counted, never rounded. */
import { localMicros, zoneOf } from './tick-time.ts';

const tickColumns = ['milliseconds', 'time', 'bid', 'ask', 'skip'] as const;
export type TickColumn = (typeof tickColumns)[number];

/** Prices scaled by 10^8, above zero. */
export interface Tick {
  readonly timeMicros: number;
  readonly bid: number;
  readonly ask: number;
}

/** What is wrong with a line: what was wanted and what was found. */
export class TickLineFault extends Error {
  override readonly name = 'TickLineFault';
}

export class TickParser {
  readonly #columns: readonly TickColumn[];
  readonly #toUtc: (localMicros: number) => number;
  readonly #midnight: number;

  constructor(options: { columns: readonly TickColumn[]; date?: string; timezone?: string }) {
    const { columns, date, timezone = 'UTC' } = options;
    const unknown = columns.find((column) => !tickColumns.includes(column));
    if (unknown !== undefined)
      throw new RangeError(`columns must be of ${tickColumns.join(', ')}, found ${JSON.stringify(unknown)}`);
    const times = columns.filter((column) => column === 'milliseconds' || column === 'time').length;
    const isWhole =
      times === 1 && (['bid', 'ask'] as const).every((one) => columns.filter((c) => c === one).length === 1);
    if (!isWhole) {
      throw new RangeError(
        `columns must hold bid, ask and one of milliseconds and time, each once, were ${columns.join(',')}`,
      );
    }
    if (columns.includes('milliseconds') && !/^\d{4}-\d\d-\d\d$/.test(date ?? '')) {
      throw new RangeError(`milliseconds count from a date YYYY-MM-DD, was ${date}`);
    }
    this.#columns = columns;
    this.#toUtc = zoneOf(timezone);
    this.#midnight = date === undefined ? 0 : Date.parse(`${date}T00:00:00Z`) * 1000;
    if (Number.isNaN(this.#midnight)) throw new RangeError(`date must be a day of the calendar, was ${date}`);
  }

  /**
   * Parses the bytes from `start` up to, not including, `end`, which is the line feed or the end of the file.
   *
   * @returns undefined for an empty line, and for a header where `mayBeHeader`
   * @throws {TickLineFault}
   */
  parse(bytes: Buffer, start: number, end: number, mayBeHeader: boolean): Tick | undefined {
    let from = start;
    let to = end;
    if (mayBeHeader && bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf) from += 3;
    if (to > from && bytes[to - 1] === carriageReturn) to -= 1;
    if (to === from) return undefined;
    try {
      return this.#tick(bytes, from, to);
    } catch (error) {
      if (mayBeHeader && error instanceof TickLineFault && isHeader(bytes, from, to)) return undefined;
      throw error;
    }
  }

  #tick(bytes: Buffer, start: number, end: number): Tick {
    let timeMicros = 0;
    let bid = 0;
    let ask = 0;
    let from = start;
    for (const column of this.#columns) {
      if (from > end) throw new TickLineFault(`${column} must be a column of the line, it has too few`);
      const to = fieldEnd(bytes, from, end);
      if (column === 'bid') bid = price(bytes, from, to, column);
      else if (column === 'ask') ask = price(bytes, from, to, column);
      else if (column === 'milliseconds')
        timeMicros = this.#toUtc(this.#midnight + milliseconds(bytes, from, to) * 1000);
      else if (column === 'time') timeMicros = this.#time(bytes.toString('latin1', from, to));
      from = to + 1;
    }
    return { timeMicros, bid, ask };
  }

  #time(text: string): number {
    const time = localMicros(text);
    if (!time) throw wanted('time', 'a date and time such as 20140508 17:30:00.250 or 2014-05-08T17:30:00Z', text);
    return time.offsetMicros === undefined ? this.#toUtc(time.micros) : time.micros - time.offsetMicros;
  }
}

const carriageReturn = 0x0d;
const comma = 0x2c;
const point = 0x2e;
const zero = 0x30;
const placesOfScale = 8;
const dayMs = 86_400_000;

function fieldEnd(bytes: Buffer, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] !== comma) at += 1;
  return at;
}

/** Decimal text scaled by 10^8. More than eight places, a sign or an exponent are refused; so is what a safe integer cannot hold. */
function price(bytes: Buffer, from: number, to: number, column: string): number {
  let value = 0;
  let places = -1;
  let digits = 0;
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at]!;
    const digit = byte - zero;
    if (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      digits += 1;
      if (places >= 0) places += 1;
    } else if (byte === point && places < 0 && digits > 0) places = 0;
    else digits = Number.NEGATIVE_INFINITY;
  }
  const missing = placesOfScale - Math.max(places, 0);
  const scaled = missing >= 0 ? value * powersOfTen[missing]! : Number.NaN;
  if (digits > 0 && places !== 0 && scaled > 0 && Number.isSafeInteger(scaled)) return scaled;
  throw wanted(column, 'a price above zero with at most 8 places', bytes.toString('latin1', from, to));
}

const powersOfTen = Array.from({ length: placesOfScale + 1 }, (_, power) => 10 ** power);

/** Since midnight; the last millisecond of a day is 86,399,999. */
function milliseconds(bytes: Buffer, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at += 1) {
    const digit = bytes[at]! - zero;
    value = digit >= 0 && digit <= 9 ? value * 10 + digit : Number.NaN;
  }
  if (to > from && value < dayMs) return value;
  throw wanted('milliseconds', `0 to ${dayMs - 1} since midnight`, bytes.toString('latin1', from, to));
}

/** Names, not data: no field begins with a digit or a sign. */
function isHeader(bytes: Buffer, start: number, end: number): boolean {
  const fields = bytes.toString('latin1', start, end).split(',');
  return fields.every((field) => /^\s*["<]?[A-Za-z_]/.test(field));
}

function wanted(column: string, what: string, found: string): TickLineFault {
  return new TickLineFault(`${column} must be ${what}, was ${JSON.stringify(found.slice(0, 40))}`);
}
