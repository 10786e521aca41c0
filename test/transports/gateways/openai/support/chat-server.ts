/** A server of `/v1` that is nothing but the codec: what it answers is scripted, what it was asked is kept. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import OpenAI from 'openai';
import type { Completion, Part } from '../../../../../actors/ai/provider.ts';
import {
  chatErrorKinds,
  errorBody,
  errorEvent,
  errorHeaders,
  errorOfFaults,
  errorOfProblem,
  type ChatError,
} from '../../../../../transports/gateways/openai/errors.ts';
import { chatDecoder, type ChatRequest } from '../../../../../transports/gateways/openai/request.ts';
import {
  chatCompletion,
  chatEvents,
  modelList,
  modelObject,
} from '../../../../../transports/gateways/openai/response.ts';
import type { OfferedModel } from '../../../../../transports/services.ts';
import { parseJson } from '../../../../../transports/json.ts';
import { malformed } from '../../../../../transports/problems.ts';

export type Script =
  | { readonly type: 'answer'; readonly completion: Completion; readonly parts?: readonly Part[] }
  | { readonly type: 'error'; readonly error: ChatError; readonly after?: readonly Part[] }
  /** Tells this much and then nothing until the client goes away. */
  | { readonly type: 'stall'; readonly parts: readonly Part[] };

export const createdSeconds = 1_795_000_000;
const models: readonly OfferedModel[] = [
  { name: 'gpt-4o-mini', createdSeconds, provider: 'openai' },
  { name: 'local', createdSeconds, provider: 'local' },
];

export async function chatServer(script: () => Script) {
  const decode = chatDecoder({ usual: 1_024, most: 8_192 });
  const requests: ChatRequest[] = [];
  const [asked, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];

  const fail = (response: ServerResponse, error: ChatError, status: number) =>
    void response.writeHead(status, errorHeaders(error)).end(errorBody(error));

  const send = (response: ServerResponse, body: string) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(body);

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'GET') {
      const model = models.find(({ name }) => request.url === `/v1/models/${name}`);
      return send(response, model ? modelObject(model) : modelList(models));
    }
    const json = parseJson(await text(request));
    if (!json.ok) return fail(response, errorOfProblem(malformed(json)), 400);
    const outcome = decode(json.value);
    if (!outcome.ok) return fail(response, errorOfFaults(outcome.faults), 400);
    requests.push(outcome.request);
    response.once('close', () => response.writableFinished || gone.resolve());
    asked.resolve();
    play(outcome.request, response, script());
  }

  function play({ stream, streamOptions, model }: ChatRequest, response: ServerResponse, script: Script): void {
    const head = { id: 'chatcmpl-1', model, createdSeconds };
    if (script.type === 'error' && script.after === undefined) return fail(response, script.error, statusOf(script));
    if (!stream && script.type === 'answer') return send(response, chatCompletion(head, script.completion));
    if (!stream) return;
    const events = chatEvents(head, streamOptions.includeUsage);
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(events.start);
    const parts = script.type === 'error' ? script.after : script.parts;
    for (const part of parts ?? []) response.write(events.part(part));
    if (script.type === 'answer') response.end(events.end(script.completion));
    else if (script.type === 'error') response.end(errorEvent(script.error));
  }

  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return {
    ...{ baseURL, requests },
    /** Resolves with the first request that is one. */
    asked: asked.promise,
    /** Resolves when a client has gone before its answer was complete. */
    clientGone: gone.promise,
    client: (maxRetries = 0) => new OpenAI({ apiKey: 'none', baseURL, maxRetries }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function statusOf({ error }: Extract<Script, { type: 'error' }>): number {
  return chatErrorKinds[error.code].status;
}
