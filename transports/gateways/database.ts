/** 8008: how the database is, for those who run it. */
import { createGateway, type Gateway, type GatewayContext } from './gateway.ts';
import { databaseRoutes } from './routes/database.ts';

export function databaseGateway(context: GatewayContext): Promise<Gateway> {
  return createGateway(context, { service: 'database', routes: (app) => databaseRoutes(app, context) });
}
