/** The other end: many connections over plain sockets that count what arrives, and take the time of it on a few of them. */
import { createHash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { createHistogram } from 'node:perf_hooks';
import { frameOf } from '../orders/web-socket.ts';
import { walkFrames } from './frames.ts';
import { timeOfDayMicros, wallMicros } from './publishing.ts';

/** How to become a subscriber: what is sent once the connection is open, and how often the other side answers before ticks come. */
export interface Subscriber {
  readonly path: string;
  readonly protocol?: string;
  readonly messages: readonly string[];
  /** The last answer begins with this. */
  readonly lastAnswer: string;
}

export type SinkJob =
  | {
      readonly type: 'connect';
      readonly port: number;
      readonly subscribers: readonly Subscriber[];
      readonly count: number;
    }
  | { readonly type: 'start' }
  | { readonly type: 'stop' }
  /** These read no more. */
  | { readonly type: 'stall'; readonly count: number }
  | { readonly type: 'leave'; readonly keep: number }
  | { readonly type: 'ticks'; readonly port: number; readonly perSecond: number; readonly forMs: number };

export interface SinkResult {
  readonly frames: number;
  readonly bytes: number;
  readonly connections: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuShare: number;
}

const sampled = 40;
const acceptGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const TEXT = 0x1;
const BINARY = 0x2;
const PING = 0x9;
/** Socket.IO writes these in front of an event and of its own ping. */
const SOCKET_IO_EVENT = 0x34;
const SOCKET_IO_PING = 0x32;
const dayMicros = 86_400_000_000;

const connections: Client[] = [];
const tally = { frames: 0, bytes: 0 };
let latencies = createHistogram();
let startedMs = 0;
let cpu = process.cpuUsage();

class Client {
  readonly socket: Socket;
  readonly ready: Promise<void>;
  readonly #isSampled: boolean;
  #unread: Buffer = Buffer.alloc(0);
  #isOpen = false;
  #isReady = false;

  constructor(port: number, subscriber: Subscriber, isSampled: boolean) {
    this.#isSampled = isSampled;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const key = randomBytes(16).toString('base64');
    const accept = createHash('sha1')
      .update(key + acceptGuid)
      .digest('base64');
    this.socket.write(
      `GET ${subscriber.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n` +
        (subscriber.protocol === undefined
          ? ''
          : `Sec-WebSocket-Protocol: ${subscriber.protocol}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n`) +
        '\r\n',
    );
    this.socket.on('error', reject);
    this.socket.on('close', () => reject(new Error('the server closed the connection')));
    this.socket.on('data', (chunk: Buffer) => {
      let data = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
      if (!this.#isOpen) {
        const end = data.indexOf('\r\n\r\n');
        if (end < 0) return void (this.#unread = data);
        if (!data.toString('latin1', 0, end).includes(accept)) return reject(new Error('the upgrade was refused'));
        this.#isOpen = true;
        for (const message of subscriber.messages) this.socket.write(frameOf(Buffer.from(message)));
        if (subscriber.messages.length === 0) this.#isReady = true;
        if (this.#isReady) resolve();
        data = data.subarray(end + 4);
      }
      this.#unread = walkFrames(data, (firstByte, start, endAt) => {
        const opcode = firstByte & 0x0f;
        if (opcode === PING) return void this.socket.write(frameOf(data.subarray(start, endAt), 0xa));
        if (this.#isReady) return this.#count(opcode, data, start, endAt);
        if (!data.subarray(start, endAt).includes(subscriber.lastAnswer)) return undefined;
        this.#isReady = true;
        return resolve();
      });
      return undefined;
    });
  }

  #count(opcode: number, data: Buffer, start: number, end: number): void {
    if (opcode !== TEXT && opcode !== BINARY) return;
    if (end - start === 1 && data[start] === SOCKET_IO_PING) return void this.socket.write(frameOf(Buffer.from('3')));
    tally.frames += 1;
    tally.bytes += end - start;
    if (!this.#isSampled || opcode === BINARY) return undefined;
    // Of ours `"type":"quote"` stands at the front; heartbeats and the like have no time at their end.
    const last = data[start] === SOCKET_IO_EVENT ? end - 1 : end;
    if (data[last - 1] !== 0x7d || data[last - 2] !== 0x22 || data[last - 3] !== 0x5a) return undefined;
    const now = wallMicros() % dayMicros;
    const agoMicros = now - timeOfDayMicros(data.subarray(start, last));
    if (agoMicros > 0 && agoMicros < 60_000_000) latencies.record(Math.max(1, Math.round(agoMicros)));
    return undefined;
  }
}

async function sendTicks(port: number, perSecond: number, forMs: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const startMs = performance.now();
  for (let due = 0; due < forMs; due += 1_000 / perSecond) {
    const waitMs = startMs + due - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    socket.write(
      `${JSON.stringify({ bid: 108_012_000, ask: 108_014_000 + Math.round(due), timeMicros: wallMicros() })}\n`,
    );
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.destroy();
}

async function run(job: SinkJob): Promise<SinkResult> {
  switch (job.type) {
    case 'connect': {
      // A hundred at a time, so that no listen queue overflows.
      for (let at = 0; at < job.count; at += 100) {
        const some = Array.from({ length: Math.min(100, job.count - at) }, (_, n) => {
          const number = at + n;
          return new Client(job.port, job.subscribers[number % job.subscribers.length]!, number < sampled);
        });
        connections.push(...some);
        await Promise.all(some.map(({ ready }) => ready));
      }
      break;
    }
    case 'start':
      Object.assign(tally, { frames: 0, bytes: 0 });
      latencies = createHistogram();
      cpu = process.cpuUsage();
      startedMs = performance.now();
      break;
    case 'stall':
      for (const { socket } of connections.slice(-job.count)) socket.pause();
      break;
    case 'leave':
      for (const { socket } of connections.splice(job.keep)) socket.destroy();
      break;
    case 'ticks':
      await sendTicks(job.port, job.perSecond, job.forMs);
      break;
    case 'stop':
      break;
  }
  const used = process.cpuUsage(cpu);
  return {
    ...tally,
    connections: connections.length,
    p50Ms: latencies.percentile(50) / 1_000,
    p99Ms: latencies.percentile(99) / 1_000,
    cpuShare: (used.user + used.system) / 1_000 / Math.max(1, performance.now() - startedMs),
  };
}

process.on('message', (job: SinkJob) => {
  run(job).then(
    (result) => process.send!({ done: result }),
    (error: unknown) => process.send!({ failed: String(error) }),
  );
});
process.once('disconnect', () => process.exit());
process.once('SIGTERM', () => process.exit());
process.send!({});
