/**
 * What goes wrong at `/v1`, in OpenAI's envelope. A code says first whose fault it is: of the `CALLER`, of a `POLICY` somebody set, of
 * the `PROVIDER`, or our `OWN`. The one table from these codes to statuses.
 */
import type { CompletionFailure, CompletionFailureCode } from '../../../actors/ai/provider.ts';
import type { Code, Problem } from '../../problems.ts';
import type { ChatFault } from './request.ts';

export interface ChatErrorKind {
  readonly status: number;
  /** OpenAI's word for it, which older clients go by. */
  readonly type: string;
  /** Whether the official client sends the same again by itself; we tell it by a header. */
  readonly retry: 'no' | 'later';
  readonly title: string;
}

function caller(status: number, title: string): ChatErrorKind {
  return { status, type: 'invalid_request_error', retry: 'no', title };
}

function provider(status: number, retry: ChatErrorKind['retry'], title: string): ChatErrorKind {
  return { status, type: 'provider_error', retry, title };
}

export const chatErrorKinds = {
  CALLER_INVALID_REQUEST: caller(400, 'The request does not have the wanted shape'),
  CALLER_UNSUPPORTED: caller(400, 'The request asks for what is not done here'),
  CALLER_CONTEXT_TOO_LONG: caller(400, 'The messages and the answer do not fit into the context of the model'),
  CALLER_REJECTED: caller(400, 'The provider does not take a request like this'),
  CALLER_UNAUTHENTICATED: { ...caller(401, 'A valid API key is needed'), type: 'authentication_error' },
  CALLER_NOT_FOUND: caller(404, 'There is nothing under this path'),
  CALLER_MODEL_UNKNOWN: caller(404, 'There is no model of this name here'),
  CALLER_METHOD_NOT_ALLOWED: caller(405, 'The path does not have this method'),
  CALLER_BODY_TOO_LARGE: caller(413, 'The body is too large'),
  CALLER_MEDIA_TYPE: caller(415, 'The body must be application/json'),
  CALLER_CANCELED: caller(499, 'The caller has withdrawn the request'),
  POLICY_BUDGET_EXHAUSTED: { status: 402, type: 'insufficient_quota', retry: 'no', title: 'The budget is used up' },
  POLICY_FORBIDDEN: { status: 403, type: 'permission_error', retry: 'no', title: 'The role does not allow this' },
  POLICY_PROVIDER_NOT_ALLOWED: {
    ...{ status: 403, type: 'permission_error', retry: 'no' },
    title: 'The tenant allows no provider that has this model',
  },
  POLICY_RATE_LIMITED: { status: 429, type: 'rate_limit_error', retry: 'later', title: 'Too many requests' },
  PROVIDER_UNAUTHENTICATED: provider(502, 'no', 'The provider does not take the key it was given'),
  PROVIDER_PAYMENT_REQUIRED: provider(502, 'no', 'The provider wants to be paid'),
  PROVIDER_QUOTA_EXHAUSTED: provider(502, 'no', 'The quota at the provider is used up'),
  PROVIDER_MODEL_NOT_FOUND: provider(502, 'no', 'The provider does not have the model'),
  PROVIDER_UNREACHABLE: provider(502, 'later', 'The provider cannot be reached'),
  PROVIDER_STREAM_BROKEN: provider(502, 'later', 'The answer ended before it was complete'),
  PROVIDER_MALFORMED: provider(502, 'later', 'The provider answered what cannot be read'),
  PROVIDER_CONFLICT: provider(502, 'later', 'The provider could not do this just now'),
  PROVIDER_SERVER_ERROR: provider(502, 'later', 'The provider has failed'),
  PROVIDER_RATE_LIMITED: provider(503, 'later', 'The provider takes no more requests for a while'),
  PROVIDER_OVERLOADED: provider(503, 'later', 'The provider has no room'),
  PROVIDER_TIMEOUT: provider(504, 'later', 'The provider did not answer in time'),
  PROVIDER_STALLED: provider(504, 'later', 'The provider fell silent within its answer'),
  OWN_INTERNAL: { status: 500, type: 'server_error', retry: 'no', title: 'Something went wrong on our side' },
  OWN_NOT_IMPLEMENTED: { status: 501, type: 'server_error', retry: 'no', title: 'This is not available here' },
  OWN_NOT_READY: { status: 503, type: 'server_error', retry: 'later', title: 'Not ready; nothing was done' },
  OWN_OVERLOADED: { status: 503, type: 'server_error', retry: 'later', title: 'Too much to do; nothing was done' },
} as const satisfies Readonly<Record<string, ChatErrorKind>>;

export type ChatErrorCode = keyof typeof chatErrorKinds;

