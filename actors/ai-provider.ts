/** One a tenant, provider and key: passes completions on, so many at once, and meters them. */
import type { Behavior, ReplyTo } from '../runtime/actor.ts';
import type { Asks } from '../runtime/ref.ts';
import type { AiProvider, CompletionRequest, CompletionResult } from './ai/provider.ts';

export type AiProviderMessage =
  | ({ readonly type: 'complete'; readonly request: CompletionRequest } & Asks<CompletionResult>)
  | ({ readonly type: 'get-meter' } & Asks<ProviderMeter>)
  | { readonly type: 'completed'; readonly replyTo: ReplyTo; readonly result: CompletionResult };

export interface ProviderMeter {
  readonly provider: string;
  readonly model: string;
  readonly underWay: number;
  readonly requests: number;
  readonly failures: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of the last completion. */
  readonly latencyMs: number | undefined;
  readonly lastFailure: string | undefined;
}

export function providerPath(tenant: string, name: string): string {
  return `/tenants/${tenant}/router/providers/${name}`;
}

/** `concurrency` requests run at once; one more is answered `overloaded` at once, so that the router can turn elsewhere. */
export function aiProvider(provider: AiProvider, concurrency: number): Behavior<ProviderMeter, AiProviderMessage> {
  return {
    start: () => ({
      ...{ provider: provider.name, model: provider.model, underWay: 0, requests: 0, failures: 0 },
      ...{ inputTokens: 0, outputTokens: 0, latencyMs: undefined, lastFailure: undefined },
    }),

    receive(meter, message, context) {
      switch (message.type) {
        case 'complete': {
          if (meter.underWay >= concurrency) {
            const busy = {
              code: 'overloaded',
              isRetryable: true,
              message: `${concurrency} requests are under way`,
            } as const;
            context.reply({ ok: false, failure: busy });
            return meter;
          }
          const replyTo = context.replyLater();
          context.pipe(provider.complete(message.request, context.signal), (result) => ({
            type: 'completed',
            replyTo,
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

    inspect: (meter) => meter,
  };
}

function metered(meter: ProviderMeter, result: CompletionResult): ProviderMeter {
  if (!result.ok) return { ...meter, failures: meter.failures + 1, lastFailure: result.failure.code };
  const { usage, latencyMs } = result.completion;
  const inputTokens = meter.inputTokens + usage.inputTokens;
  return { ...meter, inputTokens, outputTokens: meter.outputTokens + usage.outputTokens, latencyMs };
}

/** A driver promises not to reject; one that does has a fault, which must not take the request's asker down with it. */
function brokenPromise(cause: unknown): CompletionResult {
  return { ok: false, failure: { code: 'server-error', isRetryable: false, message: 'the driver failed', cause } };
}
