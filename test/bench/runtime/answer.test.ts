import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAnswer, printAnswer, type Answer } from '../../../bench/runtime/answer.ts';

const name = fc.stringMatching(/^[a-zA-Z]\w{0,11}$/).filter((name) => name !== '__proto__');
const value = fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0));
const reason = fc.stringMatching(/^\S+( \S+)*$/);

test('what a contender prints is read as it was meant', () => {
  const answer: fc.Arbitrary<Answer> = fc.oneof(
    fc
      .dictionary(name, value, { minKeys: 1, noNullPrototype: true })
      .map((values) => ({ type: 'values' as const, values })),
    reason.map((reason) => ({ type: 'lacks' as const, reason })),
    reason.map((reason) => ({ type: 'failed' as const, reason })),
  );
  fc.assert(
    fc.property(answer, (answer) => {
      expect(parseAnswer(printAnswer(answer))).toEqual(answer);
    }),
  );
});

test('the figures of Erlang are read, too', () => {
  expect(parseAnswer('values p50=0.011217000 p99=0.018838000')).toEqual({
    type: 'values',
    values: { p50: 0.011217, p99: 0.018838 },
  });
});

test('a reason of several lines is printed in one', () => {
  expect(printAnswer({ type: 'failed', reason: 'it broke\n  at once' })).toBe('failed it broke at once');
});

test.each([
  '',
  'values',
  'values perSecond',
  'values perSecond=',
  'values =1',
  'values perSecond=fast',
  'values perSecond=1 p99=NaN',
  'Stopping top level actor, counter-0 due to a fault',
])('"%s" is no answer, and says so', (line) => {
  expect(parseAnswer(line)).toEqual({ type: 'failed', reason: `it answered ${line}` });
});
