/**
 * One a tenant: asks a provider, and another one when it fails. All attempts stand in one loop under one deadline; what becomes of a
 * failure is in `ai/retry.ts`, who is asked next in `ai/route.ts`.
 */
import type { ActorContext, Behavior } from '../runtime/actor.ts';
import type { ActorRef, Asks } from '../runtime/ref.ts';
import type { AiProviderMessage } from './ai-provider.ts';
import { cacheKey, type CompletionCache } from './ai/cache.ts';
import { redactRequest, type RedactedRequest } from './ai/redact-request.ts';
import type {
  Attempt,
  Completion,
  CompletionFailure,
  CompletionRequest,
  CompletionResult,
  TokenUsage,
} from './ai/provider.ts';
import { consequenceOf, type Consequence } from './ai/retry.ts';
import type { RouteBoard, Underway } from './ai/route-board.ts';
import { canDo, inOrder, mayAsk, type RoutePolicy, type RouteQuestion, type Target } from './ai/route.ts';
import {
  likelyTokens,
  mostInputTokens,
  type AttemptRecord,
  type CompletionOrder,
  type RoutedRefusal,
  type RoutedResult,
} from './ai/routing.ts';
import { percentileOf } from './ai/latency.ts';

export type AiRouterMessage =
  | ({ readonly type: 'complete'; readonly order: CompletionOrder } & Asks<RoutedResult>)
  | ({ readonly type: 'get-targets' } & Asks<readonly object[]>)
  | { readonly type: 'completed' };

/** What is set aside before a call goes out, so that calls at once cannot spend the same money. */
export interface Budget {
  /** Once it resolves, the call may go out, unless it says why not, in figures. @throws Retryable it cannot be told */
  reserve(call: BudgetQuestion): Promise<Readonly<Record<string, string>> | undefined>;
  /** Once for each call that was admitted. */
  settle(id: string, record: AttemptRecord): void;
}

export interface BudgetQuestion {
  readonly id: string;
  readonly order: CompletionOrder;
  readonly target: Target;
}

export interface AiRouterSpec {
  readonly targets: readonly Target[];
  readonly board: RouteBoard;
  readonly policy: RoutePolicy;
  provider(target: Target): ActorRef<AiProviderMessage> | undefined;
  /** Exact; undefined where a price is unknown. */
  costOf(target: Pick<Target, 'provider' | 'model'>, usage: TokenUsage): bigint | undefined;
  readonly budget?: Budget;
  readonly cache?: CompletionCache;
  /** Whether the tenant lets its requests go there; absent: to all of them. */
  isAllowed?(target: Target): boolean;
  /** Each attempt, for the ledger. */
  onAttempt?(record: AttemptRecord, order: CompletionOrder): void;
  newId(): string;
  random(): number;
  readonly limits: AiRouterLimits;
}

export interface AiRouterLimits {
  /** From a call to the first content, and between two pieces. */
  readonly firstTokenMs: number;
  readonly idleMs: number;
  /** A second provider is asked too, once the first takes longer than this share of its latest calls. Above 1: never. */
  readonly hedgeShare: number;
}

export function routerPath(tenant: string): string {
  return `/tenants/${tenant}/router/router`;
}

export function aiRouter(
  spec: AiRouterSpec,
): Behavior<{ readonly underWay: number; readonly done: number }, AiRouterMessage> {
  /** Calls that others ask for too while they are under way, by their key in the cache. */
  const shared = new Map<string, Promise<RoutedResult>>();
  return {
    start: () => ({ underWay: 0, done: 0 }),

    receive(state, message, context) {
      switch (message.type) {
        case 'complete': {
          const replyTo = context.replyLater();
          context.pipe(answered(spec, message.order, shared, context), (result) => {
            if (result.ok) replyTo.reply(result.value);
            else replyTo.fail(result.error instanceof Error ? result.error : new Error(String(result.error)));
            return { type: 'completed' };
          });
          return { ...state, underWay: state.underWay + 1 };
        }
        case 'get-targets':
          context.reply(allowedOf(spec).map((target) => spec.board.view(target, context.clock.monotonicMs())));
          return state;
        case 'completed':
          return { underWay: state.underWay - 1, done: state.done + 1 };
      }
    },

    inspect: (state) => state,
  };
}

function allowedOf({ targets, isAllowed = () => true }: AiRouterSpec): readonly Target[] {
  return targets.filter((target) => isAllowed(target));
}

