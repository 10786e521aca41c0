/** What every shared store keeps to, whatever it is made of. */
import { beforeEach, expect, test } from 'vitest';
import { keyOf, type SharedStore } from '../../transports/shared-store.ts';

export interface StoreUnderTest {
  /** As two nodes see it, empty. A value may have 1,000 bytes, the cache of one node at least 4,000. */
  readonly nodes: readonly [SharedStore, SharedStore];
  /** Lets time pass. */
  advance(byMs: number): Promise<void>;
  /** Resolves when what was subscribed to and published so far has gone round. */
  settled(): Promise<void>;
}

/** Time that a real server takes for a whole test, at most: answers may differ by what refills meanwhile. */
const slackMs = 20_000;

export function sharedStoreContract(create: () => Promise<StoreUnderTest>): void {
  let store: StoreUnderTest;
  let one: SharedStore;
  let other: SharedStore;

  beforeEach(async () => {
    store = await create();
    [one, other] = store.nodes;
  });

  test('what one node sets, another gets, until it is deleted', async () => {
    expect(await other.cache.get(1, 'a')).toBeUndefined();
    await one.cache.set(1, 'a', 'é "1" \u2028 💶', 60_000);
    expect(await other.cache.get(1, 'a')).toBe('é "1" \u2028 💶');
    await other.cache.set(1, 'a', '', 60_000);
    expect(await one.cache.get(1, 'a')).toBe('');
    await one.cache.delete(1, 'a');
    await one.cache.delete(1, 'never');
    expect(await other.cache.get(1, 'a')).toBeUndefined();
  });

  test('a value is gone when its time is over, however often it was read', async () => {
    await one.cache.set(1, 'a', '1', 1_000_000);
    await store.advance(900_000);
    expect(await one.cache.get(1, 'a')).toBe('1');
    await store.advance(100_000);
    expect(await one.cache.get(1, 'a')).toBeUndefined();
  });

  test('a value set again has its time anew', async () => {
    await one.cache.set(1, 'a', '1', 1_000_000);
    await store.advance(900_000);
    await one.cache.set(1, 'a', '2', 1_000_000);
    await store.advance(900_000);
    expect(await one.cache.get(1, 'a')).toBe('2');
  });

  test('the largest value is kept; of a larger one nothing is, and nothing older in its place', async () => {
    await one.cache.set(1, 'a', 'x'.repeat(1_000), 60_000);
    expect(await one.cache.get(1, 'a')).toHaveLength(1_000);
    await one.cache.set(1, 'a', 'é'.repeat(501), 60_000);
    expect(await one.cache.get(1, 'a')).toBeUndefined();
  });

  test('no tenant reaches what is of another, whatever the name', async () => {
    await one.cache.set(1, '1:a', 'of 1', 60_000);
    await one.cache.set(11, 'a', 'of 11', 60_000);
    expect(await one.cache.get(11, '1:a')).toBeUndefined();
    expect(await one.cache.get(1, 'a')).toBeUndefined();
    const limits = one.rateLimits('orders', { perSecond: 1e-6, burst: 1 }, 10);
    expect(await limits.take(1, '1:a')).toMatchObject({ isAllowed: true });
    expect(await limits.take(11, 'a')).toMatchObject({ isAllowed: true });
    const heard: string[] = [];
    one.messages.subscribe(11, 'a', (text) => heard.push(text));
    await store.settled();
    other.messages.publish(1, '1:a', 'of 1');
    await store.settled();
    expect(heard).toEqual([]);
  });

  test('a tenant that is no number, and a name without end, are faults of the caller', async () => {
    for (const tenant of [-1, 1.5, NaN, '1' as unknown as number]) {
      await expect(one.cache.get(tenant, 'a')).rejects.toThrow('tenant must be a whole number');
    }
    await expect(one.cache.get(1, 'x'.repeat(257))).rejects.toThrow('at most 256 characters');
    expect(() => keyOf(1, 'x'.repeat(256))).not.toThrow();
  });

  test('nodes take from one bucket, and are told what is left and when there is more', async () => {
    const rate = { perSecond: 0.01, burst: 3 };
    const [here, there] = [one.rateLimits('orders', rate, 10), other.rateLimits('orders', rate, 10)];
    const verdicts = [
      await here.take(1, 'k'),
      await there.take(1, 'k'),
      await here.take(1, 'k'),
      await there.take(1, 'k'),
    ];
    expect(verdicts.map(({ isAllowed, remaining }) => [isAllowed, remaining])).toEqual([
      [true, 2],
      [true, 1],
      [true, 0],
      [false, 0],
    ]);
    expect(verdicts.slice(0, 2).map(({ retryAfterMs }) => retryAfterMs)).toEqual([0, 0]);
    const { retryAfterMs, resetMs } = verdicts[3]!;
    expect(retryAfterMs).toBeGreaterThan(100_000 - slackMs);
    expect(retryAfterMs).toBeLessThanOrEqual(100_000);
    expect(resetMs - retryAfterMs).toBe(200_000);
    await store.advance(retryAfterMs);
    expect(await there.take(1, 'k')).toMatchObject({ isAllowed: true, remaining: 0 });
    expect(await here.take(1, 'k')).toMatchObject({ isAllowed: false });
    await store.advance(1_000_000);
    expect(await here.take(1, 'k')).toMatchObject({ isAllowed: true, remaining: 2 });
  });

  test('of many that take at once no more are let through than there are tokens', async () => {
    const rate = { perSecond: 1e-6, burst: 20 };
    const nodes = [one.rateLimits('orders', rate, 10), other.rateLimits('orders', rate, 10)] as const;
    const verdicts = await Promise.all(Array.from({ length: 60 }, (_, index) => nodes[index % 2]!.take(1, 'k')));
    expect(verdicts.filter(({ isAllowed }) => isAllowed)).toHaveLength(20);
  });

  test('buckets of different names, tenants and keys have nothing to do with each other', async () => {
    const rate = { perSecond: 1e-6, burst: 1 };
    const [orders, lists] = [one.rateLimits('orders', rate, 10), one.rateLimits('lists', rate, 10)];
    expect(await orders.take(1, 'k')).toMatchObject({ isAllowed: true });
    expect(await orders.take(1, 'k')).toMatchObject({ isAllowed: false });
    expect(await orders.take(1, 'l')).toMatchObject({ isAllowed: true });
    expect(await orders.take(2, 'k')).toMatchObject({ isAllowed: true });
    expect(await lists.take(1, 'k')).toMatchObject({ isAllowed: true });
  });

  test('a message reaches each listener of its channel on every node once, and nobody who has gone', async () => {
    const heard: string[] = [];
    const leave = one.messages.subscribe(1, 'a', (text) => heard.push(`gone ${text}`));
    one.messages.subscribe(1, 'a', (text) => heard.push(`one ${text}`));
    other.messages.subscribe(1, 'a', (text) => heard.push(`other ${text}`));
    other.messages.subscribe(1, 'b', (text) => heard.push(`b ${text}`));
    leave();
    leave();
    await store.settled();
    one.messages.publish(1, 'a', 'x: 💶');
    await store.settled();
    expect(heard.toSorted()).toEqual(['one x: 💶', 'other x: 💶']);
  });

  test('messages keep the order in which one node published them', async () => {
    const heard: string[] = [];
    other.messages.subscribe(1, 'a', (text) => heard.push(text));
    await store.settled();
    const sent = Array.from({ length: 100 }, (_, index) => String(index));
    for (const text of sent) one.messages.publish(1, 'a', text);
    await store.settled();
    expect(heard).toEqual(sent);
  });

  test('who publishes waits for nobody: neither for no listener, nor for one that throws', async () => {
    const heard: string[] = [];
    one.messages.publish(1, 'nobody', 'x');
    one.messages.subscribe(1, 'a', () => {
      throw new Error('a bad listener');
    });
    one.messages.subscribe(1, 'a', (text) => heard.push(text));
    one.messages.publish(1, 'a', 'x');
    expect(heard).toEqual(['x']);
    one.messages.publish(1, 'a', 'é'.repeat(501));
    await store.settled();
    expect(heard).toEqual(['x']);
  });
}
