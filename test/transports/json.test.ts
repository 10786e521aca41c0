import fc from 'fast-check';
import { expect, test } from 'vitest';
import { maxDepth, parseJson } from '../../transports/json.ts';

const plainKey = fc.string().filter((key) => key !== '__proto__' && key !== 'constructor');
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.string({ unit: 'binary' }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    tie('array'),
    tie('object'),
  ),
  array: fc.array(tie('value'), { maxLength: 5 }),
  object: fc.dictionary(plainKey, tie('value'), { maxKeys: 6, noNullPrototype: true }),
})).value;

test('what JSON.parse takes and has no ambiguity comes out the same', () => {
  fc.assert(
    fc.property(json, fc.constantFrom(undefined, 2, '\t'), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      expect(parseJson(text)).toEqual({ ok: true, value: JSON.parse(text) });
    }),
  );
});

test('what JSON.parse refuses is malformed, and nothing throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...Array.from('{}[]":,\\u0dt1e- ')) }), (text) => {
      const result = parseJson(text);
      let isJson = true;
      try {
        JSON.parse(text);
      } catch {
        isJson = false;
      }
      if (isJson) expect(result.ok || result.fault !== 'malformed').toBe(true);
      else expect(result).toMatchObject({ ok: false, fault: 'malformed' });
    }),
    { numRuns: 2_000 },
  );
});

test('an object with any key written twice is refused, wherever it stands', () => {
  fc.assert(
    fc.property(plainKey, json, json, (key, first, second) => {
      const member = (value: unknown) => `${JSON.stringify(key)}:${JSON.stringify(value)}`;
      expect(parseJson(`[{"a":{${member(first)},${member(second)}}}]`)).toMatchObject({
        ok: false,
        fault: 'duplicate-key',
      });
    }),
  );
});

test.each([
  ['', 'malformed'],
  ['{"a":1', 'malformed'],
  ['{"a":NaN}', 'malformed'],
  ["{'a':1}", 'malformed'],
  ['{"a":1}{', 'malformed'],
  ['{"a":1,"a":1}', 'duplicate-key'],
  ['{"a":1,"\\u0061":2}', 'duplicate-key'],
  ['{"a":"\\\\","a":"\\""}', 'duplicate-key'],
  ['{"__proto__":{}}', 'forbidden-key'],
  ['{"\\u005f_proto__":{}}', 'forbidden-key'],
  ['[{"constructor":1}]', 'forbidden-key'],
  ['["\\ud800"]', 'lone-surrogate'],
  ['{"\\udc00":1}', 'lone-surrogate'],
  ['["\ud800"]', 'lone-surrogate'],
  [nested(maxDepth + 1), 'too-deep'],
  [nested(200_000), 'too-deep'],
])('%# %.40s is refused', (text, fault) => {
  expect(parseJson(text)).toMatchObject({ ok: false, fault });
});

test.each([
  ['{"a":":","b":"\\":\\""}'],
  ['["\\ud83d\\ude00"]'],
  ['{"":{"":[]}}'],
  [nested(maxDepth)],
  ['"constructor"'],
  [' 1 '],
  ['["\\\\ud800"]'],
  ['{"a\\\\":"\\\\","b":"\\""}'],
])('%# %.40s is taken', (text) => {
  expect(parseJson(text)).toEqual({ ok: true, value: JSON.parse(text) });
});

function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}
