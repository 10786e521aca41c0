/** The wire format of Anthropic's messages. */
import type { TokenUsage } from '../../../actors/ai/provider.ts';
import type { HttpRequest } from './http.ts';
import { errorStatus, inPieces, type Answer, type Asked, type Dialect, type ErrorKind } from './dialect.ts';
import { understandAnthropic } from './anthropic-request.ts';

export const anthropicDialect: Dialect = {
  ...{ name: 'anthropic', basePath: '', streamType: 'text/event-stream; charset=utf-8' },
  counts: [
    ...(['inputTokens', 'cachedInputTokens', 'cacheWriteTokens', 'cacheWrite1hTokens'] as const),
    ...(['outputTokens', 'reasoningTokens'] as const),
  ],
  refusals: ['refusal'],

  asked({ path, headers, body }) {
    if (path !== '/v1/messages') return undefined;
    const { model, stream } = JSON.parse(body.toString()) as Record<string, unknown>;
    return { model: String(model), isStreamed: stream === true, key: keyOf(headers), wantsUsage: true };
  },

  understand: understandAnthropic,

  whole(answer, asked) {
    const text = answer.text === '' ? [] : [{ type: 'text', text: answer.text, citations: null }];
    const calls = answer.toolCalls.map(({ id, name, arguments: input }) => ({
      ...{ type: 'tool_use', id, name, input: JSON.parse(input) as object, caller: { type: 'direct' } },
    }));
    const content = [...thinking(answer), ...text, ...calls];
    return JSON.stringify({
      ...message(answer, asked),
      content,
      stop_reason: stopReason(answer),
      usage: usageOf(answer.usage),
    });
  },

  stream(answer, asked) {
    // At the start all of the input is counted, and the first token of the output.
    const started = answer.usage && { ...answer.usage, outputTokens: 1, reasoningTokens: 0 };
    const start = { ...message(answer, asked), content: [], stop_reason: null, usage: usageOf(started) };
    const blocks = [
      ...thinking(answer).map((block) => ({ block, deltas: [{ type: 'thinking_delta', thinking: 'Hm.' }] })),
      ...(answer.text === '' ? [] : [textBlock(answer)]),
      ...answer.toolCalls.map((call) => ({
        block: { type: 'tool_use', id: call.id, name: call.name, input: {}, caller: { type: 'direct' } },
        // The first of a tool's deltas is empty.
        deltas: ['', ...inPieces(call.arguments, answer.pieces)].map((piece) => ({
          ...{ type: 'input_json_delta', partial_json: piece },
        })),
      })),
    ];
    const content = blocks.flatMap(({ block, deltas }, index) => [
      event('content_block_start', { index, content_block: block }),
      ...deltas.map((delta) => event('content_block_delta', { index, delta })),
      event('content_block_stop', { index }),
    ]);
    const delta = { stop_reason: stopReason(answer), stop_sequence: null, stop_details: null, container: null };
    return {
      opening: [event('message_start', { message: start })],
      content,
      finish: [event('message_delta', { delta, usage: deltaUsage(answer.usage) })],
      usage: [],
      sentinel: [event('message_stop', {})],
    };
  },

  error: (kind, detail) => JSON.stringify(errorOf(kind, detail)),
  errorEvent: (kind, detail) => `event: error\ndata: ${JSON.stringify(errorOf(kind, detail))}\n\n`,
  ping: event('ping', {}),

  allowance({ requests, tokens, resetMs }, nowMs) {
    const reset = new Date(nowMs + resetMs).toISOString();
    return {
      'anthropic-ratelimit-requests-limit': '4000',
      'anthropic-ratelimit-requests-remaining': String(requests),
      'anthropic-ratelimit-requests-reset': reset,
      'anthropic-ratelimit-tokens-remaining': String(tokens),
      'anthropic-ratelimit-tokens-reset': reset,
      'anthropic-ratelimit-input-tokens-remaining': String(tokens + 1000),
      'anthropic-ratelimit-input-tokens-reset': reset,
    };
  },
};

