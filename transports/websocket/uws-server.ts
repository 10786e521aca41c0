/**
 * A port on uWebSockets.js. It upgrades one path, answers a few GETs that have no body, and refuses all else: its parser takes
 * requests apart that others refuse (two lengths, a broken chunk size), so nothing here depends on where a request ends, and each
 * answer closes its connection.
 */
import { createServer, SocketAddress } from 'node:net';
import type { Clock } from '../../runtime/clock.ts';
import { negotiate, type Handshake, type UpgradeOptions } from './connection.ts';
import { UwsConnection } from './uws-connection.ts';
import type { Uws, UwsApp, UwsContext, UwsListenSocket, UwsRequest, UwsResponse } from './uws.ts';

export interface UwsAnswer {
  readonly status: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

export interface UwsQuestion {
  /** One of `answered`. */
  readonly path: string;
  /** Without the question mark; empty when there is none. */
  readonly query: string;
  readonly authorization: string | undefined;
  readonly remoteAddress: string;
}

export interface UwsServerOptions extends UpgradeOptions {
  readonly clock: Clock;
  /** Paths that GETs are answered at. */
  readonly answered: readonly string[];
  /** When it rejects, the answer is 503. */
  answer(question: UwsQuestion): Promise<UwsAnswer>;
}

export interface UwsServer {
  /** Resolves to the port. @throws {NodeJS.ErrnoException} it cannot be had */
  listen(host: string, port: number): Promise<number>;
  /** Takes no more connections, and resolves when all have ended; after `withinMs` what is left is cut off. */
  drain(withinMs: number): Promise<void>;
}

/** Of what a client has not taken. Above it, it is cut off; streams stop writing long before. */
const maxBackpressureBytes = 16 * 2 ** 20;

interface Opening {
  readonly handshake: Handshake;
  readonly remoteAddress: string;
  connection?: UwsConnection;
}

export function createUwsServer(uws: Uws, options: UwsServerOptions): UwsServer {
  const { path, maxPayloadBytes, clock } = options;
  const connections = new Set<UwsConnection>();
  let onEmpty: (() => void) | undefined;
  let listening: UwsListenSocket | undefined;
  const app = uws.App();
  app.ws<Opening>(path, {
    // Of what is longer it hangs up without a word, so it takes twice as much: what is a little too long is answered with 1009.
    ...{
      maxPayloadLength: 2 * maxPayloadBytes,
      compression: uws.DISABLED,
      idleTimeout: 0,
      sendPingsAutomatically: false,
    },
    ...{ maxBackpressure: maxBackpressureBytes, closeOnBackpressureLimit: true },
    upgrade: (response, request, context) => upgrade(options, response, request, context),
    open(socket) {
      const opening = socket.getUserData();
      const connection = new UwsConnection(socket, opening.remoteAddress, maxPayloadBytes, clock);
      opening.connection = connection;
      connections.add(connection);
      connection.handle(options.accept(connection, opening.handshake));
    },
    message: (socket, message, isBinary) => socket.getUserData().connection?.received(message, isBinary),
    pong: (socket) => socket.getUserData().connection?.answered(),
    drain: (socket) => socket.getUserData().connection?.drained(),
    close(socket) {
      const { connection } = socket.getUserData();
      if (!connection) return;
      connection.ended();
      connections.delete(connection);
      // Behind what its handler is told in the next turn.
      if (connections.size === 0) setImmediate(() => onEmpty?.());
    },
  });
  for (const answered of options.answered) app.get(answered, (response, request) => answer(options, response, request));
  app.any('/*', (response, request) => refuse(options, response, request));
  return {
    async listen(host, port) {
      listening = await listen(uws, app, host, port);
      return uws.us_socket_local_port(listening);
    },
    async drain(withinMs) {
      if (listening) uws.us_listen_socket_close(listening);
      listening = undefined;
      if (connections.size === 0) return;
      await new Promise<void>((resolve) => {
        const timer = clock.after(withinMs, () => {
          app.close();
          resolve();
        });
        onEmpty = () => {
          timer.cancel();
          resolve();
        };
      });
    },
  };
}

function upgrade(options: UpgradeOptions, response: UwsResponse, request: UwsRequest, context: UwsContext): void {
  const key = request.getHeader('sec-websocket-key');
  const offer = request.getHeader('sec-websocket-protocol');
  const offered = offer === '' ? [] : offer.split(',').map((name) => name.trim());
  const isHandshake =
    request.getHeader('upgrade').toLowerCase() === 'websocket' &&
    request.getHeader('sec-websocket-version') === '13' &&
    /^[+/0-9A-Za-z]{22}==$/.test(key) &&
    !hasBody(request) &&
    offered.every((name, at) => isToken(name) && offered.indexOf(name) === at);
  if (!isHandshake) return end(response, { status: '400 Bad Request' });
  if (options.refuses() !== undefined) return end(response, { status: '503 Service Unavailable' });
  const authorization = request.getHeader('authorization');
  const { chosen, format, ticket } = negotiate(offered);
  const opening: Opening = {
    handshake: { authorization: authorization || undefined, ticket, format, isCompressed: false },
    remoteAddress: addressText(response.getRemoteAddress()),
  };
  response.upgrade(opening, key, chosen ?? '', '', context);
}

function answer(options: UwsServerOptions, response: UwsResponse, request: UwsRequest): void {
  if (hasBody(request)) return end(response, { status: '413 Payload Too Large' });
  let isAborted = false;
  response.onAborted(() => {
    isAborted = true;
  });
  const question = {
    ...{ path: request.getUrl(), query: request.getQuery() },
    authorization: request.getHeader('authorization') || undefined,
    remoteAddress: addressText(response.getRemoteAddress()),
  };
  const unanswered = { status: '503 Service Unavailable' };
  void options.answer(question).then(
    (found) => isAborted || response.cork(() => end(response, found)),
    () => isAborted || response.cork(() => end(response, unanswered)),
  );
}

function refuse(options: UwsServerOptions, response: UwsResponse, request: UwsRequest): void {
  if (hasBody(request)) return end(response, { status: '413 Payload Too Large' });
  if (!options.answered.includes(request.getUrl())) return end(response, { status: '404 Not Found' });
  end(response, { status: '405 Method Not Allowed', headers: [['allow', 'GET']] });
}

function end(
  response: UwsResponse,
  { status, headers = [], body = '' }: Partial<UwsAnswer> & Pick<UwsAnswer, 'status'>,
): void {
  response.writeStatus(status);
  for (const [name, value] of headers) response.writeHeader(name, value);
  response.end(body, true);
}

/** Whatever says that there is one: of two lengths each counts. */
function hasBody(request: UwsRequest): boolean {
  let found = false;
  request.forEach((name, value) => {
    if (name === 'transfer-encoding' || (name === 'content-length' && value !== '0')) found = true;
  });
  return found;
}

/** As RFC 9110, section 5.6.2, has it. */
function isToken(name: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name);
}

/** As Node writes it. */
function addressText(binary: ArrayBuffer): string {
  const bytes = new Uint8Array(binary);
  if (bytes.length !== 16) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[2 * at]! << 8) | bytes[2 * at + 1]!).toString(16));
  return new SocketAddress({ family: 'ipv6', address: groups.join(':') }).address;
}

/** Alone: by default, two processes would share the port without knowing of each other. */
async function listen(uws: Uws, app: UwsApp, host: string, port: number): Promise<UwsListenSocket> {
  const found = await new Promise<UwsListenSocket | false>((resolve) =>
    app.listen(host, port, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, resolve),
  );
  if (found) return found;
  throw await whyNot(host, port);
}

/** uWebSockets.js does not say why; Node, asked for the same, does. */
function whyNot(host: string, port: number): Promise<NodeJS.ErrnoException> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', resolve);
    probe.listen({ host, port, exclusive: true }, () =>
      probe.close(() => resolve(new Error('uWebSockets.js cannot listen there'))),
    );
  });
}
