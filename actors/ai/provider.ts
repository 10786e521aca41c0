/** What we ask of an AI provider, and what it answers. Drivers implement it; a refusal or failure is a value. */

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface CompletionRequest {
  readonly messages: readonly Message[];
  /** `json`: the whole answer is to be one JSON object; whoever reads it still checks that it is. */
  readonly output: 'text' | 'json';
  /** One or more. */
  readonly maxOutputTokens: number;
}

/** Tokens as the provider counts them, or as the driver estimates them where it does not. */
export interface TokenUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface Completion {
  readonly text: string;
  /** `length`: cut off at `maxOutputTokens`. `refusal`: the model would not answer. */
  readonly finish: 'stop' | 'length' | 'refusal';
  readonly usage: TokenUsage;
  /** In US dollars, decimal text; `0` for a model that costs nothing. */
  readonly costUsd: string;
  /** From the call to the last token. */
  readonly latencyMs: number;
}

export interface CompletionFailure {
  readonly code: CompletionFailureCode;
  /** Whether the same request may succeed later at this provider. */
  readonly isRetryable: boolean;
  /** Not before this time has passed, where the provider says so. */
  readonly retryAfterMs?: number;
  /** For people; never holds a key or the request's text. */
  readonly message: string;
  readonly cause?: unknown;
}

export type CompletionFailureCode =
  | 'unreachable'
  | 'timeout'
  | 'rate-limited'
  | 'quota-exhausted'
  | 'unauthenticated'
  | 'model-not-found'
  | 'context-too-long'
  | 'bad-request'
  | 'server-error'
  | 'overloaded'
  | 'stream-broken'
  /** Whoever asked has withdrawn the request: no fault of the provider. */
  | 'aborted';

export type CompletionResult =
  | { readonly ok: true; readonly completion: Completion }
  | { readonly ok: false; readonly failure: CompletionFailure };

export interface AiProvider {
  /** Such as `local` or `openai`. */
  readonly name: string;
  readonly model: string;
  /** Never rejects for a failure of the provider; ends soon after `signal` is aborted, with `aborted`. */
  complete(request: CompletionRequest, signal: AbortSignal): Promise<CompletionResult>;
}
