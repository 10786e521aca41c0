/**
 * A process with one WebSocket engine, told over IPC what to do with its connections. `node server.ts ws|uws`: it tells its port
 * first. The same script runs on both engines.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../runtime/clock.ts';
import type { Connection, Handshake, UpgradeOptions } from '../../transports/websocket/connection.ts';
import { textFrame } from '../../transports/websocket/frame.ts';
import { createUwsServer } from '../../transports/websocket/uws-server.ts';
import { loadUws } from '../../transports/websocket/uws.ts';
import { acceptWebSockets } from '../../transports/websocket/ws.ts';

export type Command =
  /** Frames, as base64. `times` over in one write. */
  | { readonly type: 'write'; readonly id: number; readonly frames: string; readonly times?: number }
  | { readonly type: 'ping' | 'pause' | 'resume' | 'when-drained' | 'look'; readonly id: number }
  | { readonly type: 'close'; readonly id: number; readonly code: number; readonly reason: string }
  | { readonly type: 'refuse'; readonly reason: string | undefined }
  /** Whether messages are sent back instead of told. */
  | { readonly type: 'echo'; readonly isOn: boolean }
  | { readonly type: 'count' | 'drain' };

export type Event =
  | { readonly type: 'listens'; readonly port: number }
  | {
      readonly type: 'accepted';
      readonly id: number;
      readonly handshake: Handshake;
      readonly remoteAddress: string;
    }
  | { readonly type: 'message'; readonly id: number; readonly text: string }
  /** `drained` of connection 0: the port. */
  | { readonly type: 'closed' | 'drained'; readonly id: number }
  | { readonly type: 'done'; readonly figures: Figures };

export interface Figures {
  /** Of the connection asked about. */
  readonly bufferedBytes: number;
  readonly roundTripMs: number;
  readonly connections: number;
  readonly opened: number;
  readonly ended: number;
  /** After a collection, where one was asked for. */
  readonly heapBytes: number;
}

export const path = '/stream';
export const maxPayloadBytes = 65_536;

const connections = new Map<number, Connection>();
let opened = 0;
let ended = 0;
let refusal: string | undefined;
let isEcho = false;

const options: UpgradeOptions = {
  ...{ path, maxPayloadBytes },
  refuses: () => refusal,
  accept(connection, handshake) {
    const id = ++opened;
    connections.set(id, connection);
    tell({ type: 'accepted', id, handshake, remoteAddress: connection.remoteAddress });
    return {
      message(text) {
        if (isEcho) connection.write(textFrame(text));
        else tell({ type: 'message', id, text });
      },
      closed() {
        ended += 1;
        connections.delete(id);
        tell({ type: 'closed', id });
      },
    };
  },
};

async function onWs(): Promise<{ port: number; drain(): Promise<void> }> {
  const server = createServer((_request, response) => response.writeHead(404, { connection: 'close' }).end());
  acceptWebSockets(server, systemClock, options);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    drain: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function onUws(): Promise<{ port: number; drain(): Promise<void> }> {
  const server = createUwsServer(await loadUws(), {
    ...{ ...options, clock: systemClock, answered: ['/livez', '/broken'] },
    async answer({ path, query, authorization, remoteAddress }) {
      if (path === '/broken') throw new Error('it broke');
      const body = [query, authorization, remoteAddress].join(' ');
      return { status: '200 OK', headers: [['content-type', 'text/plain']], body };
    },
  });
  return { port: await server.listen('127.0.0.1', 0), drain: () => server.drain(2_000) };
}

function obey(command: Command): void {
  const connection = 'id' in command ? connections.get(command.id) : undefined;
  switch (command.type) {
    case 'write': {
      const frames = Buffer.from(command.frames, 'base64');
      connection?.write(command.times === undefined ? frames : Buffer.concat(Array(command.times).fill(frames)));
      break;
    }
    case 'ping':
      connection?.ping();
      break;
    case 'pause':
      connection?.pause();
      break;
    case 'resume':
      connection?.resume();
      break;
    case 'when-drained':
      connection?.whenDrained(() => tell({ type: 'drained', id: command.id }));
      break;
    case 'close':
      connection?.close(command.code, command.reason);
      break;
    case 'refuse':
      refusal = command.reason;
      break;
    case 'echo':
      isEcho = command.isOn;
      break;
    case 'drain':
      void server.drain().then(() => tell({ type: 'drained', id: 0 }));
      break;
    case 'look':
      break;
    case 'count':
      globalThis.gc?.();
      break;
  }
  tell({ type: 'done', figures: figures(connection) });
}

function figures(connection: Connection | undefined): Figures {
  const { bufferedBytes = 0, roundTripMs = 0 } = connection ?? {};
  const { heapUsed, external } = process.memoryUsage();
  return {
    ...{ bufferedBytes, roundTripMs, connections: connections.size, opened, ended },
    heapBytes: heapUsed + external,
  };
}

function tell(event: Event): void {
  process.send!(event);
}

const server = process.argv[2] === 'uws' ? await onUws() : await onWs();
process.on('message', (command) => obey(command as Command));
tell({ type: 'listens', port: server.port });
