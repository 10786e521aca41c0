/** A platform of its own for recorded ticks: the same price stream, account and paper broker, living in the time of the ticks. */
import { createHash } from 'node:crypto';
import { QuoteBoard, isCrossed, type Quote } from '../actors/market/quote.ts';
import { pricePath, type PriceStreamMessage, type Tick } from '../actors/price-stream.ts';
import { accountPath, type TradingAccountMessage } from '../actors/trading-account.ts';
import { intervalMicros } from '../actors/market/candle.ts';
import type { Account } from '../actors/trading/account.ts';
import { valuationOf } from '../actors/trading/margin.ts';
import { formatScaled } from '../actors/trading/money.ts';
import type { StrategyConfig } from '../config/strategies.ts';
import { AccountBoard } from '../actors/trading/account-board.ts';
import { LimitBoard } from '../actors/trading/limit-board.ts';
import { KillSwitchBoard } from '../actors/trading/kill-switch.ts';
import type { AccountCommand } from '../actors/trading/commands.ts';
import type { Prices } from '../actors/trading/conversion.ts';
import type { OrderTerms } from '../actors/trading/events.ts';
import type { Instrument } from '../actors/trading/instrument.ts';
import type { PlatformTopics } from '../actors/trading/topics.ts';
import { accountView } from '../actors/trading/view.ts';
import type { RegisteredAccount } from '../actors/tenant.ts';
import { limits, riskLimits } from '../config/limits.ts';
import { silentLog } from '../runtime/actor.ts';
import { VirtualClock } from '../runtime/clock.ts';
import { EventBus } from '../runtime/event-bus.ts';
import type { Journal } from '../runtime/journal.ts';
import type { ActorRef } from '../runtime/ref.ts';
import { createSystem, type ActorSystem } from '../runtime/system.ts';
import { infrastructure, isolated } from '../supervisors/policies.ts';
import { createPaperBroker, type PaperBroker } from '../transports/drivers/paper-broker.ts';
import { randomOf } from './random.ts';
import { tradingDays } from './hours.ts';
import { strategyWorker } from './strategies.ts';
import { marketSubtree } from './market.ts';
import { accountSubtree, journalWriterSpec, type Stage } from './stage.ts';

export interface ReplayOptions {
  readonly instruments: ReadonlyMap<string, Instrument>;
  readonly symbol: string;
  readonly ticks: AsyncIterable<readonly Tick[]>;
  /** Orders to send when their time has come, in order of time. */
  readonly orders: readonly TimedOrder[];
  /** Seeded limit orders around the first good quote, for each account. */
  readonly resting: number;
  readonly seed: number;
  /** Trades on the first account. */
  readonly strategy?: Pick<StrategyConfig, 'interval' | 'kind' | 'parameters' | 'limits'>;
  /** Seconds of the recording a second; Infinity: as fast as it goes. */
  readonly speed: number;
  readonly journal: Journal;
  /** Where the accounts stand in the journal. */
  readonly tenantId: number;
  readonly accountIds: readonly number[];
  epochOf(slot: number): number;
  onProgress?(ticks: number): void;
}

export interface TimedOrder {
  readonly timeMicros: number;
  readonly terms: OrderTerms;
}

export interface ReplaySummary {
  readonly symbol: string;
  readonly ticks: number;
  /** That the ticks took. */
  readonly seconds: number;
  readonly ticksPerSecond: number;
  readonly gaps: number;
  readonly crossedQuotes: number;
  readonly orders: number;
  readonly denied: number;
  readonly fills: number;
  readonly fillsOnCrossedQuotes: number;
  /** The deepest fall of the first account's equity below its peak, seen at each candle of its strategy; percent, decimal text. */
  readonly maxDrawdownPercent?: string;
  /** Of the first account, decimal text with its currency. */
  readonly endBalance: string;
  readonly endEquity: string;
  /** SHA-256 over every event and the end state of all accounts: the same replay gives the same. */
  readonly stateHash: string;
}

