/** Killed with orders working and positions open: how soon the platform is ready again, and whether all is as it was. */
import assert from 'node:assert';
import { join } from 'node:path';
import type { BenchOptions } from '../report.ts';
import { startChild, type Child } from './child.ts';
import { accountNames } from './contender.ts';
import { removeHome, temporaryHome } from './database.ts';
import type { PlatformReady } from './platform.ts';

const size = { accounts: 20, orders: 1_000, positions: 200, fills: 3_000 };
const readyWithinMs = 120_000;
const symbols = ['EURUSD', 'GBPUSD', 'USDJPY', 'USDCHF', 'USDCAD', 'EURGBP', 'AUDUSD', 'NZDUSD', 'EURCHF', 'EURJPY'];

interface Reply {
  readonly id: string;
  readonly ok: boolean;
  readonly result?: unknown;
}

export async function measureRecovery(scale: number, emit: BenchOptions['emit']): Promise<void> {
  const home = temporaryHome();
  const accounts = accountNames(Math.max(1, Math.round(size.accounts * scale)));
  let platform = await start(home, accounts.length);
  try {
    const wanted = (full: number): number => Math.ceil((full * scale) / accounts.length);
    const fillsEach = wanted(size.fills);
    const before = await withStream(platform, async (stream) => {
      await stream.prices();
      for (const account of accounts) await fill(stream, account, fillsEach, wanted(size.orders));
      return stream.books(accounts);
    });
    const positions = before.flatMap((book) => book.positions).length;
    assert(positions >= Math.floor(size.positions * scale), `${positions} positions are open`);
    process.kill(platform.pid, 'SIGKILL');
    await platform.stop();
    const fromMs = performance.now();
    platform = await start(home, accounts.length);
    const readyMs = performance.now() - fromMs;
    const after = await withStream(platform, (stream) => stream.books(accounts));
    // Its open orders, its positions and its balance are all that an account is made of; blocked it would be for any difference.
    assert.deepStrictEqual(after, before);
    emit({ name: 'recovery-ready', value: readyMs, unit: 'ms', direction: 'lower' });
  } finally {
    await platform.stop();
    removeHome(home);
  }
}

function start(home: string, accounts: number): Promise<Child<PlatformReady>> {
  const environment = { BENCH_HOME: home, BENCH_ACCOUNTS: String(accounts) };
  return startChild<PlatformReady>(join(import.meta.dirname, 'platform.ts'), environment, readyWithinMs);
}

/** Buys and sells that leave a position in each symbol, and orders that rest far from the market. */
async function fill(stream: Stream, account: string, fills: number, resting: number): Promise<void> {
  const send = (n: number, order: object): Promise<unknown> =>
    stream.ask({ type: 'submit-order', account, order: { clientOrderId: `r-${n}`, quantity: '0.01', ...order } });
  const market = { type: 'market', timeInForce: 'ioc' };
  const orders = Array.from({ length: fills }, (_, n) => {
    const isFirst = n < symbols.length;
    const side = isFirst || n % 2 === 0 ? 'buy' : 'sell';
    return send(n, { ...market, symbol: symbols[isFirst ? n : (n >> 1) % symbols.length], side });
  });
  for (let n = 0; n < resting; n++)
    orders.push(
      send(fills + n, { type: 'limit', timeInForce: 'gtc', symbol: 'EURUSD', side: 'buy', limitPrice: '0.80000' }),
    );
  await Promise.all(orders);
}

interface Book {
  readonly account: string;
  readonly orders: readonly unknown[];
  readonly positions: readonly unknown[];
  readonly balance: string;
  readonly blocks: readonly unknown[];
}

class Stream {
  readonly #socket: WebSocket;
  readonly #replies = new Map<string, (reply: Reply) => void>();
  readonly #snapshots = new Map<string, { items?: readonly Record<string, unknown>[]; [field: string]: unknown }>();
  readonly #waiting = new Map<string, () => void>();
  #last = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      const frame = JSON.parse(String(data)) as { type: string; channel: string; data: never } & Reply;
      if (frame.type === 'reply') this.#replies.get(frame.id)?.(frame);
      if (frame.type === 'snapshot') this.#snapshots.set(frame.channel, frame.data);
      if (frame.type === 'snapshot' || frame.type === 'quote') this.#waiting.get(frame.channel)?.();
    });
  }

  ask(message: object): Promise<unknown> {
    const id = String((this.#last += 1));
    return new Promise((resolve, reject) => {
      this.#replies.set(id, (reply) => {
        this.#replies.delete(id);
        if (reply.ok) resolve(reply.result);
        else reject(new Error(JSON.stringify(reply)));
      });
      this.#socket.send(JSON.stringify({ ...message, id }));
    });
  }

  async prices(): Promise<void> {
    const channels = symbols.map((symbol) => `quotes:${symbol}`);
    const seen = channels.map((channel) => new Promise<void>((resolve) => this.#waiting.set(channel, resolve)));
    await this.ask({ type: 'subscribe', channels });
    await Promise.all(seen);
  }

  /** Once nothing is under way any more. */
  async books(accounts: readonly string[]): Promise<readonly Book[]> {
    for (;;) {
      const books: Book[] = [];
      for (const account of accounts) books.push(await this.#book(account));
      if (!books.some(({ orders }) => orders.some((order) => (order as { state: string }).state !== 'ACCEPTED')))
        return books;
    }
  }

  async #book(account: string): Promise<Book> {
    const channels = ['orders', 'positions', 'account'].map((kind) => `${kind}:${account}`);
    const seen = channels.map((channel) => new Promise<void>((resolve) => this.#waiting.set(channel, resolve)));
    await this.ask({ type: 'subscribe', channels });
    await Promise.all(seen);
    await this.ask({ type: 'unsubscribe', channels });
    const [orders, positions, state] = channels.map((channel) => this.#snapshots.get(channel)!);
    return {
      account,
      orders: orders!.items!,
      positions: positions!.items!.map(({ currentPrice: _price, openProfit: _profit, ...position }) => position),
      balance: String(state!['balance']),
      blocks: state!['blocks'] as unknown[],
    };
  }
}

async function withStream<Result>(
  { ready }: Child<PlatformReady>,
  use: (stream: Stream) => Promise<Result>,
): Promise<Result> {
  const socket = new WebSocket(`ws://127.0.0.1:${ready.port}/stream`);
  const stream = new Stream(socket);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  await stream.ask({ type: 'authenticate', token: ready.token });
  try {
    return await use(stream);
  } finally {
    socket.close();
  }
}
