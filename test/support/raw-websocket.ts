/** A WebSocket client that sends whatever bytes it is given and shows every frame that comes, by the book or not. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawFrame {
  /** The first byte: what is final and reserved, and the opcode. */
  readonly first: number;
  readonly payload: Buffer;
}

export interface FrameParts {
  readonly first?: number;
  /** Undefined leaves the frame unmasked, as no client may. */
  readonly mask?: Buffer | undefined;
  /** A length that the payload does not have. */
  readonly length?: number | bigint;
}

/** As a client sends it: final text, masked. */
export function clientFrame(payload: string | Uint8Array, parts: FrameParts = {}): Buffer {
  const bytes = Buffer.from(payload as Uint8Array);
  const { first = 0x81, mask, length = bytes.length } = { mask: Buffer.from([1, 2, 3, 4]), ...parts };
  const flag = mask ? 0x80 : 0;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = flag | (head.length === 2 ? Number(length) : head.length === 4 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(Number(length), 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  const key = mask;
  return key ? Buffer.concat([head, key, bytes.map((byte, at) => byte ^ key[at % 4]!)]) : Buffer.concat([head, bytes]);
}

export function closeFrame(code: number, reason = ''): Buffer {
  const payload = Buffer.alloc(2 + reason.length);
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  return clientFrame(payload, { first: 0x88 });
}

/** What a close frame says; undefined where the connection ended without one. */
export function closeCode(frames: readonly RawFrame[]): number | undefined {
  const frame = frames.find(({ first }) => first === 0x88);
  return frame && frame.payload.length >= 2 ? frame.payload.readUInt16BE() : undefined;
}

export class RawWebSocket {
  readonly socket: Socket;
  /** The answer to the handshake, down to its empty line. */
  head = '';
  /** In order, taken out by `next`. */
  readonly frames: RawFrame[] = [];
  #bytes = Buffer.alloc(0);
  #isEnded = false;
  #waiting: (() => void)[] = [];

  /** @param allowHalfOpen stays when the server ends its side */
  constructor(port: number, allowHalfOpen = false) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen, noDelay: true });
    this.socket.on('data', (bytes: Buffer) => this.#read(bytes));
    this.socket.on('error', () => {});
    for (const event of ['end', 'close']) {
      this.socket.on(event, () => {
        this.#isEnded = true;
        this.#wake();
      });
    }
  }

  /** Opened, with these lines added to the handshake. */
  static async open(port: number, lines: readonly string[] = [], allowHalfOpen = false): Promise<RawWebSocket> {
    const client = new RawWebSocket(port, allowHalfOpen);
    await client.request('/stream', lines);
    return client;
  }

  /** Asks for an upgrade. @returns the answer */
  async request(path: string, lines: readonly string[] = []): Promise<string> {
    const all = [
      ...[`GET ${path} HTTP/1.1`, 'Host: localhost', 'Upgrade: websocket', 'Connection: Upgrade'],
      ...['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13', ...lines],
    ];
    this.send(Buffer.from(`${all.join('\r\n')}\r\n\r\n`));
    while (this.head === '' && !this.#isEnded) await this.#more();
    return this.head;
  }

  send(bytes: Uint8Array): void {
    if (this.socket.writable) this.socket.write(bytes);
  }

  /** Undefined: the server has ended its side. */
  async next(): Promise<RawFrame | undefined> {
    while (this.frames.length === 0 && !this.#isEnded) await this.#more();
    return this.frames.shift();
  }

  /** Everything until the server ends its side; answers a close as a client should. */
  async rest(): Promise<RawFrame[]> {
    const all: RawFrame[] = [];
    for (let frame = await this.next(); frame; frame = await this.next()) {
      all.push(frame);
      if (frame.first === 0x88) this.socket.end();
    }
    return all;
  }

  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close');
  }

  #read(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    if (this.head === '') {
      const end = this.#bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.head = this.#bytes.toString('latin1', 0, end);
      this.#bytes = this.#bytes.subarray(end + 4);
    }
    for (let frame = this.#frame(); frame; frame = this.#frame()) this.frames.push(frame);
    this.#wake();
  }

  #frame(): RawFrame | undefined {
    const bytes = this.#bytes;
    if (bytes.length < 2) return undefined;
    const short = bytes[1]!;
    const start = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < start) return undefined;
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < start + length) return undefined;
    this.#bytes = bytes.subarray(start + length);
    return { first: bytes[0]!, payload: bytes.subarray(start, start + length) };
  }

  #more(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
