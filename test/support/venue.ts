/**
 * A broker with a memory of its own behind a link that fails where it is told to. It does not look for duplicates: an order that reaches
 * it twice is executed twice, and its deals tell. Everything takes a few milliseconds of the virtual clock, each way.
 */
import type {
  Broker,
  BrokerLogin,
  BrokerMessage,
  BrokerOrder,
  BrokerOrderStatus,
  BrokerPosition,
  BrokerReport,
  RejectCode,
} from '../../actors/trading/broker.ts';
import type { Clock } from '../../runtime/clock.ts';

/** What is on its way when the fault strikes. */
export const steps = ['place', 'cancel', 'query', 'accepted', 'filled', 'canceled', 'rejected', 'statement'] as const;
export type Step = (typeof steps)[number];

export const troubles = [
  'lose',
  'delay',
  'duplicate',
  'reorder',
  'disconnect',
  'crash-account',
  'crash-session',
] as const;
export type Trouble = (typeof troubles)[number];

/** What becomes of an order at the venue. */
export type Fate =
  | { readonly type: 'fill' | 'partial' | 'rest' }
  | { readonly type: 'reject'; readonly code: RejectCode };

export interface Deal {
  readonly orderId: string;
  readonly quantity: bigint;
}

type Outcome = Pick<BrokerReport, 'type'> & Readonly<Record<string, unknown>>;

interface Known {
  readonly order: BrokerOrder;
  status: 'working' | 'filled' | 'canceled' | 'rejected';
  reason: string;
  last: BrokerReport;
  readonly executions: { executionId: string; quantity: bigint; price: bigint; timeMicros: number }[];
}

const latencyMs = 5;
const delayMs = 4_000;
const awayMs = 3_000;
const requests: ReadonlySet<Step> = new Set<Step>(['place', 'cancel', 'query']);

