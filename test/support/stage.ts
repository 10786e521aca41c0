/** The cast on its stage, as the platform sets it, on a virtual clock: one tenant, two accounts, the paper broker, a journal in memory. */
import { randomUUID } from 'node:crypto';
import { signalDeskPath, type Decision, type SignalDeskMessage } from '../../actors/signal-desk.ts';
import { MemoryBudgetStore } from '../../actors/ai/budget-store.ts';
import type { AiProvider } from '../../actors/ai/provider.ts';
import type { AuditEntry } from '../../actors/audit-log.ts';
import { QuoteBoard } from '../../actors/market/quote.ts';
import { pricePath, type PriceStreamMessage } from '../../actors/price-stream.ts';
import type { RegisteredAccount, Tenant } from '../../actors/tenant.ts';
import { accountPath, type AccountCommandResult, type TradingAccountMessage } from '../../actors/trading-account.ts';
import type { Account } from '../../actors/trading/account.ts';
import { AccountBoard } from '../../actors/trading/account-board.ts';
import { decodePayload } from '../../actors/trading/codec.ts';
import type { Broker } from '../../actors/trading/broker.ts';
import { LimitBoard } from '../../actors/trading/limit-board.ts';
import { KillSwitchBoard } from '../../actors/trading/kill-switch.ts';
import type { AccountCommand } from '../../actors/trading/commands.ts';
import type { AccountCommit, OrderTerms } from '../../actors/trading/events.ts';
import type { PlatformTopics } from '../../actors/trading/topics.ts';
import { breakerPolicy, targetOf, type TenantAi } from '../../bin/ai.ts';
import { marketSubtree } from '../../bin/market.ts';
import { journalWriterSpec, tenantChildren, type Stage } from '../../bin/stage.ts';
import { limits, type Limits, riskLimits } from '../../config/limits.ts';
import type { Log } from '../../runtime/actor.ts';
import type { Clock } from '../../runtime/clock.ts';
import { EventBus } from '../../runtime/event-bus.ts';
import type { EntityKey, JournalRow } from '../../runtime/journal.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import type { SnapshotStore } from '../../runtime/snapshots.ts';
import { createLocalModel } from '../../transports/drivers/local-model.ts';
import { createPaperBroker } from '../../transports/drivers/paper-broker.ts';
import { s } from '../actors/trading/fixtures.ts';
import { eurusd } from './instruments.ts';
import { ScriptedJournal } from './scripted-journal.ts';
import { startTestSystem, supervisor, type TestSystem } from './test-system.ts';

export const slug = 'acme';
const tenantId = 4;
const ask = { timeoutMs: 5_000 };

export interface StageRig {
  readonly test: TestSystem;
  readonly stage: Stage;
  readonly journal: ScriptedJournal;
  readonly commits: AccountCommit[];
  readonly decisions: Decision[];
  readonly audited: AuditEntry[];
  readonly account: ActorRef<TradingAccountMessage>;
  readonly desk: ActorRef<SignalDeskMessage>;
  /** A quote of EURUSD, decimal text, now. */
  quote(bid: string, ask: string): Promise<void>;
  command(command: AccountCommand): Promise<AccountCommandResult>;
  order(terms?: Partial<OrderTerms>): Promise<AccountCommandResult>;
  state(): Promise<Account>;
  rows(accountId?: number): Promise<JournalRow[]>;
  /** Types of the events in the journal, a list a row. */
  history(accountId?: number): Promise<string[][]>;
  /** Makes the account, or its broker session, crash. */
  crash(which: 'account' | 'broker-session'): Promise<void>;
}

export interface StageOptions {
  readonly provider?: AiProvider;
  /** In place of the paper broker. */
  readonly broker?: (clock: Clock) => Broker;
  readonly limits?: Partial<Limits>;
  readonly aiMayOrder?: boolean;
  /** Called before a decision is kept. */
  readonly onSave?: (decision: Decision) => void;
  readonly log?: Log;
  /** Accounts save and load snapshots here, and rest. */
  readonly snapshots?: SnapshotStore;
}

