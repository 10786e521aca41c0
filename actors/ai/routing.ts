/** What is asked of a tenant's router, and what it answers. */
import type { Completion, CompletionFailureCode, CompletionRequest, Part, TokenUsage } from './provider.ts';

export interface CompletionOrder {
  readonly request: CompletionRequest;
  /** A name of a model, `provider/model`, or `auto`: whatever serves. */
  readonly model: string;
  /** Who asks, for budgets and the ledger. */
  readonly subjectId: string;
  /** Such as `chat` or `signal`. */
  readonly purpose: string;
  /** For all attempts together. */
  readonly deadlineMs: number;
  /** Aborted when whoever asked has withdrawn. It and `onPart` stay in this process. */
  readonly signal?: AbortSignal;
  /** Where given, the answer is streamed. Once a part was told, a failure is the end: no other provider goes on. */
  onPart?(part: Part): void;
  /** Whether an earlier answer to the same will do; never for a stream. */
  readonly mayBeCached?: boolean;
}

export interface RoutedAnswer {
  readonly completion: Completion;
  readonly provider: string;
  readonly model: string;
  /** In 10^-12 US dollars, all attempts of it together; undefined where a price is unknown. */
  readonly costPicoUsd: bigint | undefined;
  readonly attempts: readonly AttemptRecord[];
  readonly isCached: boolean;
}

/** One attempt, for the ledger: failed ones may be billed too. */
export interface AttemptRecord {
  readonly provider: string;
  readonly key: string;
  readonly model: string;
  readonly outcome: 'answered' | CompletionFailureCode;
  readonly usage: TokenUsage | undefined;
  readonly costPicoUsd: bigint | undefined;
  readonly latencyMs: number;
}

export type RoutedRefusalCode =
  | 'model-unknown'
  | 'unsupported'
  | 'context-too-long'
  | 'budget-exhausted'
  | 'provider-not-allowed'
  | 'deadline'
  /** The last provider's failure, there being nowhere else to turn. */
  | 'failed';

export interface RoutedRefusal {
  readonly code: RoutedRefusalCode;
  /** Of the last attempt. */
  readonly failure?: CompletionFailureCode;
  readonly message: string;
  readonly retryAfterMs?: number;
  /** Decimal text. */
  readonly figures?: Readonly<Record<string, string>>;
  readonly attempts: readonly AttemptRecord[];
}

export type RoutedResult =
  | { readonly ok: true; readonly answer: RoutedAnswer }
  | { readonly ok: false; readonly refusal: RoutedRefusal };

/**
 * Tokens that a request has at the most: no tokenizer makes more of a text than its bytes, and each message costs a few. Used where too
 * many do no harm: to choose a context that is large enough, and to reserve.
 */
export function mostInputTokens(request: CompletionRequest): number {
  const { messages, tools = [], output } = request;
  let bytes = 0;
  for (const message of messages) {
    bytes += Buffer.byteLength(message.content);
    if (message.role === 'assistant')
      for (const call of message.toolCalls ?? []) bytes += Buffer.byteLength(call.arguments);
  }
  for (const tool of tools) bytes += Buffer.byteLength(JSON.stringify(tool));
  if (output.type === 'json-schema') bytes += Buffer.byteLength(JSON.stringify(output.schema));
  return bytes + messages.length * tokensPerMessage;
}

const tokensPerMessage = 8;

/** Tokens that a request most likely has, by which limits of the provider are judged. */
export function likelyTokens(request: CompletionRequest): number {
  return Math.ceil(mostInputTokens(request) / bytesPerToken) + request.maxOutputTokens;
}

const bytesPerToken = 4;
