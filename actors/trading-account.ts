/** One an account: commands → decide, evolve → append (pipelined) → once durable: reply, publish, hand to the broker session. */
import type { Behavior } from '../runtime/actor.ts';
import { slotOf } from '../runtime/cluster.ts';
import {
  eventSourced,
  type AppendRequest,
  type CommandResult,
  type EventSourcedLimits,
  type EventSourcedMessage,
} from '../runtime/event-sourced.ts';
import type { EventBus } from '../runtime/event-bus.ts';
import type { EntityKey, JournalRow } from '../runtime/journal.ts';
import type { ActorRef } from '../runtime/ref.ts';
import type { SnapshotPolicy } from '../runtime/snapshots.ts';
import type { BrokerSessionMessage, Outstanding } from './broker-session.ts';
import { commandId, decide, digest, emptyAccount, evolve, type Account, type Facts } from './trading/account.ts';
import { ACCOUNT_SNAPSHOT_VERSION, decodeAccount, encodeAccount } from './trading/account-snapshot.ts';
import { decodePayload, encodeEvent, encodePayload } from './trading/codec.ts';
import type { AccountCommand, AccountReply } from './trading/commands.ts';
import { channelOf, type AccountCommit, type AccountEvent, type PublishedEvent } from './trading/events.ts';
import type { Instrument } from './trading/instrument.ts';
import { orderToPlace, pendingCancels, workingOrders } from './trading/reconcile.ts';
import { commitsOf, type PlatformTopics } from './trading/topics.ts';

export type TradingAccountMessage = EventSourcedMessage<Account, AccountCommand, AccountReply>;
export type AccountCommandResult = CommandResult<AccountReply>;
export type TradingAccountRef = ActorRef<TradingAccountMessage>;

/** Where an account stands in the tree; the subtree's front is the account itself. */
export function accountPath(tenant: string, account: string): string {
  return `/tenants/${tenant}/accounts/${account}`;
}

export interface TradingAccountSpec {
  readonly tenantId: number;
  readonly tenant: string;
  readonly accountId: number;
  readonly account: string;
  epochOf(slot: number): number | undefined;
  readonly writer: ActorRef<AppendRequest>;
  read(key: EntityKey, afterSeq: number): AsyncIterable<JournalRow>;
  /** See EventSourcedSpec.lookUpCommand. */
  lookUpCommand(
    key: EntityKey,
    commandId: string,
    throughSeq: number,
  ): Promise<{ digest: string; seq: number; reply: AccountReply } | undefined>;
  readonly bus: EventBus<PlatformTopics>;
  instrument(symbol: string): Instrument | undefined;
  /** What decisions look at besides the account: quotes and limits as they stand now. */
  facts(nowMicros: number, seq: number): Facts;
  nowMicros(): number;
  /** The account's broker session. */
  session(): ActorRef<BrokerSessionMessage> | undefined;
  readonly limits: EventSourcedLimits;
  /** Absent: all of the journal is read at each start. */
  readonly snapshots?: Pick<SnapshotPolicy<Account>, 'store' | 'everyRows' | 'deadlineMs'>;
}

export function tradingAccount(spec: TradingAccountSpec): Behavior<unknown, TradingAccountMessage> {
  const { tenantId, tenant, accountId, account } = spec;
  const key = { tenantId, entityId: accountId };
  const slot = slotOf(key);
  const topic = commitsOf(tenantId, accountId);
  return eventSourced<Account, AccountCommand, AccountEvent, AccountReply>({
    key,
    slot,
    epoch: () => spec.epochOf(slot),
    initial: emptyAccount(accountId),
    decide: (state, command, seq) => decide(state, command, spec.facts(spec.nowMicros(), seq)),
    evolve,
    commandId,
    digest,
    encodeEvent: (event) => encodeEvent(event, spec.instrument),
    encodePayload,
    decodePayload,
    writer: spec.writer,
    read: spec.read,
    lookUpCommand: (id, throughSeq) => spec.lookUpCommand(key, id, throughSeq),

    onDurable(commit, context) {
      const { seq, commandId: id, traceId, subjectId } = commit;
      const events = numbered(commit.before, commit.events, commit.encoded);
      const told: AccountCommit = {
        tenantId,
        tenant,
        accountId,
        account,
        seq,
        commandId: id,
        digest: commit.digest,
        traceId,
        subjectId,
        events,
      };
      const session = spec.session();
      for (const event of commit.events) {
        if (event.type === 'order-submitted')
          session?.tell({ type: 'place', order: orderToPlace(event) }, traceId === undefined ? {} : { traceId });
        else if (event.type === 'order-pending-cancel')
          session?.tell({ type: 'cancel', orderId: event.orderId }, { control: true });
        else if (event.type === 'order-report-quarantined')
          context.log.error(
            { tenant, account, seq, ...event },
            'the broker reported what cannot be: it is kept without effect',
          );
      }
      spec.bus.publish(topic, told);
      spec.bus.publish('commits', told);
    },

    // What was on its way when the last incarnation ended is placed again: brokers know an order by its id.
    onLoaded(state) {
      if (state.orders.size > 0) spec.session()?.tell({ type: 'resume', ...outstanding(state) }, { control: true });
    },

    inspect: (state) => ({
      ...{ currency: state.currency, isOpen: state.isOpen, sequences: state.sequences },
      ...{ workingOrders: state.orders.size, positions: state.positions.size },
    }),
    limits: spec.limits,
    ...(spec.snapshots && { snapshots: { ...accountText, ...spec.snapshots } }),
  });
}

const accountText = { version: ACCOUNT_SNAPSHOT_VERSION, encode: encodeAccount, decode: decodeAccount };

/** Gives each event the number it has on its channel, as `evolve` counts them. */
export function numbered(
  before: Account,
  events: readonly AccountEvent[],
  encoded: readonly string[],
): PublishedEvent[] {
  const { orders, positions, account } = before.sequences;
  const last = { orders, positions, account };
  return events.map((event, i) => {
    const channel = channelOf(event);
    last[channel] += 1;
    return { channel, sequence: last[channel], event, json: encoded[i]! };
  });
}

/** What a broker may not have heard of yet: orders to place, and others to withdraw. */
export function outstanding(account: Account): Outstanding {
  return { orders: workingOrders(account), cancels: pendingCancels(account) };
}
