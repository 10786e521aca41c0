/** Trader streams: the same messages in and out as the platform's. */
import type { Server } from 'node:http';
import { WebSocketServer, type WebSocket } from 'ws';
import { instruments } from './instruments.ts';
import { clientMessage, type ClientMessage } from './messages.ts';
import type { Quote } from './quotes.ts';
import type { Executed, Store } from './store.ts';
import { checkOrder } from './trade.ts';

export interface StreamOptions {
  readonly token: string;
  readonly quotes: ReadonlyMap<string, Quote>;
  readonly store: Store;
}

export function acceptStreams(server: Server, { token, quotes, store }: StreamOptions): void {
  const subscribers = new Map<string, Set<WebSocket>>();
  const sequences = new Map<string, number>();
  const authenticated = new WeakSet<WebSocket>();
  const sockets = new WebSocketServer({ server, path: '/stream', perMessageDeflate: false, maxPayload: 64 * 1024 });

  sockets.on('connection', (socket) => {
    send(socket, { type: 'hello', version: 1 });
    socket.on('message', (data) => {
      const message = parse(String(data));
      if (!message) return refuse(socket, null, 'VALIDATION_FAILED');
      handle(socket, message).catch((error: Error) => {
        console.error(error);
        refuse(socket, message.id ?? null, 'INTERNAL');
      });
    });
    socket.on('close', () => {
      for (const members of subscribers.values()) members.delete(socket);
    });
  });

  async function handle(socket: WebSocket, message: ClientMessage): Promise<void> {
    const id = message.id ?? null;
    if (message.type === 'authenticate') {
      if (message.token !== token) return refuse(socket, id, 'UNAUTHENTICATED');
      authenticated.add(socket);
      return send(socket, { type: 'reply', id, ok: true, result: {} });
    }
    if (!authenticated.has(socket)) return refuse(socket, id, 'UNAUTHENTICATED');
    if (message.type === 'subscribe') {
      for (const channel of message.channels) membersOf(channel).add(socket);
      return send(socket, { type: 'reply', id, ok: true, result: {} });
    }
    const { account, order } = message;
    const instrument = instruments.get(order.symbol);
    const quote = quotes.get(order.symbol);
    const denial = checkOrder(order, instrument, quote);
    if (denial || !instrument || !quote) return refuse(socket, id, denial?.code ?? 'QUOTE_MISSING', denial?.figures);
    const outcome = await store.execute(account, order, instrument, quote);
    if ('code' in outcome) return refuse(socket, id, outcome.code, outcome.figures);
    const { orderId, isDuplicate } = outcome;
    const result = { orderId, clientOrderId: order.clientOrderId, state: 'FILLED', duplicate: isDuplicate };
    send(socket, { type: 'reply', id, ok: true, result });
    if (!isDuplicate) publish(account, outcome);
  }

  function publish(account: string, { orderId, fillId, fill, filledAt }: Executed): void {
    const channel = `orders:${account}`;
    const sequence = (sequences.get(account) ?? 0) + 1;
    sequences.set(account, sequence);
    const data = {
      type: 'order-filled',
      orderId,
      fillId,
      quantity: fill.quantity.toFixed(2),
      price: fill.price.toFixed(5),
      time: filledAt.toISOString(),
    };
    const text = JSON.stringify({ type: 'event', channel, epoch: '1', sequence, data });
    for (const socket of membersOf(channel)) socket.send(text);
  }

  function membersOf(channel: string): Set<WebSocket> {
    const members = subscribers.get(channel) ?? new Set();
    subscribers.set(channel, members);
    return members;
  }
}

function parse(text: string): ClientMessage | undefined {
  try {
    return clientMessage.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function refuse(socket: WebSocket, id: string | null, code: string, figures = {}): void {
  send(socket, { type: 'reply', id, ok: false, problem: { code, figures } });
}

function send(socket: WebSocket, message: object): void {
  socket.send(JSON.stringify(message));
}
