/** A credential → who is asking. Answers are kept for a short while, so that a busy client costs no look-up a request. */
import type { Log } from '../runtime/actor.ts';
import type { Clock } from '../runtime/clock.ts';
import { hashApiKey, isWellFormedKey } from './api-key.ts';
import { problemOf, refuse, type Outcome } from './problems.ts';
import { RateLimiter, type Rate } from './rate-limit.ts';
import type { Principal } from './services.ts';

/** Never rejects. An address that has failed too often is looked up no more for a while. */
export type Authenticate = (token: string | undefined, address: string) => Promise<Outcome<Principal>>;

export interface AuthenticationLimits {
  /** Credentials whose answer is kept. */
  readonly cachedPrincipals: number;
  /** How long a holder is kept: a revoked key works this much longer. */
  readonly cacheMs: number;
  /** How long "nobody" is kept: a new key may have to wait this long after a try that came too early. */
  readonly cacheUnknownMs: number;
  /** Failed attempts of one address. */
  readonly failures: Rate;
  /** Addresses whose failures are counted. */
  readonly addresses: number;
}

export function createAuthenticate(
  services: {
    findPrincipal(keyHash: Buffer): Promise<Principal | undefined>;
    readonly clock: Clock;
    readonly log: Log;
  },
  limits: AuthenticationLimits,
): Authenticate {
  const { clock, log } = services;
  const cache = new PrincipalCache(limits, clock);
  const failures = new RateLimiter(limits.failures, limits.addresses, clock);

  async function find(token: string): Promise<Principal | undefined> {
    if (!isWellFormedKey(token)) return undefined;
    return cache.get(hashApiKey(token), (hash) => services.findPrincipal(hash));
  }

  return async (token, address) => {
    if (token === undefined) return refuse({ code: 'UNAUTHENTICATED' });
    const verdict = failures.look(address);
    // Who is known already is let in: others behind the same address must not lock them out.
    if (!verdict.isAllowed && !cache.knows(token)) {
      return refuse({ code: 'TOO_MANY_REQUESTS', retryAfterMs: verdict.retryAfterMs });
    }
    try {
      const principal = await find(token);
      const isValid = principal && clock.wallMicros() < (principal.expiresMicros ?? Infinity);
      if (isValid) return { ok: true, result: principal };
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code === 'INTERNAL') log.error({ err: error }, 'a credential could not be looked up');
      return refuse(problem);
    }
    failures.take(address);
    return refuse({ code: 'UNAUTHENTICATED', detail: 'the credential is not valid' });
  };
}

interface Entry {
  readonly answer: Promise<Principal | undefined>;
  isKnown: boolean;
  /** Monotonic; infinite while the answer is on its way. */
  expiresMs: number;
}

class PrincipalCache {
  readonly #limits: AuthenticationLimits;
  readonly #clock: Clock;
  /** In order of use, the least recent first. */
  readonly #entries = new Map<string, Entry>();

  constructor(limits: AuthenticationLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get(hash: Buffer, lookUp: (hash: Buffer) => Promise<Principal | undefined>): Promise<Principal | undefined> {
    const key = hash.toString('base64');
    const entry = this.#entries.get(key);
    const fresh = entry && entry.expiresMs > this.#clock.monotonicMs() ? entry : this.#lookUp(key, lookUp(hash));
    this.#entries.delete(key);
    this.#entries.set(key, fresh);
    if (this.#entries.size > this.#limits.cachedPrincipals) {
      const [oldest] = this.#entries.keys();
      this.#entries.delete(oldest!);
    }
    return fresh.answer;
  }

  /** Whether it was valid when it was looked up last, however long ago. */
  knows(token: string): boolean {
    return this.#entries.get(hashApiKey(token).toString('base64'))?.isKnown ?? false;
  }

  #lookUp(key: string, answer: Promise<Principal | undefined>): Entry {
    const entry: Entry = { answer, isKnown: this.#entries.get(key)?.isKnown ?? false, expiresMs: Infinity };
    answer.then(
      (found) => {
        entry.isKnown = found !== undefined;
        entry.expiresMs = this.#clock.monotonicMs() + (found ? this.#limits.cacheMs : this.#limits.cacheUnknownMs);
      },
      // What could not be looked up is asked again at the next request.
      () => {
        if (entry.isKnown) entry.expiresMs = -Infinity;
        else if (this.#entries.get(key) === entry) this.#entries.delete(key);
      },
    );
    return entry;
  }
}

/** The token of an `Authorization: Bearer` header. */
export function bearerToken(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^Bearer ([^\s]{1,512})$/i.exec(header)?.[1];
}
