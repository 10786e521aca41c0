/** When a market keeps which hours, as data: the week, and the days that are not like others. Times are those of the market's own clock. */
import { Temporal } from 'temporal-polyfill';

export const weekdays = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;
export type Weekday = (typeof weekdays)[number];

export interface Calendar {
  /** IANA name or fixed offset, such as `America/New_York` or `+02:00`. */
  readonly zone: string;
  /**
   * How far the market's clock is ahead of the zone's, in minutes. A broker's server may run seven hours ahead of New York in summer and
   * in winter, which is no zone of its own.
   */
  readonly aheadMinutes?: number;
  /** `HH:MM-HH:MM` or with seconds, in order; `24:00` is midnight at the end of the day. What goes on behind midnight stands on both days. */
  readonly week: Readonly<Record<Weekday, readonly string[]>>;
  /** Closed for the whole day: `YYYY-MM-DD`, or `MM-DD` for every year. */
  readonly holidays?: readonly string[];
  /** By day, as above: nothing trades from this time on, or, where the day also has a later open, until that. */
  readonly earlyCloses?: Readonly<Record<string, string>>;
  /** Nothing trades before this time, or, where the day also has an earlier close, from that on. */
  readonly lateOpens?: Readonly<Record<string, string>>;
  /** When one trading day ends and the next begins: orders for the day end, and swap is booked. */
  readonly dayEndsAt: string;
  /** The trading day whose night counts three times, for the weekend. */
  readonly tripleSwapOn?: Weekday;
}

/** Seconds since midnight: from, up to and without. */
export type Session = readonly [fromSeconds: number, toSeconds: number];

/** A calendar that was checked. */
export interface ParsedCalendar {
  readonly zone: string;
  readonly aheadSeconds: number;
  readonly dayEndSeconds: number;
  readonly tripleSwapOn: Weekday | undefined;
  /** Sessions of a day: in order, none touching another. */
  sessionsOn(day: Temporal.PlainDate): readonly Session[];
}

export class CalendarFault extends RangeError {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('; '));
    this.name = 'CalendarFault';
    this.faults = faults;
  }
}

const DAY_SECONDS = 86_400;

/** @throws {CalendarFault} with everything that is wrong */
export function parseCalendar(calendar: Calendar): ParsedCalendar {
  const faults: string[] = [];
  const { zone, aheadMinutes = 0, dayEndsAt, tripleSwapOn } = calendar;
  if (!isZone(zone)) faults.push(`zone must be an IANA name or an offset, was ${zone}`);
  if (!Number.isInteger(aheadMinutes) || Math.abs(aheadMinutes) > 24 * 60)
    faults.push(`aheadMinutes must be a whole number within a day, was ${aheadMinutes}`);
  const time = (text: string, name: string): number => {
    const seconds = parseTime(text);
    if (seconds === undefined) faults.push(`${name} must be HH:MM up to 24:00, was ${text}`);
    return seconds ?? 0;
  };
  const week = weekdays.map((day) => parseDay(calendar.week[day], day, time, faults));
  const days = (of: Readonly<Record<string, string>> | undefined, name: string): Map<string, number> =>
    new Map(
      Object.entries(of ?? {}).map(([day, text]) => [checkedDay(day, name, faults), time(text, `${name} ${day}`)]),
    );
  const holidays = new Set((calendar.holidays ?? []).map((day) => checkedDay(day, 'a holiday', faults)));
  const earlyCloses = days(calendar.earlyCloses, 'an early close');
  const lateOpens = days(calendar.lateOpens, 'a late open');
  const dayEndSeconds = time(dayEndsAt, 'dayEndsAt');
  if (faults.length > 0) throw new CalendarFault(faults);
  return {
    ...{ zone, aheadSeconds: aheadMinutes * 60, dayEndSeconds, tripleSwapOn },
    sessionsOn(day) {
      const name = day.toString();
      const everyYear = name.slice(-5);
      if (holidays.has(name) || holidays.has(everyYear)) return [];
      const sessions = week[day.dayOfWeek - 1]!;
      const close = earlyCloses.get(name) ?? earlyCloses.get(everyYear);
      const open = lateOpens.get(name) ?? lateOpens.get(everyYear);
      if (close === undefined && open === undefined) return sessions;
      const isPause = close !== undefined && open !== undefined && close <= open;
      const kept: readonly Session[] = isPause
        ? [
            [0, close],
            [open, DAY_SECONDS],
          ]
        : [[open ?? 0, close ?? DAY_SECONDS]];
      return sessions.flatMap((session) => kept.map((part) => common(session, part))).filter(([from, to]) => from < to);
    },
  };
}

function common([from, to]: Session, [first, last]: Session): Session {
  return [Math.max(from, first), Math.min(to, last)];
}

function parseDay(
  texts: readonly string[],
  day: Weekday,
  time: (text: string, name: string) => number,
  faults: string[],
): readonly Session[] {
  const sessions: Session[] = [];
  for (const text of texts) {
    const [from = '', to = ''] = text.split('-');
    const session: Session = [time(from, `a session on ${day}`), time(to, `a session on ${day}`)];
    if (session[0] >= session[1]) faults.push(`a session on ${day} must end after it begins, was ${text}`);
    if (session[0] < (sessions.at(-1)?.[1] ?? 0))
      faults.push(`the sessions on ${day} must be in order, ${text} is not`);
    sessions.push(session);
  }
  return sessions;
}

/** @returns seconds since midnight */
function parseTime(text: string): number | undefined {
  const [, hours, minutes, seconds = '0'] = /^([01]\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?$/.exec(text) ?? [];
  if (hours === undefined) return undefined;
  const total = Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds);
  return total <= DAY_SECONDS ? total : undefined;
}

function checkedDay(day: string, name: string, faults: string[]): string {
  try {
    // The year of a day of every year is a leap year, so that each day is one.
    Temporal.PlainDate.from(day.length === 5 ? `2000-${day}` : day, { overflow: 'reject' });
    if (!/^(\d{4}-)?\d\d-\d\d$/.test(day)) throw new RangeError(day);
  } catch {
    faults.push(`${name} must be on a day, as 2026-12-25 or 12-25, was ${day}`);
  }
  return day;
}

function isZone(zone: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone);
    return true;
  } catch {
    return false;
  }
}
