/** 7000: service discovery, supervisor health, actor inspection. */
import { createGateway, type Gateway, type GatewayContext } from './gateway.ts';
import { platformRoutes } from './routes/platform.ts';

export function hubGateway(context: GatewayContext): Promise<Gateway> {
  return createGateway(context, { service: 'hub', routes: (app) => platformRoutes(app, context) });
}
