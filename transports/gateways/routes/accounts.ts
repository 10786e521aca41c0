/** Accounts as their actors see them, and their history. */
import { z } from 'zod';
import { accountView, positionView } from '../../../actors/trading/view.ts';
import { whenCaughtUp } from '../../account-commands.ts';
import { deadManBody, microsOf } from '../../codec.ts';
import { sendCsv } from '../../csv.ts';
import { sendProblem } from '../../http-errors.ts';
import { setDeadMan } from '../../dead-man.ts';
import type { App } from '../../http.ts';
import type { AccountEntry, History } from '../../services.ts';
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

export function accountRoutes(app: App, context: GatewayContext): void {
  const { services, commands } = context;
  const prices = {
    quote: (symbol: string) => services.quotes.get(symbol),
    instrument: (symbol: string) => services.instruments.get(symbol),
  };
  const tags = ['accounts'];
  const config = { action: 'accounts:read' } as const;

  async function viewOf(entry: AccountEntry): Promise<object> {
    const { state } = await commands.read(entry);
    return accountView(state, entry.account, prices);
  }

  app.get('/api/v1/accounts', { config, schema: { tags, summary: 'The accounts that you may see' } }, (request) =>
    Promise.all(services.accountsOf(callerOf(request)).map(viewOf)).then((items) => ({ items })),
  );

  app.get(
    '/api/v1/accounts/:account',
    { config, schema: { tags, summary: 'Balance, equity and margin', params: accountParams } },
    async (request, reply) => {
      const entry = findAccount(services, request, request.params.account);
      return entry ? viewOf(entry) : sendNotFound(reply, `account ${request.params.account}`);
    },
  );

  app.get(
    '/api/v1/accounts/:account/positions',
    { config, schema: { tags, summary: 'Open positions', params: accountParams } },
    async (request, reply) => {
      const entry = findAccount(services, request, request.params.account);
      if (!entry) return sendNotFound(reply, `account ${request.params.account}`);
      const { state } = await commands.read(entry);
      return { items: [...state.positions.values()].map((position) => positionView(position, state, prices)) };
    },
  );

  app.put(
    '/api/v1/accounts/:account/dead-man',
    {
      config: { action: 'orders:cancel' },
      schema: {
        tags,
        summary: 'Withdraw all orders unless this is sent again in time',
        params: accountParams,
        body: deadManBody,
      },
    },
    async (request, reply) => {
      const { account } = request.params;
      return sendOutcome(reply, await setDeadMan(services, callerOf(request), account, request.body.timeoutMs));
    },
  );

  list('fills', 'Fills, newest first', fillColumns);
  list('ledger', 'Changes of the balance, newest first', ledgerColumns);

  /** As JSON in pages, or all of it as CSV. */
  function list(name: 'fills' | 'ledger', summary: string, columns: readonly string[]): void {
    const read: History['fills'] = (entry, query) => services.history[name](entry, query);
    app.get(
      `/api/v1/accounts/:account/${name}`,
      { config, schema: { tags, summary, params: accountParams, querystring: historyQuery } },
      async (request, reply) => {
        const { format, from, to, ...page } = request.query;
        const range = {
          ...(from === undefined ? {} : { fromMicros: microsOf(from) }),
          ...(to === undefined ? {} : { toMicros: microsOf(to) }),
        };
        const { account } = request.params;
        if (format === 'json')
          return sendHistory(context, request, reply, (entry, throughSeq) =>
            read(entry, { ...pageOf(page), ...range, throughSeq }),
          );
        const entry = findAccount(services, request, account);
        if (!entry) return sendNotFound(reply, `account ${account}`);
        const outcome = await whenCaughtUp(services, commands, entry, async (throughSeq) => throughSeq);
        if (!outcome.ok) return sendProblem(reply, outcome.problem);
        return sendCsv(reply, `${account}-${name}`, columns, (cursor) =>
          read(entry, { ...pageOf({ limit: csvPageRows, cursor }), ...range, throughSeq: outcome.result }),
        );
      },
    );
  }
}

const csvPageRows = 500;
const fillColumns = ['time', 'brokerTime', 'symbol', 'side', 'quantity', 'price', 'orderId', 'fillId'] as const;
const ledgerColumns = [
  'time',
  'reason',
  'amount',
  'balance',
  'currency',
  'orderId',
  'fillId',
  'positionId',
  'quoteAmount',
  'quoteCurrency',
  'conversionRate',
] as const;
const historyQuery = pageQuery.extend({
  format: z.enum(['json', 'csv']).default('json').describe('csv: all of it at once, whatever limit and cursor say.'),
  from: z.iso.datetime().optional().describe('Booked then or later.'),
  to: z.iso.datetime().optional().describe('Booked before then.'),
});