function event(type: string, value: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...value })}\n\n`;
}

function message({ id }: Answer, { model }: Asked): object {
  return {
    ...{ id, type: 'message', role: 'assistant', model, stop_sequence: null, stop_details: null },
    ...{ container: null, diagnostics: null },
  };
}

function thinking({ usage }: Answer): readonly object[] {
  return usage && usage.reasoningTokens > 0 ? [{ type: 'thinking', thinking: 'Hm.', signature: 'c2ln' }] : [];
}

function textBlock(answer: Answer): { block: object; deltas: { type: string; text: string }[] } {
  const deltas = inPieces(answer.text, answer.pieces).map((text) => ({ type: 'text_delta', text }));
  return { block: { type: 'text', text: '', citations: null }, deltas };
}

function stopReason({ finish, finishWord }: Answer): string {
  if (finishWord !== undefined) return finishWord;
  const words = {
    stop: 'end_turn',
    length: 'max_tokens',
    'tool-calls': 'tool_use',
    refusal: 'refusal',
    filter: 'refusal',
  };
  return words[finish];
}

// Input tokens exclude the cache; thinking is part of the output.
function deltaUsage(usage: TokenUsage | undefined): object | undefined {
  return (
    usage && {
      input_tokens: usage.inputTokens,
      cache_read_input_tokens: usage.cachedInputTokens,
      cache_creation_input_tokens: usage.cacheWriteTokens + usage.cacheWrite1hTokens,
      output_tokens: usage.outputTokens + usage.reasoningTokens,
      output_tokens_details: { thinking_tokens: usage.reasoningTokens },
      server_tool_use: null,
    }
  );
}

function usageOf(usage: TokenUsage | undefined): object | undefined {
  return (
    usage && {
      ...deltaUsage(usage),
      cache_creation: {
        ephemeral_5m_input_tokens: usage.cacheWriteTokens,
        ephemeral_1h_input_tokens: usage.cacheWrite1hTokens,
      },
      service_tier: 'standard',
    }
  );
}

const types: Partial<Record<ErrorKind, string>> = {
  'rate-limited': 'rate_limit_error',
  'out-of-money': 'rate_limit_error',
  'bad-key': 'authentication_error',
  forbidden: 'permission_error',
  'payment-required': 'billing_error',
  'no-such-model': 'not_found_error',
  'request-timeout': 'timeout_error',
  conflict: 'conflict_error',
  'too-large': 'request_too_large',
  'gateway-timeout': 'timeout_error',
  unavailable: 'overloaded_error',
  overloaded: 'overloaded_error',
};

function errorOf(kind: ErrorKind, detail: string): object {
  const type = types[kind] ?? (errorStatus[kind] >= 500 ? 'api_error' : 'invalid_request_error');
  const details = kind === 'out-of-money' ? { error_code: 'enforced_spend_limit_reached' } : null;
  return { type: 'error', error: { type, message: `${messages[kind]} ${detail}`, details }, request_id: 'req_011' };
}

const messages: Record<ErrorKind, string> = {
  'rate-limited': 'This request would exceed the rate limit of 50 requests per minute.',
  'out-of-money': 'You have reached your specified API usage limits.',
  'bad-key': 'invalid x-api-key',
  forbidden: 'Your API key does not have permission to use the specified resource.',
  'payment-required': 'There is an issue with your billing or payment information.',
  'no-such-model': 'model: no such model',
  'request-timeout': 'Request timeout',
  conflict: 'The request conflicts with another.',
  'bad-request': 'temperature: range: 0..1',
  'context-too-long': 'prompt is too long: 210000 tokens > 200000 maximum',
  'too-large': 'Request exceeds the maximum size',
  'server-error': 'Internal server error',
  'bad-gateway': 'Bad gateway',
  unavailable: 'Service unavailable',
  'gateway-timeout': 'Request timed out',
  overloaded: 'Overloaded',
};

/** As older clients send it, or as its SDK does since 1.0. */
function keyOf(headers: HttpRequest['headers']): string | undefined {
  return headers['x-api-key'] ?? headers['authorization']?.replace(/^Bearer /, '');
}