const tenant = { tenantId: 0, tenant: 'replay' };
const deposit = 100_000n * 10n ** 8n;
const ask = { timeoutMs: 60_000 };

export async function replay(options: ReplayOptions): Promise<ReplaySummary> {
  const run = new Replay(options);
  await run.start();
  try {
    return await run.play();
  } finally {
    await run.stop();
  }
}

class Replay {
  readonly #options: ReplayOptions;
  readonly #clock: VirtualClock;
  readonly #system: ActorSystem;
  readonly #stage: Stage;
  readonly #broker: PaperBroker;
  readonly #accounts: readonly RegisteredAccount[];
  readonly #instrument: Instrument;
  readonly #hash = createHash('sha256');
  readonly #counts = { ticks: 0, crossed: 0, orders: 0, denied: 0, fills: 0, fillsOnCrossed: 0 };
  readonly #orders: TimedOrder[];
  #stream!: ActorRef<PriceStreamMessage>;
  /** The broker has something to say about the tick in hand. */
  #hasReports = false;
  #isSetUp = false;
  /** Of the strategy: count of the one that ticks are in, the highest equity at the end of one, and the deepest fall below it, in millionths. */
  #candle = Number.NaN;
  #peak = deposit;
  #drawdown = 0n;
  /** Spent on opening accounts and placing the resting orders; no part of the ticks' time. */
  #setUpMs = 0;
  /** Commits under way. */
  readonly #appends = new Set<Promise<void>>();
  #fault: Error | undefined;

