/** 8008: how the database is, for those who run it. */
import { createGateway, type Gateway, type GatewayContext } from './gateway.ts';

export function databaseGateway(context: GatewayContext): Promise<Gateway> {
  return createGateway(context, {
    service: 'database',
    routes(app) {
      const schema = { tags: ['database'], summary: 'Schemas, migrations and pools' };
      app.get('/api/v1/database', { schema, config: { action: 'services:read' } }, () => context.services.database());
    },
  });
}
