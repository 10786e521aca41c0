/** A WebSocket client that keeps what it receives. */
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';

/** Members that tests look into; what a frame really holds is what they find out. */
export interface Frame {
  readonly type: string;
  readonly id?: string | null;
  readonly ok?: boolean;
  readonly channel?: string;
  readonly sequence?: number;
  readonly result: Readonly<Record<string, unknown>> & { readonly orderId: string };
  readonly problem: {
    readonly code: string;
    readonly traceId: string;
    readonly errors: readonly { readonly path: string }[];
  };
  readonly data: Readonly<Record<string, unknown>>;
}

export class StreamClient {
  readonly ws: WebSocket;
  readonly frames: Frame[] = [];
  readonly binary: Buffer[] = [];
  /** Length of each text message. */
  readonly messages: number[] = [];
  readonly closed: Promise<number>;
  readonly #waiting: { test(frame: Frame): boolean; resolve(frame: Frame): void }[] = [];
  #lastId = 0;

  private constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary) return void this.binary.push(data);
      const message = JSON.parse(data.toString()) as Frame | Frame[];
      this.messages.push(data.length);
      for (const frame of Array.isArray(message) ? message : [message]) this.#receive(frame);
      return undefined;
    });
    ws.on('error', () => {});
    this.closed = new Promise((resolve) => ws.once('close', resolve));
  }

  /** Open, and greeted. */
  static async connect(
    port: number,
    options: { headers?: Record<string, string>; path?: string; protocols?: string[]; deflates?: boolean } = {},
  ): Promise<StreamClient> {
    const { headers = {}, path = '/stream', protocols = [], deflates = true } = options;
    const settings = { headers, perMessageDeflate: deflates };
    const client = new StreamClient(new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, settings));
    onTestFinished(() => client.ws.terminate());
    await client.next((frame) => frame.type === 'hello');
    return client;
  }

  static async authenticated(
    port: number,
    token: string,
    options: Parameters<typeof StreamClient.connect>[1] = {},
  ): Promise<StreamClient> {
    const client = await StreamClient.connect(port, options);
    await client.ask({ type: 'authenticate', token });
    return client;
  }

  send(message: object | string | Buffer): void {
    this.ws.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  /** Sends a message with a fresh id and resolves to its reply. */
  ask(message: object): Promise<Frame> {
    const id = `m${++this.#lastId}`;
    this.send({ ...message, id });
    return this.next((frame) => frame.type === 'reply' && frame.id === id);
  }

  /** The first frame that passes, received already or still to come. */
  next(test: (frame: Frame) => boolean): Promise<Frame> {
    const found = this.frames.find(test);
    return found ? Promise.resolve(found) : new Promise((resolve) => this.#waiting.push({ test, resolve }));
  }

  of(type: string): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  /** Everything that the server had to say before it answered this. */
  async settled(): Promise<Frame[]> {
    await this.ask({ type: 'ping' });
    return this.frames;
  }

  #receive(frame: Frame): void {
    this.frames.push(frame);
    for (const waiting of this.#waiting.filter(({ test }) => test(frame))) {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.resolve(frame);
    }
  }
}

export function marketOrder(clientOrderId: string, change: object = {}): object {
  return {
    clientOrderId,
    symbol: 'EURUSD',
    side: 'buy',
    type: 'market',
    quantity: '0.10',
    timeInForce: 'ioc',
    ...change,
  };
}
