import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CommandFilter } from '../../runtime/command-filter.ts';

const scale = Number(process.env['TEST_SCALE'] ?? 1);

test('an empty filter has nothing', () => {
  expect(new CommandFilter().mayHave('a')).toBe(false);
});

test('an id that was added is never said to be new', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 80 }), { maxLength: 3_000 }), (ids) => {
      const filter = new CommandFilter();
      for (const id of ids) filter.add(id);
      expect(ids.filter((id) => !filter.mayHave(id))).toEqual([]);
    }),
    { numRuns: Math.ceil(20 * scale) },
  );
});

test.each([
  ['counted ids', (i: number) => `order:c-${i}`],
  ['fills of the broker', (i: number) => `fill:paper:o-1-${i}-1`],
  ['ids that differ in front', (i: number) => `${i}:order-of-a-client`],
  ['hexadecimal ids', (i: number) => `order:${Math.imul(i, 0x9e3779b1).toString(16)}-${i.toString(16)}`],
])('of new ids among 100,000 old ones hardly any looks old: %s', (_name, idOf) => {
  const [old, asked] = [100_000, Math.ceil(400_000 * scale)];
  const filter = new CommandFilter();
  for (let i = 0; i < old; i++) filter.add(idOf(i));
  let missed = 0;
  for (let i = 0; i < old; i++) if (!filter.mayHave(idOf(i))) missed += 1;
  let mistaken = 0;
  for (let i = old; i < old + asked; i++) if (filter.mayHave(idOf(i))) mistaken += 1;
  expect(missed).toBe(0);
  expect(mistaken / asked).toBeLessThan(1e-5);
});
