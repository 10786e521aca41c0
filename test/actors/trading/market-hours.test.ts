import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { expect, test } from 'vitest';
import { parseCalendar, type CalendarFault, weekdays, type Calendar } from '../../../actors/trading/calendar.ts';
import { MarketHours } from '../../../actors/trading/market-hours.ts';
import { calendars } from '../../../config/market-hours.ts';
import { testDataFile } from '../../support/test-data.ts';

const allDay = ['00:00-24:00'];
const none: readonly string[] = [];
const every = (sessions: readonly string[]): Calendar['week'] => ({
  ...{ monday: sessions, tuesday: sessions, wednesday: sessions, thursday: sessions },
  ...{ friday: sessions, saturday: sessions, sunday: sessions },
});
const round = every(allDay);
const office = { ...every(['09:30-16:00']), saturday: none, sunday: none };

function calendar(change: Partial<Calendar> = {}): Calendar {
  return { zone: 'America/New_York', week: office, dayEndsAt: '17:00', ...change };
}

function at(text: string): number {
  return Temporal.Instant.from(text).epochMilliseconds * 1_000;
}

function text(micros: number | undefined): string | undefined {
  return micros === undefined ? undefined : Temporal.Instant.fromEpochMilliseconds(micros / 1_000).toString();
}

/** What the market's clock shows, looked up in the calendar by hand. */
function showsOpen(of: Calendar, micros: number): boolean {
  const shown = Temporal.Instant.fromEpochMilliseconds(Math.floor(micros / 1_000))
    .toZonedDateTimeISO(of.zone)
    .toPlainDateTime()
    .add({ minutes: of.aheadMinutes ?? 0 });
  const date = shown.toPlainDate().toString();
  const time = shown.toPlainTime().toString().slice(0, 8).padEnd(8, ':00');
  const on = (days: Readonly<Record<string, string>> | undefined) => days?.[date] ?? days?.[date.slice(5)];
  if (of.holidays?.some((day) => day === date || day === date.slice(5))) return false;
  const [close, open] = [on(of.earlyCloses), on(of.lateOpens)];
  if (close !== undefined && open !== undefined && close <= open) {
    if (time >= close && time < open) return false;
  } else {
    if (close !== undefined && time >= close) return false;
    if (open !== undefined && time < open) return false;
  }
  return of.week[weekdays[shown.dayOfWeek - 1]!].some((session) => {
    const [from, to] = session.split('-');
    return time >= from! && time < to!;
  });
}

test.each([
  ['before the opening', '2026-07-06T13:29:59Z', false],
  ['at the opening, in summer', '2026-07-06T13:30:00Z', true],
  ['at the opening, in winter', '2026-12-07T14:30:00Z', true],
  ['an hour before that', '2026-12-07T13:30:00Z', false],
  ['at the close', '2026-07-06T20:00:00Z', false],
  ['a microsecond before it', '2026-07-06T19:59:59.999999Z', true],
  ['at the weekend', '2026-07-05T15:00:00Z', false],
])('%s', (_, moment, isOpen) => {
  const micros = at(moment) + (moment.includes('.') ? 999 : 0);
  expect(new MarketHours(calendar()).isOpen(micros)).toBe(isOpen);
});

test.each([
  ['New York', 'America/New_York', '2026-03-06T20:00:00Z', '2026-03-09T13:30:00Z'],
  ['New York, back', 'America/New_York', '2026-10-30T20:00:00Z', '2026-11-02T14:30:00Z'],
  ['Athens', 'Europe/Athens', '2026-03-27T15:00:00Z', '2026-03-30T06:30:00Z'],
  ['Athens, back', 'Europe/Athens', '2026-10-23T15:00:00Z', '2026-10-26T07:30:00Z'],
  ['Sydney, whose summer ends in April', 'Australia/Sydney', '2026-04-03T12:00:00Z', '2026-04-05T23:30:00Z'],
  ['Sydney, whose summer begins in October', 'Australia/Sydney', '2026-10-02T12:00:00Z', '2026-10-04T22:30:00Z'],
  ['a fixed offset', '+02:00', '2026-03-27T15:00:00Z', '2026-03-30T07:30:00Z'],
])('the next opening behind a change of the clocks: %s', (_, zone, from, next) => {
  expect(text(new MarketHours(calendar({ zone })).nextOpen(at(from)))).toBe(next);
});

