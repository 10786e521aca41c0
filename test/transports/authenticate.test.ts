import fc from 'fast-check';
import { expect, test } from 'vitest';
import { silentLog } from '../../runtime/actor.ts';
import { VirtualClock } from '../../runtime/clock.ts';
import { Retryable } from '../../runtime/errors.ts';
import { hashApiKey, isWellFormedKey, newApiKey } from '../../transports/api-key.ts';
import { bearerToken, createAuthenticate, type AuthenticationLimits } from '../../transports/authenticate.ts';
import { RateLimiter } from '../../transports/rate-limit.ts';
import type { Principal } from '../../transports/services.ts';

const principal: Principal = { subjectId: 'u-1', role: 'trader', tenantId: 1, tenant: 'demo' };
const limits: AuthenticationLimits = {
  ...{ cachedPrincipals: 2, cacheMs: 30_000, cacheUnknownMs: 2_000 },
  ...{ failures: { perSecond: 1, burst: 3 }, addresses: 10 },
};

function authentication() {
  const clock = new VirtualClock();
  const known = new Map<string, Principal>();
  const state = { lookUps: 0, fails: undefined as Error | undefined };
  const findPrincipal = async (hash: Buffer) => {
    state.lookUps += 1;
    if (state.fails) throw state.fails;
    return known.get(hash.toString('hex'));
  };
  const authenticate = createAuthenticate({ findPrincipal, clock, log: silentLog }, limits);
  const issue = () => {
    const key = newApiKey('test', 1);
    known.set(hashApiKey(key).toString('hex'), principal);
    return key;
  };
  return { clock, state, authenticate, issue, known };
}

test('a new key is well formed and names its environment and tenant', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{1,12}$/), fc.integer({ min: 0, max: 2 ** 31 }), (env, tenantId) => {
      const key = newApiKey(env, tenantId);
      expect(key.startsWith(`at_${env}_${tenantId.toString(36)}_`)).toBe(true);
      expect(isWellFormedKey(key)).toBe(true);
    }),
  );
});

test('a key with one character changed is not well formed', () => {
  fc.assert(
    fc.property(fc.nat(200), fc.constantFrom('0', 'a', 'Z', '_', '!'), (at, character) => {
      const key = newApiKey('test', 1);
      const position = at % key.length;
      const changed = key.slice(0, position) + character + key.slice(position + 1);
      expect(isWellFormedKey(changed)).toBe(changed === key);
    }),
  );
});

test('an environment that would make an ambiguous key is refused', () => {
  expect(() => newApiKey('a_b', 1)).toThrow(RangeError);
});

test('a holder is looked up once in thirty seconds, however many ask at the same time', async () => {
  const { authenticate, issue, state, clock } = authentication();
  const key = issue();
  const answers = await Promise.all([authenticate(key, 'a'), authenticate(key, 'a'), authenticate(key, 'b')]);
  expect(answers).toEqual(Array.from({ length: 3 }, () => ({ ok: true, result: principal })));
  clock.advance(29_999);
  await authenticate(key, 'a');
  expect(state.lookUps).toBe(1);
  clock.advance(1);
  await authenticate(key, 'a');
  expect(state.lookUps).toBe(2);
});

test('a key that nobody holds is looked up again after two seconds', async () => {
  const { authenticate, known, clock, state } = authentication();
  const key = newApiKey('test', 1);
  expect(await authenticate(key, 'a')).toMatchObject({ ok: false, problem: { code: 'UNAUTHENTICATED' } });
  known.set(hashApiKey(key).toString('hex'), principal);
  expect(await authenticate(key, 'a')).toMatchObject({ ok: false });
  expect(state.lookUps).toBe(1);
  clock.advance(2_000);
  expect(await authenticate(key, 'a')).toMatchObject({ ok: true });
});

test('text that is no key is never looked up', async () => {
  const { authenticate, state } = authentication();
  await authenticate('at_test_1_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_000000', 'a');
  await authenticate(undefined, 'a');
  expect(state.lookUps).toBe(0);
});

test('a look-up that fails is not kept', async () => {
  const { authenticate, issue, state } = authentication();
  const key = issue();
  state.fails = new Away('away', { retryAfterMs: 700 });
  expect(await authenticate(key, 'a')).toEqual({ ok: false, problem: { code: 'NOT_READY', retryAfterMs: 700 } });
  state.fails = undefined;
  expect(await authenticate(key, 'a')).toMatchObject({ ok: true });
});

