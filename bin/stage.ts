/** What the actors of one node share, and how the cast is set on it: the platform and a replay use the same. */
import { randomBytes } from 'node:crypto';
import { auditLog, type AuditEntry } from '../actors/audit-log.ts';
import { routerPath, type AiRouterMessage } from '../actors/ai-router.ts';
import { signalDesk, type Decision } from '../actors/signal-desk.ts';
import type { GuardInput } from '../actors/ai/guard.ts';
import { budgetAlert, type TenantAi } from './ai.ts';
import { aiWorkers } from './ai-workers.ts';
import { brokerSession, type BrokerSessionMessage } from '../actors/broker-session.ts';
import type { CandleStore } from '../actors/candle-keeper.ts';
import type { CandleUpdate } from '../actors/market/candle.ts';
import type { LatestBoard } from '../actors/market/latest.ts';
import type { BookUpdate } from '../actors/market/order-book.ts';
import type { Quote, QuoteBoard } from '../actors/market/quote.ts';
import { journalWriter, type JournalWriterMessage } from '../actors/journal-writer.ts';
import { pricePath, type PriceStreamMessage, type SourceHealth } from '../actors/price-stream.ts';
import { tenant as tenantActor, type RegisteredAccount, type Tenant } from '../actors/tenant.ts';
import { accountPath, tradingAccount, type TradingAccountMessage } from '../actors/trading-account.ts';
import type { Facts, TradingDays, TradingHours, TradingSubject } from '../actors/trading/account.ts';
import type { Broker } from '../actors/trading/broker.ts';
import type { AccountBoard } from '../actors/trading/account-board.ts';
import type { AccountReply } from '../actors/trading/commands.ts';
import type { Instrument } from '../actors/trading/instrument.ts';
import type { LimitBoard } from '../actors/trading/limit-board.ts';
import type { KillSwitchBoard } from '../actors/trading/kill-switch.ts';
import type { PlatformTopics } from '../actors/trading/topics.ts';
import type { Limits } from '../config/limits.ts';
import type { EventBus } from '../runtime/event-bus.ts';
import type { EntityKey, Journal } from '../runtime/journal.ts';
import type { SnapshotStore } from '../runtime/snapshots.ts';
import { childPath } from '../runtime/path.ts';
import type { ActorRef } from '../runtime/ref.ts';
import type { AnyWorkerSpec, SupervisorSpec } from '../runtime/spec.ts';
import type { ActorSystem } from '../runtime/system.ts';
import { tenantSubtree } from '../supervisors/tenant.ts';
import { trading } from '../supervisors/trading.ts';

export interface Stage {
  readonly system: ActorSystem;
  readonly bus: EventBus<PlatformTopics>;
  readonly quotes: QuoteBoard;
  /** The latest of each series, book and source, for those who watch them; absent in a replay, which nobody watches. */
  readonly watched?: {
    readonly candles: LatestBoard<CandleUpdate>;
    readonly books: LatestBoard<BookUpdate>;
    readonly sources: LatestBoard<SourceHealth>;
  };
  /** Where candles outlive the process; absent: nowhere. */
  readonly candleStore?: CandleStore;
  /** Epoch of the market channels: new with every process, opaque. */
  readonly marketEpoch: string;
  readonly instruments: ReadonlyMap<string, Instrument>;
  readonly journal: Journal;
  /** Absent: accounts read all of their journal at a start, and so never rest. */
  readonly snapshots?: SnapshotStore;
  readonly broker: Broker;
  /** The epoch under which this node owns a slot. */
  epochOf(slot: number): number | undefined;
  /** See EventSourcedSpec.lookUpCommand. */
  lookUpCommand(
    key: EntityKey,
    commandId: string,
    throughSeq: number,
  ): Promise<{ digest: string; seq: number; reply: AccountReply } | undefined>;
  readonly limits: Limits;
  readonly risk: LimitBoard;
  /** Durable states of accounts with something working or open. */
  readonly accounts: AccountBoard;
  readonly killSwitches: KillSwitchBoard;
  /** When a symbol trades; undefined: at any time. */
  hours(symbol: string): TradingHours | undefined;
  readonly days: TradingDays;
  /** What AI advice must hold before it becomes an order. */
  readonly guard: GuardInput['limits'];
}

const writerPath = '/storage/journal-writer';

export function journalWriterSpec({ journal, limits }: Pick<Stage, 'journal' | 'limits'>): AnyWorkerSpec {
  return {
    ...{ id: 'journal-writer', kind: 'journal-writer' },
    behavior: journalWriter(journal, limits.journal),
    // Accounts have their own bound on what is in flight; the writer's queue refuses with a reason, so the mailbox must not come first.
    mailbox: { capacity: limits.journal.queueEntries * 2, whenFull: 'reject' },
  };
}