test('a session goes on behind midnight, and ends with the week', () => {
  const hours = new MarketHours(calendars.forex);
  expect(hours.isOpen(at('2026-11-25T05:00:00Z'))).toBe(true);
  expect(hours.isOpen(at('2026-11-27T21:59:59Z'))).toBe(true);
  expect(hours.isOpen(at('2026-11-27T22:00:00Z'))).toBe(false);
  expect(text(hours.nextOpen(at('2026-11-27T22:00:00Z')))).toBe('2026-11-29T22:05:00Z');
});

test('holidays, of one year or of every, early closes and late opens', () => {
  const hours = new MarketHours(
    calendar({
      holidays: ['2026-07-03', '12-25'],
      earlyCloses: { '2026-11-27': '13:00', '12-24': '12:00' },
      lateOpens: { '2026-11-30': '11:00', '12-24': '14:00' },
    }),
  );
  const open = (moment: string) => hours.isOpen(at(moment));
  expect([open('2026-07-03T15:00:00Z'), open('2027-07-02T15:00:00Z')]).toEqual([false, true]);
  expect([open('2026-12-25T15:00:00Z'), open('2028-12-25T15:00:00Z')]).toEqual([false, false]);
  expect([open('2026-11-27T17:59:00Z'), open('2026-11-27T18:00:00Z')]).toEqual([true, false]);
  expect([open('2026-11-30T15:59:00Z'), open('2026-11-30T16:00:00Z')]).toEqual([false, true]);
  // Both on one day: a pause.
  expect(['16:59', '17:00', '18:59', '19:00'].map((time) => open(`2026-12-24T${time}:00Z`))).toEqual([
    true,
    false,
    false,
    true,
  ]);
});

test('a server that runs seven hours ahead of New York keeps its hours with the clocks of New York', () => {
  const week = { ...round, saturday: none, sunday: none };
  const hours = new MarketHours(calendar({ week, aheadMinutes: 420, dayEndsAt: '24:00' }));
  // Midnight of the server is 17:00 in New York, while Europe's clocks have not changed yet.
  expect(text(hours.nextOpen(at('2026-03-14T12:00:00Z')))).toBe('2026-03-15T21:00:00Z');
  expect(text(hours.nextOpen(at('2026-02-14T12:00:00Z')))).toBe('2026-02-15T22:00:00Z');
  expect(text(hours.dayEnd(at('2026-03-17T12:00:00Z')))).toBe('2026-03-17T21:00:00Z');
});

test('hours that daylight saving takes away are none, and it cuts those that reach into them', () => {
  const sunday = (sessions: readonly string[]) =>
    new MarketHours(calendar({ week: { ...round, sunday: sessions, monday: none, saturday: none } }));
  expect(text(sunday(['02:15-02:45']).nextOpen(at('2026-03-07T12:00:00Z')))).toBe('2026-03-10T04:00:00Z');
  const cut = sunday(['01:30-02:30']);
  expect([cut.isOpen(at('2026-03-08T06:59:59Z')), cut.isOpen(at('2026-03-08T07:00:00Z'))]).toEqual([true, false]);
});

test('a market that never opens says so, and one that opens after a year does', () => {
  expect(new MarketHours(calendar({ week: every(none) })).nextOpen(at('2026-01-01T00:00:00Z'))).toBeUndefined();
  const leap = new MarketHours(calendar({ zone: 'UTC', week: round, lateOpens: { '2028-02-29': '12:00' } }));
  expect([leap.isOpen(at('2028-02-29T11:00:00Z')), leap.isOpen(at('2028-02-29T12:00:00Z'))]).toEqual([false, true]);
});

