/** The routes that every port has: whether it lives, is ready, is well, and what it is. */
import { z } from 'zod';
import { formatTime } from '../actors/trading/time.ts';
import { sendProblem } from './http-errors.ts';
import type { Admit, App, HttpOptions } from './http.ts';
import type { HealthReport } from './services.ts';

const plainText = 'text/plain; charset=utf-8';

export function commonRoutes(app: App, { service, services, exposeInternals }: HttpOptions, admit: Admit): void {
  const tags = ['health'];

  app.get('/livez', { schema: { tags, summary: 'Whether the event loop turns' } }, (_request, reply) =>
    reply.type(plainText).send('ok'),
  );

  app.get(
    '/readyz',
    {
      schema: {
        tags,
        summary: 'Whether traffic may come',
        querystring: z.looseObject({ verbose: z.string().optional() }),
      },
    },
    async (request, reply) => {
      const report = services.health();
      if (request.query.verbose !== undefined) {
        const refused = exposeInternals ? undefined : await admit(request, reply, 'health:read');
        return (
          refused ??
          reply
            .code(report.isReady ? 200 : 503)
            .type(plainText)
            .send(verbose(report))
        );
      }
      if (report.isReady) return reply.type(plainText).send('ok');
      return sendProblem(reply, {
        code: 'NOT_READY',
        retryAfterMs: 1_000,
        ...(exposeInternals ? { detail: report.reasons.join('; ') } : {}),
      });
    },
  );

  app.get('/startupz', { schema: { tags, summary: 'Whether the start is over' } }, (_request, reply) =>
    services.health().hasStarted
      ? reply.type(plainText).send('ok')
      : sendProblem(reply, { code: 'NOT_READY', retryAfterMs: 1_000 }),
  );

  app.get('/health', { schema: { tags, summary: 'How each component is' } }, (_request, reply) => {
    const { status, checks } = services.health();
    const body = {
      status,
      service,
      version: services.version,
      ...(exposeInternals ? { checks: checksOf(checks) } : {}),
    };
    return reply
      .code(status === 'fail' ? 503 : 200)
      .type('application/health+json')
      .send(JSON.stringify(body));
  });

  app.get(
    '/metrics',
    { schema: { tags, summary: 'Figures for Prometheus' }, config: exposeInternals ? {} : { action: 'metrics:read' } },
    async (_request, reply) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(await services.metrics()),
  );

  app.get('/version', { schema: { tags, summary: 'What runs here' } }, () => ({ service, version: services.version }));

  app.get('/openapi.json', { schema: { tags, summary: 'This document' } }, () => app.swagger());
}

function verbose({ checks, isReady, reasons }: HealthReport): string {
  const lines = Object.entries(checks).map(([name, { status, reason }]) => {
    if (status === 'pass') return `[+]${name} ok`;
    return `[${status === 'warn' ? '!' : '-'}]${name} ${status}${reason === undefined ? '' : `: ${reason}`}`;
  });
  return [...lines, isReady ? 'ready' : `not ready: ${reasons.join('; ')}`, ''].join('\n');
}

function checksOf(checks: HealthReport['checks']): object {
  return Object.fromEntries(
    Object.entries(checks).map(([name, { status, reason, sinceMicros }]) => [
      name,
      [{ status, since: formatTime(sinceMicros), ...(reason === undefined ? {} : { output: reason }) }],
    ]),
  );
}
