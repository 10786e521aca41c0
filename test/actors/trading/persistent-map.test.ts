import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PersistentMap } from '../../../actors/trading/persistent-map.ts';

const step = fc.record({ key: fc.nat(60).map(String), value: fc.option(fc.nat(), { nil: undefined }) });

test('it is like a Map, and each version stays what it was', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
      let map = PersistentMap.empty<{ n: number }>();
      const model = new Map<string, { n: number }>();
      const versions: [PersistentMap<{ n: number }>, (readonly [string, { n: number }])[]][] = [];
      for (const { key, value } of steps) {
        if (value === undefined) {
          map = map.without(key);
          model.delete(key);
        } else {
          const entry = { n: value };
          map = map.with(key, entry);
          model.set(key, entry);
        }
        versions.push([map, [...model]]);
      }
      for (const [version, entries] of versions) {
        expect(version.size).toBe(entries.length);
        expect([...version].toSorted(byKey)).toEqual(entries.toSorted(byKey));
      }
      for (let n = 0; n <= 60; n++) {
        expect(map.get(String(n))).toBe(model.get(String(n)));
        expect(map.has(String(n))).toBe(model.has(String(n)));
      }
    }),
  );
});

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return Number(a) - Number(b);
}

test('keys that never come back stand in the order in which they came', () => {
  let map = PersistentMap.empty<{ n: number }>();
  for (let n = 0; n < 100; n++) map = map.with(String(n), { n });
  for (let n = 0; n < 100; n += 3) map = map.without(String(n));
  for (let n = 1; n < 100; n += 3) map = map.with(String(n), { n: -n });
  const left = Array.from({ length: 100 }, (_, n) => n).filter((n) => n % 3 !== 0);
  expect([...map.keys()]).toEqual(left.map(String));
  expect([...map.values()].map(({ n }) => Math.abs(n))).toEqual(left);
  const visited: string[] = [];
  map.forEach((_value, key) => visited.push(key));
  expect(visited).toEqual([...map.keys()]);
});

test('taking out what is not there changes nothing', () => {
  const map = PersistentMap.empty<object>().with('a', {});
  expect(map.without('b')).toBe(map);
});
