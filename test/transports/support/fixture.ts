/** Gateways on real ports of loopback, with two tenants and their accounts behind them, and a clock that stands still. */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { LatestBoard } from '../../../actors/market/latest.ts';
import { QuoteBoard, type Quote } from '../../../actors/market/quote.ts';
import type { LatchedSwitch } from '../../../actors/trading/kill-switch.ts';
import { LimitBoard, type LimitLayer } from '../../../actors/trading/limit-board.ts';
import type { RiskLimits } from '../../../actors/trading/risk-limits.ts';
import { CommandThrottle } from '../../../transports/throttle.ts';
import type { PlatformTopics } from '../../../actors/trading/topics.ts';
import { isAllowed } from '../../../config/roles.ts';
import { silentLog, type Log } from '../../../runtime/actor.ts';
import { VirtualClock } from '../../../runtime/clock.ts';
import { EventBus } from '../../../runtime/event-bus.ts';
import type { ActorDetail } from '../../../runtime/inspection.ts';
import { isWithin } from '../../../runtime/path.ts';
import type { ActorRef } from '../../../runtime/ref.ts';
import { hashApiKey, newApiKey } from '../../../transports/api-key.ts';
import { DatabaseUnavailable } from '../../../transports/drivers/postgres.ts';
import { memoryStore } from '../../../transports/drivers/memory-store.ts';
import {
  gatewayContext,
  type Gateway,
  type GatewayContext,
  type GatewayLimits,
} from '../../../transports/gateways/gateway.ts';
import type { AccountEntry, HealthReport, Principal, Role, Services } from '../../../transports/services.ts';
import { eurusd, usdjpy } from '../../support/instruments.ts';
import { FakeAccount } from './fake-account.ts';

const root = join(import.meta.dirname, '../../..');

export const limits: GatewayLimits = {
  http: {
    bodyBytes: 65_536,
    aiBodyBytes: 1_048_576,
    rate: { perSecond: 100, burst: 200 },
    rateKeys: 100,
    keepAliveMs: 5_000,
    requestMs: 5_000,
  },
  ai: { deadlineMs: 5_000, usualOutputTokens: 1_024, mostOutputTokens: 8_192 },
  stream: {
    ...{ maxPayloadBytes: 65_536, messagesPerSecond: 200, messageBurst: 400, channelsPerConnection: 200 },
    ...{ authenticateWithinMs: 5_000, protocolErrors: 10, protocolErrorWindowMs: 10_000, heartbeatMs: 5_000 },
    ...{ slowBytes: 65_536, slowRoundTripMs: 1_500, slowCloseBytes: 262_144, slowCloseAfterMs: 15_000 },
    ...{ slowAcknowledgeMs: 5_000, recoverRoundTripMs: 500, recoverAfterMs: 10_000, degradedCloseAfterMs: 120_000 },
    ...{ resumeRingEvents: 1_000, resumeRingMs: 300_000, resumeJournalRows: 10_000, ticketMs: 30_000, tickets: 100 },
    ...{ connections: 1_000, flushWindows: [] },
    tenant: { connections: 500, channels: 10_000, messages: { perSecond: 2_000, burst: 4_000 } },
  },
  authentication: {
    cachedPrincipals: 100,
    cacheMs: 30_000,
    cacheUnknownMs: 2_000,
    failures: { perSecond: 1, burst: 20 },
    addresses: 100,
  },
  ask: { deadlineMs: 1_000 },
};

export interface Fixture {
  readonly clock: VirtualClock;
  readonly bus: EventBus<PlatformTopics>;
  readonly services: Services;
  readonly context: GatewayContext;
  readonly keys: Readonly<Record<Role | 'stranger', string>>;
  /** demo-1 and demo-2 belong to the trader of `demo`, other-1 to the stranger of `other`. */
  readonly accounts: Readonly<Record<string, FakeAccount>>;
  /** Messages that were logged, with their level. */
  readonly logged: { readonly level: string; readonly fields: object; readonly message: string }[];
  readonly lookUps: { count: number; fails: Error | undefined };
  readonly actors: Map<string, ActorRef<never>>;
  quote(change?: Partial<Quote>): Quote;
  setHealth(report: Partial<HealthReport>): void;
  /** Starts a gateway on a free port and drains it when the test ends. */
  start(make: (context: GatewayContext) => Promise<Gateway>): Promise<{ gateway: Gateway; port: number; url: string }>;
}

