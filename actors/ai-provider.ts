/** One a tenant, provider and key: passes completions on, so many at once, and meters them. */
import type { Behavior, ReplyTo } from '../runtime/actor.ts';
import type { Asks } from '../runtime/ref.ts';
import type { AiProvider, Attempt, CompletionRequest, CompletionResult } from './ai/provider.ts';

export type AiProviderMessage =
  | ({
      readonly type: 'complete';
      readonly request: CompletionRequest;
      readonly attempt: Attempt;
    } & Asks<CompletionResult>)
  | ({ readonly type: 'get-meter' } & Asks<ProviderMeter>)
  | { readonly type: 'completed'; readonly replyTo: ReplyTo; readonly result: CompletionResult };

export interface ProviderMeter {
  readonly provider: string;
  readonly underWay: number;
  readonly requests: number;
  readonly failures: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of the last completion. */
  readonly latencyMs: number | undefined;
  readonly lastFailure: string | undefined;
}

/** @param key names the key */
export function providerPath(tenant: string, name: string, key: string): string {
  return `${providersPath(tenant)}/${providerId(name, key)}`;
}

export function providersPath(tenant: string): string {
  return `/tenants/${tenant}/router/providers`;
}

export function providerId(name: string, key: string): string {
  return `${name}-${key}`;
}

/** `concurrency` requests run at once; one more is answered `busy` at once, so that the router can turn elsewhere. */
export function aiProvider(provider: AiProvider, concurrency: number): Behavior<ProviderMeter, AiProviderMessage> {
  return {
    start: () => ({
      ...{ provider: provider.name, underWay: 0, requests: 0, failures: 0 },
      ...{ inputTokens: 0, outputTokens: 0, latencyMs: undefined, lastFailure: undefined },
    }),

    receive(meter, message, context) {
      switch (message.type) {
        case 'complete': {
          if (meter.underWay >= concurrency) {
            context.reply({ ok: false, failure: { code: 'busy', message: `${concurrency} requests are under way` } });
            return meter;
          }
          const replyTo = context.replyLater();
          context.pipe(whileAlive(provider, message, context.signal), (result) => ({
            ...{ type: 'completed', replyTo },
            result: result.ok ? result.value : brokenPromise(result.error),
          }));
          return { ...meter, underWay: meter.underWay + 1, requests: meter.requests + 1 };
        }
        case 'completed':
          message.replyTo.reply(message.result);
          return metered({ ...meter, underWay: meter.underWay - 1 }, message.result);
        case 'get-meter':
          context.reply(meter);
          return meter;
      }
    },

    // Its connections; a driver that is asked again makes new ones.
    stop: () => provider.close(),

    inspect: (meter) => meter,
  };
}

/** Withdrawn by who asked, or because this actor ends. */
async function whileAlive(
  provider: AiProvider,
  { request, attempt }: Extract<AiProviderMessage, { type: 'complete' }>,
  alive: AbortSignal,
): Promise<CompletionResult> {
  const controller = new AbortController();
  const withdraw = (): void => controller.abort();
  const signals = [attempt.signal, alive];
  for (const signal of signals) {
    if (signal.aborted) withdraw();
    else signal.addEventListener('abort', withdraw, { once: true });
  }
  try {
    return await provider.complete(request, { ...attempt, signal: controller.signal });
  } finally {
    for (const signal of signals) signal.removeEventListener('abort', withdraw);
  }
}

function metered(meter: ProviderMeter, result: CompletionResult): ProviderMeter {
  if (!result.ok) return { ...meter, failures: meter.failures + 1, lastFailure: result.failure.code };
  const { usage, latencyMs } = result.completion;
  const { inputTokens, cachedInputTokens, cacheWriteTokens, cacheWrite1hTokens, outputTokens, reasoningTokens } = usage;
  const read = inputTokens + cachedInputTokens + cacheWriteTokens + cacheWrite1hTokens;
  return {
    ...{ ...meter, latencyMs, inputTokens: meter.inputTokens + read },
    outputTokens: meter.outputTokens + outputTokens + reasoningTokens,
  };
}

/** A driver promises not to reject; one that does has a fault, which must not take the request's asker down with it. */
function brokenPromise(cause: unknown): CompletionResult {
  return { ok: false, failure: { code: 'server-error', message: 'the driver failed', cause } };
}
