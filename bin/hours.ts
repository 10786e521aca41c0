/** The hours of what is traded: one for each calendar, shared by its instruments. */
import { MarketHours } from '../actors/trading/market-hours.ts';
import { instruments } from '../config/instruments.ts';
import { calendars, type CalendarName } from '../config/market-hours.ts';

/** By symbol. */
export function tradingHours(): ReadonlyMap<string, MarketHours> {
  const byCalendar = new Map<CalendarName, MarketHours>();
  const hoursOf = (name: CalendarName): MarketHours => {
    const hours = byCalendar.get(name) ?? new MarketHours(calendars[name]);
    byCalendar.set(name, hours);
    return hours;
  };
  return new Map(instruments.map(({ symbol, calendar }) => [symbol, hoursOf(calendar)]));
}

/** The trading days of accounts, whatever they trade: those of currencies. */
export function tradingDays(): MarketHours {
  return new MarketHours(calendars.forex);
}
