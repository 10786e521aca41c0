/** What the gateways are given: actors by name, and plain functions over the registry, the read models and the tree. */
import { randomBytes } from 'node:crypto';
import { decisionView } from '../actors/ai/decision-view.ts';
import { signalDeskPath, type Decision, type SignalDeskMessage } from '../actors/signal-desk.ts';
import type { AuditLogMessage } from '../actors/audit-log.ts';
import type { CandleInterval } from '../actors/market/candle.ts';
import type { OfferedModel } from '../transports/services.ts';
import { aiDesk } from './ai-desk.ts';
import { LatestBoard } from '../actors/market/latest.ts';
import { tenantPath } from '../actors/tenant.ts';
import { decodePayload, encodeEvent } from '../actors/trading/codec.ts';
import { channelOf } from '../actors/trading/events.ts';
import type { Instrument } from '../actors/trading/instrument.ts';
import type { Config } from '../config/config.ts';
import { services as serviceMap, serviceNames } from '../config/ports.ts';
import { roles, type Role } from '../config/roles.ts';
import type { Log } from '../runtime/actor.ts';
import type { Readiness } from '../runtime/readiness.ts';
import { treeHealth } from '../supervisors/health.ts';
import { findCredential } from '../transports/drivers/postgres-credentials.ts';
import { getOrder, getSignal, listFills, listLedger, listOrders } from '../transports/drivers/postgres-read-models.ts';
import { platformMetrics } from '../transports/metrics.ts';
import type { StreamCounts } from '../transports/streams/server.ts';
import type {
  AccountEntry,
  HealthReport,
  JournalledRow,
  Principal,
  Services,
  SignalDecision,
} from '../transports/services.ts';
import { withTimeout, type Database } from '../transports/drivers/postgres.ts';
import type { PoolStats } from '../transports/drivers/pool-meter.ts';
import type { Replica } from '../transports/drivers/postgres-replica.ts';
import { databaseDesk } from './database-desk.ts';
import { deadManDesk, killSwitchDesk, riskLimitDesk } from './risk.ts';
import { CommandThrottle } from '../transports/throttle.ts';
import type { Registry } from './registry.ts';
import type { Shared } from './shared.ts';
import type { Stage } from './stage.ts';
import type { Storage } from './storage.ts';

export interface ServicesOptions {
  readonly stage: Stage;
  readonly storage: Storage;
  readonly registry: Registry;
  readonly readiness: Readiness;
  readonly config: Config;
  readonly version: string;
  readonly log: Log;
  readonly shared: Shared;
  readonly replica: Replica | undefined;
  /** Of the gateways, which stand on these services. */
  streamCounts(): StreamCounts;
  /** Models that callers may name. */
  readonly offered: (tenant: string | undefined) => readonly OfferedModel[];
  caughtUp(key: { tenantId: number; entityId: number }, seq: number, withinMs: number): Promise<boolean>;
}

