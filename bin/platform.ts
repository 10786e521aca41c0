/** Composes the platform and starts it: gateways listen at once, storage comes up behind them, readiness tells when all is there. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { database, type DatabaseStep } from '../actors/database.ts';
import { LatestBoard } from '../actors/market/latest.ts';
import { QuoteBoard } from '../actors/market/quote.ts';
import { projector, type ProjectorMessage } from '../actors/projector.ts';
import { accountPath, type TradingAccountMessage } from '../actors/trading-account.ts';
import type { TradingHours } from '../actors/trading/account.ts';
import { decodePayload } from '../actors/trading/codec.ts';
import type { AccountCommand } from '../actors/trading/commands.ts';
import type { PlatformTopics } from '../actors/trading/topics.ts';
import { aiAllowLists } from '../config/ai-allow-lists.ts';
import type { Config } from '../config/config.ts';
import type { Limits, RiskLimits } from '../config/limits.ts';
import { paper } from '../config/paper.ts';
import { strategies } from '../config/strategies.ts';
import type { Log } from '../runtime/actor.ts';
import { systemClock } from '../runtime/clock.ts';
import { ActorCrashed, ActorStopped, Terminal } from '../runtime/errors.ts';
import { EventBus } from '../runtime/event-bus.ts';
import { JournalUnavailable } from '../runtime/journal.ts';
import { Readiness } from '../runtime/readiness.ts';
import type { ActorRef } from '../runtime/ref.ts';
import { describeShutdown, type ShutdownReport } from '../runtime/shutdown.ts';
import { StartFailed, type AnyWorkerSpec } from '../runtime/spec.ts';
import { createSystem } from '../runtime/system.ts';
import { gateways } from '../supervisors/gateways.ts';
import { operations } from '../supervisors/operations.ts';
import { platform as platformTree } from '../supervisors/platform.ts';
import { storage as storageTree } from '../supervisors/storage.ts';
import { tenants as tenantsTree, tenantsPath } from '../supervisors/tenants.ts';
import { AccountBoard } from '../actors/trading/account-board.ts';
import { LimitBoard } from '../actors/trading/limit-board.ts';
import { KillSwitchBoard } from '../actors/trading/kill-switch.ts';
import type { KillSwitchesMessage } from '../actors/kill-switches.ts';
import { listLatched } from '../transports/drivers/postgres-kill-switches.ts';
import { listRiskLimits } from '../transports/drivers/postgres-risk-limits.ts';
import { killSwitchesPath, resumeDeadMen, riskActors } from './risk.ts';
import { openReplica } from './replica.ts';
import { openShared } from './shared.ts';
import { checkRights } from '../transports/drivers/roles-check.ts';
import { checkDurability } from '../transports/drivers/postgres.ts';
import { lockHome } from '../transports/drivers/home-lock.ts';
import { migrate } from '../transports/drivers/migrations.ts';
import { createPaperBroker } from '../transports/drivers/paper-broker.ts';
import { claimAllSlots, type Ownership } from '../transports/drivers/postgres-ownership.ts';
import { PostgresBudgetStore } from '../transports/drivers/postgres-ai-budget.ts';
import { appendAudit } from '../transports/drivers/postgres-audit.ts';
import { accountsToStart, applyCommits, checkpoints } from '../transports/drivers/postgres-projection.ts';
import { findCommand, saveSignal } from '../transports/drivers/postgres-read-models.ts';
import { offeredModels, tenantAi } from './ai.ts';
import { backupsSpec } from './backups.ts';
import { candleStore } from './candle-store.ts';
import { tradingDays, tradingHours } from './hours.ts';
import { tradedInstruments } from './instruments.ts';
import { marketSubtree } from './market.ts';
import { PortUnavailable } from '../transports/http.ts';
import { UwsUnavailable } from '../transports/websocket/uws.ts';
import { gatewaySpecs, type GatewayAddress } from './gateways.ts';
import { Failure } from './failure.ts';
import { openMasterKeysOf } from './master-keys.ts';
import { Registry } from './registry.ts';
import { simulatedDepthSource } from './simulated-depth.ts';
import { simulatedReference, simulatedSource } from './simulated-source.ts';
import { demoAccounts, seedDemo, type SeededAccount } from './seed.ts';
import { createServices, decisionJson } from './services.ts';
import { platformShutdown, stopBounds } from './shutdown.ts';
import { auditSpec, journalWriterSpec, tenantChildren, type Stage } from './stage.ts';
import { openStorage } from './storage.ts';
import { strategyWorker } from './strategies.ts';

export interface PlatformOptions {
  readonly config: Config;
  readonly log: Log;
  /** A fault that only an operator can mend, in one line. The process should end. */
  onFatal(message: string): void;
  /** Bounds other than the configuration's, for benchmarks and tests. */
  readonly limits?: Partial<Limits>;
  /** The same for what may be risked. */
  readonly risk?: Partial<RiskLimits>;
  /** More demo accounts, `bench-1` and on, with USD 1,000,000 each. */
  readonly seedAccounts?: number;
}

