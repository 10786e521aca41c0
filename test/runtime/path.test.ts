import fc from 'fast-check';
import { expect, test } from 'vitest';
import { childPath, isWithin, segments } from '../../runtime/path.ts';

const id = fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom('%2F', '%25', '/', '%', 'a%2Fb', '%252F'));

test('the ids of a path are those it was built of, whatever stands in them', () => {
  fc.assert(
    fc.property(fc.array(id), (ids) => {
      expect(segments(ids.reduce(childPath, '/'))).toEqual(ids);
    }),
  );
});

test('different ids below the same parent have different paths', () => {
  fc.assert(
    fc.property(id, id, (one, other) => {
      expect(childPath('/a', one) === childPath('/a', other)).toBe(one === other);
    }),
  );
});

test.each([
  ['/', '/', true],
  ['/a', '/', true],
  ['/a', '/a', true],
  ['/a/b', '/a', true],
  ['/ab', '/a', false],
  ['/', '/a', false],
  ['/a', '/a/b', false],
])('%s within %s: %s', (path, root, is) => {
  expect(isWithin(path, root)).toBe(is);
});
