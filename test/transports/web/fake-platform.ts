/** What the page needs of a platform: its files, the REST routes and the stream that it uses, on a port of its own. */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { stripTypeScriptTypes } from 'node:module';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { WebSocketServer, type WebSocket } from 'ws';

const folders = {
  page: join(import.meta.dirname, '../../../transports/web'),
  client: join(import.meta.dirname, '../../../transports/client'),
};
// As strict as a page can have it: nothing inline, nothing from elsewhere.
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.ts': 'text/javascript; charset=utf-8',
};

export const traderKey = 'at_test_1_trader';
export const adminKey = 'at_test_1_admin';

const heartbeatMs = 5_000;
const epoch = 'e1';
const now = () => `${new Date().toISOString().slice(0, -1)}000Z`;

interface Order {
  readonly orderId: string;
  readonly clientOrderId: string;
  readonly symbol: string;
  readonly side: string;
  readonly type: string;
  readonly quantity: string;
  readonly limitPrice?: string;
}

interface Problem {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly figures?: Readonly<Record<string, string>>;
}

export class FakePlatform {
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #orders = new Map<string, Order>();
  readonly #subscribed = new Map<WebSocket, Set<string>>();
  readonly #sequences = new Map<string, number>();
  /** Bodies of the orders that arrived. */
  readonly received: Order[] = [];
  /** The `resume` of each subscribe message that had one. */
  readonly resumed: Readonly<Record<string, unknown>>[] = [];
  /** Requests of the page that its own policy would not allow, or that name no file. */
  readonly missed: string[] = [];
  #isSilent = false;

  private constructor() {
    this.#http = createServer((request, response) => void this.#answer(request, response));
    this.#sockets = new WebSocketServer({ server: this.#http, path: '/stream' });
    this.#sockets.on('connection', (socket) => this.#connected(socket));
  }

  static async start(): Promise<FakePlatform> {
    const platform = new FakePlatform();
    await new Promise<void>((resolve) => platform.#http.listen(0, '127.0.0.1', resolve));
    return platform;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  /** Cuts every stream, as a network does. */
  cut(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
  }

  /** Requests for orders get no answer from now on, though what they ask for happens. */
  answerNoOrder(isSilent: boolean): void {
    this.#isSilent = isSilent;
  }

  quote(symbol: string, bid: string, ask: string): void {
    const channel = `quotes:${symbol}`;
    this.#tell(channel, { type: 'quote', channel, sequence: this.#next(channel), symbol, bid, ask, time: now() });
  }

  event(channel: string, data: object): void {
    const sequence = this.#next(channel);
    this.#tell(channel, { type: 'event', channel, epoch, sequence, data: { ...data, time: now() } });
  }

  /** An event that happens but gets lost on its way. */
  loseEvent(channel: string): void {
    this.#next(channel);
  }

  place(order: Order): void {
    this.#orders.set(order.orderId, order);
    this.event('orders:demo-1', { ...order, type: 'order-submitted', orderType: order.type });
    this.event('orders:demo-1', { type: 'order-accepted', orderId: order.orderId, symbol: order.symbol });
  }

  execute(order: Order, price: string): void {
    const { orderId, symbol, side, quantity } = order;
    this.#orders.delete(orderId);
    const fill = { fillId: `f-${orderId}`, quantity, price, filledQuantity: quantity };
    this.event('orders:demo-1', { type: 'order-filled', orderId, symbol, side, ...fill });
    const position = { positionId: `p-${orderId}`, symbol, side, quantity, averagePrice: price };
    this.event('positions:demo-1', { type: 'position-opened', orderId, fillId: fill.fillId, ...position });
    this.event('account:demo-1', {
      type: 'balance-changed',
      reason: 'commission',
      amount: '-0.35',
      balance: '99999.65',
    });
  }

  #next(channel: string): number {
    const sequence = (this.#sequences.get(channel) ?? 0) + 1;
    this.#sequences.set(channel, sequence);
    return sequence;
  }

  #tell(channel: string, frame: object): void {
    for (const [socket, channels] of this.#subscribed) if (channels.has(channel)) socket.send(JSON.stringify(frame));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (!pathname.startsWith('/api/v1/')) return this.#file(pathname, response);
    let text = '';
    for await (const part of request) text += String(part);
    const key = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
    const [status, body] = this.#call(`${request.method} ${pathname.slice('/api/v1'.length)}`, key, text);
    if (this.#isSilent && request.method === 'POST') return void request.socket.destroy();
    const type = status < 400 ? 'application/json' : 'application/problem+json';
    response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
  }

  #file(pathname: string, response: ServerResponse): void {
    const name = pathname === '/' ? 'index.html' : pathname.slice(1);
    const type = types[extname(name)];
    try {
      const source = readFileSync(
        name.startsWith('client/') ? join(folders.client, name.slice('client/'.length)) : join(folders.page, name),
        'utf8',
      );
      const body = name.endsWith('.ts') ? stripTypeScriptTypes(source) : source;
      response.writeHead(200, { 'content-type': type, 'content-security-policy': policy }).end(body);
    } catch {
      this.missed.push(pathname);
      response.writeHead(404).end();
    }
  }

  #call(route: string, key: string, text: string): [status: number, body: object] {
    if (key !== traderKey && key !== adminKey)
      return refusal({ status: 401, code: 'UNAUTHENTICATED', title: 'A valid credential is needed' });
    switch (route) {
      case 'GET /accounts':
        return [200, { items: [account('demo-1', 'USD', '100000.00'), account('demo-2', 'EUR', '50000.00')] }];
      case 'GET /accounts/demo-1':
        return [200, account('demo-1', 'USD', '100000.00')];
      case 'GET /accounts/demo-2':
        return [200, account('demo-2', 'EUR', '50000.00')];
      case 'GET /instruments':
        return [200, { items: instruments }];
      case 'GET /actors':
        if (key === traderKey)
          return refusal({ status: 403, code: 'FORBIDDEN', title: 'The role does not allow this' });
        return [200, { items: actors }];
      case 'POST /accounts/demo-1/orders':
        return this.#submit(JSON.parse(text) as Order);
      default:
        if (route.endsWith('/fills') || route.endsWith('/positions')) return [200, { items: [] }];
        if (route.startsWith('DELETE /accounts/demo-1/orders/')) return this.#cancel(route.split('/').at(-1) ?? '');
        return refusal({ status: 404, code: 'NOT_FOUND', title: 'There is nothing under this name' });
    }
  }

  #submit(body: Order): [status: number, body: object] {
    this.received.push(body);
    const first = this.received.findIndex(({ clientOrderId }) => clientOrderId === body.clientOrderId);
    const duplicate = first < this.received.length - 1;
    const order = { ...body, orderId: `o-1-${first + 1}` };
    if (Number(order.quantity) > 100) {
      const figures = { required: '360000.00', free: '100000.00', currency: 'USD' };
      return refusal({ status: 422, code: 'MARGIN_EXCEEDS_FREE', title: 'The margin exceeds what is free', figures });
    }
    if (!duplicate) {
      this.place(order);
      if (order.type === 'market') this.execute(order, '1.08014');
    }
    return [201, { orderId: order.orderId, clientOrderId: body.clientOrderId, state: 'SUBMITTED', duplicate }];
  }

