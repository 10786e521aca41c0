import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { CompletionFailureCode } from '../../../../actors/ai/provider.ts';
import {
  chatErrorKinds,
  errorBody,
  errorEvent,
  errorHeaders,
  errorOfFailure,
  errorOfFaults,
  errorOfProblem,
} from '../../../../transports/gateways/openai/errors.ts';
import { problemKinds, type Code } from '../../../../transports/problems.ts';

test.each([
  ['unreachable', 'PROVIDER_UNREACHABLE', 502],
  ['timeout', 'PROVIDER_TIMEOUT', 504],
  ['stalled', 'PROVIDER_STALLED', 504],
  ['stream-broken', 'PROVIDER_STREAM_BROKEN', 502],
  ['malformed', 'PROVIDER_MALFORMED', 502],
  ['rate-limited', 'PROVIDER_RATE_LIMITED', 503],
  ['quota-exhausted', 'PROVIDER_QUOTA_EXHAUSTED', 502],
  ['unauthenticated', 'PROVIDER_UNAUTHENTICATED', 502],
  ['payment-required', 'PROVIDER_PAYMENT_REQUIRED', 502],
  ['model-not-found', 'PROVIDER_MODEL_NOT_FOUND', 502],
  ['context-too-long', 'CALLER_CONTEXT_TOO_LONG', 400],
  ['conflict', 'PROVIDER_CONFLICT', 502],
  ['bad-request', 'CALLER_REJECTED', 400],
  ['server-error', 'PROVIDER_SERVER_ERROR', 502],
  ['overloaded', 'PROVIDER_OVERLOADED', 503],
  ['aborted', 'CALLER_CANCELED', 499],
] as const satisfies readonly (readonly [CompletionFailureCode, string, number])[])(
  'a provider that answers %s is %s to the caller, who hears none of its words',
  (failure, code, status) => {
    const error = errorOfFailure({ code: failure, message: 'key sk-live is wrong', retryAfterMs: 1_500 });
    expect(error).toEqual({ code, retryAfterMs: 1_500 });
    expect(chatErrorKinds[error.code].status).toBe(status);
    expect(errorBody(error)).not.toContain('sk-live');
  },
);

test('a code begins with whose fault it is, and its status agrees', () => {
  for (const [code, { status, type }] of Object.entries(chatErrorKinds)) {
    const [side] = code.split('_');
    expect(['CALLER', 'POLICY', 'PROVIDER', 'OWN']).toContain(side);
    expect({ code, isServers: status >= 500 }).toEqual({ code, isServers: side === 'PROVIDER' || side === 'OWN' });
    expect(type === 'provider_error').toBe(side === 'PROVIDER');
  }
});

test('what the door of the gateway says keeps its status, and what nobody expects there is our fault', () => {
  const own = new Map(
    (Object.keys(problemKinds) as Code[]).map((code) => [code, errorOfProblem({ code, detail: 'why' })] as const),
  );
  const known = [...own].filter(([, { code }]) => code !== 'OWN_INTERNAL');
  expect(known.map(([code]) => code)).toContain('UNAUTHENTICATED');
  for (const [code, error] of known) {
    expect(chatErrorKinds[error.code].status).toBe(problemKinds[code].status);
    expect(error.message).toBe('why');
  }
  expect(own.get('INTERNAL')).toEqual({ code: 'OWN_INTERNAL' });
  expect(own.get('DRAWDOWN')).toEqual({ code: 'OWN_INTERNAL' });
});

test('an error is an envelope, and the last event of a stream', () => {
  const error = { code: 'POLICY_BUDGET_EXHAUSTED', message: 'the day of u-1 has 0.00 USD left' } as const;
  const body = errorBody(error);
  expect(JSON.parse(body)).toEqual({
    error: { message: error.message, type: 'insufficient_quota', code: error.code, param: null },
  });
  expect(errorEvent(error)).toBe(`data: ${body}\n\n`);
});

test.each([
  [
    { code: 'POLICY_RATE_LIMITED', retryAfterMs: 1_200.5 },
    { 'retry-after': '2', 'retry-after-ms': '1201' },
  ],
  [
    { code: 'OWN_NOT_READY', retryAfterMs: 0 },
    { 'retry-after': '1', 'retry-after-ms': '0' },
  ],
  [{ code: 'OWN_NOT_READY' }, {}],
] as const)('%o may be sent again, and says when', (error, waits) => {
  expect(errorHeaders(error)).toEqual({ 'content-type': 'application/json', 'x-should-retry': 'true', ...waits });
});

test('an error that would come again names no time to wait', () => {
  expect(errorHeaders({ code: 'PROVIDER_QUOTA_EXHAUSTED', retryAfterMs: 5_000 })).toEqual({
    ...{ 'content-type': 'application/json', 'x-should-retry': 'false' },
  });
});

test('faults become one error that names each', () => {
  const n = { code: 'CALLER_UNSUPPORTED', param: 'n', message: 'is not supported' } as const;
  const whole = { code: 'CALLER_INVALID_REQUEST', param: '', message: 'must be an object' } as const;
  expect(errorOfFaults([n, whole])).toEqual({
    ...{ code: 'CALLER_UNSUPPORTED', param: 'n', message: 'n: is not supported; the body: must be an object' },
  });
  expect(errorOfFaults([whole])).toEqual({ code: 'CALLER_INVALID_REQUEST', message: 'the body: must be an object' });
});

test('every code is explained with its status and whether to send again', () => {
  const page = readFileSync(new URL('../../../../docs/openai-api.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (yes|no) \| (.+) \|$/gm)].map(([, ...row]) => row);
  expect(rows).toEqual(
    Object.entries(chatErrorKinds).map(([code, { status, retry, title }]) => [
      ...[code, String(status), retry === 'later' ? 'yes' : 'no', title],
    ]),
  );
});