/** From the cache, together with others who ask the same, or by asking. */
async function answered(
  spec: AiRouterSpec,
  order: CompletionOrder,
  shared: Map<string, Promise<RoutedResult>>,
  context: ActorContext<AiRouterMessage>,
): Promise<RoutedResult> {
  const { cache } = spec;
  if (!cache || !order.mayBeCached || order.onPart) return new Journey(spec, order, context).run();
  const key = cacheKey(order);
  const found = await cache.get(key);
  if (found) return { ok: true, answer: { ...found, costPicoUsd: 0n, attempts: [], isCached: true } };
  const underWay = shared.get(key);
  if (underWay) return underWay;
  const asked = new Journey(spec, order, context).run();
  shared.set(key, asked);
  try {
    const result = await asked;
    if (result.ok && result.answer.completion.finish !== 'length') await cache.set(key, result.answer);
    return result;
  } finally {
    shared.delete(key);
  }
}

/** One order on its way from target to target. */
class Journey {
  readonly #spec: AiRouterSpec;
  readonly #order: CompletionOrder;
  readonly #context: ActorContext<AiRouterMessage>;
  readonly #deadlineMs: number;
  readonly #attempts: AttemptRecord[] = [];
  /** How often each target was asked. */
  readonly #repeats = new Map<Target, number>();
  readonly #failedProviders = new Set<string>();
  #isBegun = false;
  #redacted: RedactedRequest | undefined;

  constructor(spec: AiRouterSpec, order: CompletionOrder, context: ActorContext<AiRouterMessage>) {
    this.#spec = spec;
    this.#order = order;
    this.#context = context;
    this.#deadlineMs = this.#nowMs + order.deadlineMs;
  }

  async run(): Promise<RoutedResult> {
    const { model, request } = this.#order;
    const isNamed = ({ names }: Target): boolean => model === 'auto' || names.includes(model);
    const named = this.#spec.targets.filter(isNamed);
    if (named.length === 0)
      return this.#refused({ code: 'model-unknown', message: `there is no model ${model.slice(0, 80)}` });
    const allowed = allowedOf(this.#spec).filter(isNamed);
    if (allowed.length === 0)
      return this.#refused({
        code: 'provider-not-allowed',
        message: 'the tenant allows no provider that has this model',
      });
    const tokens = Math.ceil(mostInputTokens(request) / 2) + request.maxOutputTokens;
    let able = allowed.filter((target) => canDo(target, request, tokens));
    if (able.length === 0) return this.#refused(whyUnable(allowed, tokens));
    let target: Target | undefined = this.#ranked(able)[0];
    let last: RoutedRefusal | undefined;
    while (target) {
      const asked = target;
      const result = await this.#ask(asked, able);
      if (result.type === 'answered') return result.result;
      last = result.refusal;
      if (result.next === 'end') break;
      if (result.next === 'larger') able = able.filter(({ contextTokens }) => contextTokens > asked.contextTokens);
      if (result.waitMs > 0) await this.#pause(result.waitMs);
      target = result.next === 'same' ? asked : this.#ranked(able.filter((one) => !this.#repeats.has(one)))[0];
    }
    return { ok: false, refusal: { ...last!, attempts: this.#attempts } };
  }

  get #nowMs(): number {
    return this.#context.clock.monotonicMs();
  }

