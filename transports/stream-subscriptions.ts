/** The channels of one connection: what they are called, who may have them, and how a snapshot and the events after it meet. */
import type { Account } from '../actors/trading/account.ts';
import type { AccountChannel } from '../actors/trading/events.ts';
import { accountView, orderView, positionView } from '../actors/trading/view.ts';
import type { Unsubscribe } from '../runtime/event-bus.ts';
import type { AccountCommands } from './account-commands.ts';
import { problemOf, refuse, type Outcome, type Problem } from './problems.ts';
import type { AccountEntry, Action, Principal, Role, Services } from './services.ts';
import { quoteView, snapshotFrame } from './stream-frames.ts';
import type { AccountSubscriber, StreamHub } from './stream-hub.ts';
import type { Outlet, QuoteSubscription } from './stream-outlet.ts';

export interface SubscriptionServices {
  readonly services: Pick<Services, 'findAccount' | 'instruments' | 'quotes' | 'quoteEpoch' | 'log'>;
  readonly hub: StreamHub;
  readonly commands: AccountCommands;
  isAllowed(role: Role, action: Action): boolean;
}

/** What a client is told of a channel it asked for. */
export type ChannelResult = { readonly epoch: string; readonly mode: 'snapshot' } | { readonly problem: Problem };

type Channel =
  | { readonly kind: 'quotes'; readonly name: string; readonly symbol: string }
  | { readonly kind: AccountChannel; readonly name: string; readonly entry: AccountEntry };

export class Subscriptions {
  readonly #context: SubscriptionServices;
  readonly #outlet: Outlet;
  readonly #quotes = new Map<string, QuoteSubscription>();
  readonly #accounts = new Map<string, AccountSubscription>();

  constructor(context: SubscriptionServices, outlet: Outlet) {
    this.#context = context;
    this.#outlet = outlet;
  }

  get size(): number {
    return this.#quotes.size + this.#accounts.size;
  }

