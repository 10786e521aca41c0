/**
 * A WebSocket client that costs the generator as little as can be: whole text frames over one TCP socket, masked as the protocol
 * demands, without extensions and without fragments.
 */
import assert from 'node:assert';
import { createHash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { frameAt } from '../../transports/websocket/frame.ts';

const host = '127.0.0.1';
const acceptGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const endOfHead = '\r\n\r\n';

const text = 0x1;
const close = 0x8;
const ping = 0x9;
const pong = 0xa;

/** Chosen once: it keeps prepared frames ready to be sent, and no byte of it is zero, so servers do unmask. */
export const mask = Buffer.from([0x5a, 0xc3, 0x97, 0x2e]);

/** A masked frame; its payload, less than 64 KiB, is the last `payload.length` bytes. */
export function frameOf(payload: Buffer, opcode = text): Buffer {
  const length = payload.length;
  assert(length <= 0xffff, `a payload of ${length} bytes needs a longer head`);
  const head =
    length < 126
      ? Buffer.from([0x80 | opcode, 0x80 | length])
      : Buffer.from([0x80 | opcode, 0xfe, length >> 8, length & 0xff]);
  const masked = payload.map((byte, index) => byte ^ mask[index & 3]!);
  return Buffer.concat([head, mask, masked]);
}

const nothing = Buffer.alloc(0);

export interface Listener {
  /** The payload is only valid during the call. */
  onText(payload: Buffer): void;
  /** After all frames of one read: the moment to write what they led to. */
  onRead(): void;
  onEnd(reason: string): void;
}

export class WebSocketClient {
  readonly #socket: Socket;
  readonly #listener: Listener;
  #unread: Buffer = nothing;

  private constructor(socket: Socket, listener: Listener) {
    this.#socket = socket;
    this.#listener = listener;
  }

  /** Resolves once the upgrade is done; frames that came with it are told after that. */
  static async open(port: number, path: string, listener: Listener): Promise<WebSocketClient> {
    const socket = connect({ host, port, noDelay: true });
    const rest = await upgrade(socket, port, path);
    const client = new WebSocketClient(socket, listener);
    socket.on('data', (chunk: Buffer) => client.#read(chunk));
    socket.on('error', (error) => listener.onEnd(error.message));
    socket.on('close', () => listener.onEnd('the server closed the connection'));
    // More may arrive before that: what came first stays first.
    client.#unread = rest;
    if (rest.length > 0) setImmediate(() => client.#read(nothing));
    return client;
  }

  write(frames: Buffer): void {
    this.#socket.write(frames);
  }

  send(message: object): void {
    this.write(frameOf(Buffer.from(JSON.stringify(message))));
  }

  end(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    const data = this.#unread.length > 0 ? Buffer.concat([this.#unread, chunk]) : chunk;
    let at = 0;
    for (;;) {
      const frame = frameAt(data, at);
      if (!frame) break;
      this.#take(frame.opcode, data.subarray(frame.start, frame.end));
      at = frame.end;
    }
    this.#unread = data.subarray(at);
    this.#listener.onRead();
  }

  #take(opcode: number, payload: Buffer): void {
    if (opcode === text) this.#listener.onText(payload);
    else if (opcode === ping) this.write(frameOf(payload, pong));
    else if (opcode === close) this.#listener.onEnd(closeReason(payload));
    else this.#listener.onEnd(`a frame with opcode ${opcode}`);
  }
}

function closeReason(payload: Buffer): string {
  const code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
  return `the server closed the connection with ${code} ${payload.toString('utf8', 2)}`.trimEnd();
}

/** @returns what came behind the response's head */
function upgrade(socket: Socket, port: number, path: string): Promise<Buffer> {
  const key = randomBytes(16).toString('base64');
  const accept = createHash('sha1')
    .update(key + acceptGuid)
    .digest('base64');
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf(endOfHead);
      if (end < 0) return;
      socket.off('data', onData).off('error', reject).off('close', onClose);
      const head = received.toString('latin1', 0, end);
      if (head.startsWith('HTTP/1.1 101 ') && head.includes(accept)) resolve(received.subarray(end + endOfHead.length));
      else reject(new Error(`the upgrade to WebSocket was answered with ${head.split('\r\n', 1)[0]}`));
    };
    const onClose = (): void => reject(new Error('the server closed the connection during the upgrade'));
    socket.on('data', onData).once('error', reject).once('close', onClose);
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}${endOfHead}`,
    );
  });
}
