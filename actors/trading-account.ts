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
import type { BrokerSessionMessage } from './broker-session.ts';
import { decide, emptyAccount, evolve, type Account, type Facts } from './trading/account.ts';
import { commandId, digest } from './trading/command-identity.ts';
import type { AccountBoard } from './trading/account-board.ts';
import { ACCOUNT_SNAPSHOT_VERSION, decodeAccount, encodeAccount } from './trading/account-snapshot.ts';
import { decodePayload, encodeEvent, encodePayload } from './trading/codec.ts';
import type { AccountCommand, AccountReply } from './trading/commands.ts';
import { channelOf, type AccountCommit, type AccountEvent, type PublishedEvent } from './trading/events.ts';
import type { Instrument } from './trading/instrument.ts';
import { orderToPlace } from './trading/reconcile.ts';
import { commitsOf, type Alert, type PlatformTopics } from './trading/topics.ts';

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
  /** Told of every durable state. */
  readonly board?: AccountBoard;
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
      spec.board?.set({ tenantId, tenant, accountId, account, state: commit.after });
      const traced = traceId === undefined ? {} : { traceId };
      for (const event of commit.events) {
        if (event.type === 'order-submitted') {
          if (event.source !== 'external') session?.tell({ type: 'place', order: orderToPlace(event) }, traced);
        } else if (event.type === 'order-pending-update') {
          const { orderId, requestId, change } = event;
          session?.tell({ type: 'amend', orderId, requestId, change }, traced);
        } else if (event.type === 'order-pending-cancel') {
          session?.tell({ type: 'cancel', orderId: event.orderId, requestId: `c${seq}` }, { control: true });
        } else {
          const alarm = alarms.get(event.type);
          if (!alarm) continue;
          context.log[alarm.level]({ tenant, account, seq, ...event }, alarm.text);
          const { type, timeMicros } = event;
          const { severity, text } = alarm;
          spec.bus.publish('alerts', { tenantId, timeMicros, severity, type, subject: account, account, text });
        }
      }
      spec.bus.publish(topic, told);
      spec.bus.publish('commits', told);
    },

    // A session that could not learn what to hand over to its broker can now.
    onLoaded(state) {
      spec.board?.set({ tenantId, tenant, accountId, account, state });
      if (state.orders.size + state.positions.size > 0) spec.session()?.tell({ type: 'loaded' }, { control: true });
    },

    inspect: (state) => ({
      ...{ currency: state.currency, isOpen: state.isOpen, sequences: state.sequences },
      ...{ workingOrders: state.orders.size, positions: state.positions.size },
    }),
    limits: spec.limits,
    ...(spec.snapshots && { snapshots: { ...accountText, ...spec.snapshots } }),
  });
}

/** What an operator should hear of, and whose account it is. */
const alarms: ReadonlyMap<
  AccountEvent['type'],
  { readonly level: 'warn' | 'error'; readonly severity: Alert['severity']; readonly text: string }
> = new Map([
  [
    'order-report-quarantined',
    { level: 'error', severity: 'critical', text: 'the broker reported what cannot be: it is kept without effect' },
  ],
  ['trading-blocked', { level: 'error', severity: 'critical', text: 'nothing more may be opened' }],
  ['margin-called', { level: 'warn', severity: 'warning', text: 'the margin is short' }],
  ['stopped-out', { level: 'warn', severity: 'critical', text: 'positions are closed for want of margin' }],
]);

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
