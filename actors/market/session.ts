/** When a simulated market keeps its hours: New York's, so that they move with its daylight saving time. */
import { Temporal } from 'temporal-polyfill';

import type { Instrument } from '../trading/instrument.ts';

/** `always` trades round the clock, for demonstrations at the weekend; `real` keeps the market's hours. */
export type Sessions = 'always' | 'real';

/**
 * Whether the market of an instrument trades at a time. Currencies: Sunday 17:00 to Friday 17:00 New York; metals and indices: Sunday
 * 18:00 to Friday 17:00 with a break from 17:00 to 18:00 each day; crypto: always. Holidays are not known here.
 */
export function isOpen(
  instrument: Pick<Instrument, 'assetClass'>,
  timeMicros: number,
  sessions: Sessions = 'real',
): boolean {
  if (sessions === 'always' || instrument.assetClass === 'crypto') return true;
  const { dayOfWeek, hour } = newYork(timeMicros);
  const hasBreak = instrument.assetClass === 'metal' || instrument.assetClass === 'index';
  switch (dayOfWeek) {
    case saturday:
      return false;
    case sunday:
      return hour >= (hasBreak ? 18 : 17);
    case friday:
      return hour < 17;
    default:
      return !(hasBreak && hour === 17);
  }
}

const [sunday, friday, saturday] = [0, 5, 6];
const hourMicros = 3_600_000_000;
// New York's offset changes on the hour, so it is looked up once an hour: a look-up takes 35 µs and prices ask several times a second.
let lastLookup = { hour: Number.NaN, offsetHours: 0 };

function newYork(timeMicros: number): { dayOfWeek: number; hour: number } {
  const utcHour = Math.floor(timeMicros / hourMicros);
  if (utcHour !== lastLookup.hour) {
    const zoned = Temporal.Instant.fromEpochMilliseconds(utcHour * 3_600_000).toZonedDateTimeISO('America/New_York');
    lastLookup = { hour: utcHour, offsetHours: zoned.offsetNanoseconds / 3_600_000_000_000 };
  }
  const localHour = utcHour + lastLookup.offsetHours;
  // The first of January 1970 was a Thursday.
  return { dayOfWeek: (Math.floor(localHour / 24) + 4) % 7, hour: ((localHour % 24) + 24) % 24 };
}
