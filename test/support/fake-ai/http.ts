/** HTTP/1.1 on a bare socket, so that an answer can break off at any byte. */
import type { Socket } from 'node:net';

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Tells each request once all of it has come. A connection is good for many, one after another. */
export function requestReader(tell: (request: HttpRequest) => void): (data: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (data) => {
    rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
    for (let found = firstRequest(rest); found; found = firstRequest(rest)) {
      rest = rest.subarray(found.bytes);
      tell(found.request);
    }
  };
}

function firstRequest(data: Buffer): { request: HttpRequest; bytes: number } | undefined {
  const headBytes = data.indexOf('\r\n\r\n');
  if (headBytes < 0) return undefined;
  const [start = '', ...lines] = data.toString('latin1', 0, headBytes).split('\r\n');
  const [method = '', path = ''] = start.split(' ');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const payload = data.subarray(headBytes + 4);
  const body = headers['transfer-encoding'] === 'chunked' ? chunkedBody(payload) : sizedBody(payload, headers);
  return body && { request: { method, path, headers, body: body.body }, bytes: headBytes + 4 + body.bytes };
}

interface Body {
  readonly body: Buffer;
  /** On the wire. */
  readonly bytes: number;
}

function sizedBody(payload: Buffer, headers: Readonly<Record<string, string>>): Body | undefined {
  const bytes = Number(headers['content-length'] ?? 0);
  return payload.length < bytes ? undefined : { body: payload.subarray(0, bytes), bytes };
}

function chunkedBody(payload: Buffer): Body | undefined {
  const pieces: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = payload.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const bytes = Number.parseInt(payload.toString('latin1', at, lineEnd), 16);
    const start = lineEnd + 2;
    at = start + bytes + 2;
    if (payload.length < at) return undefined;
    if (bytes === 0) return { body: Buffer.concat(pieces), bytes: at };
    pieces.push(payload.subarray(start, start + bytes));
  }
}

export type Headers = Readonly<Record<string, string>>;

/** The bytes of an answer whose length is known. */
export function sized(status: number, headers: Headers, body: Uint8Array | string): Buffer {
  const bytes = Buffer.from(body);
  return Buffer.concat([head(status, { ...headers, 'content-length': String(bytes.length) }), bytes]);
}

function head(status: number, headers: Headers): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 ${status} ${status < 400 ? 'OK' : 'Error'}\r\n${lines.join('')}\r\n`, 'latin1');
}

/** Headers of a body in chunks. */
export function chunkedHead(status: number, headers: Headers): Buffer {
  return head(status, { ...headers, 'transfer-encoding': 'chunked' });
}

/** Headers of a body that ends with its connection. */
export function closingHead(status: number, headers: Headers): Buffer {
  return head(status, { ...headers, connection: 'close' });
}

/** Nothing for no data, since an empty chunk would be the last. */
export function chunk(data: Uint8Array | string): Buffer {
  const bytes = Buffer.from(data);
  if (bytes.length === 0) return bytes;
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}

export const lastChunk = Buffer.from('0\r\n\r\n');

/** One answer on its way out, well formed or not, as its author likes. Nothing arrives after the connection has ended. */
export class Reply {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Bytes as they are. */
  raw(data: Uint8Array | string): void {
    if (this.#socket.writable) this.#socket.write(data);
  }

  open(status: number, headers: Headers): void {
    this.raw(chunkedHead(status, headers));
  }

  /** In one write. */
  chunk(data: Uint8Array | string): void {
    this.raw(chunk(data));
  }

  /** Says that there will be more than comes: the beginning of a chunk. */
  partOfChunk(data: Uint8Array | string): void {
    const bytes = Buffer.from(data);
    this.raw(Buffer.concat([Buffer.from(`${(bytes.length + 1000).toString(16)}\r\n`), bytes]));
  }

  /** The last chunk. The connection stays. */
  end(): void {
    this.raw(lastChunk);
  }

  /** Says that nothing more will come, and goes on listening. */
  halfClose(): void {
    this.#socket.end();
  }

  /** Breaks the connection once what was written has left: the other side reads it, then ECONNRESET. */
  async reset(): Promise<void> {
    await this.sent();
    this.#socket.resetAndDestroy();
  }

  /** Resolves once the machine has taken what was written. */
  sent(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#socket.writable) return resolve();
      this.#socket.write('', () => resolve());
    });
  }

  get isOver(): boolean {
    return !this.#socket.writable;
  }
}