export function createServices({
  stage,
  storage,
  registry,
  readiness,
  config,
  version,
  log,
  shared,
  replica,
  streamCounts,
  caughtUp,
  offered,
}: ServicesOptions): Services {
  const { system, bus, quotes, instruments, limits } = stage;
  const { clock } = system;
  const ask = { timeoutMs: limits.ask.deadlineMs };
  const find = (symbol: string): Instrument | undefined => instruments.get(symbol);
  const metrics = platformMetrics({
    ...{ system, readiness, redis: shared.redis && (() => shared.redis!.counts()) },
    pools: () => poolStats(storage, replica),
    replica: replica && (() => replica.state),
    streams: streamCounts,
    sources: stage.watched && (() => stage.watched!.sources.all()),
  });

  async function findPrincipal(keyHash: Buffer): Promise<Principal | undefined> {
    const found = await findCredential(storage.database(), keyHash);
    const nowMs = clock.wallMicros() / 1000;
    if (!found || found.revokedAt || (found.expiresAt && found.expiresAt.getTime() <= nowMs) || !isRole(found.role))
      return undefined;
    const { keyId, role, tenantId, tenantSlug } = found;
    return {
      ...{ subjectId: keyId, role, tenantId: tenantId ?? undefined, tenant: tenantSlug ?? undefined },
      ...(found.expiresAt && { expiresMicros: found.expiresAt.getTime() * 1_000 }),
    };
  }

  /** From the replica where there is one that has it. */
  function report<T>(account: AccountEntry, throughSeq: number, read: (database: Database) => Promise<T>): Promise<T> {
    const primary = withTimeout(storage.database(), limits.database.requestMs);
    return replica ? replica.read(primary, account, throughSeq, read) : read(primary);
  }

  async function requestSignal(
    principal: Principal,
    request: { symbol: string; account?: string; interval: string },
    traceId: string,
  ): Promise<SignalDecision> {
    const ref =
      principal.tenant === undefined ? undefined : system.find<SignalDeskMessage>(signalDeskPath(principal.tenant));
    if (!ref) throw new Error('this tenant has no AI');
    const { symbol, account } = request;
    const interval = request.interval as CandleInterval;
    const asked = { symbol, interval, subjectId: principal.subjectId, ...(account === undefined ? {} : { account }) };
    const decision = await ref.ask(
      { type: 'request-signal', request: asked },
      { timeoutMs: ask.timeoutMs * 2, traceId },
    );
    const json = decisionJson(decision, instruments);
    const details = { id: decision.id, account: account ?? null, verdict: decision.verdict?.type ?? null };
    audit({
      tenantId: principal.tenantId,
      subject: principal.subjectId,
      action: 'request:signal',
      target: symbol,
      details,
    });
    return {
      id: decision.id,
      symbol,
      signal: decision.signal?.ok ? decision.signal.signal : undefined,
      json,
    };
  }

  function audit({ tenantId, ...entry }: Parameters<Services['audit']>[0]): void {
    const tenant = tenantId === undefined ? undefined : registry.tenant(tenantId);
    const path = tenant ? `${tenantPath(tenant.tenant)}/audit` : '/operations/audit';
    const timed = { tenantId, timeMicros: clock.wallMicros(), ...entry };
    system.find<AuditLogMessage>(path)?.tell({ type: 'record', entry: timed });
  }

  async function* journalled({ tenantId, accountId }: AccountEntry, afterSeq: number): AsyncIterable<JournalledRow> {
    for await (const { seq, payload } of storage.journal.read({ tenantId, entityId: accountId }, afterSeq)) {
      const { events } = decodePayload(payload);
      yield { seq, events: events.map((event) => ({ channel: channelOf(event), json: encodeEvent(event, find) })) };
    }
  }

  async function findSignal(principal: Principal, id: string): Promise<SignalDecision | undefined> {
    if (principal.tenantId === undefined) return undefined;
    const json = await getSignal(storage.database(), principal.tenantId, id);
    return json && { id, symbol: (json as { symbol: string }).symbol, signal: undefined, json };
  }

  return {
    ...{ version, clock, log, directory: system, bus, quotes, instruments },
    candles: stage.watched?.candles ?? new LatestBoard(),
    books: stage.watched?.books ?? new LatestBoard(),
    sources: stage.watched?.sources ?? new LatestBoard(),
    hours: stage.hours,
    marketEpoch: () => stage.marketEpoch,
    rateLimits: shared.store.rateLimits,
    findPrincipal,
    accountsOf: (principal) => registry.accountsOf(principal),
    findAccount: (principal, account) => registry.findAccount(principal, account),
    glance: ({ tenantId, accountId }) => stage.accounts.get(tenantId, accountId)?.state,
    journalled,
    history: {
      orders: (account, query) =>
        report(account, query.throughSeq, (from) => listOrders(from, { ...idsOf(account), ...query }, find)),
      order: (account, orderId, throughSeq) =>
        report(account, throughSeq, (from) => getOrder(from, { ...idsOf(account), orderId }, find)),
      fills: (account, query) =>
        report(account, query.throughSeq, (from) => listFills(from, { ...idsOf(account), ...query }, find)),
      ledger: (account, query) =>
        report(account, query.throughSeq, (from) => listLedger(from, { ...idsOf(account), ...query })),
      caughtUp: ({ tenantId, accountId }, seq) =>
        caughtUp({ tenantId, entityId: accountId }, seq, limits.http.readYourWritesWaitMs),
    },
    health: () => health(readiness),
    supervisors: () => treeHealth(system.inspect()),
    actors: (root) => system.inspect(root),
    actor: (path, within) => system.inspectActor(path, within),
    services: () =>
      serviceNames.map((service) => ({
        service,
        host: serviceMap[service].reach === 'public' ? config.publicHost : config.internalHost,
        port: config.ports[service],
        state: readiness.isReady ? 'up' : 'starting',
        version,
      })),
    requestSignal,
    findSignal,
    ai: aiDesk(system, offered, () => withTimeout(storage.database(), limits.database.requestMs)),
    metrics,
    database: databaseDesk({ storage, replica, system, config, limits: limits.database }),
    deadMan: deadManDesk(stage, registry),
    riskLimits: riskLimitDesk(stage, storage, registry),
    throttle: new CommandThrottle(clock, ({ tenantId, accountId }) =>
      stage.risk.limits({ tenantId, accountId, symbol: '' }),
    ),
    killSwitches: killSwitchDesk({ stage, registry, newId: () => `k-${randomBytes(8).toString('hex')}` }),
    audit,
  };
}

export function decisionJson(decision: Decision, instruments: ReadonlyMap<string, Instrument>): object {
  const { order } = decision;
  const answer = order?.type === 'done' ? { ...order.reply, duplicate: order.duplicate } : order;
  return decisionView(decision, instruments.get(decision.request.symbol)?.digits ?? 8, answer);
}

function health(readiness: Readiness): HealthReport {
  const checks = Object.fromEntries(
    [...readiness.components].map(([name, { state, reason, sinceMicros }]) => [
      name,
      {
        status: state === 'ready' ? 'pass' : state === 'down' ? 'fail' : 'warn',
        ...(reason === undefined ? {} : { reason }),
        sinceMicros,
      },
    ]),
  ) as HealthReport['checks'];
  const states = Object.values(checks).map(({ status }) => status);
  const status = states.includes('fail') ? 'fail' : states.includes('warn') ? 'warn' : 'pass';
  return { status, isReady: readiness.isReady, hasStarted: readiness.hasStarted, reasons: readiness.reasons, checks };
}

/** None while the database is not open. */
function poolStats(storage: Storage, replica: Replica | undefined): Readonly<Record<string, PoolStats>> {
  return {
    ...(storage.isOpen ? { primary: storage.database().stats() } : {}),
    ...(replica ? { replica: replica.database.stats() } : {}),
  };
}

function isRole(role: string): role is Role {
  return (roles as readonly string[]).includes(role);
}

function idsOf({ tenantId, accountId }: AccountEntry): { tenantId: number; accountId: number } {
  return { tenantId, accountId };
}
