/** The wire format of Google's generateContent, v1beta. */
import type { TokenUsage } from '../../../actors/ai/provider.ts';
import { errorStatus, inPieces, type Answer, type Asked, type Dialect, type ErrorKind } from './dialect.ts';
import { understandGoogle } from './google-request.ts';

const path = /^\/v1beta\/models\/([^/:]+):(generateContent|streamGenerateContent\?alt=sse)$/;

export const googleDialect: Dialect = {
  ...{ name: 'google', basePath: '', streamType: 'text/event-stream' },
  counts: ['inputTokens', 'cachedInputTokens', 'outputTokens', 'reasoningTokens'],
  refusals: ['refusal', 'filter'],

  asked(request) {
    const [, model, method] = path.exec(request.path) ?? [];
    if (model === undefined || method === undefined) return undefined;
    const isStreamed = method !== 'generateContent';
    return { model: decodeURIComponent(model), isStreamed, key: request.headers['x-goog-api-key'], wantsUsage: true };
  },

  understand: understandGoogle,

  whole(answer, asked) {
    if (answer.finish === 'filter') return JSON.stringify(blocked(answer, asked));
    const text = answer.text === '' ? [] : [{ text: answer.text }];
    return JSON.stringify(response(answer, asked, [...text, ...answer.toolCalls.map(functionCall)], true));
  },

  stream(answer, asked) {
    const none = { opening: [], usage: [], sentinel: [] };
    if (answer.finish === 'filter') return { ...none, content: [], finish: [event(blocked(answer, asked))] };
    const texts = inPieces(answer.text, answer.pieces).map((text) => ({ text }));
    // A call is never cut.
    const parts = [...texts, ...answer.toolCalls.map(functionCall)];
    return {
      ...none,
      content: parts.map((part) => event(response(answer, asked, [part], false))),
      finish: [event(response(answer, asked, [{ text: '' }], true))],
    };
  },

  error: (kind, detail) => JSON.stringify(errorOf(kind, detail), undefined, 2),
  errorEvent: (kind, detail) => event(errorOf(kind, detail)),
};

// Lines end as they do there.
function event(value: object): string {
  return `data: ${JSON.stringify(value)}\r\n\r\n`;
}

function response(answer: Answer, asked: Asked, parts: readonly object[], isLast: boolean): object {
  return {
    candidates: [
      { content: { parts, role: 'model' }, ...(isLast && { finishReason: finishReason(answer) }), index: 0 },
    ],
    // Each chunk counts what there is so far; the last counts all.
    ...(answer.usage && { usageMetadata: isLast ? usageOf(answer.usage) : usageSoFar(answer.usage) }),
    ...{ modelVersion: asked.model, responseId: answer.id },
  };
}

function blocked(answer: Answer, asked: Asked): object {
  return {
    promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
    ...(answer.usage && { usageMetadata: usageOf(answer.usage) }),
    ...{ modelVersion: asked.model, responseId: answer.id },
  };
}

function functionCall({ id, name, arguments: text }: Answer['toolCalls'][number]): object {
  return { functionCall: { id, name, args: JSON.parse(text) as object } };
}

// A call of a tool ends like any other answer.
function finishReason({ finish, finishWord }: Answer): string {
  if (finishWord !== undefined) return finishWord;
  const words = {
    stop: 'STOP',
    'tool-calls': 'STOP',
    length: 'MAX_TOKENS',
    refusal: 'SAFETY',
    filter: 'PROHIBITED_CONTENT',
  };
  return words[finish];
}

// The cache is part of the prompt; thoughts are no part of the candidates.
function usageOf(usage: TokenUsage): object {
  const prompt = usage.inputTokens + usage.cachedInputTokens;
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: usage.outputTokens,
    totalTokenCount: prompt + usage.outputTokens + usage.reasoningTokens,
    ...(usage.cachedInputTokens > 0 && { cachedContentTokenCount: usage.cachedInputTokens }),
    ...(usage.reasoningTokens > 0 && { thoughtsTokenCount: usage.reasoningTokens }),
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: prompt }],
  };
}

function usageSoFar(usage: TokenUsage): object {
  const prompt = usage.inputTokens + usage.cachedInputTokens;
  return { promptTokenCount: prompt, candidatesTokenCount: 1, totalTokenCount: prompt + 1 };
}

const statuses: Record<ErrorKind, string> = {
  'rate-limited': 'RESOURCE_EXHAUSTED',
  'out-of-money': 'RESOURCE_EXHAUSTED',
  'bad-key': 'UNAUTHENTICATED',
  forbidden: 'PERMISSION_DENIED',
  'payment-required': 'FAILED_PRECONDITION',
  'no-such-model': 'NOT_FOUND',
  'request-timeout': 'DEADLINE_EXCEEDED',
  conflict: 'ABORTED',
  'bad-request': 'INVALID_ARGUMENT',
  'context-too-long': 'INVALID_ARGUMENT',
  'too-large': 'INVALID_ARGUMENT',
  'server-error': 'INTERNAL',
  'bad-gateway': 'UNAVAILABLE',
  unavailable: 'UNAVAILABLE',
  'gateway-timeout': 'DEADLINE_EXCEEDED',
  overloaded: 'UNAVAILABLE',
};

function errorOf(kind: ErrorKind, detail: string): object {
  // An event bears the status of the kind, whatever that of the answer was.
  const code = kind === 'overloaded' ? 503 : errorStatus[kind];
  const error = { code, message: `${messages[kind]} ${detail}`, status: statuses[kind] };
  return { error: { ...error, ...(quotaIds[kind] && { details: quotaFailure(quotaIds[kind]) }) } };
}

// Of a minute and of a day are told apart by nothing but the name of the quota: status and message are the same.
const quotaIds: Partial<Record<ErrorKind, string>> = {
  'rate-limited': 'GenerateRequestsPerMinutePerProjectPerModel',
  'out-of-money': 'GenerateRequestsPerDayPerProjectPerModel-FreeTier',
};

/** What the vendor asks for in the details of its 429, in milliseconds. */
export const googleRetryDelayMs = 34_400;

function quotaFailure(quotaId: string): object[] {
  const quotaMetric = 'generativelanguage.googleapis.com/generate_content_requests';
  return [
    {
      '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
      violations: [{ quotaMetric, quotaId, quotaValue: '10' }],
    },
    { '@type': 'type.googleapis.com/google.rpc.Help', links: [{ description: 'Learn more about quotas' }] },
    { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${googleRetryDelayMs / 1000}s` },
  ];
}

const exceeded = 'You exceeded your current quota, please check your plan and billing details.';
const messages: Record<ErrorKind, string> = {
  'rate-limited': exceeded,
  'out-of-money': exceeded,
  'bad-key': 'Request had invalid authentication credentials.',
  forbidden: 'The caller does not have permission',
  'payment-required': 'Billing is disabled for the project.',
  'no-such-model': 'models/none is not found for API version v1beta, or is not supported for generateContent.',
  'request-timeout': 'Request timed out.',
  conflict: 'The operation was aborted.',
  'bad-request': 'Invalid value at generation_config.temperature.',
  'context-too-long': 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
  'too-large': 'Request payload size exceeds the limit: 20971520 bytes.',
  'server-error': 'An internal error has occurred. Please retry.',
  'bad-gateway': 'Bad gateway.',
  unavailable: 'The service is currently unavailable.',
  'gateway-timeout': 'Deadline expired before operation could complete.',
  overloaded: 'The model is overloaded. Please try again later.',
};
