/** An account that follows the real rules and answers at once, or when the test says that its rows are durable. */
import { decide, emptyAccount, evolve, type Account, type Facts } from '../../../actors/trading/account.ts';
import { commandId, digest } from '../../../actors/trading/command-identity.ts';
import { encodeEvent } from '../../../actors/trading/codec.ts';
import type { AccountCommand, AccountReply } from '../../../actors/trading/commands.ts';
import { commitsOf, type PlatformTopics } from '../../../actors/trading/topics.ts';
import { numbered, type TradingAccountMessage } from '../../../actors/trading-account.ts';
import type { QuoteBoard } from '../../../actors/market/quote.ts';
import type { Instrument } from '../../../actors/trading/instrument.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { EventBus } from '../../../runtime/event-bus.ts';
import type { ActorRef, ReplyOf, TellResult } from '../../../runtime/ref.ts';
import type { AccountCommandResult, AccountEntry, JournalledRow } from '../../../transports/services.ts';

interface FakeServices {
  readonly clock: Clock;
  readonly bus: EventBus<PlatformTopics>;
  readonly quotes: QuoteBoard;
  readonly instruments: ReadonlyMap<string, Instrument>;
}

export class FakeAccount implements ActorRef<TradingAccountMessage> {
  readonly path: string;
  readonly entry: AccountEntry;
  durable: Account;
  seq = 0;
  /** The journal. */
  readonly rows: JournalledRow[] = [];
  /** Commands in the order in which they came. */
  readonly commands: AccountCommand[] = [];
  /** When set, every ask is answered by it. */
  answer: ((message: TradingAccountMessage) => Promise<unknown>) | undefined;
  readonly #services: FakeServices;
  #state: Account;
  #held: (() => void)[] | undefined;
  readonly #known = new Map<string, { digest: string; reply: AccountReply; seq: number }>();

  constructor(entry: AccountEntry, services: FakeServices) {
    this.entry = entry;
    this.path = `/tenants/${entry.tenant}/accounts/${entry.account}`;
    this.#services = services;
    this.durable = this.#state = emptyAccount(entry.accountId);
    const open = { currency: entry.currency, oms: 'netting', leverage: 30, aiMayOrder: entry.aiMayOrder } as const;
    void this.#command({ type: 'open-account', ...open });
    void this.#command({ type: 'deposit', reference: 'seed', amount: 10_000_000_000_000n });
    this.commands.length = 0;
  }

  /** From here on rows become durable when `commit` is called. */
  hold(): void {
    this.#held ??= [];
  }

  commit(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const run of held) run();
  }

  report(report: { readonly type: 'accepted'; readonly orderId: string }): Promise<AccountCommandResult> {
    return this.#command({
      type: 'broker-report',
      report: { ...report, venue: 'paper', timeMicros: this.#services.clock.wallMicros() },
    });
  }

  async *journalled(afterSeq: number): AsyncIterable<JournalledRow> {
    yield* this.rows.filter(({ seq }) => seq > afterSeq);
  }

  tell(message: TradingAccountMessage): TellResult {
    void this.#answer(message);
    return 'queued';
  }

  ask<M extends TradingAccountMessage>(message: M): Promise<ReplyOf<M>> {
    return this.#answer(message) as Promise<ReplyOf<M>>;
  }

  #answer(message: TradingAccountMessage): Promise<unknown> {
    if (this.answer) return this.answer(message);
    if (message.type === 'read') return Promise.resolve({ state: this.durable, seq: this.seq });
    if (message.type === 'command') return this.#command(message.command);
    return Promise.reject(new TypeError(`a fake account knows no ${message.type}`));
  }

  #command(command: AccountCommand): Promise<AccountCommandResult> {
    this.commands.push(command);
    const id = commandId(command);
    const known = this.#known.get(id);
    if (known) {
      if (known.digest !== digest(command)) return Promise.resolve({ type: 'reused' });
      return Promise.resolve({ type: 'done', reply: known.reply, seq: known.seq, duplicate: true });
    }
    const { clock, quotes, instruments, bus } = this.#services;
    const facts: Facts = {
      ...{ nowMicros: clock.wallMicros(), seq: this.seq + 1 },
      quote: (symbol) => quotes.get(symbol),
      instrument: (symbol) => instruments.get(symbol),
      limits: () => ({ maxOrderValue: 100_000_000_000_000n, maxWorkingOrders: 200 }),
      ...{ killed: () => undefined, hours: () => undefined, recentRange: () => undefined },
    };
    const before = this.#state;
    const { events, reply } = decide(before, command, facts);
    const seq = events.length === 0 ? this.seq : ++this.seq;
    const after = events.reduce(evolve, before);
    this.#state = after;
    this.#known.set(id, { digest: digest(command), reply, seq });
    const { tenantId, tenant, accountId, account } = this.entry;
    const encoded = events.map((event) => encodeEvent(event, (symbol) => instruments.get(symbol)));
    return new Promise((resolve) => {
      const whenDurable = () => {
        this.durable = after;
        resolve({ type: 'done', reply, seq, duplicate: false });
        const commit = { tenantId, tenant, accountId, account, seq, commandId: id, digest: digest(command) };
        const published = numbered(before, events, encoded);
        if (published.length > 0) this.rows.push({ seq, events: published });
        bus.publish(commitsOf(tenantId, accountId), { ...commit, events: published });
      };
      if (this.#held) this.#held.push(whenDurable);
      else whenDurable();
    });
  }
}
