/** A quote in each of its forms. Put together by hand: it is the hottest of all texts. */
import type { Quote } from '../../actors/market/quote.ts';
import { formatPrice, type Instrument } from '../../actors/trading/instrument.ts';
import { formatTime } from '../../actors/trading/time.ts';

/** What a quote is in snapshots and on REST. */
export function quoteView(quote: Quote, instrument: Instrument | undefined): object {
  const { symbol, bid, ask, timeMicros, fault } = quote;
  return {
    symbol,
    bid: formatPrice(instrument, BigInt(bid)),
    ask: formatPrice(instrument, BigInt(ask)),
    time: formatTime(timeMicros),
    ...(fault === undefined ? {} : { fault }),
  };
}

/** @param skipped quotes of the channel that this client did not get before this one */
export function quoteText(quote: Quote, instrument: Instrument | undefined, skipped: number): string {
  const { symbol, sequence, fault } = quote;
  // Symbols come from our own list of instruments and hold nothing to escape.
  return (
    `{"type":"quote","channel":"quotes:${symbol}","sequence":${sequence},"symbol":"${symbol}",` +
    `"bid":"${formatPrice(instrument, BigInt(quote.bid))}","ask":"${formatPrice(instrument, BigInt(quote.ask))}",` +
    `"time":"${formatTime(quote.timeMicros)}"${fault === undefined ? '' : `,"fault":"${fault}"`}` +
    `${skipped > 0 ? `,"skipped":${skipped}` : ''}}`
  );
}

export const quoteRecordBytes = 40;
const QUOTE = 1;
const faultFlags = { stale: 1, diverged: 2 } as const;

/**
 * A quote as a record of the binary format, big-endian: kind (u8), flags (u8), topic (u16), skipped (u32), sequence (u64), bid and ask
 * scaled by 10^8 (i64), time in microseconds since the epoch (i64).
 */
export function quoteRecord(quote: Quote, topicNumber: number, skipped: number): Buffer {
  const record = Buffer.allocUnsafe(quoteRecordBytes);
  record[0] = QUOTE;
  record[1] = quote.fault === undefined ? 0 : faultFlags[quote.fault];
  record.writeUInt16BE(topicNumber, 2);
  record.writeUInt32BE(Math.min(skipped, 0xffff_ffff), 4);
  writeWhole(record, quote.sequence, 8);
  writeWhole(record, quote.bid, 16);
  writeWhole(record, quote.ask, 24);
  writeWhole(record, quote.timeMicros, 32);
  return record;
}

/** A safe integer of zero or more, in eight bytes; cheaper than by way of a bigint. */
function writeWhole(record: Buffer, value: number, at: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  record.writeUInt32BE(high, at);
  record.writeUInt32BE(value - high * 0x1_0000_0000, at + 4);
}
