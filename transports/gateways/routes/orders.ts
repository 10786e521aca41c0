/** Orders: sent and withdrawn through their account, listed from its history. */
import { z } from 'zod';
import type { OrderState } from '../../../actors/trading/account.ts';
import type { OrderTerms } from '../../../actors/trading/events.ts';
import { formatPrice, formatQuantity, type Instrument } from '../../../actors/trading/instrument.ts';
import { optionalView } from '../../../actors/trading/order-fields.ts';
import { whenCaughtUp, type SubmitResult } from '../../account-commands.ts';
import { accountSlug, changeBody, closeBody, orderBody, orderIdText } from '../../codec.ts';
import { sendProblem } from '../../http-errors.ts';
import type { App } from '../../http.ts';
import type { GatewayContext } from '../gateway.ts';
import {
  accountParams,
  callerOf,
  findAccount,
  pageOf,
  pageQuery,
  sendHistory,
  sendNotFound,
  sendOutcome,
} from './shared.ts';

const positionParams = z.strictObject({ account: accountSlug, positionId: orderIdText });
const orderParams = z.strictObject({ account: accountSlug, orderId: orderIdText });

const states = [
  ...['SUBMITTED', 'ACCEPTED', 'TRIGGERED', 'PARTIALLY_FILLED', 'PENDING_UPDATE', 'PENDING_CANCEL', 'UNKNOWN'],
  ...['FILLED', 'CANCELED', 'EXPIRED', 'REJECTED', 'DENIED'],
] as const satisfies readonly OrderState[];
const ordersQuery = pageQuery.extend({ state: z.enum(states).optional() });

export function orderRoutes(app: App, context: GatewayContext): void {
  const { services, commands } = context;
  const tags = ['orders'];

  app.post(
    '/api/v1/accounts/:account/orders',
    {
      config: { action: 'orders:write' },
      schema: { tags, summary: 'Send an order', params: accountParams, body: orderBody },
    },
    async (request, reply) => {
      const { account } = request.params;
      const terms = request.body;
      const outcome = await commands.submit(callerOf(request), account, terms, request.id);
      if (!outcome.ok) return sendProblem(reply, outcome.problem);
      void reply.code(201).header('location', `/api/v1/accounts/${account}/orders/${outcome.result.orderId}`);
      return sentOrder(outcome.result, terms, services.instruments.get(terms.symbol));
    },
  );

  app.get(
    '/api/v1/accounts/:account/orders',
    {
      config: { action: 'accounts:read' },
      schema: { tags, summary: 'Orders in every state, newest first', params: accountParams, querystring: ordersQuery },
    },
    (request, reply) => {
      const { state } = request.query;
      const query = { ...pageOf(request.query), ...(state === undefined ? {} : { state }) };
      return sendHistory(context, request, reply, (entry, throughSeq) =>
        services.history.orders(entry, { ...query, throughSeq }),
      );
    },
  );

  app.get(
    '/api/v1/accounts/:account/orders/:orderId',
    {
      config: { action: 'accounts:read' },
      schema: { tags, summary: 'An order with all its events', params: orderParams },
    },
    async (request, reply) => {
      const { account, orderId } = request.params;
      const entry = findAccount(services, request, account);
      if (!entry) return sendNotFound(reply, `account ${account}`);
      const outcome = await whenCaughtUp(services, commands, entry, (seq) =>
        services.history.order(entry, orderId, seq),
      );
      if (!outcome.ok) return sendProblem(reply, outcome.problem);
      return outcome.result ?? sendNotFound(reply, `order ${orderId}`);
    },
  );

  app.patch(
    '/api/v1/accounts/:account/orders/:orderId',
    {
      config: { action: 'orders:write' },
      schema: { tags, summary: 'Ask to change a working order', params: orderParams, body: changeBody },
    },
    async (request, reply) => {
      const { account, orderId } = request.params;
      const amend = { orderId, requestId: request.id, change: request.body };
      // Accepted: the broker has the last word.
      return sendOutcome(reply, await commands.amend(callerOf(request), account, amend, request.id), 202);
    },
  );

  app.post(
    '/api/v1/accounts/:account/positions/:positionId/close',
    {
      config: { action: 'orders:write' },
      schema: {
        tags,
        summary: 'Close a position, a part of it, or by another',
        params: positionParams,
        body: closeBody,
      },
    },
    async (request, reply) => {
      const { account, positionId } = request.params;
      const { by, ...rest } = request.body;
      const close = { positionId, requestId: request.id };
      const caller = callerOf(request);
      if (by === undefined)
        return sendOutcome(reply, await commands.close(caller, account, { ...close, ...rest }, request.id), 201);
      return sendOutcome(reply, await commands.closeBy(caller, account, { ...close, byPositionId: by }, request.id));
    },
  );

  app.delete(
    '/api/v1/accounts/:account/orders/:orderId',
    { config: { action: 'orders:cancel' }, schema: { tags, summary: 'Ask to withdraw an order', params: orderParams } },
    async (request, reply) => {
      const { account, orderId } = request.params;
      const cancel = { orderId, requestId: request.id };
      // Accepted: the broker has the last word on whether it comes in time.
      return sendOutcome(reply, await commands.cancel(callerOf(request), account, cancel, request.id), 202);
    },
  );
}

function sentOrder(result: SubmitResult, terms: OrderTerms, instrument: Instrument | undefined): object {
  const { symbol, side, orderType, quantity, limitPrice, timeInForce } = terms;
  return {
    ...result,
    ...{ symbol, side, type: orderType, quantity: formatQuantity(instrument, quantity) },
    ...(limitPrice === undefined ? {} : { limitPrice: formatPrice(instrument, limitPrice) }),
    timeInForce,
    ...optionalView(terms, instrument),
  };
}
