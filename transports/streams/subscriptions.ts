/** The channels of one connection: how a snapshot, or what was missed, and the events after it meet. */
import { problemOf, type Problem } from '../problems.ts';
import type { AccountEntry, Principal } from '../services.ts';
import {
  AccountSubscription,
  planBeginnings,
  type AccountStreamServices,
  type BeginningPlan,
  type Position,
} from './account-subscription.ts';
import { resolveChannel, type Channel, type ChannelServices } from './channels.ts';
import type { StreamHub } from './hub.ts';
import { snapshot } from './message.ts';
import type { Outlet } from './outlet.ts';
import type { Topic } from './topic.ts';

export interface SubscriptionServices extends ChannelServices, AccountStreamServices {
  readonly services: ChannelServices['services'] & AccountStreamServices['services'];
  readonly hub: StreamHub;
}

/** What a client is told of a channel it asked for; `topic` and `digits` where it gets records. */
export type ChannelResult =
  | { readonly epoch: string; readonly mode: 'snapshot'; readonly topic?: number; readonly digits?: number }
  | { readonly epoch: string; readonly mode: 'replay'; readonly from: number }
  | { readonly problem: Problem };

type AccountWish = Extract<Channel, { entry: AccountEntry }>;
type MarketWish = Extract<Channel, { kind: 'market' }>;

/** What a channel came to, and how it begins. */
interface Beginning {
  readonly result: ChannelResult;
  start(): void;
}

export class Subscriptions {
  readonly #context: SubscriptionServices;
  readonly #outlet: Outlet;
  readonly #topics = new Map<string, { readonly key: string; readonly topic: Topic }>();
  readonly #accounts = new Map<string, AccountSubscription>();

  constructor(context: SubscriptionServices, outlet: Outlet) {
    this.#context = context;
    this.#outlet = outlet;
  }

  get size(): number {
    return this.#topics.size + this.#accounts.size;
  }

  /** How many of these would be new. */
  countNew(names: readonly string[]): number {
    return new Set(names.filter((name) => !this.#topics.has(name) && !this.#accounts.has(name))).size;
  }

  /** Those that a slow client gets the newest of. */
  marketChannels(): string[] {
    return [...this.#topics.keys()];
  }

  /** The last sequence of each account channel that has begun, for heartbeats. */
  lastSequences(): Record<string, number> {
    const begun = [...this.#accounts].flatMap(([name, { lastSequence }]) =>
      lastSequence === undefined ? [] : [[name, lastSequence] as const],
    );
    return Object.fromEntries(begun);
  }

  acknowledge(name: string, sequence: number): void {
    const market = this.#topics.get(name);
    if (market) this.#outlet.acknowledge(market.topic, sequence);
  }

  /**
   * Resolves to what each channel came to, and `start`, which sends what each begins with and lets everything after it through:
   * to be called behind the reply. Subscribing again begins anew.
   */
  async subscribe(
    principal: Principal,
    names: readonly string[],
    resume: Readonly<Record<string, Position>>,
  ): Promise<{ results: ReadonlyMap<string, ChannelResult>; start(): void }> {
    const beginnings = new Map<string, Beginning>();
    const market: MarketWish[] = [];
    const ofAccounts = new Map<AccountEntry, AccountWish[]>();
    for (const name of new Set(names)) {
      const found = resolveChannel(this.#context, principal, name);
      if (!found.ok) beginnings.set(name, refused(found.problem));
      else if (found.result.kind === 'market') market.push(found.result);
      else ofAccounts.set(found.result.entry, [...(ofAccounts.get(found.result.entry) ?? []), found.result]);
    }
    await Promise.all([
      ...market.map(async (wish) => beginnings.set(wish.name, await this.#beginMarket(wish))),
      ...[...ofAccounts].map(([entry, wishes]) => this.#beginAccount(entry, wishes, resume, beginnings)),
    ]);
    const ordered = [...new Set(names)].map((name) => [name, beginnings.get(name)!] as const);
    const results = new Map(ordered.map(([name, { result }]) => [name, result]));
    const start = (): void => {
      for (const [, beginning] of ordered) beginning.start();
      const begun = market.flatMap(({ name }) => this.#topics.get(name) ?? []);
      this.#outlet.follow(begun.map(({ topic }) => topic));
    };
    return { results, start };
  }

  unsubscribe(names: readonly string[]): void {
    const left = names.flatMap((name) => this.#topics.get(name) ?? []);
    this.#outlet.unfollow(left.map(({ topic }) => topic));
    for (const { key, topic } of left) {
      this.#topics.delete(topic.channel);
      this.#context.hub.closeTopic(key);
    }
    for (const name of names) {
      this.#accounts.get(name)?.close();
      this.#accounts.delete(name);
    }
  }

  clear(): void {
    this.unsubscribe([...this.#topics.keys(), ...this.#accounts.keys()]);
  }

  async #beginMarket({ name, key, open }: MarketWish): Promise<Beginning> {
    this.unsubscribe([name]);
    const topic = this.#context.hub.openTopic(key, name, open);
    this.#topics.set(name, { key, topic });
    await topic.source.ready;
    const { epoch, recordTerms } = topic.source;
    const isRecorded = this.#outlet.form.format === 'binary' && recordTerms !== undefined;
    return {
      result: { epoch, mode: 'snapshot', ...(isRecorded && { topic: topic.number, ...recordTerms }) },
      start: () => this.#outlet.send(snapshot(name, epoch, topic.source.sequence, topic.source.snapshot())),
    };
  }

  /** All wanted channels of one account: it is read at most once for all of them. */
  async #beginAccount(
    entry: AccountEntry,
    wishes: readonly AccountWish[],
    resume: Readonly<Record<string, Position>>,
    beginnings: Map<string, Beginning>,
  ): Promise<void> {
    this.unsubscribe(wishes.map(({ name }) => name));
    const subscriptions = wishes.map(({ kind, name }) => {
      const subscription = new AccountSubscription(this.#context, this.#outlet, entry, kind);
      this.#accounts.set(name, subscription);
      return subscription;
    });
    try {
      const kinds = wishes.map(({ kind }) => kind);
      const plans = await planBeginnings(this.#context, entry, kinds, resume);
      for (const subscription of subscriptions) {
        const plan = plans.get(subscription.kind)!;
        beginnings.set(subscription.name, { result: resultOf(entry, plan), start: () => subscription.begin(plan) });
      }
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code === 'INTERNAL')
        this.#context.services.log.error({ err: error, account: entry.account }, 'a subscription failed');
      for (const { name } of wishes) beginnings.set(name, refused(problem));
      this.unsubscribe(wishes.map(({ name }) => name));
    }
  }
}

function refused(problem: Problem): Beginning {
  return { result: { problem }, start() {} };
}

function resultOf({ streamEpoch }: AccountEntry, plan: BeginningPlan): ChannelResult {
  if (plan.type === 'snapshot') return { epoch: streamEpoch, mode: 'snapshot' };
  return { epoch: streamEpoch, mode: 'replay', from: plan.after + 1 };
}
