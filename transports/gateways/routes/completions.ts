/** The OpenAI-compatible surface: completions, streamed or not, and the models that may be named. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RoutedRefusal, RoutedResult } from '../../../actors/ai/routing.ts';
import type { App } from '../../http.ts';
import type { GatewayContext } from '../gateway.ts';
import {
  chatErrorKinds,
  errorBody,
  errorEvent,
  errorHeaders,
  errorOfFailure,
  errorOfFaults,
  type ChatError,
  type ChatErrorCode,
} from '../openai/errors.ts';
import { chatDecoder, type ChatRequest } from '../openai/request.ts';
import { chatCompletion, chatEvents, modelList, modelObject, type ChatHead } from '../openai/response.ts';
import { callerOf } from './shared.ts';

export function completionRoutes(app: App, { services, limits }: GatewayContext): void {
  const tags = ['completions'];
  const decode = chatDecoder({ usual: limits.ai.usualOutputTokens, most: limits.ai.mostOutputTokens });

  app.post(
    '/v1/chat/completions',
    {
      config: { action: 'completions:write' },
      schema: { tags, summary: 'A completion, as OpenAI’s clients ask for it' },
    },
    async (request, reply) => {
      const outcome = decode(request.body);
      if (!outcome.ok) return sendError(reply, errorOfFaults(outcome.faults));
      return outcome.request.stream
        ? streamed(request, reply, outcome.request)
        : whole(request, reply, outcome.request);
    },
  );

  app.get(
    '/v1/models',
    { config: { action: 'signals:read' }, schema: { tags, summary: 'The models that may be named' } },
    (request, reply) => sendJson(reply, modelList(services.ai.models(callerOf(request)))),
  );

  app.get(
    '/v1/models/*',
    { config: { action: 'signals:read' }, schema: { tags, summary: 'One of them' } },
    (request, reply) => {
      const name = (request.params as { '*': string })['*'];
      const model = services.ai.models(callerOf(request)).find((one) => one.name === name);
      return model ? sendJson(reply, modelObject(model)) : sendError(reply, { code: 'CALLER_MODEL_UNKNOWN' });
    },
  );

  async function whole(request: FastifyRequest, reply: FastifyReply, chat: ChatRequest): Promise<FastifyReply> {
    const gone = goneSignal(reply);
    const mayBeCached = isRepeatable(chat) && request.headers['cache-control'] !== 'no-cache';
    const result = await ask(request, chat, { signal: gone.signal, mayBeCached });
    if (!result.ok) return sendError(reply, errorOfRefusal(result.refusal));
    const { completion, isCached, provider, costPicoUsd } = result.answer;
    void reply.headers({
      'x-cache': isCached ? 'hit' : 'miss',
      'x-provider': provider,
      ...(costPicoUsd !== undefined && { 'x-cost-picousd': String(costPicoUsd) }),
    });
    return sendJson(reply, chatCompletion(headOf(request, result.answer.model), completion));
  }

  /** Nothing is sent before something of the answer is there: until then a failure has a status of its own. */
  async function streamed(request: FastifyRequest, reply: FastifyReply, chat: ChatRequest): Promise<FastifyReply> {
    const gone = goneSignal(reply);
    const events = chatEvents(headOf(request, chat.model), chat.streamOptions.includeUsage);
    const { raw } = reply;
    const begin = (): void => {
      if (raw.headersSent) return;
      reply.hijack();
      raw.writeHead(200, { ...(reply.getHeaders() as Record<string, string>), 'content-type': 'text/event-stream' });
      raw.write(events.start);
    };
    const result = await ask(request, chat, {
      signal: gone.signal,
      onPart(part) {
        begin();
        raw.write(events.part(part));
      },
    });
    if (!result.ok && !raw.headersSent) return sendError(reply, errorOfRefusal(result.refusal));
    begin();
    raw.end(result.ok ? events.end(result.answer.completion) : errorEvent(errorOfRefusal(result.refusal)));
    return reply;
  }

  function ask(
    request: FastifyRequest,
    { model, completion }: ChatRequest,
    more: Pick<Parameters<typeof services.ai.complete>[1], 'signal' | 'onPart' | 'mayBeCached'>,
  ): Promise<RoutedResult> {
    const { deadlineMs } = limits.ai;
    const principal = callerOf(request);
    const order = { request: completion, model, subjectId: principal.subjectId, purpose: 'chat', deadlineMs, ...more };
    return services.ai.complete(principal, order, request.id);
  }

  function headOf(request: FastifyRequest, model: string): ChatHead {
    return { id: `chatcmpl-${request.id}`, model, createdSeconds: Math.floor(services.clock.wallMicros() / 1e6) };
  }
}

/** The same answer may be expected of it. */
function isRepeatable({ completion }: ChatRequest): boolean {
  return completion.temperature === 0;
}

function goneSignal(reply: FastifyReply): AbortController {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller;
}

function sendJson(reply: FastifyReply, body: string): FastifyReply {
  return reply.header('content-type', 'application/json').send(body);
}

function sendError(reply: FastifyReply, error: ChatError): FastifyReply {
  return reply.code(chatErrorKinds[error.code].status).headers(errorHeaders(error)).send(errorBody(error));
}

function errorOfRefusal({ code, failure, message, retryAfterMs, figures }: RoutedRefusal): ChatError {
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (code === 'failed' && failure) return errorOfFailure({ code: failure, message, ...wait });
  const shown = Object.entries(figures ?? {}).map(([name, value]) => `${name} ${value}`);
  return { code: codes[code], message: shown.length === 0 ? message : `${message} (${shown.join(', ')})`, ...wait };
}

const codes: Readonly<Record<RoutedRefusal['code'], ChatErrorCode>> = {
  'model-unknown': 'CALLER_MODEL_UNKNOWN',
  unsupported: 'CALLER_UNSUPPORTED',
  'context-too-long': 'CALLER_CONTEXT_TOO_LONG',
  'budget-exhausted': 'POLICY_BUDGET_EXHAUSTED',
  'provider-not-allowed': 'POLICY_PROVIDER_NOT_ALLOWED',
  deadline: 'PROVIDER_TIMEOUT',
  failed: 'OWN_INTERNAL',
};
