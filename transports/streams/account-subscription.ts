/** One channel of an account on one connection: each event once and in order, from a snapshot or from where the client stood. */
import type { Account } from '../../actors/trading/account.ts';
import type { AccountChannel } from '../../actors/trading/events.ts';
import { accountView, orderView, positionView } from '../../actors/trading/view.ts';
import type { DurableState } from '../../runtime/event-sourced.ts';
import type { AccountCommands } from '../account-commands.ts';
import type { AccountEntry, Services } from '../services.ts';
import type { AccountFeed, FeedFollower } from './account-feed.ts';
import type { AccountFeeds } from './feeds.ts';
import { resync, snapshot, type Message } from './message.ts';
import type { Outlet } from './outlet.ts';
import { missedEvents, type Missed } from './resume.ts';

export interface AccountStreamServices {
  readonly services: Pick<Services, 'clock' | 'instruments' | 'quotes' | 'journalled' | 'log'>;
  readonly commands: AccountCommands;
  readonly feeds: AccountFeeds;
  readonly limits: { readonly resumeJournalRows: number };
}

/** Where a client stands on a channel. */
export interface Position {
  readonly epoch: string;
  readonly sequence: number;
}

/** How a channel begins. `missed` comes from the journal; what the feed has at hand follows by itself. */
export type BeginningPlan =
  | { readonly type: 'replay'; readonly after: number; readonly missed: readonly Missed[] }
  /** @param reason why the client cannot go on where it stood; absent where it stood nowhere */
  | { readonly type: 'snapshot'; readonly state: Account; readonly reason?: ResyncReason };

/** `epoch`: another journal. `ahead`: the client claims more than there is. `too-far-behind`: more than is looked up. `gap`: our own numbers broke off. */
export type ResyncReason = 'epoch' | 'ahead' | 'too-far-behind' | 'gap';

/** Between two tries to read an account that cannot be read. */
const readAgainMs = 1_000;

export class AccountSubscription implements FeedFollower {
  readonly kind: AccountChannel;
  readonly name: string;
  readonly #context: AccountStreamServices;
  readonly #outlet: Outlet;
  readonly #entry: AccountEntry;
  readonly #feed: AccountFeed;
  #last: number | undefined;
  #isClosed = false;

  constructor(context: AccountStreamServices, outlet: Outlet, entry: AccountEntry, kind: AccountChannel) {
    this.kind = kind;
    this.name = `${kind}:${entry.account}`;
    this.#context = context;
    this.#outlet = outlet;
    this.#entry = entry;
    this.#feed = context.feeds.get(entry);
  }

  /** Of what the client was sent; undefined before it has begun. */
  get lastSequence(): number | undefined {
    return this.#last;
  }

  begin(plan: BeginningPlan): void {
    if (this.#isClosed) return;
    if (plan.type === 'snapshot') return this.#show(plan.state, plan.reason);
    this.#last = plan.after;
    for (const { channel, sequence, message } of plan.missed) if (channel === this.kind) this.take(sequence, message);
    if (this.#feed.holds(this.kind, this.#last)) this.#feed.follow(this.kind, this.#last, this);
    else void this.#beginAnew('too-far-behind');
  }

  take(sequence: number, message: Message): void {
    this.#last = sequence;
    this.#outlet.send(message);
  }

  broken(): void {
    void this.#beginAnew('gap');
  }

  close(): void {
    this.#isClosed = true;
    this.#feed.unfollow(this.kind, this);
  }

  #show(state: Account, reason: ResyncReason | undefined): void {
    const { streamEpoch } = this.#entry;
    const sequence = state.sequences[this.kind];
    // More may have happened since than the feed keeps.
    if (!this.#feed.holds(this.kind, sequence)) return void this.#beginAnew(reason);
    if (reason !== undefined) this.#outlet.send(resync(this.name, streamEpoch, reason));
    this.#last = sequence;
    this.#outlet.send(snapshot(this.name, streamEpoch, sequence, this.#view(state)));
    this.#feed.follow(this.kind, sequence, this);
  }

  async #beginAnew(reason: ResyncReason | undefined): Promise<void> {
    this.#last = undefined;
    try {
      const { state } = await readAccount(this.#context, this.#feed);
      if (!this.#isClosed) this.#show(state, reason);
    } catch (error) {
      this.#context.services.log.warn({ err: error, channel: this.name }, 'an account cannot be shown anew yet');
      this.#context.services.clock.after(readAgainMs, () => {
        if (!this.#isClosed) void this.#beginAnew(reason);
      });
    }
  }

  #view(state: Account): object {
    const { instruments, quotes } = this.#context.services;
    const prices = {
      quote: (symbol: string) => quotes.get(symbol),
      instrument: (symbol: string) => instruments.get(symbol),
    };
    switch (this.kind) {
      case 'orders':
        return { items: [...state.orders.values()].map((order) => orderView(order, instruments.get(order.symbol))) };
      case 'positions':
        return { items: [...state.positions.values()].map((position) => positionView(position, state, prices)) };
      case 'account':
        return accountView(state, this.#entry.account, prices);
    }
  }
}

/**
 * Finds for each channel of an account whether it goes on where the client stands, and if not, what it is shown instead.
 * @throws what reading the account or its journal fails with
 */
export async function planBeginnings(
  context: AccountStreamServices,
  entry: AccountEntry,
  kinds: readonly AccountChannel[],
  resume: Readonly<Record<string, Position>>,
): Promise<ReadonlyMap<AccountChannel, BeginningPlan>> {
  const feed = context.feeds.get(entry);
  let read: DurableState<Account> | undefined;
  const durable = async () => (read ??= await readAccount(context, feed));
  if (!feed.last) await durable();
  const last = feed.last!;
  const positions = new Map(kinds.map((kind) => [kind, resume[`${kind}:${entry.account}`]] as const));
  const behind = new Map<AccountChannel, number>();
  for (const [kind, position] of positions)
    if (
      position?.epoch === entry.streamEpoch &&
      position.sequence <= last[kind] &&
      !feed.holds(kind, position.sequence)
    )
      behind.set(kind, position.sequence);
  const missed = behind.size === 0 ? [] : await lookUp(context, entry, await durable(), behind);
  const plans = new Map<AccountChannel, BeginningPlan>();
  for (const [kind, position] of positions) {
    const reason = position && resyncReason(entry, position, last[kind], behind.has(kind) && !missed);
    if (position && reason === undefined)
      plans.set(kind, { type: 'replay', after: position.sequence, missed: missed ?? [] });
    else plans.set(kind, { type: 'snapshot', state: (await durable()).state, ...(reason && { reason }) });
  }
  return plans;
}

function lookUp(
  { services, limits }: AccountStreamServices,
  entry: AccountEntry,
  { seq, state }: DurableState<Account>,
  behind: ReadonlyMap<AccountChannel, number>,
): Promise<readonly Missed[] | undefined> {
  const durable = { seq, sequences: state.sequences };
  return missedEvents(services.journalled, entry, durable, behind, limits.resumeJournalRows);
}

function resyncReason(
  { streamEpoch }: AccountEntry,
  position: Position,
  last: number,
  isTooFarBehind: boolean,
): ResyncReason | undefined {
  if (position.epoch !== streamEpoch) return 'epoch';
  if (position.sequence > last) return 'ahead';
  return isTooFarBehind ? 'too-far-behind' : undefined;
}

async function readAccount({ commands }: AccountStreamServices, feed: AccountFeed): Promise<DurableState<Account>> {
  const durable = await commands.read(feed.entry);
  feed.startAt(durable.state.sequences);
  return durable;
}
