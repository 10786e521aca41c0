import { expect, test } from 'vitest';
import { follow } from '../../../transports/web/sequence.ts';

const at = (sequence: number, epoch = 'a') => ({ epoch, sequence });

test.each([
  { last: at(7), event: at(8), step: 'next' },
  { last: at(7), event: at(7), step: 'seen' },
  { last: at(7), event: at(3), step: 'seen' },
  { last: at(7), event: at(9), step: 'gap' },
  { last: at(7), event: at(8, 'b'), step: 'gap' },
  { last: undefined, event: at(1), step: 'next' },
  { last: undefined, event: at(2), step: 'gap' },
  { last: at(0), event: at(1), step: 'next' },
])('after $last.sequence, $event.sequence of epoch $event.epoch is $step', ({ last, event, step }) => {
  expect(follow(last, event)).toBe(step);
});
