/** How the database is, for those who run the platform: on 8008 alone. */
import type { App } from '../../http.ts';
import { accountSlug } from '../../codec.ts';
import type { GatewayContext } from '../gateway.ts';
import { pageOf, pageQuery, sendNotFound } from './shared.ts';

const tablesQuery = pageQuery.extend({ tenant: accountSlug.optional() });

export function databaseRoutes(app: App, { services }: GatewayContext): void {
  const { database } = services;
  const config = { action: 'database:read' } as const;
  const about = (summary: string) => ({ tags: ['database'], summary });
  const shown = {
    '/api/v1/database': ['The server as a whole', () => database.overview()],
    '/api/v1/database/pools': ['Pools of connections, and how busy they are', () => database.pools()],
    '/api/v1/database/migrations': ['Migrations: applied and pending', () => database.migrations()],
    '/api/v1/database/backups': ['Backups, newest first, and their schedule', () => database.backups()],
    '/api/v1/database/replication': ['Standbys and replication slots', () => database.replication()],
    '/api/v1/database/slow-queries': ['Statements that take or took long', () => database.slowQueries()],
  } as const;
  for (const [path, [summary, show]] of Object.entries(shown)) app.get(path, { config, schema: about(summary) }, show);

  app.get(
    '/api/v1/database/schemas',
    { config, schema: { ...about('Schemas by tenant, with their version and size'), querystring: pageQuery } },
    (request) => database.schemas(pageOf(request.query)),
  );

  app.get(
    '/api/v1/database/tables',
    {
      config,
      schema: { ...about("Tables of a tenant, or the platform's own, the largest first"), querystring: tablesQuery },
    },
    async (request, reply) => {
      const { tenant } = request.query;
      return (await database.tables(tenant, pageOf(request.query))) ?? sendNotFound(reply, `tenant ${tenant}`);
    },
  );
}
