/** 9001: health and metrics of billing. */
import { createGateway, type Gateway, type GatewayContext } from './gateway.ts';

export function billingGateway(context: GatewayContext): Promise<Gateway> {
  return createGateway(context, { service: 'billing', routes() {} });
}
