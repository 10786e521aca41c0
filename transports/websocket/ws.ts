/**
 * The engine ws. Frames are built once as buffers and written to the socket beneath it, since servers do not mask them; ws keeps the
 * handshake, reading, and control frames.
 */
import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Clock } from '../../runtime/clock.ts';
import { closeWithinMs, negotiate, type Connection, type UpgradeOptions } from './connection.ts';
import { RoundTrip } from './round-trip.ts';

/**
 * No state is kept from one message to the next, so that one compressed frame is good for every client, and an idle connection holds
 * no window. ws inflates what clients send, and never more of it than a message may have.
 */
const deflate = { serverNoContextTakeover: true, clientNoContextTakeover: true, concurrencyLimit: 4 };

/** A client with a smaller window than we compress for. It gets its batches as they are. */
const smallWindow = 'server_max_window_bits';

const nothing = Buffer.alloc(0);

/** Takes WebSocket connections at one path of an HTTP server; upgrades to any other path are refused. */
export function acceptWebSockets(server: Server, clock: Clock, options: UpgradeOptions): void {
  const { path, maxPayloadBytes } = options;
  const settings = {
    ...{ noServer: true, clientTracking: false, maxPayload: maxPayloadBytes, closeTimeout: closeWithinMs },
    handleProtocols: (offered: Set<string>) => negotiate([...offered]).chosen ?? false,
  };
  const plain = new WebSocketServer({ ...settings, perMessageDeflate: false });
  const deflating = new WebSocketServer({ ...settings, perMessageDeflate: deflate });
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    if (request.url?.split('?', 1)[0] !== path) return refuseUpgrade(socket, '404 Not Found');
    if (options.refuses() !== undefined) return refuseUpgrade(socket, '503 Service Unavailable');
    const offered = request.headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? [];
    const { format, ticket } = negotiate(offered);
    // Only batches are worth compressing: a single message hardly becomes smaller, and costs several times as much.
    const isSmall = request.headers['sec-websocket-extensions']?.includes(smallWindow);
    const engine = format === 'batch' && !isSmall ? deflating : plain;
    engine.handleUpgrade(request, socket, head, (ws) => {
      const connection = new WsConnection(ws, socket, request.socket.remoteAddress ?? '', clock);
      const { authorization } = request.headers;
      const isCompressed = ws.extensions.includes('permessage-deflate');
      const handler = options.accept(connection, { authorization, ticket, format, isCompressed });
      ws.on('message', (data: Buffer, isBinary) => {
        if (isBinary) connection.close(4009, 'binary frames were not agreed');
        else if (ws.readyState === ws.OPEN) handler.message(data.toString());
      });
      // ws answers invalid UTF-8 with 1007 and an oversized message with 1009 by itself; here it only tells.
      ws.on('error', () => {});
      ws.once('close', () => handler.closed());
    });
  });
}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}

class WsConnection implements Connection {
  readonly remoteAddress: string;
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #roundTrip: RoundTrip;

  constructor(ws: WebSocket, socket: Duplex, remoteAddress: string, clock: Clock) {
    this.#ws = ws;
    this.#socket = socket;
    this.remoteAddress = remoteAddress;
    this.#roundTrip = new RoundTrip(clock);
    ws.on('pong', () => this.#roundTrip.answered());
  }

  write(frames: Buffer): void {
    if (this.#isOpen) this.#socket.write(frames);
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  // 'drain' comes only where more than the high-water mark was buffered; a write of nothing is done when all before it is.
  whenDrained(run: () => void): void {
    if (!this.#isOpen) return;
    this.#socket.write(nothing, (error) => {
      if (error || !this.#isOpen) return;
      if (this.bufferedBytes > 0) this.whenDrained(run);
      else run();
    });
  }

  ping(): void {
    if (this.#isOpen && this.#roundTrip.start()) this.#ws.ping();
  }

  get roundTripMs(): number {
    return this.#roundTrip.ms;
  }

  pause(): void {
    this.#ws.pause();
  }

  resume(): void {
    this.#ws.resume();
  }

  close(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.#ws.close(code, reason);
    // The client's answer has to be read; messages in front of it are not handed on any more.
    this.#ws.resume();
  }

  get #isOpen(): boolean {
    return this.#ws.readyState === this.#ws.OPEN;
  }
}
