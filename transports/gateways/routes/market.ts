/** Instruments, and prices as they are and were. */
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { CandleKeeperMessage } from '../../../actors/candle-keeper.ts';
import { candleIntervals, candleView, seriesKey } from '../../../actors/market/candle.ts';
import { bookView, checksumOf } from '../../../actors/market/order-book.ts';
import { formatPrice, formatQuantity, type Instrument } from '../../../actors/trading/instrument.ts';
import { formatTime } from '../../../actors/trading/time.ts';
import { candleKeeperPath, latestCandles } from '../../candles.ts';
import { microsOf, symbolText } from '../../codec.ts';
import { InvalidCursor, pageOf, readCursor } from '../../drivers/page.ts';
import { sendProblem } from '../../http-errors.ts';
import type { App } from '../../http.ts';
import { quoteView } from '../../streams/quote-text.ts';
import type { Services } from '../../services.ts';
import type { GatewayContext } from '../gateway.ts';
import { sendNotFound } from './shared.ts';

const symbolParams = z.strictObject({ symbol: symbolText });
const candleQuery = z.strictObject({
  interval: z.enum(candleIntervals).default('1m'),
  limit: z.coerce.number().int().min(1).max(500).default(500),
  from: z.iso.datetime().optional().describe('Opened then or later.'),
  to: z.iso.datetime().optional().describe('Opened before then.'),
  cursor: z.string().min(1).max(256).optional().describe('Of a page: the one before it.'),
});

export function marketRoutes(app: App, { services, limits }: GatewayContext): void {
  const tags = ['market'];
  const config = { action: 'market:read' } as const;

  app.get(
    '/api/v1/instruments',
    { config, schema: { tags, summary: 'What can be traded, and on which terms' } },
    () => ({
      items: [...services.instruments.values()].map((instrument) => ({
        ...instrumentView(instrument),
        ...hoursView(services, instrument.symbol),
      })),
    }),
  );

  app.get(
    '/api/v1/quotes/:symbol',
    { config, schema: { tags, summary: 'The latest quote', params: symbolParams } },
    (request, reply) => {
      const { symbol } = request.params;
      const quote = services.quotes.get(symbol);
      if (!quote) return sendNotFound(reply, `quote of ${symbol}`);
      return {
        ...quoteView(quote, services.instruments.get(symbol)),
        epoch: services.marketEpoch(symbol),
        sequence: quote.sequence,
      };
    },
  );

  app.get(
    '/api/v1/candles/:symbol',
    {
      config,
      schema: {
        tags,
        summary: 'Candles of bids, oldest first: the latest, or with from, to or cursor those kept of a range of time',
        params: symbolParams,
        querystring: candleQuery,
      },
    },
    async (request, reply) => {
      const { symbol } = request.params;
      const instrument = services.instruments.get(symbol);
      if (!instrument) return sendNotFound(reply, `instrument ${symbol}`);
      const { from, to, cursor } = request.query;
      if (from !== undefined || to !== undefined || cursor !== undefined)
        return keptCandles(reply, instrument, request.query, request.id);
      const { interval, limit } = request.query;
      const options = { timeoutMs: limits.ask.deadlineMs, traceId: request.id };
      const candles = await latestCandles(services, { symbol, interval, limit }, options);
      if (!candles) return sendProblem(reply, { code: 'NOT_READY', retryAfterMs: 1_000 });
      return { symbol, interval, items: candles.map((candle) => candleView(candle, instrument.digits)) };
    },
  );

  app.get(
    '/api/v1/books/:symbol',
    { config, schema: { tags, summary: 'The order book as it stands', params: symbolParams } },
    (request, reply) => {
      const { symbol } = request.params;
      const update = services.books.get(symbol);
      if (!update) return sendNotFound(reply, `order book of ${symbol}`);
      const view = bookView(update.book, services.instruments.get(symbol));
      return {
        ...{ symbol, ...view, time: formatTime(update.timeMicros), checksum: checksumOf(view) },
        ...{ epoch: services.marketEpoch(symbol), sequence: update.sequence },
      };
    },
  );

  /** The newest of the range make the first page; each next one lies before it. */
  async function keptCandles(
    reply: FastifyReply,
    { symbol, digits }: Instrument,
    { interval, limit, from, to, cursor }: z.output<typeof candleQuery>,
    traceId: string,
  ): Promise<object> {
    const key = seriesKey(symbol, interval);
    const [before, series = key] = readCursor(cursor, 'c');
    if (series !== key) throw new InvalidCursor();
    const keeper = services.directory.find<CandleKeeperMessage>(candleKeeperPath);
    if (!keeper) return sendProblem(reply, { code: 'NOT_READY', retryAfterMs: 1_000 });
    const toMicros = Math.min(before ?? Infinity, to === undefined ? Infinity : microsOf(to));
    const range = {
      ...{ symbol, interval, limit: limit + 1 },
      ...(from === undefined ? {} : { fromMicros: microsOf(from) }),
      ...(toMicros === Infinity ? {} : { toMicros }),
    };
    const candles = await keeper.ask({ type: 'get-candles', range }, { timeoutMs: limits.ask.deadlineMs, traceId });
    const page = pageOf(
      candles.toReversed(),
      limit,
      (candle) => candleView(candle, digits),
      ({ openMicros }) => ['c', openMicros, key],
    );
    return { symbol, interval, ...page, items: page.items.toReversed() };
  }
}

/** Whether it can be traded now, and if not, when it can. */
function hoursView({ hours, clock }: Pick<Services, 'hours' | 'clock'>, symbol: string): object {
  const nowMicros = clock.wallMicros();
  const sessions = hours(symbol);
  if (!sessions || sessions.isOpen(nowMicros)) return { isOpen: true };
  const nextOpen = sessions.nextOpen(nowMicros);
  return { isOpen: false, ...(nextOpen === undefined ? {} : { nextOpen: formatTime(nextOpen) }) };
}

/** Amounts as decimal text. */
function instrumentView(instrument: Instrument): object {
  const { symbol, description, assetClass, calculationMode, baseCurrency, quoteCurrency, digits, quantityDigits } =
    instrument;
  return {
    ...{ symbol, description, assetClass, calculationMode, baseCurrency, quoteCurrency, digits, quantityDigits },
    tickSize: formatPrice(instrument, instrument.tickSize),
    contractSize: instrument.contractSize.toString(),
    minQuantity: formatQuantity(instrument, instrument.minQuantity),
    maxQuantity: formatQuantity(instrument, instrument.maxQuantity),
    quantityStep: formatQuantity(instrument, instrument.quantityStep),
    maxLeverage: instrument.maxLeverage,
    staleAfterMs: instrument.staleAfterMs,
  };
}