export interface Platform {
  readonly addresses: readonly GatewayAddress[];
  /** Resolves when it is ready for the first time. */
  readonly ready: Promise<void>;
  /** Drains: no new orders, open requests answered, sockets closed, journal flushed. May be called twice; never rejects. */
  stop(reason?: string): Promise<ShutdownReport>;
}

export const version = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

/** Scaled by 10^8: confidence of at least 0.6, and a tenth of a lot an order. */
const aiGuard = { minConfidence: 60_000_000n, quantity: 10_000_000n };

/** @throws HomeInUse, HomeNotWritable, or the error of a gateway that cannot listen: nothing is left running */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { config, log } = options;
  const home = resolve(config.home);
  const limits: Limits = { ...config.limits, ...options.limits };
  const lock = lockHome(home);
  const clock = systemClock;
  const readiness = new Readiness(clock, ['database', 'platform']);
  const bus = new EventBus<PlatformTopics>((error, topic) => log.error({ error, topic }, 'a subscriber failed'));
  const quotes = new QuoteBoard(limits.market.rangeMs);
  const instruments = tradedInstruments();
  const sessions = config.simulator.sessions === 'real' ? tradingHours() : undefined;
  const hours = (symbol: string): TradingHours | undefined => sessions?.get(symbol);
  const broker = createPaperBroker({
    ...{ clock, quotes, instrument: (symbol) => instruments.get(symbol), hours, realism: paper },
  });
  bus.subscribe('quotes', (quote) => broker.onQuote(quote));
  const storage = openStorage({ home, external: config.database, log });
  const shared = openShared({ redis: config.redis, readiness, limits, clock, log });
  const replica = openReplica({ at: config.replica, limits: limits.database, readiness, clock, log });
  const registry = new Registry();
  const system = createSystem({ name: 'aitrading', clock, log });
  let ownership: Ownership | undefined;
  system.events.subscribe({ types: ['gave-up'] }, ({ path }) => {
    if (path === '/') options.onFatal('the platform gave up: its parts failed too often, see the log');
  });

  const projectorRef = () => {
    const ref = system.find<ProjectorMessage>('/storage/projector');
    if (!ref) throw new Error('the projector is not there');
    return ref;
  };
  const caughtUp = (key: { tenantId: number; entityId: number }, seq: number, withinMs: number): Promise<boolean> =>
    projectorRef().ask({ type: 'wait-for', key, seq, withinMs }, { timeoutMs: withinMs + 1_000 });

  const accounts = new AccountBoard();
  const killSwitches = new KillSwitchBoard();
  const risk = new LimitBoard({ ...config.risk, ...options.risk });
  const stage: Stage = {
    ...{
      system,
      bus,
      quotes,
      instruments,
      journal: storage.journal,
      snapshots: storage.snapshots,
      broker,
      limits,
      risk,
      guard: aiGuard,
      accounts,
      killSwitches,
      hours,
      days: tradingDays(),
    },
    watched: { candles: new LatestBoard(), books: new LatestBoard(), sources: new LatestBoard() },
    candleStore: candleStore(storage, readiness),
    marketEpoch: clock.wallMicros().toString(36),
    epochOf: (slot) => ownership?.epochOf(slot),
    async lookUpCommand(key, commandId, throughSeq) {
      if (!(await caughtUp(key, throughSeq, limits.http.readYourWritesWaitMs)))
        throw new Error('the read models are behind');
      return findCommand(storage.database(), key, commandId);
    },
  };
  const tenantServices = {
    strategies: (tenant: string) =>
      strategies.filter((each) => each.tenant === tenant).map((each) => strategyWorker(stage, each, true)),
    ai: ({ tenantId, tenant }: { readonly tenantId: number; readonly tenant: string }) =>
      tenantAi({
        ...{ config, limits: limits.ai, clock, cache: shared.store.cache, tenantId, allowed: aiAllowLists.get(tenant) },
        budgetStore: new PostgresBudgetStore(() => storage.database(), tenantId),
      }),
    async saveDecision(tenantId: number, decision: Parameters<typeof decisionJson>[0]) {
      const json = decisionJson(decision, instruments);
      await saveSignal(storage.database(), tenantId, {
        ...{ signalId: decision.id, timeMicros: decision.timeMicros, body: json },
      });
      bus.publish(`signals:${tenantId}/${decision.request.symbol}`, { json });
    },
    writeAudit: (entries: Parameters<typeof appendAudit>[1]) => appendAudit(storage.database(), entries),
  };

  const ask = { timeoutMs: limits.ask.deadlineMs };
  const steps: DatabaseStep[] = [
    {
      doing: config.database ? 'connecting to the database' : 'starting the embedded database',
      run: async () => {
        await storage.ping();
        await checkDurability(storage.database());
      },
    },
    {
      doing: 'applying migrations',
      run: async () => {
        await migrate(storage.database());
        await checkRights(storage.database());
      },
    },
    {
      doing: 'claiming the journal',
      run: async () => {
        ownership = await claimAllSlots(storage.database(), { nodeId: hostname(), version });
      },
    },
    {
      doing: 'seeding the demo tenant',
      run: async () => {
        if (config.isProduction) return;
        const masters = await openMasterKeysOf(storage.database(), config.masterKeys, home);
        await seedDemo(storage, home, seeded, masters);
      },
    },
    {
      doing: 'reading kill switches and risk limits',
      run: async () => {
        for (const latched of await listLatched(storage.database())) killSwitches.latch(latched);
        for (const layer of await listRiskLimits(storage.database())) risk.set(layer);
      },
    },
    { doing: 'starting the tenants', run: startTenants },
    { doing: 'opening the demo accounts', run: async () => (config.isProduction ? undefined : openAccounts()) },
    { doing: 'starting accounts with orders or positions', run: resumeAccounts },
  ];
  const seeded: SeededAccount[] = [
    ...demoAccounts,
    ...Array.from({ length: options.seedAccounts ?? 0 }, (_, i) => ({
      ...{ slug: `bench-${i + 1}`, currency: 'USD', leverage: 30, aiMayOrder: false, deposit: 1_000_000n * 10n ** 8n },
    })),
  ];

  /** A server of ours may die at any step of the start: whichever is tried again brings it back first. */
  function withStorage({ doing, run }: DatabaseStep): DatabaseStep {
    return { doing, run: () => storage.open().then(run) };
  }

  async function ping(): Promise<void> {
    // Nobody waits for it.
    void replica?.check();
    await storage.ping();
    watchSaturation();
    await ownership?.check(storage.database());
  }

  /** A pool that keeps its clients waiting is told before requests run into their time limit. */
  function watchSaturation(): void {
    const { saturatedMs, waiting, limit } = storage.database().stats();
    const isSaturated = saturatedMs >= limits.database.saturatedMs;
    const reason = `${waiting} wait for one of ${limit} connections`;
    if (isSaturated) readiness.set('database-pool', 'degraded', reason);
    else if (readiness.components.has('database-pool')) readiness.set('database-pool', 'ready');
  }

  async function startTenants(): Promise<void> {
    for (const tenant of await registry.load(storage.database())) {
      const last = await storage.journal.lastSeqs(tenant.tenantId);
      const projected = await checkpoints(storage.database(), tenant.tenantId);
      for (const { account, accountId } of tenant.accounts.values()) {
        const follow = { tenantId: tenant.tenantId, tenant: tenant.tenant, accountId, account };
        const [checkpoint, lastSeq] = [projected.get(accountId) ?? 0, last.get(accountId) ?? 0];
        projectorRef().tell({ type: 'follow', account: follow, checkpoint, lastSeq }, { control: true });
      }
      if (!system.find(`${tenantsPath}/${tenant.tenant}`))
        await system.spawn(tenantsPath, tenantChildren(stage, tenant, tenantServices));
    }
    // Which accounts have something working is read from the read models, so these must hold all of the journal.
    await projectorRef().ask({ type: 'wait-until-caught-up' }, { timeoutMs: 600_000 });
  }

  /** Each account is opened by commands, so that its first money is in its journal like all other. Repeated, they change nothing. */
  async function openAccounts(): Promise<void> {
    await Promise.all(
      seeded.map(async ({ slug, currency, leverage, aiMayOrder, deposit }) => {
        await command(slug, { type: 'open-account', currency, oms: 'netting', leverage, aiMayOrder });
        await command(slug, { type: 'deposit', reference: 'seed', amount: deposit });
      }),
    );
  }

  async function command(account: string, toDo: AccountCommand): Promise<void> {
    const ref = system.find<TradingAccountMessage>(accountPath('demo', account));
    const result = await ref?.ask({ type: 'command', command: toDo, subjectId: 'system' }, ask);
    if (result?.type !== 'done')
      throw new Error(`account ${account}: ${toDo.type} was not done (${result?.type ?? 'no such account'})`);
  }

  /** An account whose journal cannot be understood is down alone: it keeps nobody else from starting. */
  async function replayed(account: ActorRef<TradingAccountMessage>): Promise<void> {
    try {
      const state = await account.ask({ type: 'read' }, ask);
      if ('reason' in state) throw new JournalUnavailable(new Error(state.reason));
    } catch (error) {
      if (!(error instanceof ActorCrashed || error instanceof ActorStopped)) throw error;
      log.error({ err: error, path: account.path }, 'an account with orders or positions cannot be started');
    }
  }

  async function resumeAccounts(): Promise<void> {
    for (const { tenantId, tenant, accounts } of registry.tenants()) {
      const outstanding = new Set(await accountsToStart(storage.database(), tenantId));
      const refs = [...accounts.values()]
        .filter(({ accountId }) => outstanding.has(accountId))
        .map(({ account }) => system.find<TradingAccountMessage>(accountPath(tenant, account)));
      await Promise.all(refs.map(async (ref) => ref && replayed(ref)));
    }
    // Orders that were working when a switch was thrown are withdrawn, also where the node died on the way.
    system.find<KillSwitchesMessage>(killSwitchesPath)?.tell({ type: 'apply' });
    await resumeDeadMen(stage, storage, registry);
    readiness.set('platform', 'ready');
  }

  const databaseSpec: AnyWorkerSpec = {
    ...{ id: 'database', kind: 'database' },
    behavior: database({
      ...{ readiness, steps: steps.map(withStorage), ping, pingMs: limits.database.pingMs },
      // An actor that crashed on the way is restarted, and the step is tried again.
      isFatal: (error) =>
        error instanceof Terminal && !(error instanceof ActorCrashed || error instanceof ActorStopped),
      onFatal: (error) => options.onFatal(error instanceof Error ? error.message : String(error)),
      retry: { firstMs: limits.database.retryFirstMs, maxMs: limits.database.retryMaxMs },
    }),
  };
  const projectorSpec: AnyWorkerSpec = {
    ...{ id: 'projector', kind: 'projector', mailbox: { capacity: limits.mailbox.projector, whenFull: 'reject' } },
    behavior: projector({
      ...{ bus, read: (key, afterSeq) => storage.journal.read(key, afterSeq) },
      models: { apply: (commits) => applyCommits(storage.database(), commits) },
      decode: (account, { seq, commandId, digest, payload }) => ({
        ...{ ...account, seq, commandId, digest },
        events: decodePayload(payload).events.map((event) => ({ event })),
      }),
      limits: limits.projector,
    }),
  };
  const { seed } = config.simulator;
  const market = marketSubtree(stage, {
    prices: (symbol) => simulatedSource(instruments.get(symbol)!, seed, stage.hours(symbol)),
    reference: (symbol) => simulatedReference(instruments.get(symbol)!, seed, stage.hours(symbol)),
    depth: (symbol) => simulatedDepthSource(instruments.get(symbol)!, seed, stage.hours(symbol)),
  });
  const services = createServices({
    ...{ stage, storage, registry, readiness, config, version, caughtUp, log, shared, replica },
    streamCounts: () => streams.counts,
    offered: (tenant) => offeredModels(config.ai, tenant === undefined ? undefined : aiAllowLists.get(tenant)),
  });
  const { specs, addresses, streams } = gatewaySpecs({ config, limits, services, readiness });

  const shutdown = platformShutdown({ system, readiness, storage, lock }, limits.shutdown);
  shutdown.addTask('stop-database', 'redis', () => shared.redis?.close());
  shutdown.addTask('stop-database', 'replica', () => replica?.database.close());
  let stopping: Promise<ShutdownReport> | undefined;

  async function stop(reason: string): Promise<ShutdownReport> {
    const report = await shutdown.run(reason);
    const [failure] = report.phases.flatMap(({ failed }) => failed);
    if (!report.isClean) log.error({ error: failure?.error }, describeShutdown(report));
    return report;
  }

  const tree = platformTree({
    storage: storageTree(databaseSpec, journalWriterSpec(stage), projectorSpec, shared.spec),
    ...{ market, tenants: tenantsTree() },
    operations: operations([
      auditSpec(tenantServices.writeAudit, limits),
      ...riskActors(stage, storage),
      backupsSpec({ storage, readiness, config, limits: limits.backup }),
    ]),
    gateways: gateways(specs),
  });
  try {
    await system.start({ ...tree, shutdownMs: stopBounds(limits.shutdown).treeMs });
  } catch (error) {
    await stop('the start failed');
    throw startFault(error);
  }
  for (const name of unusedSettings(config))
    log.warn({ setting: name }, 'this build has no driver for it: the setting has no effect');
  return { addresses, ready: readiness.whenReady(), stop: (reason = 'it was asked to') => (stopping ??= stop(reason)) };
}

/** A gateway that cannot listen is for the operator to mend; whatever else keeps the tree from starting is a fault of ours. */
function startFault(error: unknown): unknown {
  const cause = error instanceof StartFailed ? error.cause : error;
  if (cause instanceof UwsUnavailable) return new Failure(`WS_ENGINE=uws: ${cause.message}`, { cause });
  if (!(cause instanceof PortUnavailable)) return error;
  return new Failure(`${cause.message}; PORT_OFFSET moves all eight ports`, { cause });
}

function unusedSettings({ natsUrl, mt5, midtrans }: Config): string[] {
  const settings: Record<string, unknown> = {
    ...{ NATS_URL: natsUrl, MT5_SERVER: mt5, MIDTRANS_SERVER_KEY: midtrans },
  };
  return Object.keys(settings).filter((name) => settings[name] !== undefined);
}