test('where every day has its own night, weekends count as well', () => {
  expect(new MarketHours(calendars.crypto).swapDays('2026-11-27', '2026-11-30')).toBe(3);
});

test('a market that never closes has no next opening, whatever the window that was worked out', () => {
  const hours = new MarketHours(calendars.crypto);
  for (const days of [0, 31, 33, 200])
    expect(hours.nextOpen(at('2026-11-20T12:00:00Z') + days * 86_400e6)).toBeUndefined();
});

test.each([
  ['us-index', '2026-04-02T20:59:00Z', true],
  ['us-index', '2026-04-02T22:30:00Z', false],
  ['metal', '2028-04-13T22:30:00Z', false],
  ['metal', '2028-04-16T22:30:00Z', true],
  ['us-index', '2027-12-24T15:00:00Z', false],
  ['us-index', '2028-12-24T23:30:00Z', false],
  ['us-index', '2029-12-24T18:14:00Z', true],
  ['us-index', '2029-12-24T18:15:00Z', false],
  ['us-index', '2030-07-03T17:15:00Z', false],
  ['us-index', '2026-11-26T17:59:00Z', true],
  ['us-index', '2026-11-26T18:00:00Z', false],
  ['us-index', '2026-11-26T23:00:00Z', true],
  ['forex', '2026-12-25T22:04:00Z', false],
  ['forex', '2029-12-25T22:05:00Z', true],
] as const)('%s at %s', (name, moment, isOpen) => {
  expect(new MarketHours(calendars[name]).isOpen(at(moment))).toBe(isOpen);
});

test.each([
  ['on a weekday', '2026-11-25T15:00:00Z', '2026-11-25', '2026-11-25T22:00:00Z'],
  ['behind its end', '2026-11-25T22:00:00Z', '2026-11-26', '2026-11-26T22:00:00Z'],
  ['on Friday evening: Monday', '2026-11-27T23:00:00Z', '2026-11-30', '2026-11-28T22:00:00Z'],
  ['on Sunday evening: Monday', '2026-11-29T23:00:00Z', '2026-11-30', '2026-11-30T22:00:00Z'],
  ['in summer', '2026-07-01T20:59:59Z', '2026-07-01', '2026-07-01T21:00:00Z'],
])('the trading day %s', (_, moment, day, end) => {
  const hours = new MarketHours(calendars.forex);
  expect([hours.tradingDay(at(moment)), text(hours.dayEnd(at(moment)))]).toEqual([day, end]);
});

test.each([
  ['Monday to Tuesday', '2026-11-23', '2026-11-24', 1],
  ['Wednesday to Thursday, for the weekend', '2026-11-25', '2026-11-26', 3],
  ['Friday to Monday', '2026-11-27', '2026-11-30', 1],
  ['a week', '2026-11-23', '2026-11-30', 7],
  ['the same day', '2026-11-25', '2026-11-25', 0],
  ['backwards', '2026-11-26', '2026-11-25', 0],
  ['a week with Christmas in it', '2026-12-21', '2026-12-28', 7],
  ['a week whose Wednesday is a holiday', '2030-12-23', '2030-12-30', 7],
])('nights of swap: %s', (_, from, to, nights) => {
  expect(new MarketHours(calendars.forex).swapDays(from, to)).toBe(nights);
});

test('every fault of a calendar is told', () => {
  const faulty = calendar({
    ...{ zone: 'Europe/Atlantis', aheadMinutes: 0.5, dayEndsAt: '25:00', holidays: ['2026-02-30', 'xmas'] },
    week: { ...round, monday: ['10:00-09:00'], tuesday: ['09:00-11:00', '10:00-12:00'], friday: ['9-17'] },
    earlyCloses: { '13-01': '12:60' },
  });
  const faults = (() => {
    try {
      parseCalendar(faulty);
    } catch (error) {
      return (error as CalendarFault).faults;
    }
    return [];
  })();
  for (const part of [
    'Atlantis',
    '0.5',
    '25:00',
    '2026-02-30',
    'xmas',
    '10:00-09:00',
    '10:00-12:00',
    'was 9',
    '13-01',
    '12:60',
  ])
    expect(faults.join('\n')).toContain(part);
});

