/** 5001: prices, orders and positions as streams. */
import { createGateway, type Gateway, type GatewayContext } from './gateway.ts';

export function dataBridgeGateway(context: GatewayContext): Promise<Gateway> {
  return createGateway(context, { service: 'data-bridge', hasStreams: true, routes() {} });
}
