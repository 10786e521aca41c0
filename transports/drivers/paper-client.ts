/** What the paper broker knows of one account. Orders go on working while nobody is logged in. */
import type {
  BrokerMessage,
  BrokerOrder,
  BrokerOrderStatus,
  BrokerPosition,
  BrokerReport,
} from '../../actors/trading/broker.ts';
import type { CancelReason, OrderChange } from '../../actors/trading/events.ts';
import type { Timer } from '../../runtime/clock.ts';
import type { Resting } from './paper-book.ts';

export type Outcome =
  | { type: 'accepted' | 'triggered' | 'expired' }
  | { type: 'rejected' | 'update-rejected' | 'cancel-rejected'; reason: string }
  | { type: 'filled'; executionId: string; quantity: bigint; price: bigint }
  | { type: 'canceled'; reason: CancelReason }
  | { type: 'updated'; change: OrderChange }
  | { type: 'trailed'; stopPrice: bigint };

export interface WorkingAt {
  readonly resting: Resting<PaperClient>;
  expiry: Timer | undefined;
}

/** How many ended orders are remembered; the oldest are forgotten first. An account asks again only about orders that it knows as working. */
const endedKept = 1_000;

export class PaperClient {
  onMessage: ((message: BrokerMessage) => void) | undefined;
  readonly working = new Map<string, WorkingAt>();
  /** How each order ended, so that placing or canceling it again gives the same answer. */
  readonly ended = new Map<string, { readonly report: BrokerReport }>();
  readonly #executions = new Map<string, Extract<BrokerReport, { type: 'filled' }>[]>();
  /** Net quantity by symbol, above zero for a long one; and what is left of positions that orders close by their id. */
  readonly #net = new Map<string, bigint>();
  readonly #byId = new Map<string, BrokerPosition>();
  readonly #deliver: (run: () => void) => void;

  constructor(deliver: (run: () => void) => void) {
    this.#deliver = deliver;
  }

  takeOver(positions: readonly BrokerPosition[]): void {
    for (const position of positions) {
      this.#byId.set(position.positionId, position);
      this.#add(position.symbol, position.side, position.quantity);
    }
  }

  isEnded(orderId: string): boolean {
    return this.ended.has(orderId);
  }

  /** Of what is open, how much an order that only reduces may close. */
  reducible({ symbol, side, positionId }: BrokerOrder): bigint {
    const named = positionId === undefined ? undefined : this.#byId.get(positionId);
    // A position that was opened since the login is known by its net quantity alone.
    if (named) return named.quantity;
    const net = this.#net.get(symbol) ?? 0n;
    if (positionId !== undefined) return net < 0n ? -net : net;
    return side === 'sell' ? (net > 0n ? net : 0n) : net < 0n ? -net : 0n;
  }

  onFill({ symbol, side, positionId }: BrokerOrder, quantity: bigint): void {
    this.#add(symbol, side, quantity);
    const named = positionId === undefined ? undefined : this.#byId.get(positionId);
    if (named) this.#byId.set(named.positionId, { ...named, quantity: named.quantity - quantity });
  }

  #add(symbol: string, side: 'buy' | 'sell', quantity: bigint): void {
    this.#net.set(symbol, (this.#net.get(symbol) ?? 0n) + (side === 'buy' ? quantity : -quantity));
  }

  /** All that was said of an order, once more: whoever hears it twice changes nothing. */
  repeat(orderId: string): void {
    for (const report of this.#executions.get(orderId) ?? []) this.send(report);
    const report = this.ended.get(orderId)?.report;
    if (report && report.type !== 'filled') this.send(report);
  }

  executed(orderId: string, report: BrokerReport): void {
    if (report.type !== 'filled') return;
    this.#executions.set(orderId, [...(this.#executions.get(orderId) ?? []), report]);
  }

  end(orderId: string, report: BrokerReport, isTold: boolean): void {
    this.working.delete(orderId);
    this.ended.set(orderId, { report });
    if (this.ended.size > endedKept) {
      const oldest = this.ended.keys().next().value!;
      this.ended.delete(oldest);
      this.#executions.delete(oldest);
    }
    if (isTold) this.send(report);
  }

  statusOf(orderId: string): BrokerOrderStatus | undefined {
    const executions = (this.#executions.get(orderId) ?? []).map(({ executionId, quantity, price, timeMicros }) => ({
      ...{ executionId, quantity, price, timeMicros },
    }));
    const working = this.working.get(orderId);
    if (working) {
      const { orderId: _id, ...order } = working.resting.order;
      return { orderId, executions, state: 'working', order, isOurs: true };
    }
    const report = this.ended.get(orderId)?.report;
    if (report?.type === 'filled' || report?.type === 'expired') return { orderId, executions, state: report.type };
    if (report?.type === 'canceled') return { orderId, executions, state: 'canceled', reason: report.reason };
    if (report?.type === 'rejected') return { orderId, executions, state: 'rejected', reason: report.reason };
    return undefined;
  }

  /** Net, as a netting account has them. */
  positionList(): BrokerPosition[] {
    return [...this.#net]
      .filter(([, net]) => net !== 0n)
      .map(([symbol, net]) => ({
        ...{ positionId: symbol, symbol, side: net > 0n ? 'buy' : 'sell', quantity: net > 0n ? net : -net },
      }));
  }

  send(report: BrokerReport): void {
    this.tell({ type: 'report', report });
  }

  /** To whoever is logged in when the message arrives; to nobody otherwise, who asks again. */
  tell(message: BrokerMessage): void {
    this.#deliver(() => this.onMessage?.(message));
  }
}
