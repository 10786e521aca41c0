/** Times as tick files write them: local to the file's zone unless they name an offset. */
import { Temporal } from 'temporal-polyfill';

/**
 * Local time → UTC, both in microseconds. A local time that a clock change repeats is the first of the two; one that it leaves out is
 * taken as if the clock had not yet been changed.
 *
 * @param timezone a fixed offset such as -05:00, or an IANA name
 * @throws {RangeError} an unknown zone
 */
export function zoneOf(timezone: string): (localMicros: number) => number {
  const fixed = offsetMicros(timezone);
  if (fixed !== undefined) return (local) => local - fixed;
  const lookUp = (quarter: number): number => {
    const local = Temporal.Instant.fromEpochMilliseconds(quarter * 900_000)
      .toZonedDateTimeISO('UTC')
      .toPlainDateTime();
    return quarter * 900_000_000 - inZone(local, timezone).epochMilliseconds * 1000;
  };
  // Clocks change on a quarter of an hour, and a look-up takes 50 µs, so one serves a quarter.
  let last = { quarter: 0, offsetMicros: lookUp(0) };
  return (local) => {
    const quarter = Math.floor(local / 900_000_000);
    if (quarter !== last.quarter) last = { quarter, offsetMicros: lookUp(quarter) };
    return local - last.offsetMicros;
  };
}

function inZone(local: Temporal.PlainDateTime, timezone: string): Temporal.ZonedDateTime {
  try {
    return local.toZonedDateTime(timezone);
  } catch (cause) {
    throw new RangeError(`timezone must be an offset such as -05:00 or an IANA name, was ${timezone}`, { cause });
  }
}

const dateAndTime =
  /^(\d{4})([-./]?)(\d\d)\2(\d\d)[ T](\d\d):?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?(Z|UTC|[+-]\d\d:?\d\d)?$/;

/** Undefined where the text is no date and time. `offsetMicros` where it names its own offset. */
export function localMicros(text: string): { micros: number; offsetMicros: number | undefined } | undefined {
  const match = dateAndTime.exec(text);
  if (!match) return undefined;
  const [, year, , month, day, hour, minute, second = '00', fraction = '', zone] = match;
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const milliseconds = Date.parse(`${iso}Z`);
  // Date.parse turns the 31st of June into the first of July, and takes 24:00.
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toISOString().slice(0, 19) !== iso) return undefined;
  const micros = milliseconds * 1000 + Number(fraction.padEnd(6, '0'));
  return { micros, offsetMicros: zone === undefined ? undefined : offsetMicros(zone) };
}

function offsetMicros(text: string): number | undefined {
  if (text === 'Z' || text === 'UTC') return 0;
  const match = /^([+-])(\d\d):?(\d\d)$/.exec(text);
  if (!match) return undefined;
  const minutes = Number(match[2]) * 60 + Number(match[3]);
  return (match[1] === '-' ? -minutes : minutes) * 60_000_000;
}
