/** Whatever goes wrong with a request → a problem document. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import type { Log } from '../runtime/actor.ts';
import { Terminal } from '../runtime/errors.ts';
import { problemOfIssues } from './codec.ts';
import { InvalidCursor } from './drivers/page.ts';
import { chatErrorKinds, errorBody, errorHeaders, errorOfProblem } from './gateways/openai/errors.ts';
import type { App } from './http.ts';
import { problemBody, problemKinds, problemOf, type Problem } from './problems.ts';
import { newTraceId } from './trace.ts';

/** The request does not have the wanted shape. */
export class InvalidRequest extends Terminal {
  readonly problem: Problem;
  readonly statusCode = 400;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.code);
    this.problem = problem;
  }
}

/** Where OpenAI's clients ask, whatever goes wrong is told in their words. */
const openAiPath = '/v1/';

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (reply.request.url.startsWith(openAiPath)) return sendChatProblem(reply, problem);
  const { code, retryAfterMs } = problem;
  const { status } = problemKinds[code];
  const traceId = reply.request.id;
  if (retryAfterMs !== undefined) void reply.header('retry-after', Math.max(1, Math.ceil(retryAfterMs / 1000)));
  if (status === 401) void reply.header('www-authenticate', 'Bearer');
  return reply
    .code(status)
    .headers({ 'x-trace-id': traceId, 'content-type': 'application/problem+json' })
    .send(JSON.stringify(problemBody(problem, traceId)));
}

function sendChatProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  const error = errorOfProblem(problem);
  return reply
    .code(chatErrorKinds[error.code].status)
    .headers({ 'x-trace-id': reply.request.id, ...errorHeaders(error) })
    .send(errorBody(error));
}

/** Schemas of routes are zod's; answers are written as they are. */
export function validateWithZod(app: App): void {
  app.setValidatorCompiler<z.ZodType>(({ schema }) => (data) => {
    const result = schema.safeParse(data);
    return result.success
      ? { value: result.data }
      : { error: new InvalidRequest(problemOfIssues(result.error.issues)) };
  });
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
}

export function handleErrors(app: App, log: Log, bodyBytes: number): void {
  const methods = routeTable(app);
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const problem = problemOfRequest(error, bodyBytes);
    if (problem.code === 'INTERNAL')
      log.error({ err: error, traceId: request.id, route: request.routeOptions.url }, 'a request failed');
    return sendProblem(reply, problem);
  });
  app.setNotFoundHandler((request, reply) => {
    const allowed = methods(request.url.split('?', 1)[0]!);
    if (allowed.length === 0 || allowed.includes(request.method)) return sendProblem(reply, { code: 'NOT_FOUND' });
    return sendProblem(reply.header('allow', allowed.join(', ')), { code: 'METHOD_NOT_ALLOWED' });
  });
}

function problemOfRequest(error: Error & { statusCode?: number }, bodyBytes: number): Problem {
  if (error instanceof InvalidRequest) return error.problem;
  if (error instanceof InvalidCursor)
    return { code: 'VALIDATION_FAILED', errors: [{ path: 'cursor', detail: error.message }] };
  const { statusCode } = error;
  if (statusCode === 400) return { code: 'VALIDATION_FAILED', detail: error.message };
  if (statusCode === 413) return { code: 'BODY_TOO_LARGE', figures: { limit: String(bodyBytes) } };
  return statusCode === 415 ? { code: 'UNSUPPORTED_MEDIA_TYPE' } : problemOf(error);
}

/** The methods that exist at a path, to tell 405 from 404. */
function routeTable(app: App): (path: string) => string[] {
  const routes = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();
  app.addHook('onRoute', ({ url, method }) => {
    const source = url
      .replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`)
      .replaceAll(/:[A-Za-z]+/g, '[^/]+')
      .replaceAll('*', '.*');
    const route = routes.get(url) ?? { pattern: new RegExp(`^${source}$`), methods: new Set() };
    routes.set(url, route);
    for (const name of [method].flat()) route.methods.add(name);
  });
  return (path) => {
    const found = new Set<string>();
    for (const { pattern, methods } of routes.values())
      if (pattern.test(path)) for (const method of methods) found.add(method);
    return [...found];
  };
}

const statusOf: Readonly<Record<string, number>> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };

/** What is no HTTP request never reaches fastify's handlers. */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const status = statusOf[error.code ?? ''] ?? 400;
  const body = JSON.stringify({ ...problemBody({ code: 'VALIDATION_FAILED' }, newTraceId()), status });
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/problem+json\r\n`;
  socket.end(`${head}Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
}
