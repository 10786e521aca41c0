/** 9000: orders, positions, accounts, market data. */
import { createGateway, type Gateway, type GatewayContext } from './gateway.ts';
import { accountRoutes } from './routes/accounts.ts';
import { killSwitchRoutes } from './routes/kill-switches.ts';
import { riskLimitRoutes } from './routes/risk-limits.ts';
import { marketRoutes } from './routes/market.ts';
import { orderRoutes } from './routes/orders.ts';

export function tradingGateway(context: GatewayContext): Promise<Gateway> {
  return createGateway(context, {
    service: 'trading',
    routes(app) {
      accountRoutes(app, context);
      orderRoutes(app, context);
      killSwitchRoutes(app, context);
      riskLimitRoutes(app, context);
      marketRoutes(app, context);
    },
  });
}
