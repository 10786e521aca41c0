/** The order book of a symbol as a channel: changes to those who keep up, the whole to those who have missed some. */
import { bookView, checksumOf, type BookUpdate } from '../../actors/market/order-book.ts';
import type { Instrument } from '../../actors/trading/instrument.ts';
import { formatTime } from '../../actors/trading/time.ts';
import type { MarketServices } from './market-sources.ts';
import type { OpenSource } from './topic.ts';

/** Every so many updates a book comes with its checksum. */
const updatesPerChecksum = 16;

export function bookSource(services: MarketServices, instrument: Instrument): OpenSource {
  const { symbol } = instrument;
  const channel = `book:${symbol}`;
  const newest = (): BookUpdate | undefined => services.books.get(symbol);
  const checksum = ({ book }: BookUpdate) => ({ checksum: checksumOf(bookView(book, instrument)) });
  const text = (update: BookUpdate, more: object): string => {
    const { sequence, timeMicros } = update;
    return JSON.stringify({
      ...{ type: 'book', channel, sequence, symbol, time: formatTime(timeMicros) },
      ...more,
    });
  };
  return (publish) => ({
    epoch: services.marketEpoch(symbol),
    get sequence() {
      return newest()?.sequence ?? 0;
    },
    snapshot() {
      const update = newest();
      if (!update) return null;
      return { symbol, ...bookView(update.book, instrument), time: formatTime(update.timeMicros), ...checksum(update) };
    },
    newest(skipped) {
      const update = newest()!;
      const whole = { ...bookView(update.book, instrument), ...checksum(update), isWhole: true };
      return { sequence: update.sequence, text: () => text(update, { ...whole, ...(skipped > 0 && { skipped }) }) };
    },
    close: services.bus.subscribe(`book:${symbol}`, (update) => {
      const isChecked = update.sequence % updatesPerChecksum === 0;
      publish({
        sequence: update.sequence,
        text: () => text(update, { ...bookView(update.changes, instrument), ...(isChecked && checksum(update)) }),
      });
    }),
  });
}
