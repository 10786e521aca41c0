/** uWebSockets.js, as far as we use it. It is not on the npm registry, so it is loaded where somebody has installed it. */
import { Terminal } from '../../runtime/errors.ts';

export interface Uws {
  App(): UwsApp;
  us_listen_socket_close(socket: UwsListenSocket): void;
  us_socket_local_port(socket: UwsListenSocket): number;
  readonly DISABLED: number;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
}

export interface UwsApp {
  get(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  any(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  ws<UserData>(pattern: string, behavior: UwsBehavior<UserData>): UwsApp;
  listen(host: string, port: number, options: number, listening: (socket: UwsListenSocket | false) => void): UwsApp;
  /** Cuts off whoever is connected. */
  close(): UwsApp;
}

/** Opaque. */
export interface UwsListenSocket {
  readonly '~listens': never;
}

/** Opaque. */
export interface UwsContext {
  readonly '~context': never;
}

export interface UwsRequest {
  /** Empty when there is none; of several the first. */
  getHeader(lowerCaseName: string): string;
  getUrl(): string;
  getMethod(): string;
  getQuery(): string;
  forEach(run: (name: string, value: string) => void): void;
}

/** Good until it ends or is aborted, and no longer. */
export interface UwsResponse {
  writeStatus(status: string): UwsResponse;
  writeHeader(name: string, value: string): UwsResponse;
  end(body?: string | Uint8Array, closeConnection?: boolean): UwsResponse;
  cork(run: () => void): UwsResponse;
  onAborted(run: () => void): UwsResponse;
  getRemoteAddress(): ArrayBuffer;
  upgrade<UserData>(userData: UserData, key: string, protocol: string, extensions: string, context: UwsContext): void;
}

/** Throws at every use after its close. */
export interface UwsSocket<UserData> {
  /** @returns what became of it: `sent` */
  send(message: Uint8Array, isBinary: boolean, compress: boolean): number;
  ping(): number;
  getBufferedAmount(): number;
  cork(run: () => void): void;
  /** Sends a close frame; the close handler runs at once. */
  end(code: number, reason: string): void;
  /** Cuts it off; the close handler runs at once. */
  close(): void;
  getUserData(): UserData;
}

export interface UwsBehavior<UserData> {
  readonly maxPayloadLength: number;
  readonly idleTimeout: number;
  readonly sendPingsAutomatically: boolean;
  readonly compression: number;
  readonly maxBackpressure: number;
  readonly closeOnBackpressureLimit: boolean;
  upgrade(response: UwsResponse, request: UwsRequest, context: UwsContext): void;
  open(socket: UwsSocket<UserData>): void;
  /** The bytes are good until this returns. */
  message(socket: UwsSocket<UserData>, message: ArrayBuffer, isBinary: boolean): void;
  pong(socket: UwsSocket<UserData>): void;
  drain(socket: UwsSocket<UserData>): void;
  close(socket: UwsSocket<UserData>, code: number): void;
}

/** What `send` says. */
export const sent = { buffered: 0, whole: 1, dropped: 2 } as const;

/** The package is not there, or its binary does not load on this system. */
export class UwsUnavailable extends Terminal {
  constructor(cause: unknown) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const found = code === 'ERR_MODULE_NOT_FOUND' ? 'it is not installed' : message.replaceAll(/\s*\n\s*/g, ' ').trim();
    super(
      `uWebSockets.js cannot be loaded: ${found}; ` +
        'npm i uNetworking/uWebSockets.js#v20.69.0 brings it, for glibc 2.38 or newer on Linux',
      { cause },
    );
  }
}

/** @throws UwsUnavailable */
export async function loadUws(): Promise<Uws> {
  // Not a literal, since the compiler looks for what a literal names.
  const name: string = 'uWebSockets.js';
  try {
    const { default: uws } = (await import(name)) as { default: Uws };
    return uws;
  } catch (error) {
    throw new UwsUnavailable(error);
  }
}
