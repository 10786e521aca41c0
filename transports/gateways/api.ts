/** 3001: everything that is public under one address, and the browser terminal. */
import { createGateway, type Gateway, type GatewayContext } from './gateway.ts';
import { accountRoutes } from './routes/accounts.ts';
import { aiRoutes } from './routes/ai.ts';
import { completionRoutes } from './routes/completions.ts';
import { killSwitchRoutes } from './routes/kill-switches.ts';
import { riskLimitRoutes } from './routes/risk-limits.ts';
import { marketRoutes } from './routes/market.ts';
import { orderRoutes } from './routes/orders.ts';
import { platformRoutes } from './routes/platform.ts';
import { streamTicketRoutes } from './routes/stream-tickets.ts';
import { webRoutes } from './routes/web.ts';

export function apiGateway(context: GatewayContext): Promise<Gateway> {
  return createGateway(context, {
    service: 'api',
    hasStreams: true,
    routes(app) {
      accountRoutes(app, context);
      orderRoutes(app, context);
      killSwitchRoutes(app, context);
      riskLimitRoutes(app, context);
      marketRoutes(app, context);
      aiRoutes(app, context);
      completionRoutes(app, context);
      platformRoutes(app, context);
      streamTicketRoutes(app, context);
      webRoutes(app, context.folders);
    },
  });
}