const quarters = fc.integer({ min: 16, max: 96 });
const sessions = fc.uniqueArray(quarters, { maxLength: 6 }).map((edges) => {
  const time = (quarter: number) =>
    `${String(Math.floor(quarter / 4)).padStart(2, '0')}:${String((quarter % 4) * 15).padStart(2, '0')}`;
  const sorted = edges.toSorted((a, b) => a - b);
  return Array.from(
    { length: Math.floor(sorted.length / 2) },
    (_, i) => `${time(sorted[2 * i]!)}-${time(sorted[2 * i + 1]!)}`,
  );
});
const days = fc.dictionary(
  fc.constantFrom('2026-03-10', '2026-10-27', '2026-11-03', '12-24'),
  fc.constantFrom('08:00', '13:15', '18:00'),
);
/** No session begins or ends in the small hours, in which clocks change. */
const anyCalendar = fc.record({
  zone: fc.constantFrom('America/New_York', 'Europe/Athens', 'Australia/Sydney', 'Asia/Kolkata', 'UTC', '-05:00'),
  week: fc.record(
    Object.fromEntries(weekdays.map((day) => [day, sessions])) as Record<(typeof weekdays)[number], typeof sessions>,
  ),
  holidays: fc.subarray(['2026-03-09', '2026-11-02', '12-25']),
  ...{ earlyCloses: days, lateOpens: days, dayEndsAt: fc.constantFrom('17:00', '24:00') },
});

test('whatever the calendar, a market is open while its clock shows a time of a session', () => {
  const moment = fc.integer({ min: at('2026-01-01T00:00:00Z') / 1e6, max: at('2027-12-31T00:00:00Z') / 1e6 });
  fc.assert(
    fc.property(anyCalendar, fc.array(moment, { minLength: 1, maxLength: 20 }), (of, moments) => {
      const hours = new MarketHours(of);
      for (const seconds of moments) {
        const micros = seconds * 1e6;
        const isOpen = showsOpen(of, micros);
        expect([of.zone, text(micros), hours.isOpen(micros)]).toEqual([of.zone, text(micros), isOpen]);
        const next = hours.nextOpen(micros);
        if (next === undefined) continue;
        expect(next).toBeGreaterThan(micros);
        expect(showsOpen(of, next)).toBe(true);
        expect(showsOpen(of, next - 1e6)).toBe(false);
        const [end] = [hours.dayEnd(micros)];
        expect(end).toBeGreaterThan(micros);
        expect(hours.dayEnd(end - 1)).toBe(end);
      }
    }),
    { numRuns: 200 },
  );
});

interface Entry {
  readonly exchangeTimeZone: string;
  readonly holidays?: readonly string[];
  readonly earlyCloses?: Readonly<Record<string, string>>;
  readonly lateOpens?: Readonly<Record<string, string>>;
}
type Segment = { readonly start: string; readonly end: string; readonly state: string };

const file = testDataFile('data/market-hours-database.json');

function isoDay(day: string): string {
  const [month, date, year] = day.split('/');
  return `${year}-${month!.padStart(2, '0')}-${date!.padStart(2, '0')}`;
}

