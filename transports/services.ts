/** What the gateways are given by `bin/`: the actors by name, and plain functions. A gateway holds no state of the business. */
import type { RegisteredAccount } from '../actors/tenant.ts';
import type { AccountCommandResult } from '../actors/trading-account.ts';
import type { LatchAnswer, ReleaseAnswer } from '../actors/kill-switches.ts';
import type { LatchedSwitch } from '../actors/trading/kill-switch.ts';
import type { Signal } from '../actors/ai/signal.ts';
import type { CandleUpdate } from '../actors/market/candle.ts';
import type { LatestBoard } from '../actors/market/latest.ts';
import type { CompletionOrder, RoutedResult } from '../actors/ai/routing.ts';
import type { SourceHealth } from '../actors/price-stream.ts';
import type { BookUpdate } from '../actors/market/order-book.ts';
import type { QuoteBoard } from '../actors/market/quote.ts';
import type { Account, TradingHours } from '../actors/trading/account.ts';
import type { AccountChannel } from '../actors/trading/events.ts';
import type { DeadManAnswer } from '../actors/dead-man.ts';
import type { EffectiveLimit, LimitLayer } from '../actors/trading/limit-board.ts';
import type { RiskLimits } from '../actors/trading/risk-limits.ts';
import type { CommandThrottle } from './throttle.ts';
import type { Instrument } from '../actors/trading/instrument.ts';
import type { PlatformTopics } from '../actors/trading/topics.ts';
import type { Log } from '../runtime/actor.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Directory } from '../runtime/directory.ts';
import type { EventBus } from '../runtime/event-bus.ts';
import type { SharedStore } from './shared-store.ts';
import type { ActorDetail, ActorInfo } from '../runtime/inspection.ts';

export type Role = 'trader' | 'tenant-admin' | 'platform-admin' | 'ops' | 'auditor';

export type ServiceName = 'api' | 'database' | 'data-bridge' | 'hub' | 'ai' | 'trading' | 'billing' | 'analytics';

/** What routes ask for; `bin/` hands down which role may do what. */
export type Action =
  | 'streams:read'
  | 'market:read'
  | 'accounts:read'
  | 'orders:write'
  | 'orders:cancel'
  | 'kill-switches:read'
  | 'kill-switches:write'
  | 'risk-limits:read'
  | 'risk-limits:write'
  | 'signals:read'
  | 'signals:write'
  | 'completions:write'
  | 'ai-costs:read'
  | 'actors:read'
  | 'services:read'
  | 'database:read'
  | 'health:read'
  | 'metrics:read';

/** Who is asking. The tenant comes from the credential, never from the request. */
export interface Principal {
  /** Stable id of the credential's holder, for the journal and the audit log. */
  readonly subjectId: string;
  readonly role: Role;
  /** Undefined for platform roles. */
  readonly tenantId: number | undefined;
  readonly tenant: string | undefined;
  /** When the credential ends; absent: never. */
  readonly expiresMicros?: number;
}

/** An account as the registry has it, with its tenant. */
export interface AccountEntry extends RegisteredAccount {
  readonly tenantId: number;
  readonly tenant: string;
}

/** A row of an account's journal as streams show it. */
export interface JournalledRow {
  readonly seq: number;
  readonly events: readonly { readonly channel: AccountChannel; readonly json: string }[];
}

/** One page, newest first; `nextCursor` is absent on the last. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor?: string;
}

export interface HistoryQuery {
  readonly limit: number;
  readonly cursor?: string;
  /** What is read has to hold the account's journal up to here. */
  readonly throughSeq: number;
}

/** When it was booked: from, and up to without; microseconds since the epoch. */
export interface TimeRange {
  readonly fromMicros?: number;
  readonly toMicros?: number;
}

/** Rows of the read models, as JSON that goes out as it is: decimal text, RFC 3339 times. */
export interface History {
  orders(account: AccountEntry, query: HistoryQuery & { readonly state?: string }): Promise<Page<object>>;
  /** With its full event history. */
  order(account: AccountEntry, orderId: string, throughSeq: number): Promise<object | undefined>;
  fills(account: AccountEntry, query: HistoryQuery & TimeRange): Promise<Page<object>>;
  ledger(account: AccountEntry, query: HistoryQuery & TimeRange): Promise<Page<object>>;
  /** Waits until the read models hold the account's journal up to `seq`; false after the time that the limits give. */
  caughtUp(account: AccountEntry, seq: number): Promise<boolean>;
}

/** The emergency stop, as far as a principal may use it: a tenant's own, or the platform's. */
export interface KillSwitchDesk {
  list(principal: Principal): readonly LatchedSwitch[];
  /** Undefined: the account is not there. */
  latch(
    principal: Principal,
    order: {
      readonly scope: LatchedSwitch['scope'];
      readonly account?: string | undefined;
      readonly symbol?: string | undefined;
      readonly strategyId?: string | undefined;
      readonly flatten: boolean;
      readonly reason: string;
    },
  ): Promise<LatchAnswer | undefined>;
  release(principal: Principal, id: string): Promise<ReleaseAnswer>;
}

/** Bounds on what may be risked, as far as a principal may see and set them. Undefined: the account is not there. */
export interface RiskLimitDesk {
  effective(
    principal: Principal,
    subject: {
      readonly account?: string | undefined;
      readonly symbol?: string | undefined;
      readonly strategyId?: string | undefined;
    },
  ): readonly EffectiveLimit[] | undefined;
  /** In force once it is durable. @throws a Retryable while the database is away: nothing has changed then */
  set(
    principal: Principal,
    order: {
      readonly scope: LimitLayer['scope'];
      readonly account?: string | undefined;
      readonly symbol?: string | undefined;
      readonly strategyId?: string | undefined;
      readonly limits: RiskLimits;
      readonly reason: string;
    },
  ): Promise<LimitLayer | undefined>;
}

