/** What we ask of an AI provider, and what it answers. Drivers implement it; a refusal or failure is a value. */

export type Message =
  | { readonly role: 'system' | 'user'; readonly content: string }
  | { readonly role: 'assistant'; readonly content: string; readonly toolCalls?: readonly ToolCall[] }
  | { readonly role: 'tool'; readonly toolCallId: string; readonly content: string };

/** What the model wants done. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text as the model wrote it, so it may be none. */
  readonly arguments: string;
}

export interface Tool {
  readonly name: string;
  readonly description?: string;
  /** JSON Schema of its arguments: an object. */
  readonly parameters: JsonSchema;
}

export type JsonSchema = Readonly<Record<string, unknown>>;

/** `json`, `json-schema`: the whole answer is to be one JSON object; whoever reads it still checks that it is. */
export type Output =
  | { readonly type: 'text' }
  | { readonly type: 'json' }
  | { readonly type: 'json-schema'; readonly name: string; readonly schema: JsonSchema };

export interface CompletionRequest {
  readonly messages: readonly Message[];
  readonly output: Output;
  /** One or more; thinking counts. */
  readonly maxOutputTokens: number;
  readonly tools?: readonly Tool[];
  /** A name: this one. Absent: as the model likes. */
  readonly toolChoice?: 'auto' | 'none' | 'required' | { readonly name: string };
  /** 0 to 2. */
  readonly temperature?: number;
  /** Above 0, at most 1. */
  readonly topP?: number;
  readonly stop?: readonly string[];
  /** Asks for the same answer again, where a provider can. */
  readonly seed?: number;
}

/** One try of one request at one model. */
export interface Attempt {
  /** As the provider names it. */
  readonly model: string;
  /** Aborted when whoever asked has withdrawn, or the time for all attempts is over. */
  readonly signal: AbortSignal;
  /** From the call to the first byte of the answer's content; then it is a `timeout`. */
  readonly firstTokenMs: number;
  /** Between two pieces of the answer; then the stream is `stalled`. */
  readonly idleMs: number;
  /** Where given, the answer is streamed, and told piece by piece. What has been told may still turn out to be part of a failure. */
  onPart?(part: Part): void;
}

/** A piece of a streamed answer. Pieces of a tool call name its place; the first of each has `id` and `name`. */
export type Part =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'tool-call';
      readonly index: number;
      readonly id?: string;
      readonly name?: string;
      readonly arguments: string;
    };

/** Tokens, disjoint: their sum is what was processed. As the provider counts them; the local model estimates. */
export interface TokenUsage {
  /** Neither read from the provider's cache nor written to it. */
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  /** Written to the provider's cache for five minutes, or however long is its usual. */
  readonly cacheWriteTokens: number;
  /** Written to it for an hour. */
  readonly cacheWrite1hTokens: number;
  /** What can be read. */
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

export interface Completion {
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
  /** `length`: cut off at `maxOutputTokens`. `refusal`: the model, or a filter of the provider, would not answer. */
  readonly finish: 'stop' | 'length' | 'tool-calls' | 'refusal';
  readonly usage: TokenUsage;
  /** The model that answered, as the provider says; absent where it does not. */
  readonly model?: string;
  /** Of this answer, given by the provider. */
  readonly responseId?: string;
  /** From the call to the last token. */
  readonly latencyMs: number;
  /** From the call to the first piece of content. */
  readonly firstTokenMs: number;
  readonly allowance?: Allowance;
  /** Absent for a model that is called without bytes. */
  readonly exchange?: Exchange;
}

/** What the provider says is left of its rate limits: of the scarcest of each kind. */
export interface Allowance {
  readonly requests?: number;
  readonly tokens?: number;
  /** Until there is more. */
  readonly resetMs?: number;
}

/** Bodies as they were sent and received, for the record. Headers are none of it: they hold the key. */
export interface Exchange {
  readonly requestBody: Uint8Array;
  readonly responseBody: Uint8Array;
}

export interface CompletionFailure {
  readonly code: CompletionFailureCode;
  /** Not before this time has passed, where the provider says so. */
  readonly retryAfterMs?: number;
  /** HTTP status of the answer, where there was one. */
  readonly status?: number;
  /** For people; never holds a key or the request's text. */
  readonly message: string;
  readonly cause?: unknown;
  /** What the provider had counted by then, as far as it said: it may be billed. */
  readonly usage?: TokenUsage;
  readonly allowance?: Allowance;
  readonly exchange?: Exchange;
}

export type CompletionFailureCode =
  /** The name is not found, the connection is refused, or reset before the first header. */
  | 'unreachable'
  /** Nothing of the answer came in time. */
  | 'timeout'
  /** Nothing more of the answer came in time. */
  | 'stalled'
  /** The answer ended before it was complete. */
  | 'stream-broken'
  /** What came is not what this provider speaks. */
  | 'malformed'
  | 'rate-limited'
  /** A limit of money or of a day: waiting a little does not help. */
  | 'quota-exhausted'
  | 'unauthenticated'
  | 'payment-required'
  | 'model-not-found'
  | 'context-too-long'
  /** 408 and 409: the same request may succeed when it is sent again. */
  | 'conflict'
  | 'bad-request'
  | 'server-error'
  /** The provider has no room now. */
  | 'overloaded'
  /** We allow no more calls to it at once. */
  | 'busy'
  /** Whoever asked has withdrawn the request: no fault of the provider. */
  | 'aborted';

export type CompletionResult =
  | { readonly ok: true; readonly completion: Completion }
  | { readonly ok: false; readonly failure: CompletionFailure };

export interface AiProvider {
  /** Such as `local` or `openai`. */
  readonly name: string;
  /**
   * Sends once: no retries of its own. Succeeds only when the provider's own mark of the end was seen and `signal` was not aborted
   * before. Never rejects for a failure of the provider; ends soon after `signal` is aborted, with `aborted`.
   */
  complete(request: CompletionRequest, attempt: Attempt): Promise<CompletionResult>;
  /** Lets go of its connections. */
  close(): void;
}