export class Venue implements Broker {
  readonly venue = 'venue';
  readonly memory = 'own';
  readonly deals: Deal[] = [];
  /** How often each order has reached it. */
  readonly arrivals = new Map<string, number>();
  fate: Fate = { type: 'fill' };
  /** Strikes once. */
  fault: { readonly at: Step; readonly trouble: Trouble } | undefined;
  /** Monotonic: from then on the last fault is over. */
  answersAgainMs = 0;
  onCrash: (which: 'account' | 'broker-session') => void = () => {};
  readonly #clock: Clock;
  readonly #orders = new Map<string, Known>();
  readonly #refused = new Set<string>();
  readonly #net = new Map<string, bigint>();
  #isUp = true;
  #tell: ((message: BrokerMessage) => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  login(_account: string, _book: unknown, onMessage: (message: BrokerMessage) => void): BrokerLogin {
    this.#tell = onMessage;
    const isCurrent = (): boolean => this.#tell === onMessage;
    const send = (step: Step, arrive: () => void): void => {
      if (isCurrent()) this.#carry(step, arrive);
    };
    return {
      place: (order) => send('place', () => this.#place(order)),
      amend: () => {},
      cancel: (orderId) => send('cancel', () => this.#cancel(orderId)),
      query: (queryId, orderIds, isAll) => send('query', () => this.#query(queryId, orderIds, isAll)),
      close: () => {
        if (isCurrent()) this.#tell = undefined;
      },
    };
  }

  /** What it has of an order, for the account of it at the end. */
  known(orderId: string): { readonly status: Known['status']; readonly filled: bigint } | undefined {
    const known = this.#orders.get(orderId);
    return (
      known && { status: known.status, filled: known.executions.reduce((sum, { quantity }) => sum + quantity, 0n) }
    );
  }

  net(symbol: string): bigint {
    return this.#net.get(symbol) ?? 0n;
  }

  /** One message over the link. */
  #carry(step: Step, arrive: () => void): void {
    const strikes = this.fault?.at === step ? this.fault.trouble : undefined;
    if (strikes) this.fault = undefined;
    if (!this.#isUp) return;
    const later = (ms: number, run = arrive): void => void this.#clock.after(ms, () => this.#isUp && run());
    switch (strikes) {
      case undefined:
        return later(latencyMs);
      case 'lose':
        return this.#over(0);
      case 'delay':
        this.#over(delayMs);
        return later(delayMs);
      case 'duplicate':
        this.#over(0);
        later(latencyMs);
        // Only answers: that a request is carried once is what the venue relies on.
        if (!requests.has(step)) later(latencyMs * 10);
        return;
      case 'reorder':
        this.#over(0);
        return later(latencyMs * 20);
      case 'disconnect':
        return this.#disconnect();
      case 'crash-account':
      case 'crash-session':
        this.#over(0);
        later(latencyMs);
        return this.onCrash(strikes === 'crash-account' ? 'account' : 'broker-session');
    }
  }

  #over(inMs: number): void {
    this.answersAgainMs = this.#clock.monotonicMs() + inMs;
  }

  #disconnect(): void {
    this.#isUp = false;
    this.#over(awayMs);
    this.#tell?.({ type: 'disconnected', reason: 'the link broke' });
    this.#clock.after(awayMs, () => {
      this.#isUp = true;
      this.#tell?.({ type: 'connected' });
    });
  }

  #place(order: BrokerOrder): void {
    const { orderId, quantity } = order;
    this.arrivals.set(orderId, (this.arrivals.get(orderId) ?? 0) + 1);
    if (this.#refused.has(orderId)) return this.#report(orderId, { type: 'canceled', reason: 'never-arrived' });
    const { fate } = this;
    const known = { order, status: 'working', reason: '', executions: [] as Known['executions'] } as Omit<
      Known,
      'last'
    > as Known;
    this.#orders.set(orderId, known);
    if (fate.type === 'reject') {
      known.status = 'rejected';
      known.reason = fate.code;
      return this.#report(orderId, { type: 'rejected', reason: fate.code });
    }
    this.#report(orderId, { type: 'accepted' });
    const parts = fate.type === 'partial' ? [quantity / 4n, quantity - quantity / 4n] : [quantity];
    if (fate.type === 'rest') return;
    for (const [i, part] of parts.entries()) this.#clock.after(10 * (i + 1), () => this.#execute(known, part));
  }

  #execute(known: Known, quantity: bigint): void {
    if (known.status !== 'working') return;
    const { order, executions } = known;
    const { orderId, symbol, side } = order;
    this.deals.push({ orderId, quantity });
    this.#net.set(symbol, this.net(symbol) + (side === 'buy' ? quantity : -quantity));
    const executionId = `${orderId}-${executions.length + 1}-${this.deals.length}`;
    const execution = { executionId, quantity, price: 108_000_000n };
    executions.push({ ...execution, timeMicros: this.#clock.wallMicros() });
    const { filled } = this.known(orderId)!;
    if (filled >= order.quantity) known.status = 'filled';
    this.#report(orderId, { type: 'filled', ...execution });
  }

  #cancel(orderId: string): void {
    const known = this.#orders.get(orderId);
    if (!known) {
      this.#refused.add(orderId);
      return this.#report(orderId, { type: 'canceled', reason: 'never-arrived' });
    }
    if (known.status === 'working') {
      known.status = 'canceled';
      known.reason = 'requested';
      return this.#report(orderId, { type: 'canceled', reason: 'requested' });
    }
    this.#send(known.last);
  }

  #query(queryId: string, orderIds: readonly string[], isAll: boolean): void {
    const working = [...this.#orders].filter(([, { status }]) => status === 'working').map(([orderId]) => orderId);
    const ids = new Set([...orderIds, ...(isAll ? working : [])]);
    const orders = [...ids].map((orderId) => this.#statusOf(orderId));
    const positions: BrokerPosition[] = [...this.#net]
      .filter(([, net]) => net !== 0n)
      .map(([symbol, net]) => ({
        positionId: symbol,
        symbol,
        side: net > 0n ? 'buy' : 'sell',
        quantity: net > 0n ? net : -net,
      }));
    const statement = { queryId, timeMicros: this.#clock.wallMicros(), orders, ...(isAll ? { positions } : {}) };
    this.#carry('statement', () => this.#tell?.({ type: 'statement', statement }));
  }

  #statusOf(orderId: string): BrokerOrderStatus {
    const known = this.#orders.get(orderId);
    if (!known) {
      this.#refused.add(orderId);
      return { orderId, executions: [], state: 'not-known' };
    }
    const { orderId: _id, ...order } = known.order;
    const common = { orderId, executions: [...known.executions] };
    switch (known.status) {
      case 'working':
        return { ...common, state: 'working', order, isOurs: true };
      case 'filled':
        return { ...common, state: 'filled' };
      case 'canceled':
        return { ...common, state: 'canceled', reason: 'requested' };
      case 'rejected':
        return { ...common, state: 'rejected', reason: known.reason };
    }
  }

  #report(orderId: string, outcome: Outcome): void {
    const report = { orderId, venue: this.venue, timeMicros: this.#clock.wallMicros(), ...outcome } as BrokerReport;
    const known = this.#orders.get(orderId);
    if (known) known.last = report;
    this.#send(report);
  }

  #send(report: BrokerReport): void {
    const step = steps.find((each) => each === report.type) ?? 'statement';
    this.#carry(step, () => this.#tell?.({ type: 'report', report }));
  }
}
