/** One fastify a port: parsing, credentials, rates, problems, health routes, drain. Routes are registered on it by its gateway. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { fastify, type FastifyBaseLogger, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import helmet from 'helmet';
import { Terminal } from '../runtime/errors.ts';
import { bearerToken, type Authenticate } from './authenticate.ts';
import { answerBrokenRequest, handleErrors, InvalidRequest, sendProblem, validateWithZod } from './http-errors.ts';
import { commonRoutes } from './http-health.ts';
import { describeRoutes } from './http-openapi.ts';
import { parseJson } from './json.ts';
import { malformed } from './problems.ts';
import { rateLimitHeaders, type Rate } from './rate-limit.ts';
import type { Action, Principal, Role, Services } from './services.ts';
import { traceIdOf } from './trace.ts';

export type App = FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger, ZodTypeProvider>;

export interface HttpLimits {
  /** Largest request body; above it 413. */
  readonly bodyBytes: number;
  /** Requests of one credential. */
  readonly rate: Rate;
  /** Credentials whose requests are counted. */
  readonly rateKeys: number;
  /** How long a connection without a request stays open. */
  readonly keepAliveMs: number;
  /** For a whole request to arrive. */
  readonly requestMs: number;
}

export interface HttpOptions {
  readonly service: string;
  readonly services: Services;
  readonly authenticate: Authenticate;
  isAllowed(role: Role, action: Action): boolean;
  readonly limits: HttpLimits;
  /** Whether metrics and the reasons behind health are shown without a credential: on loopback alone. */
  readonly exposeInternals: boolean;
}

export interface Http {
  readonly app: App;
  /** Resolves to the port. @throws PortUnavailable */
  listen(host: string, port: number): Promise<number>;
  /** Refuses new requests, answers those under way, and closes; after `withinMs` whatever is left is cut off. */
  drain(withinMs: number): Promise<void>;
}

/** Something else listens there, or the address is not ours. */
export class PortUnavailable extends Terminal {
  readonly service: string;
  readonly port: number;

  constructor(service: string, host: string, port: number, cause: NodeJS.ErrnoException) {
    super(
      `${service} cannot listen on ${host}:${port}: ${cause.code === 'EADDRINUSE' ? 'the port is in use' : cause.message}`,
      { cause },
    );
    this.service = service;
    this.port = port;
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal | undefined;
  }
  interface FastifyContextConfig {
    /** What the caller must be allowed to do; a route without one is open to all. */
    action?: Action;
  }
}

/** For a request that was on its way when a drain began to arrive, if no other is under way. */
const arriveWithinMs = 1_000;

export async function createHttp(options: HttpOptions): Promise<Http> {
  const { service, services, limits } = options;
  const state = { isDraining: false };
  const app: App = fastify({
    bodyLimit: limits.bodyBytes,
    keepAliveTimeout: limits.keepAliveMs,
    requestTimeout: limits.requestMs,
    genReqId: ({ headers }) => traceIdOf(headers['traceparent'], headers['x-request-id']),
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    logger: false,
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, _request, reply) =>
      void sendProblem(reply, { code: 'VALIDATION_FAILED', detail: error.message }),
  }).withTypeProvider<ZodTypeProvider>();
  const traffic = trafficOf(app.server);
  app.decorateRequest('principal');
  acceptJsonAlone(app);
  validateWithZod(app);
  handleErrors(app, services.log, limits.bodyBytes);
  logRequests(app, options);
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers({ ...securityHeaders, 'x-trace-id': request.id, 'cache-control': 'no-store' });
    if (state.isDraining)
      return sendProblem(reply.header('connection', 'close'), { code: 'NOT_READY', retryAfterMs: 1_000 });
    return undefined;
  });
  app.addHook('onSend', async (_request, reply) => {
    if (state.isDraining) void reply.header('connection', 'close');
  });
  const admit = admission(options);
  app.addHook('onRequest', async (request, reply) => {
    const { action } = request.routeOptions.config;
    return action === undefined ? undefined : admit(request, reply, action);
  });
  await describeRoutes(app, service, services.version);
  commonRoutes(app, options, admit);
  return {
    app,
    listen: (host, port) => listen(app, service, host, port),
    async drain(withinMs) {
      state.isDraining = true;
      const cutOff = () => app.server.closeAllConnections();
      const timers = [
        services.clock.after(Math.min(arriveWithinMs, withinMs), () => traffic.requests === 0 && cutOff()),
        services.clock.after(withinMs, cutOff),
      ];
      // Browsers open connections ahead of need. Node takes those for busy, and would wait for a request on them.
      for (const socket of traffic.connections) if (socket.bytesRead === 0) socket.destroy();
      await app.close();
      for (const timer of timers) timer.cancel();
    },
  };
}