  /** How many of these would be new. */
  countNew(names: readonly string[]): number {
    return new Set(names.filter((name) => !this.#quotes.has(name) && !this.#accounts.has(name))).size;
  }

  quoteChannels(): string[] {
    return [...this.#quotes.keys()];
  }

  /** The last sequence of each private channel whose snapshot is out, for heartbeats. */
  lastSequences(): Record<string, number> {
    const started = [...this.#accounts].filter(([, { isStarted }]) => isStarted);
    return Object.fromEntries(started.map(([name, { lastSequence }]) => [name, lastSequence]));
  }

  /**
   * Resolves to what each channel came to, and `start`, which sends the snapshots and lets everything after them through:
   * to be called in the same turn, behind the reply. Subscribing again gives a new snapshot.
   */
  async subscribe(
    principal: Principal,
    names: readonly string[],
  ): Promise<{ results: Map<string, ChannelResult>; start(): void }> {
    const results = new Map<string, ChannelResult>();
    const symbols: Extract<Channel, { kind: 'quotes' }>[] = [];
    const opened = new Map<AccountEntry, AccountSubscription[]>();
    for (const name of new Set(names)) {
      const found = this.#resolve(principal, name);
      if (!found.ok) {
        results.set(name, { problem: found.problem });
        continue;
      }
      const channel = found.result;
      if (channel.kind === 'quotes') {
        symbols.push(channel);
        results.set(name, { epoch: this.#context.services.quoteEpoch(channel.symbol), mode: 'snapshot' });
      } else {
        const { entry } = channel;
        opened.set(entry, [...(opened.get(entry) ?? []), this.#openAccountChannel(channel.kind, name, entry)]);
        results.set(name, { epoch: entry.streamEpoch, mode: 'snapshot' });
      }
    }
    const snapshots = await this.#readAll(opened, results);
    const start = () => {
      for (const send of snapshots) send();
      for (const { name, symbol } of symbols) this.#startQuotes(name, symbol);
    };
    return { results, start };
  }

  unsubscribe(name: string): void {
    const quotes = this.#quotes.get(name);
    if (quotes) this.#context.hub.unsubscribeQuotes(quotes);
    this.#quotes.delete(name);
    this.#accounts.get(name)?.close();
    this.#accounts.delete(name);
  }

  clear(): void {
    for (const name of [...this.#quotes.keys(), ...this.#accounts.keys()]) this.unsubscribe(name);
  }

  #resolve(principal: Principal, name: string): Outcome<Channel> {
    const { services, isAllowed } = this.#context;
    const colon = name.indexOf(':');
    const [kind, subject] = [name.slice(0, colon), name.slice(colon + 1)];
    const notFound = refuse({ code: 'NOT_FOUND', detail: `there is no channel ${name.slice(0, 128)}` });
    switch (kind) {
      case 'quotes':
        if (!isAllowed(principal.role, 'market:read')) return refuse({ code: 'FORBIDDEN' });
        return services.instruments.has(subject) ? { ok: true, result: { kind, name, symbol: subject } } : notFound;
      case 'orders':
      case 'positions':
      case 'account': {
        if (!isAllowed(principal.role, 'accounts:read')) return refuse({ code: 'FORBIDDEN' });
        // What belongs to another tenant does not exist for this one.
        const entry = services.findAccount(principal, subject);
        return entry ? { ok: true, result: { kind, name, entry } } : notFound;
      }
      default:
        return notFound;
    }
  }

  /** Events are held from here on, so that none falls between the snapshot and the stream. */
  #openAccountChannel(kind: AccountChannel, name: string, entry: AccountEntry): AccountSubscription {
    this.unsubscribe(name);
    const subscription = new AccountSubscription(kind, name, this.#outlet);
    subscription.unsubscribe = this.#context.hub.subscribeAccount(entry, subscription);
    this.#accounts.set(name, subscription);
    return subscription;
  }

  /** What sends the snapshot of each account, which meets what is held: when more came meanwhile than is kept, the account is read again. */
  async #readAll(
    opened: ReadonlyMap<AccountEntry, readonly AccountSubscription[]>,
    results: Map<string, ChannelResult>,
  ): Promise<Iterable<() => void>> {
    const snapshots = new Map<AccountEntry, () => void>();
    let behind = [...opened];
    while (behind.length > 0) {
      await Promise.all(
        behind.map(async ([entry, subscriptions]) => {
          for (const subscription of subscriptions) subscription.holdAnew();
          const send = await this.#read(entry, subscriptions, results);
          if (send) snapshots.set(entry, send);
          else snapshots.delete(entry);
        }),
      );
      behind = [...opened].filter(
        ([entry, subscriptions]) => snapshots.has(entry) && subscriptions.some(({ hasOverflowed }) => hasOverflowed),
      );
    }
    return snapshots.values();
  }

  async #read(
    entry: AccountEntry,
    subscriptions: readonly AccountSubscription[],
    results: Map<string, ChannelResult>,
  ): Promise<(() => void) | undefined> {
    try {
      const { state } = await this.#context.commands.read(entry);
      return () => {
        for (const subscription of subscriptions) {
          const { kind, name } = subscription;
          const sequence = state.sequences[kind];
          this.#outlet.send(snapshotFrame(name, entry.streamEpoch, sequence, this.#snapshotOf(kind, state, entry)));
          subscription.startAfter(sequence);
        }
      };
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code === 'INTERNAL')
        this.#context.services.log.error({ err: error, account: entry.account }, 'a snapshot failed');
      for (const { name } of subscriptions) {
        results.set(name, { problem });
        this.unsubscribe(name);
      }
      return undefined;
    }
  }

  #snapshotOf(kind: AccountChannel, state: Account, { account }: AccountEntry): unknown {
    const { instruments, quotes } = this.#context.services;
    const prices = {
      quote: (symbol: string) => quotes.get(symbol),
      instrument: (symbol: string) => instruments.get(symbol),
    };
    switch (kind) {
      case 'orders':
        return { items: [...state.orders.values()].map((order) => orderView(order, instruments.get(order.symbol))) };
      case 'positions':
        return {
          items: [...state.positions.values()].map((position) => positionView(position, state, prices)),
        };
      case 'account':
        return accountView(state, account, prices);
    }
  }

  #startQuotes(name: string, symbol: string): void {
    const { hub, services } = this.#context;
    this.unsubscribe(name);
    const { latest, subscription } = hub.subscribeQuotes(symbol, this.#outlet);
    this.#quotes.set(name, subscription);
    const data = latest ? quoteView(latest, services.instruments.get(symbol)) : null;
    this.#outlet.send(snapshotFrame(name, services.quoteEpoch(symbol), latest?.sequence ?? 0, data));
  }
}

/** Events of one channel that wait for its snapshot. */
const maxHeldEvents = 1_000;

class AccountSubscription implements AccountSubscriber {
  readonly kind: AccountChannel;
  readonly name: string;
  lastSequence = 0;
  /** Some events that should wait for the snapshot were not kept. */
  hasOverflowed = false;
  unsubscribe: Unsubscribe | undefined = undefined;
  readonly #outlet: Outlet;
  /** Undefined once the snapshot is out. */
  #held: { readonly sequence: number; readonly frame: Buffer }[] | undefined = [];

  constructor(kind: AccountChannel, name: string, outlet: Outlet) {
    this.kind = kind;
    this.name = name;
    this.#outlet = outlet;
  }

  take(sequence: number, frame: Buffer): void {
    if (this.#held) {
      if (this.#held.length < maxHeldEvents) this.#held.push({ sequence, frame });
      else this.hasOverflowed = true;
      return;
    }
    this.lastSequence = sequence;
    this.#outlet.send(frame);
  }

  get isStarted(): boolean {
    return this.#held === undefined;
  }

  holdAnew(): void {
    this.#held = [];
    this.hasOverflowed = false;
  }

  startAfter(sequence: number): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.lastSequence = sequence;
    for (const event of held) if (event.sequence > sequence) this.take(event.sequence, event.frame);
  }

  close(): void {
    this.unsubscribe?.();
  }
}
