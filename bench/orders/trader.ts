/** One connection of the load generator: authenticates, subscribes to the order events of its accounts, then runs their lanes. */
import { Lane, orderQuantity } from './lane.ts';
import { WebSocketClient, type Listener } from './web-socket.ts';

export interface TraderOptions {
  readonly port: number;
  readonly token: string;
  readonly run: string;
  readonly accounts: readonly string[];
  readonly outstanding: number;
  /** Called at every fill, with the time from the order's frame to its event. */
  onFill(lane: Lane, nowMs: number): void;
  onWrong(reason: string): void;
}

/** Of so many fills one is read whole; of the others only what the loop needs. */
const sampleEvery = 64;

export class Trader {
  readonly lanes: readonly Lane[];
  acknowledged = 0;
  filled = 0;
  readonly #options: TraderOptions;
  readonly #working = new Map<string, Lane>();
  /** Fills whose order is not acknowledged yet. */
  readonly #early = new Set<string>();
  #client: WebSocketClient | undefined;
  #toWrite: Buffer[] = [];
  #readAtMs = 0;
  #isRunning = false;
  #idle = 0;

  private constructor(options: TraderOptions) {
    this.#options = options;
    this.lanes = options.accounts.flatMap((account, index) =>
      Array.from(
        { length: options.outstanding },
        (_, lane) => new Lane(`${options.run}-${account}`, account, index * options.outstanding + lane),
      ),
    );
  }

  static async connect(options: TraderOptions): Promise<Trader> {
    const trader = new Trader(options);
    await trader.#open();
    return trader;
  }

  /** Sends the first order of every lane; each fill sends the next one until `stop`. */
  start(): void {
    this.#isRunning = true;
    const nowMs = performance.now();
    for (const lane of this.lanes) this.#toWrite.push(Buffer.from(lane.next(nowMs)));
    this.#flush();
  }

  stop(): void {
    this.#isRunning = false;
  }

  /** Orders that are not filled yet; none is left some time after `stop`. */
  get outstanding(): number {
    return this.lanes.length - this.#idle;
  }

  end(): void {
    this.#client?.end();
  }

  async #open(): Promise<void> {
    const { port, token, accounts, onWrong } = this.#options;
    const replies = Promise.withResolvers<void>();
    let isReady = false;
    const listener: Listener = {
      onText: (payload) => {
        if (isReady) return this.#take(payload.toString('latin1'));
        const frame = JSON.parse(payload.toString()) as { type: string; id?: string; ok?: boolean };
        if (frame.type !== 'reply') return;
        if (!frame.ok) replies.reject(new Error(`${frame.id} was refused: ${payload.toString().slice(0, 300)}`));
        if (frame.id === 'subscribe') {
          isReady = true;
          replies.resolve();
        }
      },
      onRead: () => {
        this.#readAtMs = 0;
        this.#flush();
      },
      onEnd: (reason) => {
        replies.reject(new Error(reason));
        onWrong(reason);
      },
    };
    this.#client = await WebSocketClient.open(port, '/stream', listener);
    this.#client.send({ type: 'authenticate', id: 'authenticate', token });
    this.#client.send({ type: 'subscribe', id: 'subscribe', channels: accounts.map((account) => `orders:${account}`) });
    await replies.promise;
  }

  #take(frame: string): void {
    if (this.#readAtMs === 0) this.#readAtMs = performance.now();
    if (frame.startsWith('{"type":"reply"')) this.#takeReply(frame);
    else if (!frame.startsWith('{"type":"event"')) return;
    else if (frame.includes('"type":"order-filled"')) this.#takeFill(frame);
    else if (/"type":"order-(denied|rejected|canceled|expired)"/.test(frame))
      this.#options.onWrong(frame.slice(0, 300));
  }

  #takeReply(frame: string): void {
    const lane = this.lanes[Number(memberOf(frame, 'id'))];
    const orderId = memberOf(frame, 'orderId');
    if (!lane || orderId === undefined || !frame.includes('"ok":true')) {
      return this.#options.onWrong(`an order was answered with ${frame.slice(0, 300)}`);
    }
    if (lane.fills % sampleEvery === 0) this.#checkReply(lane, frame);
    this.acknowledged += 1;
    lane.orderId = orderId;
    if (this.#early.delete(orderId)) this.#complete(lane);
    else this.#working.set(orderId, lane);
  }

  #takeFill(frame: string): void {
    const orderId = memberOf(frame, 'orderId') ?? '';
    const lane = this.#working.get(orderId);
    if (!lane) {
      this.#early.add(orderId);
      return;
    }
    if (lane.fills % sampleEvery === 0) this.#checkFill(lane, frame);
    this.#working.delete(orderId);
    this.#complete(lane);
  }

  #complete(lane: Lane): void {
    this.filled += 1;
    lane.fills += 1;
    this.#options.onFill(lane, this.#readAtMs);
    if (this.#isRunning) this.#toWrite.push(Buffer.from(lane.next(this.#readAtMs)));
    else this.#idle += 1;
  }

  #checkReply(lane: Lane, frame: string): void {
    const { result } = JSON.parse(frame) as { result: { clientOrderId: string; duplicate: boolean } };
    if (result.clientOrderId === lane.clientOrderId && !result.duplicate) return;
    this.#options.onWrong(`${lane.clientOrderId} was answered with ${frame.slice(0, 300)}`);
  }

  #checkFill(lane: Lane, frame: string): void {
    const { channel, data } = JSON.parse(frame) as { channel: string; data: Record<string, unknown> };
    const isRight =
      channel === `orders:${lane.account}` &&
      data['orderId'] === lane.orderId &&
      Number(data['quantity']) === Number(orderQuantity) &&
      Number(data['price']) > 0;
    if (!isRight) this.#options.onWrong(`${lane.clientOrderId} was filled with ${frame.slice(0, 300)}`);
  }

  #flush(): void {
    if (this.#toWrite.length === 0) return;
    this.#client?.write(Buffer.concat(this.#toWrite));
    this.#toWrite = [];
  }
}

/** The first text member of that name, without parsing the rest; ids hold no escapes. */
function memberOf(frame: string, name: string): string | undefined {
  const key = `"${name}":"`;
  const at = frame.indexOf(key);
  return at < 0 ? undefined : frame.slice(at + key.length, frame.indexOf('"', at + key.length));
}