/** The dead man's switch of an account. */
export interface DeadManDesk {
  /** @param timeoutMs 0 switches it off. Undefined: the account is not there. */
  set(principal: Principal, account: string, timeoutMs: number): Promise<DeadManAnswer | undefined>;
}

/** How the database is, as JSON that goes out as it is. All of it fails with a Retryable while the database is away. */
export interface DatabaseDesk {
  overview(): Promise<object>;
  pools(): Promise<object>;
  schemas(page: { limit: number; cursor?: string }): Promise<Page<object>>;
  /** @param tenant absent: the platform's own tables; undefined is answered for a tenant that is not there */
  tables(tenant: string | undefined, page: { limit: number; cursor?: string }): Promise<Page<object> | undefined>;
  migrations(): Promise<object>;
  backups(): Promise<object>;
  replication(): Promise<object>;
  slowQueries(): Promise<object>;
}

export type ComponentStatus = 'pass' | 'warn' | 'fail';

export interface HealthReport {
  readonly status: ComponentStatus;
  /** Ready for traffic; `reasons` say why not. */
  readonly isReady: boolean;
  /** Everything needed at start has happened once. */
  readonly hasStarted: boolean;
  readonly reasons: readonly string[];
  readonly checks: Readonly<
    Record<string, { readonly status: ComponentStatus; readonly reason?: string; readonly sinceMicros: number }>
  >;
}

export interface SignalDecision {
  readonly id: string;
  readonly symbol: string;
  readonly signal: Signal | undefined;
  /** The whole decision as JSON that goes out as it is: votes, cost, evidence, verdict, order. */
  readonly json: object;
}

export interface SupervisorHealth {
  readonly status: 'operational' | 'degraded' | 'down';
  readonly reasons: readonly string[];
  readonly supervisors: readonly {
    readonly path: string;
    readonly status: 'operational' | 'degraded' | 'down';
    readonly reason?: string;
  }[];
}

export interface AiDesk {
  /** Asks the tenant's router. @throws Retryable */
  complete(principal: Principal, order: CompletionOrder, traceId: string): Promise<RoutedResult>;
  models(principal: Principal): readonly OfferedModel[];
  /** What may be asked, and how it fares. */
  targets(principal: Principal): Promise<readonly object[]>;
  /** What may be spent, what is set aside, what is gone. */
  budgets(principal: Principal): Promise<readonly object[]>;
  /** By day, provider, model and subject. @throws DatabaseUnavailable */
  costs(principal: Principal, days: number): Promise<readonly object[]>;
}

/** A model that callers may name. */
export interface OfferedModel {
  readonly name: string;
  /** Seconds since 1970, since when it is offered. */
  readonly createdSeconds: number;
  /** Who answers, such as `openai`. */
  readonly provider: string;
}

export interface ServiceEntry {
  readonly service: string;
  readonly host: string;
  readonly port: number;
  readonly state: 'up' | 'starting' | 'down';
  readonly version: string;
}

export interface Services {
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly directory: Directory;
  readonly bus: EventBus<PlatformTopics>;
  readonly quotes: QuoteBoard;
  /** By `seriesKey`. */
  readonly candles: LatestBoard<CandleUpdate>;
  /** By symbol; nothing where the source has no depth. */
  readonly books: LatestBoard<BookUpdate>;
  /** What is known of each source of prices. */
  readonly sources: LatestBoard<SourceHealth>;
  readonly instruments: ReadonlyMap<string, Instrument>;
  /** When a symbol trades; undefined: at any time. */
  hours(symbol: string): TradingHours | undefined;
  /** Epoch of the market channels of a symbol or account: new with every process. */
  marketEpoch(subject: string): string;
  /** Shared by the nodes where there is a Redis. */
  readonly rateLimits: SharedStore['rateLimits'];
  /** The holder of an API key, given its SHA-256. @throws a Retryable while it cannot be told */
  findPrincipal(keyHash: Buffer): Promise<Principal | undefined>;
  /** Accounts that the principal may see, by slug. */
  accountsOf(principal: Principal): readonly AccountEntry[];
  findAccount(principal: Principal, account: string): AccountEntry | undefined;
  /** What is durable of an account with something working or open; undefined of one that has neither. */
  glance(account: AccountEntry): Account | undefined;
  /** Rows of the account's journal behind `afterSeq`, with the events that clients were told. @throws a Retryable while it cannot be read */
  journalled(account: AccountEntry, afterSeq: number): AsyncIterable<JournalledRow>;
  readonly history: History;
  health(): HealthReport;
  supervisors(): SupervisorHealth;
  actors(root?: string): readonly ActorInfo[];
  /** One actor, if it is at or below `within`; of others only those that are there too. */
  actor(path: string, within: string): ActorDetail | undefined;
  services(): readonly ServiceEntry[];
  /** Asks the tenant's AI router for a decision. @throws Retryable */
  requestSignal(
    principal: Principal,
    request: { symbol: string; account?: string; interval: string },
    traceId: string,
  ): Promise<SignalDecision>;
  findSignal(principal: Principal, id: string): Promise<SignalDecision | undefined>;
  readonly ai: AiDesk;
  /** Numbers of the platform for /metrics, in prom-client's text format. */
  metrics(): Promise<string>;
  readonly database: DatabaseDesk;
  readonly killSwitches: KillSwitchDesk;
  readonly riskLimits: RiskLimitDesk;
  readonly deadMan: DeadManDesk;
  readonly throttle: Pick<CommandThrottle, 'take'>;
  audit(entry: {
    tenantId: number | undefined;
    subject: string;
    action: string;
    target: string;
    details: object;
  }): void;
}

export type { AccountCommandResult };