export function fixture(
  change: { readonly limits?: GatewayLimits; readonly exposesInternals?: boolean; readonly throttle?: RiskLimits } = {},
): Fixture {
  const clock = new VirtualClock(1_800_000_000_000_000);
  const bus = new EventBus<PlatformTopics>((error) => {
    throw error;
  });
  const quotes = new QuoteBoard();
  const board = new LimitBoard({ maxWorkingOrders: 100 });
  const instruments = new Map([eurusd, usdjpy].map((instrument) => [instrument.symbol, instrument]));
  const entries = [entryOf('demo', 1, 1, 'USD'), entryOf('demo', 1, 2, 'EUR'), entryOf('other', 2, 1, 'USD')];
  const accounts = Object.fromEntries(
    entries.map((entry) => [entry.account, new FakeAccount(entry, { clock, bus, quotes, instruments })]),
  );
  const actors = new Map<string, ActorRef<never>>(Object.values(accounts).map((account) => [account.path, account]));
  const { keys, principals } = credentials();
  const logged: Fixture['logged'] = [];
  const latched = new Map<string, LatchedSwitch>();
  const lookUps: Fixture['lookUps'] = { count: 0, fails: undefined };
  let health: HealthReport = {
    status: 'pass',
    isReady: true,
    hasStarted: true,
    reasons: [],
    checks: { journal: { status: 'pass', sinceMicros: 0 } },
  };

  const accountsOf = ({ tenantId }: Principal) => entries.filter((entry) => entry.tenantId === tenantId);
  const services: Services = {
    ...{ version: '1.2.3', clock, bus, quotes, instruments, log: recordingLog(logged), accountsOf },
    directory: {
      find: (path) => actors.get(path),
      list: () => [],
      named: () => undefined,
      names: () => [],
      onNames: () => () => {},
    },
    // USDJPY is closed until 2027.
    hours: (symbol) =>
      symbol === 'USDJPY'
        ? { isOpen: () => false, nextOpen: () => Date.UTC(2027, 0, 4) * 1_000, dayEnd: (micros) => micros }
        : undefined,
    marketEpoch: (symbol) => `epoch-${symbol}`,
    rateLimits: memoryStore({ clock, log: silentLog, limits: { valueBytes: 1_024, cacheBytes: 4_096 } }).rateLimits,
    findPrincipal: async (hash) => {
      lookUps.count += 1;
      if (lookUps.fails) throw lookUps.fails;
      return principals.get(hash.toString('hex'));
    },
    candles: new LatestBoard(),
    books: new LatestBoard(),
    sources: new LatestBoard(),
    glance: ({ account }) => accounts[account]?.durable,
    journalled: ({ account }, afterSeq) => accounts[account]!.journalled(afterSeq),
    findAccount: (principal, account) => accountsOf(principal).find((entry) => entry.account === account),
    history: {
      orders: async (_account, query) => ({ items: [{ orderId: 'o-1-1', ...query }], nextCursor: 'next' }),
      order: async (_account, orderId) => (orderId === 'o-1-1' ? { orderId, events: [] } : undefined),
      fills: async () => ({ items: [] }),
      ledger: async () => ({ items: [] }),
      caughtUp: async () => true,
    },
    health: () => health,
    supervisors: () => ({ status: 'operational', reasons: [], supervisors: [] }),
    actors: () => [],
    actor: (path, within) =>
      path === '/tenants/demo/accounts/demo-1' && isWithin(path, within)
        ? ({ path, state: { balance: '1' } } as unknown as ActorDetail)
        : undefined,
    services: () => [],
    requestSignal: async (_principal, { symbol }) => ({
      id: 's-1',
      symbol,
      signal: undefined,
      json: { id: 's-1', symbol },
    }),
    findSignal: async () => undefined,
    ai: {
      async complete() {
        throw new Error('no AI here');
      },
      models: () => [],
      targets: async () => [],
      budgets: async () => [],
      costs: async (_principal, days) => [{ days }],
    },
    metrics: async () => 'up 1\n',
    database: {
      overview: async () => ({ kind: 'embedded' }),
      pools: async () => ({ items: [] }),
      schemas: async (page) => ({ items: [page] }),
      tables: async (tenant, page) => (tenant === 'nobody' ? undefined : { items: [{ tenant, ...page }] }),
      migrations: async () => ({ pending: [] }),
      backups: async () => ({ items: [] }),
      replication: async () => ({ standbys: [] }),
      slowQueries: async () => {
        throw new DatabaseUnavailable(new Error('gone'));
      },
    },
    killSwitches: {
      list: () => [...latched.values()],
      async latch(principal, { account, scope, flatten, reason }) {
        if (account === 'nobody') return undefined;
        const id = `k-${latched.size + 1}`;
        latched.set(id, {
          scope,
          flatten,
          reason,
          id,
          by: principal.subjectId,
          releasedBy: [],
          latchedMicros: clock.wallMicros(),
        });
        return { id, latched: true, accounts: 1 };
      },
      release: async (_principal, id) => (latched.delete(id) ? { type: 'released' } : { type: 'not-found' }),
    },
    riskLimits: {
      effective: (_principal, { account, symbol = '' }) =>
        account === 'nobody' ? undefined : board.effective({ tenantId: 1, accountId: 1, symbol }),
      async set(principal, { account, scope, limits: bounds, reason, symbol }) {
        if (account === 'nobody') return undefined;
        const version = board.all.length + 1;
        const layer: LimitLayer = {
          ...{ scope, limits: bounds, reason, by: principal.subjectId, setMicros: clock.wallMicros(), version },
          ...(symbol === undefined ? {} : { symbol }),
        };
        board.set(layer);
        return layer;
      },
    },
    deadMan: {
      set: async (principal, account, timeoutMs) => {
        if (!services.findAccount(principal, account)) return undefined;
        if (timeoutMs === 0) return { type: 'off' };
        return timeoutMs === 66_666
          ? { type: 'unavailable' }
          : { type: 'on', expiresMicros: clock.wallMicros() + timeoutMs * 1_000 };
      },
    },
    throttle: new CommandThrottle(clock, () => change.throttle ?? {}),
    audit: () => {},
  };
  const context = gatewayContext({
    ...{ services, isAllowed, limits: change.limits ?? limits },
    folders: {
      ...{ web: join(root, 'transports/web'), client: join(root, 'transports/client') },
      errorPages: join(root, 'docs/errors'),
    },
    exposesInternals: () => change.exposesInternals ?? true,
  });

  return {
    ...{ clock, bus, services, context, keys, accounts, logged, lookUps, actors },
    quote(quoteChange = {}) {
      const last = quotes.get(quoteChange.symbol ?? 'EURUSD');
      const quote: Quote = {
        ...{ symbol: 'EURUSD', bid: 108_012_000, ask: 108_014_000, timeMicros: clock.wallMicros() },
        sequence: (last?.sequence ?? 0) + 1,
        ...quoteChange,
      };
      quotes.set(quote);
      bus.publish(`quotes:${quote.symbol}`, quote);
      return quote;
    },
    setHealth(report) {
      health = { ...health, ...report };
    },
    async start(make) {
      const gateway = await make(context);
      onTestFinished(() => gateway.drain());
      const port = await gateway.listen('127.0.0.1', 0);
      return { gateway, port, url: `http://127.0.0.1:${port}` };
    },
  };
}

