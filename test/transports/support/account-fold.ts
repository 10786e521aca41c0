/** An account as a client of its channels knows it: snapshots, and the events behind them. Notes what does not fit. */
import { WebSocket } from 'ws';
import { StreamClient } from '../../../transports/client/client.ts';
import type { AccountEvent } from '../../../transports/client/wire.ts';

interface OrderItem {
  readonly orderId: string;
  state: string;
  filledQuantity: string;
}

interface PositionItem {
  readonly positionId: string;
  readonly side: string;
  readonly quantity: string;
  readonly averagePrice: string;
}

const ended: ReadonlySet<string> = new Set([
  'order-filled',
  'order-canceled',
  'order-expired',
  'order-rejected',
  'order-denied',
]);

export function accountChannels(account: string): readonly string[] {
  return ['orders', 'positions', 'account'].map((kind) => `${kind}:${account}`);
}

export interface Following {
  readonly client: StreamClient;
  /** There is a snapshot of each channel. */
  readonly begun: Promise<void>;
}

/** Follows all channels of the fold's account. @param random spreads the waits before a reconnect, 0 to 1 */
export function followAccount(url: string, token: string, fold: AccountFold, random: () => number): Following {
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const channels = accountChannels(fold.account);
  const waiting = new Set(channels);
  const client = new StreamClient({
    ...{ url, token, WebSocket, random },
    listener: {
      onSnapshot(channel, data, sequence) {
        fold.onSnapshot(channel, data, sequence);
        waiting.delete(channel);
        if (waiting.size === 0) resolve();
      },
      onEvent: (channel, event, sequence) => fold.onEvent(channel, event, sequence),
    },
  });
  client.subscribe(channels);
  return { client, begun };
}

export class AccountFold {
  /** Events that came twice, too early, or without anything they could stand on. */
  readonly faults: string[] = [];
  readonly events: { readonly channel: string; readonly sequence: number; readonly event: AccountEvent }[] = [];
  readonly account: string;
  readonly #sequences: Record<string, number> = {};
  readonly #orders = new Map<string, OrderItem>();
  readonly #positions = new Map<string, PositionItem>();
  #balance = '';

  constructor(account: string) {
    this.account = account;
  }

  get state(): object {
    const { orders, positions, account } = this.#sequences;
    return {
      sequences: { orders, positions, account },
      orders: [...this.#orders.values()],
      positions: [...this.#positions.values()],
      balance: this.#balance,
    };
  }

  onSnapshot(channel: string, data: unknown, sequence: number): void {
    const kind = this.#kindOf(channel);
    if (!kind) return;
    this.#sequences[kind] = sequence;
    const { items = [], balance } = data as { items?: readonly (OrderItem & PositionItem)[]; balance?: string };
    if (kind === 'orders') {
      this.#orders.clear();
      for (const { orderId, state, filledQuantity } of items)
        this.#orders.set(orderId, { orderId, state, filledQuantity });
    } else if (kind === 'positions') {
      this.#positions.clear();
      for (const item of items) this.#setPosition(item);
    } else this.#balance = balance!;
  }

  onEvent(channel: string, event: AccountEvent, sequence: number): void {
    const kind = this.#kindOf(channel);
    if (!kind) return;
    const due = (this.#sequences[kind] ?? 0) + 1;
    if (sequence !== due) this.faults.push(`${channel}: ${sequence} came where ${due} was due`);
    this.#sequences[kind] = sequence;
    this.events.push({ channel, sequence, event });
    if (kind === 'orders') this.#onOrder(event);
    else if (kind === 'positions') this.#onPosition(event as AccountEvent & PositionItem);
    else if (event.type === 'balance-changed') this.#balance = String(event['balance']);
  }

  #kindOf(channel: string): 'orders' | 'positions' | 'account' | undefined {
    const [kind, account] = channel.split(':');
    if (account !== this.account) return undefined;
    return kind === 'orders' || kind === 'positions' || kind === 'account' ? kind : undefined;
  }

  #onOrder(event: AccountEvent): void {
    const orderId = String(event['orderId']);
    if (event.type === 'order-submitted')
      this.#orders.set(orderId, { orderId, state: 'SUBMITTED', filledQuantity: '0.00' });
    else if (ended.has(event.type)) this.#orders.delete(orderId);
    else {
      const known = this.#orders.get(orderId);
      if (!known) return void this.faults.push(`${event.type} of ${orderId}, which is not known`);
      known.state = event.type.slice('order-'.length).replaceAll('-', '_').toUpperCase();
      const filled = event['filledQuantity'];
      if (typeof filled === 'string') known.filledQuantity = filled;
    }
    return undefined;
  }

  #onPosition(event: AccountEvent & PositionItem): void {
    if (event.type === 'position-closed') this.#positions.delete(event.positionId);
    else this.#setPosition(event);
  }

  #setPosition({ positionId, side, quantity, averagePrice }: PositionItem): void {
    this.#positions.set(positionId, { positionId, side, quantity, averagePrice });
  }
}