test('the cache holds the most recent holders only', async () => {
  const { authenticate, issue, state } = authentication();
  const [first, second, third] = [issue(), issue(), issue()];
  for (const key of [first, second, first, third, first]) await authenticate(key, 'a');
  expect(state.lookUps).toBe(3);
  await authenticate(second, 'a');
  expect(state.lookUps).toBe(4);
});

test('an address that fails too often is looked up no more, but who was let in before stays in', async () => {
  const { authenticate, issue, state, clock } = authentication();
  const key = issue();
  await authenticate(key, 'a');
  for (let count = 0; count < 3; count++) await authenticate(newApiKey('test', 1), 'a');
  const before = state.lookUps;
  expect(await authenticate(newApiKey('test', 1), 'a')).toEqual({
    ok: false,
    problem: { code: 'TOO_MANY_REQUESTS', retryAfterMs: 1_000 },
  });
  expect(state.lookUps).toBe(before);
  expect(await authenticate(issue(), 'b')).toMatchObject({ ok: true });
  expect(await authenticate(issue(), 'a')).toMatchObject({ ok: false });
  clock.advance(1_000);
  expect(await authenticate(issue(), 'a')).toMatchObject({ ok: true });
});

test('who was let in before stays in beyond the time it is kept, though others at the address go on failing', async () => {
  const { authenticate, issue, state, clock } = authentication();
  const key = issue();
  await authenticate(key, 'a');
  clock.advance(30_000);
  const wrong = newApiKey('test', 1);
  for (let count = 0; count < 4; count++) await authenticate(wrong, 'a');
  state.fails = new Away('away', { retryAfterMs: 700 });
  expect(await authenticate(key, 'a')).toMatchObject({ ok: false, problem: { code: 'NOT_READY' } });
  state.fails = undefined;
  expect(await Promise.all([authenticate(key, 'a'), authenticate(key, 'a')])).toMatchObject([
    { ok: true },
    { ok: true },
  ]);
});

test('a key that was valid once and is revoked counts as a failure like any other', async () => {
  const { authenticate, issue, known, clock } = authentication();
  const key = issue();
  await authenticate(key, 'a');
  known.clear();
  clock.advance(30_000);
  for (let count = 0; count < 3; count++) expect(await authenticate(key, 'a')).toMatchObject({ ok: false });
  expect(await authenticate(key, 'a')).toMatchObject({ ok: false, problem: { code: 'TOO_MANY_REQUESTS' } });
});

class Away extends Retryable {}

test.each([
  ['Bearer abc', 'abc'],
  ['bearer abc', 'abc'],
  ['Basic abc', undefined],
  ['Bearer a b', undefined],
  ['Bearer', undefined],
  [undefined, undefined],
])('the token of %j is %j', (header, token) => {
  expect(bearerToken(header)).toBe(token);
});

test('a bucket never allows more than its burst and what was refilled', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.nat(3_000), { maxLength: 100 }),
      (burst, perSecond, waits) => {
        const clock = new VirtualClock();
        const limiter = new RateLimiter({ perSecond, burst }, 10, clock);
        let taken = 0;
        for (const waitMs of waits) {
          clock.advance(waitMs);
          if (limiter.take('k').isAllowed) taken += 1;
          expect(taken).toBeLessThanOrEqual(burst + (clock.monotonicMs() / 1000) * perSecond + 1e-6);
        }
      },
    ),
  );
});

test('after the time that a refusal names, the next token is there', () => {
  const clock = new VirtualClock();
  const limiter = new RateLimiter({ perSecond: 3, burst: 1 }, 10, clock);
  limiter.take('k');
  const { isAllowed, retryAfterMs } = limiter.take('k');
  expect(isAllowed).toBe(false);
  clock.advance(retryAfterMs);
  expect(limiter.take('k').isAllowed).toBe(true);
});

test('buckets are kept for the keys used last', () => {
  const limiter = new RateLimiter({ perSecond: 1, burst: 1 }, 2, new VirtualClock());
  for (const key of ['a', 'b', 'a', 'c']) limiter.take(key);
  expect(limiter.look('a').isAllowed).toBe(false);
  expect(limiter.look('b').isAllowed).toBe(true);
});
