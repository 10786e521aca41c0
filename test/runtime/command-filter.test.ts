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

test('a filter read back from its text is the same, at every size', () => {
  const filter = new CommandFilter();
  const [old, asked] = [30_000, 1_000];
  for (let count = 0; count <= old; count++) {
    // Each side of where a new layer begins.
    if ([0, 1, 1_023, 1_024, 1_025, 5_120, 5_121, old].includes(count)) {
      const text = filter.encode();
      const read = CommandFilter.decode(text);
      expect(read.encode()).toBe(text);
      for (let i = count % 13; i < old + asked; i += 13) {
        expect(read.mayHave(`c-${i}`)).toBe(filter.mayHave(`c-${i}`));
      }
    }
    filter.add(`c-${count}`);
  }
});

test('a filter that was read back takes more ids as the one that was written would', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 1_500 }), fc.array(fc.string()), (before, behind) => {
      const filter = new CommandFilter();
      for (const id of before) filter.add(id);
      const read = CommandFilter.decode(filter.encode());
      for (const id of behind) for (const one of [filter, read]) one.add(id);
      expect(read.encode()).toBe(filter.encode());
    }),
    { numRuns: Math.ceil(50 * scale) },
  );
});

test.each([
  [1, 5.4 * 1_024],
  [1_024, 5.4 * 1_024],
  [1_025, 5.4 * 5_120],
  [87_040, 5.4 * 87_040],
])('the text of %i ids has at most %i characters', (count, characters) => {
  const filter = new CommandFilter();
  for (let i = 0; i < count; i++) filter.add(`order:c-${i}`);
  expect(filter.encode().length).toBeLessThanOrEqual(characters);
});

const full = (bytes: number): string => Buffer.alloc(bytes).toString('base64');

test.each([
  ['nothing', ''],
  ['another version', 'f2'],
  ['a layer without its count', 'f1 AQID'],
  ['a count that is none', 'f1 x:AQID'],
  ['more ids than the layer has room for', `f1 1025:${full(4_096)}`],
  ['too few bits', `f1 1000:${full(4_095)}`],
  ['too many bits', `f1 1000:${full(4_097)}`],
  ['what is not base64', `f1 1:${full(4_096).replace('A', '!')}`],
  ['a second layer as small as the first', `f1 1024:${full(4_096)} 1:${full(4_096)}`],
])('no filter is read from %s', (_name, text) => {
  expect(() => CommandFilter.decode(text)).toThrow(TypeError);
});
