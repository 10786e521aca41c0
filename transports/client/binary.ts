/** Records of the binary format. */
import type { QuoteFrame, SourceFault } from './wire.ts';

/** What the reply to a subscription says of a channel that comes in records. */
export interface RecordTerms {
  readonly channel: string;
  readonly digits: number;
}

const recordBytes = 40;
const QUOTE = 1;
const faults: Readonly<Record<number, SourceFault>> = { 1: 'stale', 2: 'diverged' };
const scaleDigits = 8;

/** The quotes of a binary message. @throws {RangeError} it is no whole number of records, or one is of a channel that was not agreed */
export function decodeRecords(message: ArrayBuffer, topics: ReadonlyMap<number, RecordTerms>): QuoteFrame[] {
  if (message.byteLength % recordBytes !== 0)
    throw new RangeError(`a message of ${message.byteLength} bytes holds no whole records`);
  const view = new DataView(message);
  const quotes: QuoteFrame[] = [];
  for (let at = 0; at < message.byteLength; at += recordBytes) {
    // Kinds that a newer platform adds are passed over.
    if (view.getUint8(at) === QUOTE) quotes.push(quoteAt(view, at, topics));
  }
  return quotes;
}

function quoteAt(view: DataView, at: number, topics: ReadonlyMap<number, RecordTerms>): QuoteFrame {
  const number = view.getUint16(at + 2);
  const terms = topics.get(number);
  if (!terms) throw new RangeError(`a record of topic ${number}, which was not agreed`);
  const { channel, digits } = terms;
  const fault = faults[view.getUint8(at + 1)];
  const skipped = view.getUint32(at + 4);
  return {
    ...{ type: 'quote', channel, sequence: Number(view.getBigUint64(at + 8)), symbol: channel.slice('quotes:'.length) },
    bid: decimalText(view.getBigInt64(at + 16), digits),
    ask: decimalText(view.getBigInt64(at + 24), digits),
    time: timeText(view.getBigInt64(at + 32)),
    ...(fault && { fault }),
    ...(skipped > 0 && { skipped }),
  };
}

/** With the digits of its instrument, and with more where it has more. */
function decimalText(scaled: bigint, digits: number): string {
  const text = scaled.toString().padStart(scaleDigits + 1, '0');
  const fraction = text.slice(-scaleDigits).replace(/0+$/, '').padEnd(digits, '0');
  return fraction === '' ? text.slice(0, -scaleDigits) : `${text.slice(0, -scaleDigits)}.${fraction}`;
}

/** RFC 3339 with microseconds. */
function timeText(micros: bigint): string {
  const seconds = new Date(Number(micros / 1_000n)).toISOString().slice(0, -'Z'.length);
  return `${seconds}${(micros % 1_000n).toString().padStart(3, '0')}Z`;
}