  constructor(options: ReplayOptions) {
    const instrument = options.instruments.get(options.symbol);
    if (!instrument)
      throw new RangeError(
        `symbol must be one of ${[...options.instruments.keys()].join(', ')}, was ${options.symbol}`,
      );
    this.#options = options;
    this.#instrument = instrument;
    this.#orders = options.orders.toSorted((a, b) => a.timeMicros - b.timeMicros);
    this.#clock = new VirtualClock();
    this.#system = createSystem({ name: 'replay', clock: this.#clock, log: silentLog });
    const bus = new EventBus<PlatformTopics>((error) => {
      throw error;
    });
    const quotes = new QuoteBoard();
    this.#broker = createPaperBroker({
      ...{ clock: this.#clock, quotes, instrument: (symbol) => options.instruments.get(symbol) },
      deliver: (report) => {
        this.#hasReports = true;
        queueMicrotask(report);
      },
    });
    // Time first, then the broker: an order is matched at the time of the tick.
    bus.subscribe('quotes', (quote) => this.#onQuote(quote));
    bus.subscribe('quotes', (quote) => this.#broker.onQuote(quote));
    this.#stage = {
      ...{
        system: this.#system,
        bus,
        quotes,
        instruments: new Map([[instrument.symbol, instrument]]),
        marketEpoch: 'replay',
      },
      ...{
        journal: this.#watched(options.journal),
        broker: this.#broker,
        epochOf: options.epochOf,
        lookUpCommand: async () => undefined,
      },
      limits: {
        ...{ ...limits, account: { ...limits.account, recentCommands: Infinity } },
        // The broker is in this process and has nothing but what it was given: there is nothing to compare.
        broker: { ...limits.broker, reconcileMs: Infinity },
      },
      risk: new LimitBoard({
        ...{ ...riskLimits, maxWorkingOrders: Math.max(riskLimits.maxWorkingOrders, options.resting) },
      }),
      guard: { minConfidence: 10n ** 8n, quantity: 0n },
      accounts: new AccountBoard(),
      killSwitches: new KillSwitchBoard(),
      hours: () => undefined,
      days: tradingDays(),
    };
    this.#accounts = options.accountIds.map((accountId, i) => ({
      ...{
        accountId,
        account: i === 0 ? 'replay' : `replay-${i + 1}`,
        currency: 'USD',
        owner: 'replay',
        streamEpoch: 'replay',
        aiMayOrder: false,
      },
    }));
    this.#system.events.subscribe({ types: ['crashed'] }, (event) => {
      if (event.type === 'crashed') this.#fault ??= new Error(`${event.path} crashed: ${event.error.message}`);
    });
    bus.subscribe('commits', ({ account, seq, events }) => {
      for (const { event, json } of events) {
        this.#hash.update(`${account} ${seq} ${json}\n`);
        if (event.type === 'order-submitted') this.#counts.orders += 1;
        if (event.type === 'order-denied') this.#counts.denied += 1;
        if (event.type !== 'order-filled' && event.type !== 'order-partially-filled') continue;
        this.#counts.fills += 1;
        const quote = quotes.get(options.symbol);
        if (quote && isCrossed(quote)) this.#counts.fillsOnCrossed += 1;
      }
    });
  }

  async start(): Promise<void> {
    const { tenantId } = this.#options;
    const accounts = { id: 'accounts', strategy: 'dynamic', policy: isolated, children: [] } as const;
    await this.#system.start({
      ...{ id: 'platform', strategy: 'rest-for-one', policy: infrastructure },
      children: [
        { id: 'storage', strategy: 'one-for-one', policy: infrastructure, children: [journalWriterSpec(this.#stage)] },
        marketSubtree(this.#stage, {}),
        {
          id: 'tenants',
          strategy: 'dynamic',
          policy: isolated,
          children: [{ ...accounts, id: tenant.tenant, children: [accounts] }],
        },
      ],
    });
    for (const account of this.#accounts) {
      await this.#system.spawn(
        `/tenants/${tenant.tenant}/accounts`,
        accountSubtree(this.#stage, { ...tenant, tenantId }, account),
      );
    }
    this.#stream = this.#system.find<PriceStreamMessage>(pricePath(this.#options.symbol))!;
    const { strategy, symbol } = this.#options;
    if (!strategy) return;
    const named = { id: 'replay', tenant: tenant.tenant, account: this.#accounts[0]!.account, symbol };
    await this.#system.spawn('/', strategyWorker(this.#stage, { ...named, ...strategy }, false));
  }

  async play(): Promise<ReplaySummary> {
    const { ticks, speed, onProgress } = this.#options;
    const startedMs = performance.now();
    let firstMicros: number | undefined;
    for await (const batch of ticks) {
      let from = 0;
      for (const [at, tick] of batch.entries()) {
        if (firstMicros !== undefined && speed === Infinity && this.#isUneventful(tick)) continue;
        await this.#pass(batch, from, at);
        from = at + 1;
        if (firstMicros === undefined) {
          firstMicros = tick.timeMicros;
          this.#clock.advanceTo(firstMicros);
          await this.#settingUp(() => this.#openAccounts());
        }
        if (speed !== Infinity) await pace(startedMs, (tick.timeMicros - firstMicros) / 1000 / speed);
        await this.#onTick(tick);
      }
      await this.#pass(batch, from, batch.length);
      await this.#quiet();
      onProgress?.(this.#counts.ticks);
    }
    return this.#summary((performance.now() - startedMs - this.#setUpMs) / 1000);
  }

  stop(): Promise<void> {
    return this.#system.stop();
  }

  /** Nothing can come of it but a new price: no order is due or reached, and no timer rings before it. */
  #isUneventful(tick: Tick): boolean {
    const { symbol } = this.#options;
    const [next] = this.#orders;
    return (
      this.#isSetUp &&
      !this.#hasReports &&
      !this.#beginsCandle(tick) &&
      !(next && next.timeMicros < tick.timeMicros) &&
      tick.timeMicros < this.#clock.nextDueMicros &&
      !this.#broker.isReachedBy({ symbol, ...tick })
    );
  }

  /** By which the strategy has another candle to look at. */
  #beginsCandle({ timeMicros }: Tick): boolean {
    const { strategy } = this.#options;
    return strategy !== undefined && Math.floor(timeMicros / intervalMicros(strategy.interval)) !== this.#candle;
  }

  /** What a strategy makes of a candle runs its course before the next tick, too. */
  async #onCandle(tick: Tick): Promise<void> {
    const { strategy } = this.#options;
    if (!strategy || !this.#beginsCandle(tick)) return;
    this.#candle = Math.floor(tick.timeMicros / intervalMicros(strategy.interval));
    await this.#quiet();
    const [first] = this.#accounts;
    const held = this.#stage.accounts.get(this.#options.tenantId, first!.accountId);
    const equity = held && valuationOf(held.state, this.#prices)?.equity;
    if (equity === undefined) return;
    if (equity > this.#peak) this.#peak = equity;
    const fall = ((this.#peak - equity) * 1_000_000n) / this.#peak;
    if (fall > this.#drawdown) this.#drawdown = fall;
  }

  /** Uneventful ticks go to the price stream together: a turn of the scheduler for each would cost more than the tick. */
  async #pass(batch: readonly Tick[], from: number, to: number): Promise<void> {
    if (from === to) return;
    const before = this.#counts.ticks;
    this.#stream.tell({ type: 'ticks', ticks: batch.slice(from, to) });
    await Promise.resolve();
    if (this.#counts.ticks !== before + to - from) await this.#quiet();
  }

  async #onTick(tick: Tick): Promise<void> {
    while (this.#orders[0] && this.#orders[0].timeMicros < tick.timeMicros) {
      const { timeMicros, terms } = this.#orders.shift()!;
      this.#clock.advanceTo(timeMicros);
      await this.#submit(this.#accounts[0]!, terms);
    }
    const before = this.#counts.ticks;
    this.#stream.tell({ type: 'ticks', ticks: [tick] });
    // The scheduler runs in a microtask, so one of our own behind it finds the tick handled, but for the last of a long turn.
    await Promise.resolve();
    if (this.#counts.ticks === before) await this.#quiet();
    if (!this.#isSetUp && tick.bid < tick.ask) {
      this.#isSetUp = true;
      await this.#settingUp(() => this.#placeResting(tick));
    }
    await this.#onCandle(tick);
    if (!this.#hasReports) return;
    // What the broker reports runs its course before the next tick, so that every decision is made at its own time.
    this.#hasReports = false;
    await this.#quiet();
  }

  /** Nothing is left to do, and whatever was decided is durable. @throws an actor has crashed: the replay would not be one */
  async #quiet(): Promise<void> {
    for (await this.#system.idle(); this.#appends.size > 0; await this.#system.idle()) await Promise.all(this.#appends);
    if (this.#fault) throw this.#fault;
  }

  #watched(journal: Journal): Journal {
    const append = async (batch: Parameters<Journal['append']>[0]): ReturnType<Journal['append']> => {
      const appended = journal.append(batch);
      const settled: Promise<void> = appended.then(
        () => void this.#appends.delete(settled),
        () => void this.#appends.delete(settled),
      );
      this.#appends.add(settled);
      return appended;
    };
    return {
      append,
      settle: (batch) => journal.settle(batch),
      read: (key, afterSeq) => journal.read(key, afterSeq),
      lastSeqs: (tenantId) => journal.lastSeqs(tenantId),
    };
  }

  #onQuote(quote: Quote): void {
    this.#clock.advanceTo(quote.timeMicros);
    this.#counts.ticks += 1;
    if (isCrossed(quote)) this.#counts.crossed += 1;
  }

  async #settingUp(work: () => Promise<void>): Promise<void> {
    const startedMs = performance.now();
    await work();
    this.#setUpMs += performance.now() - startedMs;
  }

  async #placeResting(tick: Tick): Promise<void> {
    for (const account of this.#accounts) {
      for (const terms of this.#restingOrders(tick)) await this.#submit(account, terms);
    }
  }

  async #openAccounts(): Promise<void> {
    for (const account of this.#accounts) {
      await this.#command(account, {
        type: 'open-account',
        currency: 'USD',
        oms: 'netting',
        leverage: 30,
        aiMayOrder: false,
      });
      await this.#command(account, { type: 'deposit', reference: 'replay', amount: deposit });
    }
  }

  /** Half of them buys below, half sells above, up to half a percent away. */
  #restingOrders({ bid, ask: offer }: Tick): OrderTerms[] {
    const { resting, seed, symbol } = this.#options;
    const random = randomOf(seed);
    const tickSize = Number(this.#instrument.tickSize);
    return Array.from({ length: resting }, (_, i): OrderTerms => {
      const isBuy = i % 2 === 0;
      const ticksAway = Math.floor(((isBuy ? bid : offer) / tickSize) * 0.005 * random());
      // A recording may have finer prices than the instrument.
      const nearest = Math.round((isBuy ? bid : offer) / tickSize) * tickSize;
      const price = nearest + (isBuy ? -1 : 1) * ticksAway * tickSize;
      return {
        ...{
          clientOrderId: `resting-${i + 1}`,
          symbol,
          side: isBuy ? 'buy' : 'sell',
          orderType: 'limit',
          timeInForce: 'gtc',
          source: 'trader',
        },
        ...{ quantity: this.#instrument.minQuantity, limitPrice: BigInt(price) },
      };
    });
  }

  async #submit(account: RegisteredAccount, terms: OrderTerms): Promise<void> {
    await this.#command(account, { type: 'submit-order', ...terms });
    await this.#quiet();
  }

  async #command(account: RegisteredAccount, command: AccountCommand): Promise<void> {
    const result = await this.#ref(account).ask({ type: 'command', command, subjectId: 'replay' }, ask);
    if (result.type !== 'done') throw new Error(`${command.type} was not done: ${JSON.stringify(result)}`);
  }

  #ref({ account }: RegisteredAccount): ActorRef<TradingAccountMessage> {
    const ref = this.#system.find<TradingAccountMessage>(accountPath(tenant.tenant, account));
    if (!ref) throw new Error(`account ${account} is not there`);
    return ref;
  }

  get #prices(): Prices {
    const { quotes, instruments } = this.#stage;
    return { quote: (symbol) => quotes.get(symbol), instrument: (symbol) => instruments.get(symbol) };
  }

  async #summary(seconds: number): Promise<ReplaySummary> {
    const states: Account[] = [];
    for (const account of this.#accounts) {
      const durable = await this.#ref(account).ask({ type: 'read' }, ask);
      if (!('state' in durable)) throw new Error(`account ${account.account}: ${durable.reason}`);
      states.push(durable.state);
      this.#hash.update(JSON.stringify(durable.state, plain));
    }
    const view = accountView(states[0]!, 'replay', this.#prices);
    const stream = this.#system.inspectActor(pricePath(this.#options.symbol))?.state as { gaps: number };
    const { ticks, crossed, orders, denied, fills, fillsOnCrossed } = this.#counts;
    return {
      ...{
        symbol: this.#options.symbol,
        ticks,
        seconds,
        ticksPerSecond: Math.round(ticks / seconds),
        gaps: stream.gaps,
        crossedQuotes: crossed,
      },
      ...{ orders, denied, fills, fillsOnCrossedQuotes: fillsOnCrossed },
      ...(this.#options.strategy && { maxDrawdownPercent: formatScaled(this.#drawdown, 4, 2) }),
      ...{
        endBalance: `${view.balance} ${view.currency}`,
        endEquity: `${view.equity} ${view.currency}`,
        stateHash: this.#hash.digest('hex'),
      },
    };
  }
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  return value instanceof Map ? [...value] : value;
}

async function pace(startedMs: number, dueMs: number): Promise<void> {
  const waitMs = startedMs + dueMs - performance.now();
  if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
}