export type Admit = (request: FastifyRequest, reply: FastifyReply, action: Action) => Promise<FastifyReply | undefined>;

/** Lets a request through, or answers it and returns the reply. */
function admission({ service, authenticate, isAllowed, services, limits }: HttpOptions): Admit {
  const limiter = services.rateLimits(service, limits.rate, limits.rateKeys);
  return async (request, reply, action) => {
    const outcome = await authenticate(bearerToken(request.headers.authorization), request.ip);
    if (!outcome.ok) return sendProblem(reply, outcome.problem);
    const principal = outcome.result;
    // Names of holders are unique within their tenant alone.
    const verdict = await limiter.take(principal.tenantId ?? 0, principal.subjectId);
    void reply.headers(rateLimitHeaders(limits.rate, verdict));
    if (!verdict.isAllowed) {
      const figures = { requestsPerSecond: String(limits.rate.perSecond), burst: String(limits.rate.burst) };
      return sendProblem(reply, { code: 'TOO_MANY_REQUESTS', figures, retryAfterMs: verdict.retryAfterMs });
    }
    if (!isAllowed(principal.role, action)) return sendProblem(reply, { code: 'FORBIDDEN' });
    request.principal = principal;
    return undefined;
  };
}

function acceptJsonAlone(app: App): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body: Buffer, done) => {
    if (!isUtf8(body)) return done(new InvalidRequest({ code: 'VALIDATION_FAILED', detail: 'the body is not UTF-8' }));
    // Clients say so of requests without a body too, and nothing is what a DELETE should hold.
    if (body.length === 0) return done(null, undefined);
    const parsed = parseJson(body.toString());
    if (parsed.ok) done(null, parsed.value);
    else done(new InvalidRequest(malformed(parsed)));
  });
}

function logRequests(app: App, { service, services }: HttpOptions): void {
  app.addHook('onResponse', async (request, reply) => {
    // The path without its query, in which callers put what no log should hold.
    const path = request.url.split('?', 1)[0];
    const { method, id: traceId } = request;
    services.log.debug(
      { service, traceId, method, path, status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      'request',
    );
  });
}

/** The open connections of a server, and how many requests are being answered. */
function trafficOf(server: Server): { readonly connections: ReadonlySet<Socket>; readonly requests: number } {
  const connections = new Set<Socket>();
  const traffic = { connections, requests: 0 };
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  server.on('request', (_request, response) => {
    traffic.requests += 1;
    response.once('close', () => void (traffic.requests -= 1));
  });
  return traffic;
}

async function listen(app: App, service: string, host: string, port: number): Promise<number> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw new PortUnavailable(service, host, port, error as NodeJS.ErrnoException);
  }
  return (app.server.address() as AddressInfo).port;
}

/** What helmet says of an answer that is no page. It is the same for each, so it is asked once. */
const securityHeaders = ((): Readonly<Record<string, string>> => {
  const headers: Record<string, string> = {};
  const apply = helmet({
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
  });
  const response = {
    setHeader: (name: string, value: string) => void (headers[name.toLowerCase()] = value),
    removeHeader() {},
  };
  apply({} as IncomingMessage, response as unknown as ServerResponse, (error) => {
    if (error) throw new Error('helmet has no headers', { cause: error });
  });
  return headers;
})();
