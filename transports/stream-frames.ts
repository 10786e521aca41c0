/** The frames that a stream sends, as whole WebSocket frames. Hot ones are put together by hand; each is built once, however many get it. */
import type { Quote } from '../actors/market/quote.ts';
import type { PublishedEvent } from '../actors/trading/events.ts';
import { formatPrice, type Instrument } from '../actors/trading/instrument.ts';
import { formatTime } from '../actors/trading/time.ts';
import type { ProblemBody } from './problems.ts';
import { textFrame } from './websocket.ts';

export function frameOf(message: object): Buffer {
  return textFrame(JSON.stringify(message));
}

export function replyFrame(id: string | null, result: object): Buffer {
  return frameOf({ type: 'reply', id, ok: true, result });
}

export function problemFrame(id: string | null, problem: ProblemBody): Buffer {
  return frameOf({ type: 'reply', id, ok: false, problem });
}

/** @param skipped quotes of the channel that this client did not get before this one */
export function quoteFrame(quote: Quote, instrument: Instrument | undefined, skipped = 0): Buffer {
  const { symbol, sequence } = quote;
  // Symbols come from our own list of instruments and hold nothing to escape.
  return textFrame(
    `{"type":"quote","channel":"quotes:${symbol}","sequence":${sequence},"symbol":"${symbol}",` +
      `"bid":"${formatPrice(instrument, BigInt(quote.bid))}","ask":"${formatPrice(instrument, BigInt(quote.ask))}",` +
      `"time":"${formatTime(quote.timeMicros)}"${skipped > 0 ? `,"skipped":${skipped}` : ''}}`,
  );
}

/** What a quote is in snapshots and on REST. */
export function quoteView(quote: Quote, instrument: Instrument | undefined): object {
  return {
    symbol: quote.symbol,
    bid: formatPrice(instrument, BigInt(quote.bid)),
    ask: formatPrice(instrument, BigInt(quote.ask)),
    time: formatTime(quote.timeMicros),
  };
}

/** Holds the very text that the journal holds. */
export function eventFrame(channel: string, epoch: string, { sequence, json }: PublishedEvent): Buffer {
  return textFrame(
    `{"type":"event","channel":"${channel}","epoch":${JSON.stringify(epoch)},"sequence":${sequence},"data":${json}}`,
  );
}

/** Everything of the channel up to and including `sequence`. */
export function snapshotFrame(channel: string, epoch: string, sequence: number, data: unknown): Buffer {
  return frameOf({ type: 'snapshot', channel, epoch, sequence, data });
}