export function accountSubtree(
  stage: Stage,
  tenant: Pick<Tenant, 'tenantId' | 'tenant'>,
  account: RegisteredAccount,
): SupervisorSpec {
  const { system, limits } = stage;
  const path = accountPath(tenant.tenant, account.account);
  const [selfPath, sessionPath] = [childPath(path, 'account'), childPath(path, 'broker-session')];
  const self = (): ActorRef<TradingAccountMessage> | undefined => system.find<TradingAccountMessage>(selfPath);
  const instrument = (symbol: string): Instrument | undefined => stage.instruments.get(symbol);
  const { tenantId } = tenant;
  const { accountId } = account;
  const factsOf = accountFacts(stage, { tenantId, accountId });
  const accountActor: AnyWorkerSpec = {
    ...{ id: 'account', kind: 'trading-account', onDemand: true },
    ...(stage.snapshots && { passivateAfterMs: limits.snapshots.passivateAfterMs }),
    behavior: tradingAccount({
      ...{ tenantId: tenant.tenantId, tenant: tenant.tenant, accountId: account.accountId, account: account.account },
      epochOf: stage.epochOf,
      writer: required(system.find<JournalWriterMessage>(writerPath), writerPath),
      read: (key, afterSeq) => stage.journal.read(key, afterSeq),
      lookUpCommand: stage.lookUpCommand,
      bus: stage.bus,
      instrument,
      facts: factsOf,
      board: stage.accounts,
      nowMicros: () => system.clock.wallMicros(),
      session: () => system.find<BrokerSessionMessage>(sessionPath),
      limits: limits.account,
      ...(stage.snapshots && { snapshots: { store: stage.snapshots, ...limits.snapshots } }),
    }),
    mailbox: { capacity: limits.mailbox.account, whenFull: 'reject' },
  };
  const session: AnyWorkerSpec = {
    ...{ id: 'broker-session', kind: 'broker-session', onDemand: true },
    behavior: brokerSession({
      broker: stage.broker,
      login: `${tenant.tenant}/${account.account}`,
      account: self,
      async read() {
        const durable = await required(self(), path).ask({ type: 'read' }, { timeoutMs: limits.ask.deadlineMs });
        return 'state' in durable ? durable.state : undefined;
      },
      glance: () => stage.accounts.get(tenantId, accountId)?.state,
      isStopped: ({ symbol, reduceOnly }) =>
        !reduceOnly && stage.killSwitches.find({ tenantId, accountId, symbol }) !== undefined,
      ...limits.broker,
      ...{ deadlineMs: limits.ask.deadlineMs, retryMs: limits.account.reloadMs },
    }),
    mailbox: { capacity: limits.mailbox.brokerSession, whenFull: 'reject' },
  };
  return trading(account.account, accountActor, session);
}

/** The world as the decisions of one account see it. */
export function accountFacts(
  stage: Pick<Stage, 'quotes' | 'instruments' | 'risk' | 'killSwitches' | 'hours' | 'days'>,
  owner: { readonly tenantId: number; readonly accountId: number },
): (nowMicros: number, seq: number) => Facts {
  const { quotes, instruments, risk, killSwitches, hours, days } = stage;
  const fixed = {
    limits: (subject: TradingSubject) => risk.limits({ ...owner, ...subject }),
    killed: (subject: TradingSubject) => killSwitches.find({ ...owner, ...subject }),
    hours,
    recentRange: (symbol: string) => quotes.range(symbol),
    quote: (symbol: string): Quote | undefined => quotes.get(symbol),
    instrument: (symbol: string): Instrument | undefined => instruments.get(symbol),
  };
  return (nowMicros, seq) => ({ ...fixed, nowMicros, seq, day: days.tradingDay(nowMicros) });
}

export interface TenantServices {
  /** What trades by itself. */
  strategies(tenant: string): readonly AnyWorkerSpec[];
  ai(tenant: Pick<Tenant, 'tenantId'>): TenantAi;
  saveDecision(tenantId: number, decision: Decision): Promise<void>;
  writeAudit(entries: readonly AuditEntry[]): Promise<void>;
}

/** A tenant with all that it owns. Its accounts start at their first message. */
export function tenantChildren(stage: Stage, tenant: Tenant, services: TenantServices): SupervisorSpec {
  const { system, limits } = stage;
  const { tenantId, tenant: slug } = tenant;
  const ai = services.ai(tenant);
  return tenantSubtree(slug, {
    tenant: { id: 'tenant', kind: 'tenant', behavior: tenantActor(() => tenant) },
    audit: auditSpec(services.writeAudit, limits),
    accounts: [...tenant.accounts.values()].map((account) => accountSubtree(stage, tenant, account)),
    strategies: services.strategies(slug),
    ...aiWorkers({
      ...{ system, limits, tenant: slug, ai },
      onAlert: (alert) => stage.bus.publish('alerts', budgetAlert(tenantId, alert, system.clock.wallMicros())),
    }),
    desk: {
      ...{ id: 'desk', kind: 'signal-desk' },
      behavior: signalDesk({
        router: () => system.find<AiRouterMessage>(routerPath(slug)),
        stream: (symbol) => system.find<PriceStreamMessage>(pricePath(symbol)),
        account: (name) => system.find<TradingAccountMessage>(accountPath(slug, name)),
        instrument: (symbol) => stage.instruments.get(symbol),
        quotes: stage.quotes,
        guard: stage.guard,
        save: (decision) => services.saveDecision(tenantId, decision),
        newId: () => `s-${randomBytes(10).toString('hex')}`,
        candles: limits.ai.candles,
        deadlineMs: limits.ask.deadlineMs,
      }),
    },
  });
}

export function auditSpec(write: TenantServices['writeAudit'], limits: Limits): AnyWorkerSpec {
  return {
    id: 'audit',
    kind: 'audit-log',
    behavior: auditLog({ write, retryMs: limits.account.reloadMs, pendingEntries: limits.mailbox.standard }),
  };
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is not there`);
  return value;
}
