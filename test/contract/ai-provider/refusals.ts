/** Answers that say no: each by its code, with the time to wait where it is told, and never with the key that the message repeats. */
import { expect, test } from 'vitest';
import type { CompletionFailureCode } from '../../../actors/ai/provider.ts';
import { VirtualClock } from '../../../runtime/clock.ts';
import { errorStatus, type Dialect, type ErrorKind } from '../../support/fake-ai/dialect.ts';
import { dialects } from '../../support/fake-ai/dialects.ts';
import { googleRetryDelayMs } from '../../support/fake-ai/google.ts';
import { oddRefusals, redirecting, refusing, saying } from '../../support/fake-ai/refusals.ts';
import { startFakeAi } from '../../support/fake-ai/server.ts';
import { confidence, modes, openSession, type Start } from './session.ts';
import { wordings } from './wordings.ts';

const codes: Readonly<Record<ErrorKind, CompletionFailureCode>> = {
  'rate-limited': 'rate-limited',
  'out-of-money': 'quota-exhausted',
  'bad-key': 'unauthenticated',
  forbidden: 'unauthenticated',
  'payment-required': 'payment-required',
  'no-such-model': 'model-not-found',
  'request-timeout': 'conflict',
  conflict: 'conflict',
  'bad-request': 'bad-request',
  'context-too-long': 'context-too-long',
  'too-large': 'context-too-long',
  'server-error': 'server-error',
  'bad-gateway': 'overloaded',
  unavailable: 'overloaded',
  'gateway-timeout': 'overloaded',
  overloaded: 'overloaded',
};

const oddCodes: Readonly<Record<keyof typeof oddRefusals, readonly CompletionFailureCode[]>> = {
  'a page with 502': ['overloaded'],
  'nothing with 503': ['overloaded'],
  'an object for a text with 500': ['server-error'],
  'a list with 500': ['server-error'],
  'an error without end with 500': ['server-error'],
  // The status is known, and the time is over.
  'silence after the headers of a 500': ['server-error', 'timeout'],
};

export function refusalsContract(dialect: Dialect, start: Start): void {
  const kinds = modes.flatMap((mode) => (Object.keys(codes) as ErrorKind[]).map((kind) => ({ mode, kind })));
  test.for(kinds)('$kind: $mode', async ({ mode, kind }) => {
    const session = await openSession(dialect, start);
    session.fake.next(refusing(kind, { detail: confidence }));
    const { code, status } = await session.failure(mode);
    expect({ code, status }).toEqual({ code: codes[kind], status: errorStatus[kind] });
    expect([session.fake.requestCount, session.parts]).toEqual([1, []]);
    await session.answer(mode);
    // An error that was read to its end leaves its connection as good as new.
    expect([session.fake.requestCount, session.fake.connectionCount]).toEqual([2, 1]);
  });

  test.for(wordings[dialect.name].map((wording) => ({ ...wording })))('$name', async ({ status, body, code }) => {
    const session = await openSession(dialect, start);
    for (const mode of modes) {
      session.fake.next(saying(status, body));
      expect(await session.failure(mode)).toMatchObject({ code, status });
    }
  });

  const odd = modes.flatMap((mode) =>
    (Object.keys(oddRefusals) as (keyof typeof oddRefusals)[]).map((fault) => ({ mode, fault })),
  );
  test.for(odd)('$fault: $mode', async ({ mode, fault }) => {
    const session = await openSession(dialect, start);
    session.fake.next(oddRefusals[fault]);
    const { code } = await session.failure(mode, { firstTokenMs: 300 });
    expect(oddCodes[fault]).toContain(code);
    expect(session.fake.requestCount).toBe(1);
    await session.answer(mode);
  });

  const wallStartMs = Date.UTC(2026, 10, 24, 10, 0, 0);
  const waits = [
    { told: 'in seconds', headers: { 'retry-after': '7' }, waitMs: 7000 },
    { told: 'as a date', headers: { 'retry-after': new Date(wallStartMs + 30_000).toUTCString() }, waitMs: 30_000 },
    { told: 'in milliseconds', headers: { 'retry-after-ms': '1500', 'retry-after': '2' }, waitMs: 1500 },
    { told: 'for longer than a minute', headers: { 'retry-after': '3600' }, waitMs: 3_600_000 },
  ];
  test.for(waits)('a time to wait that is told $told is passed on', async ({ headers, waitMs }) => {
    const session = await openSession(dialect, start, new VirtualClock(wallStartMs * 1000));
    for (const mode of modes) {
      session.fake.next(refusing('rate-limited', { headers }));
      expect(await session.failure(mode)).toMatchObject({ code: 'rate-limited', retryAfterMs: waitMs });
      session.fake.next(refusing('unavailable', { headers }));
      expect(await session.failure(mode)).toMatchObject({ code: 'overloaded', retryAfterMs: waitMs });
    }
  });

  test('a time to wait that cannot be read is none', async () => {
    const session = await openSession(dialect, start);
    for (const wait of ['soon', '-5', 'NaN', '']) {
      session.fake.next(refusing('unavailable', { headers: { 'retry-after': wait } }));
      expect((await session.failure('whole')).retryAfterMs ?? 0).toBe(0);
    }
  });

  test.runIf(dialect.name === 'google')('a time to wait that stands in the details is passed on', async () => {
    const session = await openSession(dialect, start);
    session.fake.next(refusing('rate-limited'));
    expect((await session.failure('whole')).retryAfterMs).toBe(googleRetryDelayMs);
  });

  const { allowance } = dialect;
  test.runIf(allowance)('a refusal tells what is left of the rate limits', async () => {
    const clock = new VirtualClock(wallStartMs * 1000);
    const session = await openSession(dialect, start, clock);
    const left = { requests: 0, tokens: 12_000, resetMs: 20_000 };
    session.fake.next(refusing('rate-limited', { headers: allowance!(left, wallStartMs) }));
    expect((await session.failure('whole')).allowance).toEqual(left);
  });

  test.for(modes)('nobody is sent elsewhere with the key: %s', async (mode) => {
    const session = await openSession(dialect, start);
    const other = await startFakeAi(dialects[dialect.name]);
    session.fake.next((call) => redirecting(`http://127.0.0.1:${other.port}${call.request.path}`)(call));
    await session.failure(mode);
    await other.close();
    expect([other.requestCount, other.connectionCount]).toEqual([0, 0]);
  });
}