  #cancel(orderId: string): [status: number, body: object] {
    const order = this.#orders.get(orderId);
    if (order === undefined) return refusal({ status: 409, code: 'ORDER_NOT_WORKING', title: 'The order has ended' });
    this.#orders.delete(orderId);
    this.event('orders:demo-1', { type: 'order-pending-cancel', orderId, symbol: order.symbol });
    this.event('orders:demo-1', { type: 'order-canceled', orderId, symbol: order.symbol, reason: 'requested' });
    return [200, { orderId, state: 'PENDING_CANCEL', duplicate: false }];
  }

  #connected(socket: WebSocket): void {
    const send = (frame: object) => socket.send(JSON.stringify(frame));
    const channels = new Set<string>();
    this.#subscribed.set(socket, channels);
    socket.on('close', () => this.#subscribed.delete(socket));
    send({ type: 'hello', version: 1, connection: 'c-1', heartbeatMs, limits: {} });
    socket.on('message', (data) => {
      const frame = JSON.parse((data as Buffer).toString()) as {
        type: string;
        id: string;
        token?: string;
        channels?: string[];
        resume?: object;
      };
      if (frame.type === 'authenticate') {
        if (frame.token === traderKey || frame.token === adminKey)
          return send({ type: 'reply', id: frame.id, ok: true, result: {} });
        const problem = { code: 'UNAUTHENTICATED', title: 'A valid credential is needed' };
        return send({ type: 'reply', id: frame.id, ok: false, problem });
      }
      if (frame.type === 'unsubscribe') for (const channel of frame.channels ?? []) channels.delete(channel);
      if (frame.type !== 'subscribe') return send({ type: 'reply', id: frame.id, ok: true, result: {} });
      if (frame.resume !== undefined) this.resumed.push({ ...frame.resume });
      const results = (frame.channels ?? []).map((channel) => [channel, { epoch, mode: 'snapshot' }]);
      send({ type: 'reply', id: frame.id, ok: true, result: Object.fromEntries(results) });
      for (const channel of frame.channels ?? []) {
        channels.add(channel);
        send({
          type: 'snapshot',
          channel,
          epoch,
          sequence: this.#sequences.get(channel) ?? 0,
          data: this.#snapshot(channel),
        });
      }
    });
  }

  #snapshot(channel: string): unknown {
    if (channel.startsWith('quotes:') || channel.startsWith('equity:')) return null;
    const orders = channel === 'orders:demo-1' ? [...this.#orders.values()] : [];
    return { items: orders.map((order) => ({ ...order, filledQuantity: '0.00', state: 'ACCEPTED' })) };
  }
}

function refusal(problem: Problem): [status: number, body: object] {
  return [problem.status, problem];
}

function account(id: string, currency: string, balance: string): object {
  return {
    id,
    currency,
    mode: 'paper',
    balance,
    equity: balance,
    margin: '0.00',
    freeMargin: balance,
    marginLevel: null,
  };
}

const instruments = [
  ['EURUSD', 'Euro against US dollar', 5],
  ['GBPUSD', 'Pound sterling against US dollar', 5],
  ['USDJPY', 'US dollar against yen', 3],
  ['XAUUSD', 'Gold against US dollar', 2],
  ['BTCUSD', 'Bitcoin against US dollar', 2],
].map(([symbol, description, digits]) => ({
  ...{ symbol, description, digits, minQuantity: '0.01', quantityStep: '0.01', staleAfterMs: 10_000 },
}));

const actors = [
  { path: '/storage', status: 'running' },
  { path: '/storage/journal-writer', status: 'running', depth: 3 },
  { path: '/tenants', status: 'running' },
  { path: '/tenants/demo', status: 'running' },
  { path: '/tenants/demo/accounts/demo-1', status: 'running', depth: 1 },
  { path: '/market/EURUSD', status: 'restarting', restarts: 2, failure: 'feed went silent' },
].map(({ path, status, depth = 0, restarts = 0, failure }) => ({
  ...{ path, status, mailbox: { depth }, restarts },
  ...(failure === undefined ? {} : { lastFailure: { name: 'Error', message: failure } }),
}));
