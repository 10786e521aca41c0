/** The platform as its users run it: a process of its own on free ports, in a temporary home, killed by its pid. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { portsAt, serviceNames, type ServiceName } from '../../config/ports.ts';

const program = fileURLToPath(new URL('../../bin/aitrading.js', import.meta.url));
const readyWithinMs = 60_000;

export interface Frame {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined where the body is no JSON. Tests look into answers of many shapes. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: any;
}

export class PlatformProcess {
  readonly home: string;
  readonly #offset: number;
  readonly environment: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  #exit: Promise<number | null> | undefined;
  output = '';

  constructor(
    offset: number,
    environment: Readonly<Record<string, string>> = {},
    home = mkdtempSync(join(tmpdir(), 'aitrading-test-')),
  ) {
    this.#offset = offset;
    this.environment = environment;
    this.home = home;
  }

  static async onFreePorts(environment: Readonly<Record<string, string>> = {}): Promise<PlatformProcess> {
    return new PlatformProcess(await freeOffset(), environment);
  }

  port(service: ServiceName): number {
    return portsAt(this.#offset)[service];
  }

  get offset(): number {
    return this.#offset;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  /** Starts the process without waiting for anything. */
  launch(): void {
    this.output = '';
    const environment = { ...process.env, LOG_LEVEL: 'info', ...this.environment };
    this.#child = spawn(process.execPath, [program, 'start'], {
      env: { ...environment, AITRADING_HOME: this.home, PORT_OFFSET: String(this.#offset) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on('data', (text) => (this.output += String(text)));
    this.#exit = once(this.#child, 'exit').then(([code]) => code as number | null);
  }

  async start(): Promise<void> {
    this.launch();
    await this.untilReady();
  }

  /** Polls /readyz as a load balancer does. */
  async untilReady(expected = 200): Promise<void> {
    const deadline = performance.now() + readyWithinMs;
    while (performance.now() < deadline) {
      if (this.#child!.exitCode !== null) throw new Error(`the platform ended: ${this.output.slice(-2_000)}`);
      const answer = await this.call('api', '/readyz').catch(() => undefined);
      if (answer?.status === expected) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`/readyz was not ${expected} within ${readyWithinMs} ms: ${this.output.slice(-2_000)}`);
  }

  credentials(): {
    accounts: string[];
    trader: { apiKey: string };
    tenantAdmin: { apiKey: string };
    ops: { apiKey: string };
  } {
    return JSON.parse(readFileSync(join(this.home, 'demo-credentials.json'), 'utf8'));
  }

  async call(
    service: ServiceName,
    path: string,
    options: { method?: string; token?: string; body?: unknown } = {},
  ): Promise<HttpAnswer> {
    const { method = 'GET', token, body } = options;
    const response = await fetch(`http://127.0.0.1:${this.port(service)}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    return { status: response.status, headers: response.headers, text, json };
  }

  /** An authenticated stream. */
  async stream(token: string): Promise<StreamClient> {
    const client = await StreamClient.open(`ws://127.0.0.1:${this.port('data-bridge')}/stream`);
    const reply = await client.ask({ type: 'authenticate', token });
    if (reply['ok'] !== true) throw new Error(`authenticate: ${JSON.stringify(reply)}`);
    return client;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** The exit code, null after a signal. */
  exited(): Promise<number | null> {
    return this.#exit!;
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.#exit;
  }

  async dispose(): Promise<void> {
    if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) {
      this.signal('SIGTERM');
      await this.#exit;
    }
    if (existsSync(this.home)) rmSync(this.home, { recursive: true, force: true });
  }
}

/** A stream client that keeps every frame. */
export class StreamClient {
  readonly frames: Frame[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #socket: WebSocket;
  readonly #waiters = new Set<{
    test: (frame: Frame) => boolean;
    resolve: (frame: Frame) => void;
    reject: (error: Error) => void;
  }>();
  #count = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => this.#onFrame(JSON.parse((data as Buffer).toString()) as Frame));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        for (const { reject } of this.#waiters) reject(new Error(`closed with ${code}`));
        this.#waiters.clear();
        resolve({ code, reason: String(reason) });
      });
    });
  }

  static async open(url: string): Promise<StreamClient> {
    const socket = new WebSocket(url);
    const client = new StreamClient(socket);
    await once(socket, 'open');
    return client;
  }

  send(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  /** Sends a message with an id of its own and gives the reply to it. Rejects when the connection closes first. */
  ask(message: object): Promise<Frame> {
    const id = `q${++this.#count}`;
    const reply = this.wait((frame) => frame.type === 'reply' && frame['id'] === id);
    this.send({ ...message, id });
    return reply;
  }

  /** The first frame, seen already or to come, that passes the test. */
  wait(test: (frame: Frame) => boolean): Promise<Frame> {
    const seen = this.frames.find(test);
    if (seen) return Promise.resolve(seen);
    return new Promise((resolve, reject) => this.#waiters.add({ test, resolve, reject }));
  }

  close(): void {
    this.#socket.close();
  }

  #onFrame(frame: Frame): void {
    this.frames.push(frame);
    for (const waiter of this.#waiters) {
      if (!waiter.test(frame)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(frame);
    }
  }
}

/** All eight ports lie below those that the system gives to outgoing connections, which come and go. */
const lowestOffset = 10_000;
const highestOffset = 23_600;

/** An offset at which all eight ports are free now. */
export async function freeOffset(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const offset = lowestOffset + Math.floor(Math.random() * (highestOffset - lowestOffset));
    const ports = portsAt(offset);
    const free = await Promise.all(serviceNames.map((name) => isFree(ports[name])));
    if (free.every(Boolean)) return offset;
  }
  throw new Error('no offset with eight free ports was found');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
