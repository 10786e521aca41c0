import { expect, test } from 'vitest';
import { slotCount, slotOf } from '../../runtime/cluster.ts';

// `printf 1/1 | sha1sum`, first eight digits, modulo 1,024.
test.each([
  [{ tenantId: 1, entityId: 1 }, 574],
  [{ tenantId: 1, entityId: 2 }, 519],
  [{ tenantId: 7, entityId: 1_000_000_000 }, 720],
])('the slot of %o is %i for ever', (key, slot) => {
  expect(slotOf(key)).toBe(slot);
});

test('entities spread over all slots', () => {
  const slots = new Set(Array.from({ length: 20_000 }, (_, index) => slotOf({ tenantId: 1, entityId: index + 1 })));
  expect(slots.size).toBe(slotCount);
});
