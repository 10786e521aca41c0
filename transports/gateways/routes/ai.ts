/** Signals and the providers that give them. */
import { z } from 'zod';
import { candleIntervals } from '../../../actors/market/candle.ts';
import { accountSlug, symbolText } from '../../codec.ts';
import { sendProblem } from '../../http-errors.ts';
import type { App } from '../../http.ts';
import type { GatewayContext } from '../gateway.ts';
import { callerOf, findAccount, sendNotFound } from './shared.ts';

const signalBody = z.strictObject({
  symbol: symbolText,
  account: accountSlug.optional().describe('Where the signal may become an order.'),
  interval: z.enum(candleIntervals).default('1m'),
});
const costsQuery = z.strictObject({ days: z.coerce.number().int().min(1).max(366).default(30) });
const signalParams = z.strictObject({ id: z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'must be the id of a signal') });

export function aiRoutes(app: App, { services, isAllowed }: GatewayContext): void {
  const tags = ['ai'];

  app.post(
    '/api/v1/signals',
    {
      config: { action: 'signals:write' },
      schema: { tags, summary: 'Ask for a decision on an instrument', body: signalBody },
    },
    async (request, reply) => {
      const { symbol, account, interval } = request.body;
      if (!services.instruments.has(symbol)) return sendNotFound(reply, `instrument ${symbol}`);
      if (account !== undefined) {
        // The decision may become an order there, so it takes who may send one.
        if (!isAllowed(callerOf(request).role, 'orders:write')) return sendProblem(reply, { code: 'FORBIDDEN' });
        if (!findAccount(services, request, account)) return sendNotFound(reply, `account ${account}`);
      }
      const question = { symbol, interval, ...(account === undefined ? {} : { account }) };
      const decision = await services.requestSignal(callerOf(request), question, request.id);
      return reply.code(201).header('location', `/api/v1/signals/${decision.id}`).send(decision.json);
    },
  );

  app.get(
    '/api/v1/signals/:id',
    {
      config: { action: 'signals:read' },
      schema: { tags, summary: 'A decision with its votes and its cost', params: signalParams },
    },
    async (request, reply) => {
      const decision = await services.findSignal(callerOf(request), request.params.id);
      return decision ? decision.json : sendNotFound(reply, `signal ${request.params.id}`);
    },
  );

  app.get(
    '/api/v1/ai/providers',
    {
      config: { action: 'signals:read' },
      schema: { tags, summary: 'What may be asked, with breaker, rest and latency' },
    },
    (request) => services.ai.targets(callerOf(request)).then((items) => ({ items })),
  );

  app.get(
    '/api/v1/ai/budgets',
    {
      config: { action: 'ai-costs:read' },
      schema: { tags, summary: 'What may be spent, what is set aside, what is gone' },
    },
    (request) => services.ai.budgets(callerOf(request)).then((items) => ({ items })),
  );

  app.get(
    '/api/v1/ai/costs',
    {
      config: { action: 'ai-costs:read' },
      schema: { tags, summary: 'What was spent, by day, model and subject', querystring: costsQuery },
    },
    (request) => services.ai.costs(callerOf(request), request.query.days).then((items) => ({ items })),
  );
}