export interface ChatError {
  readonly code: ChatErrorCode;
  /** Instead of the title. */
  readonly message?: string;
  /** The field that is wrong. */
  readonly param?: string;
  readonly retryAfterMs?: number;
}

/** The body of an answer that is none. */
export function errorBody({ code, message, param }: ChatError): string {
  const { type, title } = chatErrorKinds[code];
  return JSON.stringify({ error: { message: message ?? title, type, code, param: param ?? null } });
}

/** The last event of a stream that has failed. No `[DONE]` follows, so that nobody takes what came before for an answer. */
export function errorEvent(error: ChatError): string {
  return `data: ${errorBody(error)}\n\n`;
}

/** Without these the official client would send again whatever has a status of 409, 429 or above 499. */
export function errorHeaders({ code, retryAfterMs }: ChatError): Record<string, string> {
  const retries = chatErrorKinds[code].retry === 'later';
  const headers = { 'content-type': 'application/json', 'x-should-retry': String(retries) };
  if (!retries || retryAfterMs === undefined) return headers;
  const waitMs = Math.max(0, Math.ceil(retryAfterMs));
  return {
    ...headers,
    'retry-after': String(Math.max(1, Math.ceil(waitMs / 1_000))),
    'retry-after-ms': String(waitMs),
  };
}

/**
 * All faults of a request as one error: the first one's code and place, every one's words.
 *
 * @param faults one or more
 */
export function errorOfFaults(faults: readonly ChatFault[]): ChatError {
  const [first] = faults;
  const message = faults
    .map((fault) => `${fault.param === '' ? 'the body' : fault.param}: ${fault.message}`)
    .join('; ');
  return {
    ...{ code: first?.code ?? 'CALLER_INVALID_REQUEST', message },
    ...(first === undefined || first.param === '' ? {} : { param: first.param }),
  };
}

/** What the caller is told of a provider's failure, when there is nowhere else to turn. Its own words may hold anything, and stay here. */
export function errorOfFailure({ code, retryAfterMs }: CompletionFailure): ChatError {
  return { code: codesOfFailures[code], ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

const codesOfFailures: Readonly<Record<CompletionFailureCode, ChatErrorCode>> = {
  unreachable: 'PROVIDER_UNREACHABLE',
  timeout: 'PROVIDER_TIMEOUT',
  stalled: 'PROVIDER_STALLED',
  'stream-broken': 'PROVIDER_STREAM_BROKEN',
  malformed: 'PROVIDER_MALFORMED',
  'rate-limited': 'PROVIDER_RATE_LIMITED',
  'quota-exhausted': 'PROVIDER_QUOTA_EXHAUSTED',
  unauthenticated: 'PROVIDER_UNAUTHENTICATED',
  'payment-required': 'PROVIDER_PAYMENT_REQUIRED',
  'model-not-found': 'PROVIDER_MODEL_NOT_FOUND',
  'context-too-long': 'CALLER_CONTEXT_TOO_LONG',
  conflict: 'PROVIDER_CONFLICT',
  'bad-request': 'CALLER_REJECTED',
  'server-error': 'PROVIDER_SERVER_ERROR',
  overloaded: 'PROVIDER_OVERLOADED',
  busy: 'OWN_OVERLOADED',
  aborted: 'CALLER_CANCELED',
};

/** What the door of a gateway says before a route is reached, in the words of `/v1`. */
export function errorOfProblem({ code, detail, retryAfterMs }: Problem): ChatError {
  const known = codesOfProblems[code] ?? 'OWN_INTERNAL';
  return {
    code: known,
    ...(detail === undefined || known === 'OWN_INTERNAL' ? {} : { message: detail }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

const codesOfProblems: Readonly<Partial<Record<Code, ChatErrorCode>>> = {
  VALIDATION_FAILED: 'CALLER_INVALID_REQUEST',
  UNAUTHENTICATED: 'CALLER_UNAUTHENTICATED',
  FORBIDDEN: 'POLICY_FORBIDDEN',
  NOT_FOUND: 'CALLER_NOT_FOUND',
  METHOD_NOT_ALLOWED: 'CALLER_METHOD_NOT_ALLOWED',
  BODY_TOO_LARGE: 'CALLER_BODY_TOO_LARGE',
  UNSUPPORTED_MEDIA_TYPE: 'CALLER_MEDIA_TYPE',
  TOO_MANY_REQUESTS: 'POLICY_RATE_LIMITED',
  NOT_READY: 'OWN_NOT_READY',
  OVERLOADED: 'OWN_OVERLOADED',
  NOT_IMPLEMENTED: 'OWN_NOT_IMPLEMENTED',
};
