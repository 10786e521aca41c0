/** Whether a market trades at a moment, when next, and which trading day it is. */
import { Temporal } from 'temporal-polyfill';

import type { TradingDays, TradingHours } from './account.ts';
import { parseCalendar, weekdays, type Calendar, type ParsedCalendar } from './calendar.ts';

/** A few sessions are worked out at once: a look into the calendar takes as long as a thousand comparisons. */
const windowDays = 40;
const pastDays = 8;
/** A market that does not open within this many days does not open again. */
const horizonDays = 400;

/** Moments in microseconds, from one up to and without the next. */
interface Window {
  readonly fromMicros: number;
  readonly toMicros: number;
  readonly opens: readonly number[];
  readonly closes: readonly number[];
}

/** Moments in microseconds since the epoch. Asked mostly about moments near each other, it answers from what it has worked out. */
export class MarketHours implements TradingHours, TradingDays {
  readonly #calendar: ParsedCalendar;
  #window: Window = { fromMicros: 0, toMicros: 0, opens: [], closes: [] };
  /** The session, or the pause, of the last answer. */
  #last = { fromMicros: 0, toMicros: 0, isOpen: false };
  /** The trading day of the last answer: by the calendar, and by its sessions once it was asked for. */
  #day: { fromMicros: number; toMicros: number; date: string; tradingDay: string | undefined } = {
    ...{ fromMicros: 0, toMicros: 0, date: '', tradingDay: undefined },
  };

  /** @throws {CalendarFault} */
  constructor(calendar: Calendar) {
    this.#calendar = parseCalendar(calendar);
  }

  isOpen(micros: number): boolean {
    if (micros >= this.#last.fromMicros && micros < this.#last.toMicros) return this.#last.isOpen;
    const { fromMicros, toMicros, opens, closes } = this.#windowAt(micros);
    const at = lastAtOrBefore(opens, micros);
    const isOpen = at >= 0 && micros < closes[at]!;
    this.#last = isOpen
      ? { fromMicros: opens[at]!, toMicros: closes[at]!, isOpen }
      : { fromMicros: at >= 0 ? closes[at]! : fromMicros, toMicros: opens[at + 1] ?? toMicros, isOpen };
    return isOpen;
  }

  nextOpen(micros: number): number | undefined {
    const endMicros = micros + horizonDays * 86_400e6;
    for (let from = micros; from < endMicros;) {
      const { toMicros, opens } = this.#windowAt(from);
      const next = opens[lastAtOrBefore(opens, micros) + 1];
      // Where the window begins in the middle of a session, that is no opening.
      if (next !== undefined && !this.isOpen(next - 1)) return next;
      from = next === undefined ? toMicros : Math.max(toMicros, next);
    }
    return undefined;
  }

  dayEnd(micros: number): number {
    return this.#dayAt(micros).toMicros;
  }

  /** A day without a session, as at the weekend, is part of the next that has one. */
  tradingDay(micros: number): string {
    const known = this.#dayAt(micros);
    return (known.tradingDay ??= this.#nextWithSession(known.date));
  }

  /**
   * How many nights of swap lie between two trading days. Where one of the week stands for the weekend: one for each weekday and three for
   * that, holidays or not, which makes seven a week; else one for every day.
   */
  swapDays(from: string, to: string): number {
    const { tripleSwapOn } = this.#calendar;
    const end = Temporal.PlainDate.from(to);
    let nights = 0;
    for (
      let day = Temporal.PlainDate.from(from);
      Temporal.PlainDate.compare(day, end) < 0;
      day = day.add({ days: 1 })
    ) {
      const weekday = weekdays[day.dayOfWeek - 1]!;
      if (tripleSwapOn === undefined) nights += 1;
      else if (weekday !== 'saturday' && weekday !== 'sunday') nights += weekday === tripleSwapOn ? 3 : 1;
    }
    return nights;
  }

  #nextWithSession(date: string): string {
    let day = Temporal.PlainDate.from(date);
    for (let i = 0; i < horizonDays; i++, day = day.add({ days: 1 })) if (this.#hasSession(day)) return day.toString();
    return date;
  }

  #hasSession(day: Temporal.PlainDate): boolean {
    const toMicros = this.#endOf(day);
    const { opens, closes } = this.#windowAt(toMicros - 1);
    const fromMicros = this.#endOf(day.subtract({ days: 1 }));
    // The last session that ends by the end of the day, or is cut by it.
    const at = lastAtOrBefore(opens, toMicros - 1);
    return at >= 0 && closes[at]! > fromMicros;
  }

  #dayAt(micros: number): { readonly toMicros: number; readonly date: string; tradingDay: string | undefined } {
    if (micros >= this.#day.fromMicros && micros < this.#day.toMicros) return this.#day;
    let day = this.#dateOf(micros).subtract({ days: 1 });
    while (this.#endOf(day) <= micros) day = day.add({ days: 1 });
    const fromMicros = this.#endOf(day.subtract({ days: 1 }));
    this.#day = { fromMicros, toMicros: this.#endOf(day), date: day.toString(), tradingDay: undefined };
    return this.#day;
  }

  #endOf(day: Temporal.PlainDate): number {
    return this.#microsOf(day, this.#calendar.dayEndSeconds);
  }

  #windowAt(micros: number): Window {
    const { fromMicros, toMicros } = this.#window;
    if (micros < fromMicros || micros >= toMicros) this.#window = this.#workOut(micros);
    return this.#window;
  }

  #workOut(micros: number): Window {
    const first = this.#dateOf(micros).subtract({ days: pastDays });
    const opens: number[] = [];
    const closes: number[] = [];
    for (let i = 0; i < windowDays; i++) {
      const day = first.add({ days: i });
      for (const [from, to] of this.#calendar.sessionsOn(day)) {
        const [open, close] = [this.#microsOf(day, from), this.#microsOf(day, to)];
        // Where it lies in the hour that daylight saving takes away there is none.
        if (open >= close) continue;
        if (open === closes.at(-1)) {
          closes[closes.length - 1] = close;
        } else {
          opens.push(open);
          closes.push(close);
        }
      }
    }
    const fromMicros = this.#microsOf(first, 0);
    return { fromMicros, toMicros: this.#microsOf(first.add({ days: windowDays }), 0), opens, closes };
  }

  /** Of the market's clock. */
  #dateOf(micros: number): Temporal.PlainDate {
    return Temporal.Instant.fromEpochMilliseconds(Math.floor(micros / 1_000))
      .toZonedDateTimeISO(this.#calendar.zone)
      .toPlainDateTime()
      .add({ seconds: this.#calendar.aheadSeconds })
      .toPlainDate();
  }

  /** A time that the clock skips is the moment at which it does, one that it shows twice the first of both. */
  #microsOf(day: Temporal.PlainDate, seconds: number): number {
    const { zone, aheadSeconds } = this.#calendar;
    const local = day.toPlainDateTime().add({ seconds: seconds - aheadSeconds });
    const shown = local.toZonedDateTime(zone, { disambiguation: 'earlier' });
    const isSkipped = !shown.toPlainDateTime().equals(local);
    const moment = isSkipped ? shown.getTimeZoneTransition('next')! : shown;
    return moment.epochMilliseconds * 1_000;
  }
}

/** @returns place of the last that is not after `micros`; -1 when all are */
function lastAtOrBefore(moments: readonly number[], micros: number): number {
  let [low, high] = [0, moments.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (moments[middle]! <= micros) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