/** Both accounts hold USD 100,000 and are open; rows 1 and 2 of their journals. */
export async function startStage(options: StageOptions = {}): Promise<StageRig> {
  const journal = new ScriptedJournal();
  const quotes = new QuoteBoard();
  const bus = new EventBus<PlatformTopics>((error) => {
    throw error;
  });
  const instruments = new Map([[eurusd.symbol, eurusd]]);
  const test = await startTestSystem([], options.log);
  const { system, clock } = test;
  const paper = createPaperBroker({ clock, quotes, instrument: (symbol) => instruments.get(symbol) });
  bus.subscribe('quotes', (quote) => paper.onQuote(quote));
  const broker = options.broker?.(clock) ?? paper;
  const commits: AccountCommit[] = [];
  bus.subscribe('commits', (commit) => void commits.push(commit));

  const rows = async (accountId = 1): Promise<JournalRow[]> => {
    const read: JournalRow[] = [];
    for await (const row of journal.memory.read({ tenantId, entityId: accountId }, 0)) read.push(row);
    return read;
  };
  const stage: Stage = {
    ...{ system, bus, quotes, instruments, journal, broker, marketEpoch: 'm', epochOf: () => 1 },
    async lookUpCommand({ entityId }: EntityKey, commandId) {
      const row = (await rows(entityId)).find((one) => one.commandId === commandId);
      return row && { digest: row.digest, seq: row.seq, reply: decodePayload(row.payload).reply };
    },
    limits: { ...limits, ...options.limits },
    risk: new LimitBoard(riskLimits),
    hours: () => undefined,
    days: { tradingDay: () => '2026-01-05', swapDays: () => 1 },
    guard: { minConfidence: s('0.6'), quantity: s('0.1') },
    accounts: new AccountBoard(),
    killSwitches: new KillSwitchBoard(),
    ...(options.snapshots && { snapshots: options.snapshots }),
  };
  await system.spawn('/', supervisor('storage', 'one-for-one', [journalWriterSpec(stage)]));
  await system.spawn('/', marketSubtree(stage, {}));
  await system.spawn('/', supervisor('tenants', 'dynamic', []));

  const decisions: Decision[] = [];
  const audited: AuditEntry[] = [];
  const registered = [1, 2].map((accountId) => register(accountId, options.aiMayOrder ?? true));
  const tenant: Tenant = {
    ...{ tenantId, tenant: slug, name: 'Acme', status: 'active' },
    accounts: new Map(registered.map((account) => [account.account, account])),
  };
  await system.spawn(
    '/tenants',
    tenantChildren(stage, tenant, {
      strategies: () => [],
      ai: () => aiOf(options.provider ?? createLocalModel({ clock })),
      async saveDecision(_tenantId, decision) {
        options.onSave?.(decision);
        decisions.push(decision);
      },
      writeAudit: async (entries) => void audited.push(...entries),
    }),
  );

  const account = test.ref<TradingAccountMessage>(accountPath(slug, 'a-1'));
  const command = async (toDo: AccountCommand, ref = account): Promise<AccountCommandResult> =>
    ref.ask({ type: 'command', command: toDo, subjectId: 'tester' }, ask);
  for (const { account: name, currency, aiMayOrder } of registered) {
    const ref = test.ref<TradingAccountMessage>(accountPath(slug, name));
    await command({ type: 'open-account', currency, oms: 'netting', leverage: 30, aiMayOrder }, ref);
    await command({ type: 'deposit', reference: 'seed', amount: s('100000') }, ref);
  }
  await test.settle();

  return {
    ...{ test, stage, journal, commits, decisions, audited, account, rows },
    command: (toDo) => command(toDo),
    desk: test.ref<SignalDeskMessage>(signalDeskPath(slug)),
    async quote(bid, offer) {
      const tick = { bid: Number(s(bid)), ask: Number(s(offer)), timeMicros: clock.wallMicros() };
      test.ref<PriceStreamMessage>(pricePath('EURUSD')).tell({ type: 'ticks', ticks: [tick] });
      await test.settle();
    },
    order: (terms) => command({ type: 'submit-order', ...market, clientOrderId: randomUUID(), ...terms }),
    async state() {
      const durable = await account.ask({ type: 'read' }, ask);
      if (!('state' in durable)) throw new Error(durable.reason);
      return durable.state;
    },
    history: async (accountId) =>
      (await rows(accountId)).map(({ payload }) => decodePayload(payload).events.map(({ type }) => type)),
    async crash(which) {
      test.ref<unknown>(`${accountPath(slug, 'a-1')}/${which}`).tell(undefined);
      await test.settle();
      await test.advance(1_000);
    },
  };
}

function register(accountId: number, aiMayOrder: boolean): RegisteredAccount {
  const account = `a-${accountId}`;
  return { accountId, account, currency: 'USD', owner: 'tester', streamEpoch: 'e', aiMayOrder };
}

const market: Omit<OrderTerms, 'clientOrderId'> = {
  ...{ symbol: 'EURUSD', side: 'buy', orderType: 'market', timeInForce: 'ioc', source: 'trader' },
  quantity: s('0.10'),
};

/** One model at one provider, which costs nothing. */
function aiOf(provider: AiProvider): TenantAi {
  const terms = { model: 'm-1', priority: 1, contextTokens: 1_000_000, canCallTools: true, canFollowSchema: true };
  return {
    ...{ providers: [{ provider, key: 'k' }], targets: [targetOf(provider.name, 'k', terms)] },
    ...{ policy: 'priority', breaker: breakerPolicy(limits.ai.breaker), costOf: () => 0n, mostCostOf: () => 0n },
    isAllowed: () => true,
    budget: { terms: [], store: new MemoryBudgetStore() },
  };
}
