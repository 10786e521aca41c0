/** Answers that will do again: for exactly the same question of the same tenant, as long as they are good. */
import { createHash } from 'node:crypto';
import type { CompletionOrder, RoutedAnswer } from './routing.ts';

export type CachedAnswer = Pick<RoutedAnswer, 'completion' | 'provider' | 'model'>;

/** The cache of one tenant: whoever makes it says whose it is, and no key can reach into another's. */
export interface CompletionCache {
  get(key: string): Promise<CachedAnswer | undefined>;
  set(key: string, answer: CachedAnswer): Promise<void>;
}

/** Everything that the answer depends on, whatever order its members came in. */
export function cacheKey({ request, model }: Pick<CompletionOrder, 'request' | 'model'>): string {
  return `ai:${createHash('sha256').update(canonical({ model, request })).digest('base64url')}`;
}

/** JSON with sorted members, so that two ways of writing one request are one text. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
