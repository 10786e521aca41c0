/** Users of a load test over real sockets, through the client library. */
import { randomBytes } from 'node:crypto';
import { createHistogram, monitorEventLoopDelay, performance, type RecordableHistogram } from 'node:perf_hooks';
import { WebSocket } from 'ws';
import { NO_ANSWER, StreamClient, type Gap, type StreamListener } from '../../transports/client/client.ts';
import { isAccountChannel } from '../../transports/client/channel.ts';
import type { AccountEvent, OrderRequest, QuoteFrame } from '../../transports/client/wire.ts';
import type { UserPlan } from './plan.ts';
import type { LoadReport, Percentiles } from './report.ts';

export interface LoadOptions {
  readonly url: string;
  readonly token: string;
  readonly plans: readonly UserPlan[];
  readonly seconds: number;
  readonly format: 'json' | 'binary' | 'batch';
  /** What traders trade. */
  readonly symbol: string;
  /** Ends the test before its time. */
  readonly signal: AbortSignal;
}

/** For replies and events that are on their way when the time is over. */
const graceMs = 3_000;
const measureMs = 5_000;

export async function runLoadTest(options: LoadOptions): Promise<LoadReport> {
  const run = new LoadRun(options);
  return run.finish();
}

class LoadRun {
  readonly #options: LoadOptions;
  readonly #quotes = createHistogram();
  readonly #roundTrips = createHistogram();
  /** When the first user had the newest quote of each channel. */
  readonly #firsts = new Map<string, { readonly sequence: number; readonly atMs: number }>();
  readonly #orders = createHistogram();
  readonly #delay = monitorEventLoopDelay({ resolution: 10 });
  readonly #startedMs = performance.now();
  readonly #cpu = process.cpuUsage();
  readonly #clients: StreamClient[] = [];
  readonly #errors = new Map<string, number>();
  readonly #denied = new Map<string, number>();
  readonly #counts = { opened: 0, refused: 0, sent: 0, accepted: 0 };
  readonly #prefix = `load-${randomBytes(4).toString('hex')}`;
  readonly #timers = new Set<NodeJS.Timeout>();
  #isOver = false;
  /** Accepted orders of a trader whose first event has not come. */
  readonly #unseen = new Set<string>();

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#delay.enable();
    for (const plan of options.plans) this.#later(plan.startMs, () => this.#start(plan));
  }

  async finish(): Promise<LoadReport> {
    const { seconds, signal } = this.#options;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, seconds * 1_000);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    const elapsedMs = performance.now() - this.#startedMs;
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const endMs = performance.now() + graceMs;
    while (this.#unseen.size > 0 && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 50));
    if (this.#unseen.size > 0) this.#error('order-without-event', this.#unseen.size);
    const report = this.#report(elapsedMs);
    for (const client of this.#clients) client.close();
    return report;
  }

  #start(plan: UserPlan): void {
    const { url, token, format } = this.#options;
    const { kind } = plan;
    /** The connection that this user has now: some stop reading it, or break it. */
    let socket: WebSocket | undefined;
    const made = (current: WebSocket): void => void (socket = current);
    class Socket extends WebSocket {
      constructor(address: string, protocols: string[]) {
        super(address, protocols, { perMessageDeflate: format === 'batch' });
        made(this);
      }
    }
    let hasOpened = false;
    const seen = new Map<string, number>();
    const listener: StreamListener = {
      onState: (state, detail) => {
        if (state === 'online' && !hasOpened) {
          hasOpened = true;
          this.#counts.opened += 1;
        }
        if (state === 'refused') {
          this.#counts.refused += 1;
          this.#error(`refused: ${detail}`);
        }
        // Those that read slowly, or break their connection, are sent away or come back by the rules.
        if (state === 'waiting' && !this.#isOver && kind !== 'slow' && kind !== 'reconnecting')
          this.#error(`connection lost: ${detail.replace(/; next try.*/, '')}`);
      },
      onGap: (gap) => this.#onGap(kind, gap),
      onProblem: ({ code }) => this.#error(`channel: ${code}`),
      ...(kind === 'slow' ? {} : { onQuote: (quote) => this.#onQuote(quote) }),
      ...(plan.account !== undefined && { onEvent: (_channel, event) => this.#onEvent(event, seen) }),
    };
    const client = new StreamClient({ url, token, format, WebSocket: Socket, listener });
    this.#clients.push(client);
    client.subscribe(plan.channels);
    if (kind !== 'slow') this.#every(measureMs, () => void this.#measure(client));
    if (kind === 'trader') this.#trade(client, plan);
    else if (kind === 'slow') this.#every(plan.everyMs, (n) => (n % 2 === 1 ? socket?.pause() : socket?.resume()));
    else if (kind === 'reconnecting') this.#every(plan.everyMs, () => socket?.terminate());
  }

  #trade(client: StreamClient, { number, account, everyMs }: UserPlan): void {
    this.#every(everyMs, (n) => {
      if (client.state !== 'online') return;
      const clientOrderId = `${this.#prefix}-${number}-${n}`;
      const order: OrderRequest = {
        // Bought and sold in turn, so that little is ever open.
        ...{ clientOrderId, symbol: this.#options.symbol, side: n % 2 === number % 2 ? 'buy' : 'sell' },
        ...{ type: 'market', quantity: '0.01', timeInForce: 'ioc' },
      };
      void this.#send(client, account!, order);
    });
  }

  async #send(client: StreamClient, account: string, order: OrderRequest): Promise<void> {
    const sentMs = performance.now();
    this.#counts.sent += 1;
    this.#unseen.add(order.clientOrderId);
    const answer = await client.submitOrder(account, order);
    record(this.#orders, performance.now() - sentMs);
    if (answer.ok) {
      this.#counts.accepted += 1;
      return;
    }
    const { code, status } = answer.problem;
    // A denial is an answer, and an event; whatever else is none.
    if (status === 422) this.#denied.set(code, (this.#denied.get(code) ?? 0) + 1);
    else {
      this.#unseen.delete(order.clientOrderId);
      if (!(code === NO_ANSWER && this.#isOver)) this.#error(`order: ${code}`);
    }
  }

  #onEvent(event: AccountEvent, seen: Map<string, number>): void {
    const id = event['clientOrderId'];
    if (typeof id !== 'string' || !id.startsWith(this.#prefix)) return;
    this.#unseen.delete(id);
    const times = (seen.get(id) ?? 0) + 1;
    seen.set(id, times);
    if (times > 1) this.#error('event-twice');
  }

  #onQuote({ channel, sequence }: QuoteFrame): void {
    const nowMs = performance.now();
    const first = this.#firsts.get(channel);
    if (!first || sequence > first.sequence) this.#firsts.set(channel, { sequence, atMs: nowMs });
    else if (sequence === first.sequence) record(this.#quotes, nowMs - first.atMs);
  }

  async #measure(client: StreamClient): Promise<void> {
    const roundTripMs = await client.ping();
    if (!Number.isNaN(roundTripMs)) record(this.#roundTrips, roundTripMs);
  }

  /** A line that was cut is no loss: what was missed is replayed. Whatever else breaks off is. */
  #onGap(kind: UserPlan['kind'], { channel, reason }: Gap): void {
    if (kind !== 'slow' && isAccountChannel(channel)) this.#error(`gap: ${reason}`);
  }

  #error(what: string, count = 1): void {
    this.#errors.set(what, (this.#errors.get(what) ?? 0) + count);
  }

  #every(periodMs: number, act: (n: number) => void): void {
    let n = 0;
    const next = (): void => {
      n += 1;
      act(n);
      this.#later(periodMs, next);
    };
    this.#later(periodMs * (0.5 + Math.random() / 2), next);
  }

  #later(delayMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#isOver) act();
    }, delayMs);
    this.#timers.add(timer);
  }

  #report(elapsedMs: number): LoadReport {
    const { url, plans } = this.#options;
    const sum = (of: keyof StreamClient['counts']): number =>
      this.#clients.reduce((total, { counts }) => total + counts[of], 0);
    const { user, system } = process.cpuUsage(this.#cpu);
    this.#delay.disable();
    return {
      ...{ url, users: plans.length, seconds: Math.round(elapsedMs / 1_000) },
      connections: { opened: this.#counts.opened, reconnects: sum('reconnects'), refused: this.#counts.refused },
      ...{ deliveries: sum('frames'), deliveriesPerSecond: (sum('frames') * 1_000) / elapsedMs },
      quoteSpreadMs: percentiles(this.#quotes),
      roundTripMs: percentiles(this.#roundTrips),
      orderAcknowledgementMs: percentiles(this.#orders),
      orders: { sent: this.#counts.sent, accepted: this.#counts.accepted, denied: Object.fromEntries(this.#denied) },
      errors: Object.fromEntries(this.#errors),
      gaps: {
        ...{ seen: sum('gaps'), duplicates: sum('duplicates'), skipped: sum('skipped'), resyncs: sum('resyncs') },
      },
      generator: {
        cpuShare: (user + system) / 1_000 / elapsedMs,
        loopDelayP99Ms: this.#delay.percentile(99) / 1e6,
        residentMb: process.memoryUsage.rss() / 1e6,
      },
    };
  }
}

/** Kept in microseconds. */
function record(histogram: RecordableHistogram, valueMs: number): void {
  histogram.record(Math.max(1, Math.round(valueMs * 1_000)));
}

function percentiles(histogram: RecordableHistogram): Percentiles {
  const { count } = histogram;
  if (count === 0) return { count: 0, p50: 0, p95: 0, p99: 0, max: 0 };
  const at = (percent: number): number => histogram.percentile(percent) / 1_000;
  return { count, p50: at(50), p95: at(95), p99: at(99), max: histogram.max / 1_000 };
}
