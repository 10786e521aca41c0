import { createHash } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { WebSocketClient, type Listener } from '../../../bench/orders/web-socket.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

interface Heard extends Listener {
  readonly texts: string[];
  /** Resolves with the texts once there are so many. */
  count(wanted: number): Promise<string[]>;
  readonly ended: Promise<string>;
}

function ear(): Heard {
  const texts: string[] = [];
  const end = Promise.withResolvers<string>();
  let wake = (): void => {};
  return {
    texts,
    ended: end.promise,
    async count(wanted) {
      while (texts.length < wanted) await new Promise<void>((resolve) => (wake = resolve));
      return texts;
    },
    onText: (payload) => void texts.push(payload.toString()),
    onRead: () => wake(),
    onEnd: end.resolve,
  };
}

async function echoServer(): Promise<{ port: number; server: WebSocketServer }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  cleanups.push(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  server.on('connection', (socket) => socket.on('message', (data: Buffer) => socket.send(data.toString())));
  return { port: (server.address() as AddressInfo).port, server };
}

async function open(port: number, heard: Listener): Promise<WebSocketClient> {
  const client = await WebSocketClient.open(port, '/', heard);
  cleanups.push(() => client.end());
  return client;
}

test.each([0, 113, 114, 60_000])(
  'a message with %d more characters is understood by a server and heard back',
  async (length) => {
    const { port } = await echoServer();
    const heard = ear();
    const client = await open(port, heard);
    const message = { text: `é${'x'.repeat(length)}` };
    client.send(message);
    expect(await heard.count(1)).toEqual([JSON.stringify(message)]);
  },
);

test('a message that is longer than 64 KiB is heard whole', async () => {
  const { port, server } = await echoServer();
  const long = 'y'.repeat(200_000);
  server.on('connection', (socket) => socket.send(long));
  const heard = ear();
  await open(port, heard);
  expect(await heard.count(1)).toEqual([long]);
});

test('a ping is answered with what it holds', async () => {
  const { port, server } = await echoServer();
  const pong = new Promise((resolve) => {
    server.on('connection', (socket) => {
      socket.once('pong', (data) => resolve(data.toString()));
      socket.ping('still there?');
    });
  });
  await open(port, ear());
  expect(await pong).toBe('still there?');
});

test('a close tells its code and reason', async () => {
  const { port, server } = await echoServer();
  server.on('connection', (socket) => socket.close(4008, 'slow'));
  const heard = ear();
  await open(port, heard);
  expect(await heard.ended).toBe('the server closed the connection with 4008 slow');
});

test('frames are heard whole however the network cuts them', async () => {
  const texts = ['a', 'b'.repeat(300), 'c'.repeat(70_000)];
  const bytes = Buffer.concat(texts.map(serverFrame));
  const port = await rawServer((socket, head) => {
    // The first byte comes with the upgrade; then pieces that split heads and payloads.
    socket.write(Buffer.concat([head, bytes.subarray(0, 1)]));
    let at = 1;
    const next = (): void => {
      if (at >= bytes.length) return;
      const size = at < 400 ? 1 : 10_007;
      socket.write(bytes.subarray(at, at + size), () => setImmediate(next));
      at += size;
    };
    next();
  });
  const heard = ear();
  await open(port, heard);
  expect(await heard.count(3)).toEqual(texts);
});

test('a server that does not upgrade is named with its answer', async () => {
  const server = createServer((socket) => socket.end('HTTP/1.1 404 Not Found\r\n\r\n'));
  cleanups.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await expect(WebSocketClient.open(port, '/', ear())).rejects.toThrow('HTTP/1.1 404 Not Found');
});

/** Upgrades by hand. @param answer writes the response's head and what follows */
async function rawServer(answer: (socket: Socket, head: Buffer) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.once('data', (request) => {
      const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(request.toString())?.[1] ?? '';
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      answer(socket, Buffer.from(`HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`));
    });
  });
  cleanups.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function serverFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  if (payload.length < 126) return Buffer.concat([Buffer.from([0x81, payload.length]), payload]);
  const head = Buffer.alloc(payload.length < 65_536 ? 4 : 10);
  head[0] = 0x81;
  head[1] = head.length === 4 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(payload.length, 2);
  else head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, payload]);
}
