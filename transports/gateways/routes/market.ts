/** Instruments, and prices as they are and were. */
import { z } from 'zod';
import { candleIntervals, candleView } from '../../../actors/market/candle.ts';
import { formatPrice, formatQuantity, type Instrument } from '../../../actors/trading/instrument.ts';
import { formatTime } from '../../../actors/trading/time.ts';
import type { PriceStreamMessage } from '../../../actors/price-stream.ts';
import { childPath } from '../../../runtime/path.ts';
import { symbolText } from '../../codec.ts';
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
      schema: { tags, summary: 'Candles of bids, oldest first', params: symbolParams, querystring: candleQuery },
    },
    async (request, reply) => {
      const { symbol } = request.params;
      const instrument = services.instruments.get(symbol);
      if (!instrument) return sendNotFound(reply, `instrument ${symbol}`);
      const stream = services.directory.find<PriceStreamMessage>(childPath('/market', symbol));
      if (!stream) return sendProblem(reply, { code: 'NOT_READY', retryAfterMs: 1_000 });
      const { interval, limit } = request.query;
      const question = { type: 'get-candles', interval, limit } as const;
      const candles = await stream.ask(question, { timeoutMs: limits.ask.deadlineMs, traceId: request.id });
      return { symbol, interval, items: candles.map((candle) => candleView(candle, instrument.digits)) };
    },
  );
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
