/**
 * One face over a WebSocket engine: whole frames out, text messages in. The engine here is ws.
 * Frames are built once as buffers and written to the socket beneath it, since servers do not mask them; ws keeps the handshake,
 * reading, and control frames.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Clock } from '../runtime/clock.ts';

/** A connection as streams see it, whatever the engine. */
export interface Connection {
  readonly remoteAddress: string;
  /** Writes whole frames with one system call. Does nothing once the connection is closing. */
  write(frames: Buffer): void;
  /** Bytes written that the kernel has not taken. */
  readonly bufferedBytes: number;
  /** Calls once when nothing is buffered any more. */
  whenDrained(run: () => void): void;
  ping(): void;
  /** Of the last answered ping, or the age of one that is due and took longer; zero before the first. */
  readonly roundTripMs: number;
  /** Reads no further messages until `resume`; those already read still come. */
  pause(): void;
  resume(): void;
  close(code: number, reason: string): void;
}

export interface ConnectionHandler {
  /** One text message, valid UTF-8. */
  message(text: string): void;
  closed(): void;
}

export interface UpgradeOptions {
  readonly path: string;
  /** Larger messages close with 1009. */
  readonly maxPayloadBytes: number;
  readonly clock: Clock;
  /** Undefined while connections are taken; otherwise why not. */
  refuses(): string | undefined;
  accept(connection: Connection, request: IncomingMessage): ConnectionHandler;
}

/** A client that does not answer a close by then is cut off. */
const closeWithinMs = 2_000;

/** Takes WebSocket connections at one path of an HTTP server; upgrades to any other path are refused. */
export function acceptWebSockets(server: Server, options: UpgradeOptions): void {
  const { path, maxPayloadBytes, clock } = options;
  const settings = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxPayloadBytes,
    closeTimeout: closeWithinMs,
    // ws would agree to the first sub-protocol that a client offers.
    handleProtocols: () => false as const,
  };
  const engine = new WebSocketServer(settings);
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    if (request.url?.split('?', 1)[0] !== path) return refuseUpgrade(socket, '404 Not Found');
    if (options.refuses() !== undefined) return refuseUpgrade(socket, '503 Service Unavailable');
    engine.handleUpgrade(request, socket, head, (ws) => {
      const connection = new WsConnection(ws, socket, request.socket.remoteAddress ?? '', clock);
      const handler = options.accept(connection, request);
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

const OPCODE_TEXT = 0x81;

/** A text frame as servers send it: final, not masked, not compressed. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const start = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(start + length);
  frame[0] = OPCODE_TEXT;
  if (start === 2) frame[1] = length;
  else if (start === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, start, 'utf8');
  return frame;
}

class WsConnection implements Connection {
  readonly remoteAddress: string;
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #clock: Clock;
  #pingedMs: number | undefined;
  #lastRoundTripMs = 0;

  constructor(ws: WebSocket, socket: Duplex, remoteAddress: string, clock: Clock) {
    this.#ws = ws;
    this.#socket = socket;
    this.remoteAddress = remoteAddress;
    this.#clock = clock;
    ws.on('pong', () => {
      if (this.#pingedMs !== undefined) this.#lastRoundTripMs = clock.monotonicMs() - this.#pingedMs;
      this.#pingedMs = undefined;
    });
  }

  write(frames: Buffer): void {
    if (this.#ws.readyState === this.#ws.OPEN) this.#socket.write(frames);
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  whenDrained(run: () => void): void {
    if (this.#socket.writableNeedDrain) this.#socket.once('drain', run);
    else setImmediate(run);
  }

  // The pong comes behind all that is buffered on the way, so it tells of a client that reads too slowly.
  ping(): void {
    if (this.#pingedMs !== undefined || this.#ws.readyState !== this.#ws.OPEN) return;
    this.#pingedMs = this.#clock.monotonicMs();
    this.#ws.ping();
  }

  get roundTripMs(): number {
    const ageMs = this.#pingedMs === undefined ? 0 : this.#clock.monotonicMs() - this.#pingedMs;
    return Math.max(ageMs, this.#lastRoundTripMs);
  }

  pause(): void {
    this.#ws.pause();
  }

  resume(): void {
    this.#ws.resume();
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason);
  }
}
