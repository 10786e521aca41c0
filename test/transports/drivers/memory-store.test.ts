import { expect, test } from 'vitest';
import { silentLog } from '../../../runtime/actor.ts';
import { VirtualClock } from '../../../runtime/clock.ts';
import { memoryStore } from '../../../transports/drivers/memory-store.ts';

test('the cache holds so many bytes, and lets go first of what was used longest ago', async () => {
  const limits = { valueBytes: 100, cacheBytes: 3 * 103 };
  const { cache } = memoryStore({ clock: new VirtualClock(), log: silentLog, limits });
  const value = 'x'.repeat(100);
  for (const key of ['a', 'b', 'c']) await cache.set(1, key, value, 60_000);
  await cache.get(1, 'a');
  await cache.set(1, 'd', value, 60_000);
  expect(await cache.get(1, 'b')).toBeUndefined();
  for (const key of ['a', 'c', 'd']) expect(await cache.get(1, key)).toBe(value);
  await cache.set(1, 'a', '', 60_000);
  await cache.delete(1, 'c');
  await cache.set(1, 'e', value, 60_000);
  expect(await cache.get(1, 'd')).toBe(value);
});
