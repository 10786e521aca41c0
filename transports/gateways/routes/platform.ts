/** A look inside: services, supervisors, actors. */
import { z } from 'zod';
import type { SourceHealth } from '../../../actors/price-stream.ts';
import { formatTime } from '../../../actors/trading/time.ts';
import { childPath, isWithin } from '../../../runtime/path.ts';
import type { App } from '../../http.ts';
import type { Principal } from '../../services.ts';
import type { GatewayContext } from '../gateway.ts';
import { callerOf, sendNotFound } from './shared.ts';

const actorsQuery = z.strictObject({ root: z.string().startsWith('/').max(512).optional() });
const actorParams = z.strictObject({ '*': z.string().min(1).max(512) });

export function platformRoutes(app: App, { services, streams }: GatewayContext): void {
  const tags = ['platform'];

  app.get(
    '/api/v1/services',
    { config: { action: 'services:read' }, schema: { tags, summary: 'The eight services and where they are' } },
    () => ({ items: services.services() }),
  );

  app.get(
    '/api/v1/sources',
    {
      config: { action: 'services:read' },
      schema: { tags, summary: 'The sources of prices, and what is wrong with them' },
    },
    () => ({ items: [...services.sources.all()].map(sourceView) }),
  );

  app.get(
    '/api/v1/streams',
    {
      config: { action: 'services:read' },
      schema: { tags, summary: 'The stream connections of this process, and how well they keep up' },
    },
    () => ({ items: streams.connections() }),
  );

  app.get(
    '/api/v1/supervisors/health',
    { config: { action: 'health:read' }, schema: { tags, summary: 'The tree of supervisors, rolled up' } },
    () => services.supervisors(),
  );

  app.get(
    '/api/v1/actors',
    {
      config: { action: 'actors:read' },
      schema: { tags, summary: 'The tree of actors, parents first', querystring: actorsQuery },
    },
    (request, reply) => {
      const visible = visibleRoot(callerOf(request));
      const { root = visible } = request.query;
      if (!isWithin(root, visible)) return sendNotFound(reply, `actor ${root}`);
      return { items: services.actors(root) };
    },
  );

  app.get(
    '/api/v1/actors/*',
    {
      config: { action: 'actors:read' },
      schema: { tags, summary: 'One actor with what it shows of its state', params: actorParams },
    },
    (request, reply) => {
      const path = `/${request.params['*']}`;
      return services.actor(path, visibleRoot(callerOf(request))) ?? sendNotFound(reply, `actor ${path}`);
    },
  );
}

function sourceView({ lastMicros, fault, differenceShare, ...figures }: SourceHealth): object {
  return {
    ...{ ...figures, time: lastMicros === undefined ? null : formatTime(lastMicros), fault: fault ?? null },
    differenceShare: differenceShare === undefined ? null : differenceShare.toFixed(8),
  };
}

/** Who belongs to a tenant sees that tenant's part of the tree. */
function visibleRoot({ tenant }: Principal): string {
  return tenant === undefined ? '/' : childPath('/tenants', tenant);
}
