/** Tickets for clients that can set no header on a WebSocket. */
import { bearerToken } from '../../authenticate.ts';
import type { App } from '../../http.ts';
import type { GatewayContext } from '../gateway.ts';

export function streamTicketRoutes(app: App, { streams }: GatewayContext): void {
  app.post(
    '/api/v1/stream-tickets',
    {
      config: { action: 'streams:read' },
      schema: {
        tags: ['streams'],
        summary: 'A ticket that opens one stream in place of the credential; good once, at this node',
      },
    },
    (request, reply) => reply.code(201).send(streams.tickets.issue(bearerToken(request.headers.authorization)!)),
  );
}
