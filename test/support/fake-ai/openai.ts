/** The wire format of OpenAI's chat completions. */
import type { TokenUsage } from '../../../actors/ai/provider.ts';
import { errorStatus, inPieces, type Answer, type Asked, type Dialect, type ErrorKind } from './dialect.ts';
import { understandOpenAi } from './openai-request.ts';

export const openAiDialect: Dialect = {
  ...{ name: 'openai', basePath: '/v1', streamType: 'text/event-stream; charset=utf-8' },
  counts: ['inputTokens', 'cachedInputTokens', 'cacheWriteTokens', 'outputTokens', 'reasoningTokens'],
  refusals: ['refusal', 'filter'],

  asked({ path, headers, body }) {
    if (path !== '/v1/chat/completions') return undefined;
    const { model, stream, stream_options } = JSON.parse(body.toString()) as Record<string, unknown>;
    return {
      ...{ model: String(model), isStreamed: stream === true },
      key: headers['authorization']?.replace(/^Bearer /, ''),
      wantsUsage: (stream_options as { include_usage?: boolean } | undefined)?.include_usage === true,
    };
  },

  understand: understandOpenAi,

  whole: (answer, asked) =>
    JSON.stringify({
      ...frame('chat.completion', answer, asked),
      choices: [
        {
          ...{ index: 0, logprobs: null, finish_reason: finishReason(answer) },
          message: {
            role: 'assistant',
            content: answer.finish === 'refusal' || answer.text === '' ? null : answer.text,
            refusal: answer.finish === 'refusal' ? answer.text : null,
            ...(answer.toolCalls.length > 0 && { tool_calls: answer.toolCalls.map(toolCall) }),
          },
        },
      ],
      ...(answer.usage && { usage: usageOf(answer.usage) }),
    }),

  stream(answer, asked) {
    const chunk = (delta: object, finish: string | null = null): string =>
      event({
        ...frame('chat.completion.chunk', answer, asked),
        choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
        ...(asked.wantsUsage && { usage: null }),
      });
    const field = answer.finish === 'refusal' ? 'refusal' : 'content';
    const calls = answer.toolCalls.flatMap((call, index) => [
      chunk({ tool_calls: [{ index, ...toolCall({ ...call, arguments: '' }) }] }),
      ...inPieces(call.arguments, answer.pieces).map((piece) =>
        chunk({ tool_calls: [{ index, function: { arguments: piece } }] }),
      ),
    ]);
    const usage = answer.usage && asked.wantsUsage ? usageOf(answer.usage) : undefined;
    return {
      opening: [chunk({ role: 'assistant', content: '', refusal: null })],
      content: [...inPieces(answer.text, answer.pieces).map((piece) => chunk({ [field]: piece })), ...calls],
      finish: [chunk({}, finishReason(answer))],
      usage: usage ? [event({ ...frame('chat.completion.chunk', answer, asked), choices: [], usage })] : [],
      sentinel: ['data: [DONE]\n\n'],
    };
  },

  error: (kind, detail) => JSON.stringify({ error: errorOf(kind, detail) }),
  errorEvent: (kind, detail) => event({ error: errorOf(kind, detail) }),
  ping: ': keep-alive\n\n',

  allowance({ requests, tokens, resetMs }) {
    return {
      ...{ 'x-ratelimit-limit-requests': '10000', 'x-ratelimit-limit-tokens': '2000000' },
      'x-ratelimit-remaining-requests': String(requests),
      'x-ratelimit-remaining-tokens': String(tokens),
      'x-ratelimit-reset-requests': span(resetMs),
      'x-ratelimit-reset-tokens': span(resetMs),
    };
  },
};

function event(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function frame(object: string, answer: Answer, asked: Asked): object {
  return { id: answer.id, object, created: 1_790_000_000, model: asked.model, service_tier: 'default' };
}

function finishReason({ finish, finishWord }: Answer): string {
  if (finishWord !== undefined) return finishWord;
  const words = {
    stop: 'stop',
    refusal: 'stop',
    length: 'length',
    'tool-calls': 'tool_calls',
    filter: 'content_filter',
  };
  return words[finish];
}

function toolCall({ id, name, arguments: text }: Answer['toolCalls'][number]): object {
  return { id, type: 'function', function: { name, arguments: text } };
}

// Cached and written tokens are part of the prompt's, and reasoning is part of the completion's.
function usageOf(usage: TokenUsage): object {
  const prompt = usage.inputTokens + usage.cachedInputTokens + usage.cacheWriteTokens;
  const completion = usage.outputTokens + usage.reasoningTokens;
  return {
    ...{ prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
    prompt_tokens_details: {
      ...{ cached_tokens: usage.cachedInputTokens, cache_write_tokens: usage.cacheWriteTokens, audio_tokens: 0 },
    },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens, audio_tokens: 0 },
  };
}

const codes: Partial<Record<ErrorKind, string>> = {
  'rate-limited': 'rate_limit_exceeded',
  'out-of-money': 'insufficient_quota',
  'bad-key': 'invalid_api_key',
  'no-such-model': 'model_not_found',
  'context-too-long': 'context_length_exceeded',
};

const types: Partial<Record<ErrorKind, string>> = {
  'rate-limited': 'requests',
  'out-of-money': 'insufficient_quota',
  overloaded: 'overloaded_error',
};

function errorOf(kind: ErrorKind, detail: string): object {
  const type = types[kind] ?? (errorStatus[kind] >= 500 ? 'server_error' : 'invalid_request_error');
  return { message: `${messages[kind]} ${detail}`, type, param: null, code: codes[kind] ?? null };
}

const messages: Record<ErrorKind, string> = {
  'rate-limited': 'Rate limit reached for requests per min (RPM): Limit 500, Used 500, Requested 1.',
  'out-of-money': 'You exceeded your current quota, please check your plan and billing details.',
  'bad-key': 'Incorrect API key provided.',
  forbidden: 'Project does not have access to this model.',
  'payment-required': 'Insufficient Balance',
  'no-such-model': 'The model does not exist or you do not have access to it.',
  'request-timeout': 'Timed out reading the request.',
  conflict: 'The resource was updated by another request.',
  'bad-request': "Invalid value for 'temperature'.",
  'context-too-long': "This model's maximum context length is 128000 tokens, your messages resulted in 130000 tokens.",
  'too-large': 'Request body too large.',
  'server-error': 'The server had an error while processing your request. Sorry about that!',
  'bad-gateway': 'Bad gateway.',
  unavailable: 'The engine is currently overloaded, please try again later.',
  'gateway-timeout': 'Gateway time-out.',
  overloaded: 'The server is overloaded.',
};

// As Go prints a duration: 120ms, 8.64s, 6m0s.
function span(ms: number): string {
  if (ms < 1000) return `${ms}ms`;
  const [minutes, seconds] = [Math.floor(ms / 60_000), (ms % 60_000) / 1000];
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
