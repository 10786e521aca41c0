/**
 * When what can be traded trades. Times are New York's, so that they move with its daylight saving time; holidays are known through 2031,
 * and after that only those that have the same date every year.
 *
 * Currencies and gold keep the hours of retail brokers (as the database of market hours of LEAN has them for OANDA and FXCM): from Sunday
 * evening to Friday 17:00, with a pause behind the end of each trading day, closed over Christmas and New Year. The index keeps those of
 * the E-mini future at CME, with its early closes on the holidays of the exchanges.
 */
export type CalendarName = 'forex' | 'metal' | 'us-index' | 'crypto';

/** See `Calendar` in actors/trading/calendar.ts. */
export interface CalendarConfig {
  readonly zone: string;
  readonly week: Readonly<Record<WeekdayName, readonly string[]>>;
  readonly holidays?: readonly string[];
  readonly earlyCloses?: Readonly<Record<string, string>>;
  readonly lateOpens?: Readonly<Record<string, string>>;
  readonly dayEndsAt: string;
  readonly tripleSwapOn?: WeekdayName;
}

type WeekdayName = 'monday' | 'tuesday' | 'wednesday' | 'thursday' | 'friday' | 'saturday' | 'sunday';

const goodFridays = ['2026-04-03', '2027-03-26', '2028-04-14', '2029-03-30', '2030-04-19', '2031-04-11'];
/** Before them there is no evening session. */
const goodFridayEves = ['2026-04-02', '2027-03-25', '2028-04-13', '2029-03-29', '2030-04-18', '2031-04-10'];

/** Holidays of the exchanges on which the future stops at noon of Chicago and goes on in the evening. */
const shortDays = [
  ...['2026-01-19', '2026-02-16', '2026-05-25', '2026-06-19', '2026-07-03', '2026-09-07', '2026-11-26'],
  ...['2027-01-18', '2027-02-15', '2027-05-31', '2027-06-18', '2027-07-05', '2027-09-06', '2027-11-25'],
  ...['2028-01-17', '2028-02-21', '2028-05-29', '2028-06-19', '2028-07-04', '2028-09-04', '2028-11-23'],
  ...['2029-01-15', '2029-02-19', '2029-05-28', '2029-06-19', '2029-07-04', '2029-09-03', '2029-11-22'],
  ...['2030-01-21', '2030-02-18', '2030-05-27', '2030-06-19', '2030-07-04', '2030-09-02', '2030-11-28'],
  ...['2031-01-20', '2031-02-17', '2031-05-26', '2031-06-19', '2031-07-04', '2031-09-01', '2031-11-27'],
];

/** Days before or behind a holiday on which it stops a quarter of an hour later. */
const daysBeside = [
  ...['2026-11-27', '2027-11-26', '2028-11-24', '2029-11-23', '2030-11-29', '2031-11-28'],
  ...['2028-07-03', '2029-07-03', '2030-07-03', '2031-07-03', '12-24'],
];

export const calendars: Readonly<Record<CalendarName, CalendarConfig>> = {
  forex: {
    ...{ zone: 'America/New_York', dayEndsAt: '17:00', tripleSwapOn: 'wednesday' },
    week: pausing('17:00', '17:05'),
    earlyCloses: { '12-24': '17:00', '12-31': '17:00' },
    lateOpens: { '12-25': '17:05', '01-01': '17:05' },
  },
  metal: {
    ...{ zone: 'America/New_York', dayEndsAt: '17:00', tripleSwapOn: 'wednesday' },
    week: pausing('17:00', '18:00'),
    holidays: goodFridays,
    earlyCloses: { ...at('17:00', goodFridayEves), '12-24': '17:00', '12-31': '17:00' },
    lateOpens: { '12-25': '18:00', '01-01': '18:00' },
  },
  'us-index': {
    ...{ zone: 'America/New_York', dayEndsAt: '17:00', tripleSwapOn: 'wednesday' },
    week: pausing('17:00', '18:00'),
    // Christmas 2027 is on a Saturday, and kept the day before.
    holidays: [...goodFridays, '2027-12-24'],
    earlyCloses: {
      ...at('17:00', goodFridayEves),
      ...at('13:00', shortDays),
      ...at('13:15', daysBeside),
      '12-31': '17:00',
    },
    lateOpens: { ...at('18:00', shortDays), '12-25': '18:00', '01-01': '18:00' },
  },
  crypto: { zone: 'UTC', dayEndsAt: '24:00', week: everyDay(['00:00-24:00']) },
};

/** From Sunday evening to Friday, with a pause each day. */
function pausing(from: string, to: string): CalendarConfig['week'] {
  const [before, behind] = [`00:00-${from}`, `${to}-24:00`];
  return { ...everyDay([before, behind]), friday: [before], saturday: [], sunday: [behind] };
}

function everyDay(sessions: readonly string[]): CalendarConfig['week'] {
  return {
    ...{ monday: sessions, tuesday: sessions, wednesday: sessions, thursday: sessions },
    ...{ friday: sessions, saturday: sessions, sunday: sessions },
  };
}

function at(time: string, days: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(days.map((day) => [day, time]));
}