  /** Providers that have failed already come last: what is wrong with one model is mostly wrong with all of them. */
  #ranked(targets: readonly Target[]): readonly Target[] {
    const ordered = inOrder(targets, (target) => this.#spec.board.of(target), this.#question);
    const hasFailed = ({ provider }: Target): number => Number(this.#failedProviders.has(provider));
    return ordered.toSorted((a, b) => hasFailed(a) - hasFailed(b));
  }

  get #question(): RouteQuestion {
    const { policy, board, costOf, random } = this.#spec;
    const { request } = this.#order;
    const tokens = likelyTokens(request);
    const likely = {
      ...noTokens,
      inputTokens: tokens - request.maxOutputTokens,
      outputTokens: request.maxOutputTokens,
    };
    return {
      ...{ policy, breaker: board.policy, tokens, nowMs: this.#nowMs, random },
      costOf: (target) => costOf(target, likely),
    };
  }

  /** An attempt, and where it takes unusually long one more beside it: the first answer counts, both are paid. */
  async #ask(target: Target, able: readonly Target[]): Promise<Step> {
    const first = await this.#start(target, able);
    if ('code' in first) return { type: 'failed', refusal: first, next: 'end', waitMs: 0 };
    const { latency } = this.#spec.board.of(target);
    const hedgeMs = this.#order.onPart ? undefined : percentileOf(latency, this.#spec.limits.hedgeShare);
    if (hedgeMs === undefined) return this.#stepOf(await first.result);
    const early = await Promise.race([first.result, this.#late(hedgeMs)]);
    const other = early ? undefined : this.#alternatives(able)[0];
    const second = other && (await this.#start(other, able));
    if (early || !second || 'code' in second) return this.#stepOf(early ?? (await first.result));
    const winner = await firstGood(first.result, second.result);
    // Whoever is still at it is not waited for.
    first.withdraw();
    second.withdraw();
    return this.#stepOf(winner);
  }

  #stepOf(called: Called): Step {
    if (!called.ok) {
      const { refusal, consequence } = called;
      return { type: 'failed', refusal, next: consequence.next, waitMs: consequence.waitMs };
    }
    const { completion, by } = called;
    const costPicoUsd = sumOf(this.#attempts.map((attempt) => attempt.costPicoUsd));
    const { provider, model } = by;
    const answer = { completion, provider, model, costPicoUsd, attempts: this.#attempts, isCached: false };
    return { type: 'answered', result: { ok: true, answer } };
  }

  #alternatives(able: readonly Target[]): readonly Target[] {
    const free = able.filter((one) => !this.#repeats.has(one) && mayAsk(this.#spec.board.of(one), this.#question));
    return this.#ranked(free);
  }

  /** Paid for in advance. @returns why not */
  async #start(target: Target, able: readonly Target[]): Promise<Started | RoutedRefusal> {
    const { board, budget, limits, newId, provider } = this.#spec;
    const id = newId();
    const short = await budget?.reserve({ id, order: this.#order, target });
    if (short) return { code: 'budget-exhausted', message: 'the budget is used up', figures: short, attempts: [] };
    const repeats = this.#repeats.get(target) ?? 0;
    this.#repeats.set(target, repeats + 1);
    const controller = new AbortController();
    const withdraw = (): void => controller.abort();
    const { signal, onPart } = this.#order;
    const request = this.#requestFor(target);
    if (signal?.aborted) withdraw();
    signal?.addEventListener('abort', withdraw, { once: true });
    const startedMs = this.#nowMs;
    const leftMs = Math.max(0, this.#deadlineMs - startedMs);
    const timer = this.#context.clock.after(leftMs, withdraw);
    const underway = board.begin(target, startedMs);
    const attempt: Attempt = {
      ...{ model: target.model, signal: controller.signal, firstTokenMs: limits.firstTokenMs, idleMs: limits.idleMs },
      ...(onPart && {
        onPart: (part) => {
          this.#isBegun = true;
          onPart(part);
        },
      }),
    };
    const { traceId } = this.#context;
    const options = { timeoutMs: leftMs + graceMs, ...(traceId !== undefined && { traceId }) };
    const asked = provider(target)?.ask({ type: 'complete', request, attempt }, options).catch(gone) ?? gone(undefined);
    const finish = async (): Promise<Called> => {
      const found = await asked;
      timer.cancel();
      signal?.removeEventListener('abort', withdraw);
      const record = this.#noted(found, target, this.#nowMs - startedMs);
      budget?.settle(id, record);
      if (!found.ok) return this.#failed(found.failure, underway, able, { repeats, tookMs: record.latencyMs });
      board.succeeded(underway, record.latencyMs, found.completion.allowance, this.#nowMs);
      return { ok: true, completion: found.completion, by: target };
    };
    return { result: finish(), withdraw };
  }

  /** Nobody outside reads what is personal or secret. */
  #requestFor({ leavesPlatform }: Target): CompletionRequest {
    if (!leavesPlatform) return this.#order.request;
    this.#redacted ??= redactRequest(this.#order.request);
    return this.#redacted.request;
  }

  #noted(found: CompletionResult, { provider, key, model }: Target, latencyMs: number): AttemptRecord {
    const { costOf, onAttempt } = this.#spec;
    const usage = found.ok ? found.completion.usage : found.failure.usage;
    const outcome = found.ok ? 'answered' : found.failure.code;
    const costPicoUsd = usage ? costOf({ provider, model }, usage) : 0n;
    const record: AttemptRecord = { provider, key, model, outcome, usage, costPicoUsd, latencyMs };
    this.#attempts.push(record);
    onAttempt?.(record, this.#order);
    return record;
  }

  #failed(
    failure: CompletionFailure,
    underway: Underway,
    able: readonly Target[],
    { repeats, tookMs }: { readonly repeats: number; readonly tookMs: number },
  ): Called {
    const { board, targets, random } = this.#spec;
    const nowMs = this.#nowMs;
    const leftMs = this.#deadlineMs - nowMs;
    const hasAlternative = this.#alternatives(able).length > 0;
    const found = consequenceOf(failure, { repeats, hasAlternative, leftMs, isBegun: this.#isBegun, chance: random() });
    const consequence = leftMs > 0 ? found : ({ ...found, next: 'end' } as const);
    const { code, allowance, message, retryAfterMs } = failure;
    if (code === 'aborted') board.withdrawn(underway, nowMs);
    else board.failed(underway, { code, tookMs, allowance }, consequence, { of: targets, nowMs, chance: random() });
    if (consequence.counts) this.#failedProviders.add(underway.target.provider);
    const isLate = leftMs <= 0 && !this.#order.signal?.aborted;
    const refusal: RoutedRefusal = {
      ...{ code: isLate ? 'deadline' : 'failed', failure: code, attempts: [] },
      message: isLate ? `no answer within ${this.#order.deadlineMs} ms` : message,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    };
    return { ok: false, refusal, consequence };
  }

  #pause(forMs: number): Promise<void> {
    return new Promise((resolve) => void this.#context.clock.after(forMs, resolve));
  }

  async #late(afterMs: number): Promise<undefined> {
    await this.#pause(afterMs);
    return undefined;
  }

  #refused(refusal: Omit<RoutedRefusal, 'attempts'>): RoutedResult {
    return { ok: false, refusal: { ...refusal, attempts: [] } };
  }
}

/** Beyond the deadline: the provider has noticed by then that it was withdrawn. */
const graceMs = 250;

interface Started {
  readonly result: Promise<Called>;
  withdraw(): void;
}

type Called =
  | { readonly ok: true; readonly completion: Completion; readonly by: Target }
  | { readonly ok: false; readonly refusal: RoutedRefusal; readonly consequence: Consequence };

type Step =
  | { readonly type: 'answered'; readonly result: RoutedResult }
  | ({ readonly type: 'failed'; readonly refusal: RoutedRefusal } & Pick<Consequence, 'next' | 'waitMs'>);

const noTokens: TokenUsage = {
  ...{ inputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0 },
  ...{ outputTokens: 0, reasoningTokens: 0 },
};

/** Undefined where one of them is. */
function sumOf(costs: readonly (bigint | undefined)[]): bigint | undefined {
  let sum = 0n;
  for (const cost of costs) {
    if (cost === undefined) return undefined;
    sum += cost;
  }
  return sum;
}

/** A provider's actor that is down or was restarted with the call in hand. */
function gone(cause: unknown): CompletionResult {
  return { ok: false, failure: { code: 'unreachable', message: 'the provider is being restarted', cause } };
}

/** The first answer; where both fail, the later failure. */
async function firstGood(...calls: readonly Promise<Called>[]): Promise<Called> {
  const good = calls.map(async (call) => {
    const result = await call;
    if (!result.ok) throw new Failed(result);
    return result;
  });
  try {
    return await Promise.any(good);
  } catch (error) {
    return ((error as AggregateError).errors.at(-1) as Failed).result;
  }
}

class Failed extends Error {
  readonly result: Called;

  constructor(result: Called) {
    super('failed');
    this.result = result;
  }
}

function whyUnable(named: readonly Target[], tokens: number): Omit<RoutedRefusal, 'attempts'> {
  const mostTokens = Math.max(...named.map(({ contextTokens }) => contextTokens));
  if (tokens <= mostTokens) return { code: 'unsupported', message: 'no model of this name can do all that was asked' };
  return {
    ...{ code: 'context-too-long', message: 'the messages and the answer do not fit into the context of the model' },
    figures: { tokens: String(tokens), contextTokens: String(mostTokens) },
  };
}
