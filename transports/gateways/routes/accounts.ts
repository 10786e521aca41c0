/** Accounts as their actors see them, and their history. */
import { accountView, positionView } from '../../../actors/trading/view.ts';
import { deadManBody } from '../../codec.ts';
import { setDeadMan } from '../../dead-man.ts';
import type { App } from '../../http.ts';
import type { AccountEntry } from '../../services.ts';
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
  const history = { params: accountParams, querystring: pageQuery };

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
      return { items: [...state.positions.values()].map((position) => positionView(position, state.currency, prices)) };
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

  app.get(
    '/api/v1/accounts/:account/fills',
    { config, schema: { tags, summary: 'Fills, newest first', ...history } },
    (request, reply) =>
      sendHistory(context, request, reply, (entry, throughSeq) =>
        services.history.fills(entry, { ...pageOf(request.query), throughSeq }),
      ),
  );

  app.get(
    '/api/v1/accounts/:account/ledger',
    { config, schema: { tags, summary: 'Changes of the balance, newest first', ...history } },
    (request, reply) =>
      sendHistory(context, request, reply, (entry, throughSeq) =>
        services.history.ledger(entry, { ...pageOf(request.query), throughSeq }),
      ),
  );
}