function fromEntry(entry: Entry): Calendar {
  const of = entry as unknown as Readonly<Record<string, readonly Segment[] | undefined>>;
  // Written as `22:0:00` and `1:00:00:00`, too.
  const clock = (time: string) => {
    const [hours = '', ...rest] = time.split(':').map((part) => part.padStart(2, '0'));
    return rest.length > 2 || hours.includes('.') ? '24:00' : [hours, ...rest].join(':');
  };
  const week = weekdays.map((day) => {
    const segments = (of[day] ?? []).filter(({ state }) => state === 'market');
    return [day, segments.map(({ start, end }) => `${clock(start)}-${clock(end)}`)];
  });
  const map = (times: Readonly<Record<string, string>> = {}) =>
    Object.fromEntries(Object.entries(times).map(([day, time]) => [isoDay(day), clock(time)]));
  return {
    zone: entry.exchangeTimeZone === 'UTC-05' ? '-05:00' : entry.exchangeTimeZone,
    week: Object.fromEntries(week) as Calendar['week'],
    holidays: (entry.holidays ?? []).map(isoDay),
    ...{ earlyCloses: map(entry.earlyCloses), lateOpens: map(entry.lateOpens), dayEndsAt: '24:00' },
  };
}

test.skipIf(!file)('each of the 549 recorded markets is open when its clock shows that it is', () => {
  const { entries } = JSON.parse(readFileSync(file!, 'utf8')) as { entries: Readonly<Record<string, Entry>> };
  const names = Object.keys(entries);
  expect(names).toHaveLength(549);
  let moments = 0;
  for (const [i, name] of names.entries()) {
    const of = fromEntry(entries[name]!);
    const hours = new MarketHours(of);
    // Two weeks around a change of the clocks and around the turn of a year, at odd minutes behind the small hours.
    for (const start of ['2025-10-29T04:00:00Z', '2024-12-21T04:00:00Z']) {
      for (let hour = i % 5; hour < 14 * 24; hour += 5) {
        const micros = at(start) + hour * 3_600e6 + ((hour * 7 + i) % 60) * 60e6;
        expect([name, text(micros), hours.isOpen(micros)]).toEqual([name, text(micros), showsOpen(of, micros)]);
        moments += 1;
      }
    }
  }
  expect(moments).toBeGreaterThan(70_000);
});

test.skipIf(!file)('our own calendars are those of the recorded markets, but for what is said here', () => {
  const { entries } = JSON.parse(readFileSync(file!, 'utf8')) as { entries: Readonly<Record<string, Entry>> };
  const differences = (ours: Calendar, name: string, isMeant: (local: string) => boolean) => {
    const [own, recorded] = [new MarketHours(ours), new MarketHours(fromEntry(entries[name]!))];
    const found: string[] = [];
    for (let micros = at('2026-01-05T00:00:00Z'); micros < at('2026-12-20T00:00:00Z'); micros += 600e6) {
      if (own.isOpen(micros) === recorded.isOpen(micros)) continue;
      const local = Temporal.Instant.fromEpochMilliseconds(micros / 1_000)
        .toZonedDateTimeISO('America/New_York')
        .toPlainDateTime()
        .toString();
      if (!isMeant(local)) found.push(local);
    }
    return found;
  };
  // OANDA pauses from 16:58 to 17:03, ours from 17:00 to 17:05: a look at each ten minutes sees it at 17:00 alone, as on both.
  expect(differences(calendars.forex, 'Forex-oanda-[*]', () => false)).toEqual([]);
  // Its gold opens at 18:03, and has no holiday.
  const gold = (local: string) => /T18:00|^2026-04-0(2T(18|19|2)|3)/.test(local);
  expect(differences(calendars.metal, 'Cfd-oanda-XAUUSD', gold)).toEqual([]);
  // OANDA's index pauses in the afternoon and closes an hour earlier than the future; its short days are not recorded.
  // The record's holidays are days of Chicago, ours of New York.
  const isShort = (local: string) =>
    /^2026-04-0(2T(18|19|2)|3T00)/.test(local) || calendars['us-index'].earlyCloses?.[local.slice(0, 10)] !== undefined;
  const inPause = (local: string) => /T1[67]:/.test(local);
  expect(
    differences(calendars['us-index'], 'Cfd-oanda-SPX500USD', (local) => isShort(local) || inPause(local)),
  ).toEqual([]);
  expect(differences(calendars.crypto, 'Crypto-coinbase-[*]', () => false)).toEqual([]);
});