function entryOf(tenant: string, tenantId: number, number: number, currency: string): AccountEntry {
  return {
    ...{
      tenantId,
      tenant,
      accountId: tenantId * 10 + number,
      account: `${tenant}-${number}`,
      currency,
      owner: `user-${tenant}`,
    },
    ...{ streamEpoch: `journal-${tenant}-${number}`, aiMayOrder: false },
  };
}

function credentials(): { keys: Fixture['keys']; principals: Map<string, Principal> } {
  const of = (role: Role, tenantId?: number, tenant?: string): [string, Principal] => [
    newApiKey('test', tenantId ?? 0),
    { subjectId: `${role}-${tenantId ?? 0}`, role, tenantId, tenant },
  ];
  const all = {
    trader: of('trader', 1, 'demo'),
    'tenant-admin': of('tenant-admin', 1, 'demo'),
    'platform-admin': of('platform-admin'),
    ops: of('ops'),
    auditor: of('auditor'),
    stranger: of('trader', 2, 'other'),
  };
  const keys = Object.fromEntries(Object.entries(all).map(([name, [key]]) => [name, key])) as Fixture['keys'];
  return {
    keys,
    principals: new Map(Object.values(all).map(([key, principal]) => [hashApiKey(key).toString('hex'), principal])),
  };
}

function recordingLog(logged: Fixture['logged']): Log {
  const at = (level: string) => (fields: object, message: string) => void logged.push({ level, fields, message });
  return { ...silentLog, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
