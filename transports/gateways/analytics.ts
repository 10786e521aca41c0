/** 9100: metrics of the platform. */
import { createGateway, type Gateway, type GatewayContext } from './gateway.ts';

export function analyticsGateway(context: GatewayContext): Promise<Gateway> {
  return createGateway(context, { service: 'analytics', routes() {} });
}
