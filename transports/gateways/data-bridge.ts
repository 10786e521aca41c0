/** 5001: prices, orders and positions as streams. */
import { STATUS_CODES } from 'node:http';
import { PortUnavailable, type App } from '../http.ts';
import { createUwsServer, type UwsAnswer, type UwsQuestion } from '../websocket/uws-server.ts';
import { loadUws, UwsUnavailable, type Uws } from '../websocket/uws.ts';
import { createGateway, gatewayHttp, type Gateway, type GatewayContext, type WebSocketChoice } from './gateway.ts';

const service = 'data-bridge';

/** All that this port answers where uWebSockets.js has it: no other HTTP passes through its parser. */
const answered = ['/livez', '/readyz', '/startupz', '/health', '/version'];

/** Written by uWebSockets.js itself. */
const ownHeaders = new Set(['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding']);

/** @throws UwsUnavailable it was asked for */
export async function dataBridgeGateway(context: GatewayContext): Promise<Gateway> {
  const uws = context.webSockets && (await chosen(context.webSockets));
  return uws ? onUws(context, uws) : createGateway(context, { service, hasStreams: true, routes() {} });
}

async function chosen({ engine, onChosen }: WebSocketChoice): Promise<Uws | undefined> {
  const uws = engine === 'ws' ? undefined : await load(engine);
  if (uws instanceof UwsUnavailable) onChosen('ws', uws.message);
  else onChosen(uws ? 'uWebSockets.js' : 'ws');
  return uws instanceof UwsUnavailable ? undefined : uws;
}

async function load(engine: 'auto' | 'uws'): Promise<Uws | UwsUnavailable> {
  try {
    return await loadUws();
  } catch (error) {
    if (engine === 'auto' && error instanceof UwsUnavailable) return error;
    throw error;
  }
}

async function onUws(context: GatewayContext, uws: Uws): Promise<Gateway> {
  const { app } = await gatewayHttp(context, service);
  const entrance = context.streams.entrance();
  const server = createUwsServer(uws, {
    ...{ ...entrance, clock: context.services.clock, answered },
    answer: (question) => answer(app, question),
  });
  return {
    service,
    async listen(host, port) {
      try {
        return await server.listen(host, port);
      } catch (error) {
        throw new PortUnavailable(service, host, port, error as NodeJS.ErrnoException);
      }
    },
    async drain() {
      entrance.drain();
      await server.drain(context.limits.ask.deadlineMs);
      await app.close();
    },
  };
}

/** As on every other port, by the same routes. */
async function answer(app: App, { path, query, authorization, remoteAddress }: UwsQuestion): Promise<UwsAnswer> {
  const url = new URLSearchParams(query).has('verbose') ? `${path}?verbose` : path;
  const headers = authorization === undefined ? {} : { authorization };
  const found = await app.inject({ method: 'GET', url, headers, remoteAddress });
  return {
    status: `${found.statusCode} ${STATUS_CODES[found.statusCode]}`,
    headers: Object.entries(found.headers).flatMap(([name, value]) =>
      value === undefined || ownHeaders.has(name) ? [] : [[name, String(value)] as const],
    ),
    body: found.payload,
  };
}
