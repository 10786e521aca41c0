/** One order outstanding of one account, again and again: buys and sells in turn, so that the position stays near zero. */
import { frameOf, mask } from './web-socket.ts';

export const orderQuantity = '0.01';

const counterDigits = 7;
const zero = 0x30;

export class Lane {
  readonly account: string;
  /** Echoed by the reply; a lane has one message under way at most, so its number is enough. */
  readonly id: string;
  sentAtMs = 0;
  fills = 0;
  /** Of the order that is under way, once it is acknowledged. */
  orderId: string | undefined;
  readonly #prefix: string;
  readonly #frames: readonly [PreparedFrame, PreparedFrame];
  #count = 0;

  /** @param number of this lane among those of its connection */
  constructor(run: string, account: string, number: number) {
    this.account = account;
    this.id = String(number);
    this.#prefix = `${run}-${number}-`;
    const sides = number % 2 === 0 ? ['buy', 'sell'] : ['sell', 'buy'];
    const [first = '', second = ''] = sides.map((side) => this.#orderText(side));
    this.#frames = [new PreparedFrame(first), new PreparedFrame(second)];
  }

  /** The client order id of the order that was sent last. */
  get clientOrderId(): string {
    return this.#prefix + String(this.#count).padStart(counterDigits, '0');
  }

  /** The frame of the next order, to be copied before the next call. */
  next(nowMs: number): Buffer {
    this.#count += 1;
    this.sentAtMs = nowMs;
    this.orderId = undefined;
    return this.#frames[(this.#count & 1) as 0 | 1].numbered(this.#count);
  }

  #orderText(side: string): string {
    const order = {
      clientOrderId: this.clientOrderId,
      symbol: 'EURUSD',
      side,
      type: 'market',
      quantity: orderQuantity,
      timeInForce: 'ioc',
    };
    return JSON.stringify({ type: 'submit-order', id: this.id, account: this.account, order });
  }
}

/** A frame in which only the counter of the client order id changes. */
class PreparedFrame {
  readonly #frame: Buffer;
  readonly #maskAt: number;
  readonly #counterAt: number;

  constructor(payload: string) {
    this.#frame = frameOf(Buffer.from(payload));
    this.#maskAt = this.#frame.length - Buffer.byteLength(payload);
    this.#counterAt = payload.indexOf('0'.repeat(counterDigits) + '"');
  }

  numbered(count: number): Buffer {
    let rest = count;
    for (let index = this.#counterAt + counterDigits - 1; index >= this.#counterAt; index--) {
      this.#frame[this.#maskAt + index] = (zero + (rest % 10)) ^ mask[index & 3]!;
      rest = Math.floor(rest / 10);
    }
    return this.#frame;
  }
}
