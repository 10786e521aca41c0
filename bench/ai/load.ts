/** Asks a server again and again over connections that stay, in a process of its own: as fast as it answers, or at a rate. */
import { connect, type Socket } from 'node:net';

export interface LoadJob {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly connections: number;
  readonly forMs: number;
  /** Requests a second; absent: each connection asks again as soon as it is answered. Times count from when a request was due. */
  readonly perSecond?: number;
}

export interface LoadResult {
  readonly answers: number;
  /** Answers that were no success, and connections that ended. */
  readonly errors: number;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const headEnd = '\r\n\r\n';

class Connection {
  readonly #socket: Socket;
  readonly #request: Buffer;
  #unread: Buffer = Buffer.alloc(0);
  #onAnswer: ((isGood: boolean) => void) | undefined;

  constructor(port: number, request: Buffer) {
    this.#request = request;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    for (const event of ['error', 'close']) this.#socket.on(event, () => this.#answered(false));
  }

  ask(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#onAnswer = resolve;
      this.#socket.write(this.#request);
    });
  }

  end(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    const end = this.#unread.indexOf(headEnd);
    if (end < 0) return;
    const head = this.#unread.toString('latin1', 0, end).toLowerCase();
    const body = this.#unread.subarray(end + headEnd.length);
    const length = /content-length: (\d+)/.exec(head)?.[1];
    const isWhole =
      length === undefined ? body.subarray(-5).toString('latin1') === '0\r\n\r\n' : body.length >= Number(length);
    if (!isWhole) return;
    this.#unread = Buffer.alloc(0);
    this.#answered(head.startsWith('http/1.1 200') && body.includes('chat.completion'));
  }

  #answered(isGood: boolean): void {
    const told = this.#onAnswer;
    this.#onAnswer = undefined;
    told?.(isGood);
  }
}

async function run(job: LoadJob): Promise<LoadResult> {
  const { port, path, headers, body, forMs, perSecond } = job;
  const all = {
    host: `127.0.0.1:${port}`,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const request = Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
  const connections = Array.from({ length: job.connections }, () => new Connection(port, request));
  const startMs = performance.now();
  const endMs = startMs + forMs;
  const took: number[] = [];
  let errors = 0;
  const once = async (connection: Connection, dueMs: number): Promise<void> => {
    if (await connection.ask()) took.push(performance.now() - dueMs);
    else errors += 1;
  };
  if (perSecond === undefined) {
    await Promise.all(
      connections.map(async (connection) => {
        while (performance.now() < endMs && errors < 100) await once(connection, performance.now());
      }),
    );
  } else await paced(connections, { perSecond, startMs, forMs }, once);
  for (const connection of connections) connection.end();
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.min(took.length - 1, Math.floor(share * took.length))] ?? 0;
  return { answers: took.length, errors, elapsedMs: performance.now() - startMs, p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** A request that is due while all connections wait for answers goes to the first that is free, and is late. */
async function paced(
  connections: readonly Connection[],
  { perSecond, startMs, forMs }: { readonly perSecond: number; readonly startMs: number; readonly forMs: number },
  once: (connection: Connection, dueMs: number) => Promise<void>,
): Promise<void> {
  const total = Math.round((forMs * perSecond) / 1_000);
  let next = 0;
  await Promise.all(
    connections.map(async (connection) => {
      while (next < total) {
        const dueMs = startMs + (next++ * 1_000) / perSecond;
        const waitMs = dueMs - performance.now();
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        // Timers may fire a little early.
        while (performance.now() < dueMs) await new Promise((resolve) => setImmediate(resolve));
        await once(connection, dueMs);
      }
    }),
  );
}

process.on('message', (job: LoadJob) => {
  void run(job).then((result) => process.send!(result));
});
process.once('disconnect', () => process.exit());
process.once('SIGTERM', () => process.exit());
process.send!({});
