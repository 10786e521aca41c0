import fc from 'fast-check';
import { expect, test } from 'vitest';
import { walkFrames } from '../../../bench/stream/frames.ts';
import { tickText, timeOfDayMicros } from '../../../bench/stream/publishing.ts';
import { binaryFrame, textFrame } from '../../../transports/websocket/frame.ts';

test('frames are found whole, however the bytes come', () => {
  const text = fc.oneof(fc.string({ maxLength: 200 }), fc.constant('x'.repeat(126)), fc.constant('y'.repeat(70_000)));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), fc.array(fc.nat({ max: 300 })), (texts, cuts) => {
      const bytes = Buffer.concat(
        texts.map((one, at) => (at % 2 === 0 ? textFrame(one) : binaryFrame(Buffer.from(one)))),
      );
      const found: string[] = [];
      let unread: Buffer = Buffer.alloc(0);
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        const data = Buffer.concat([unread, bytes.subarray(at, at + cut)]);
        at += cut;
        unread = walkFrames(data, (_first, start, end) => void found.push(data.toString('utf8', start, end)));
      }
      expect(found).toEqual(texts.map((one) => Buffer.from(one).toString()));
      expect(unread).toHaveLength(0);
    }),
    { numRuns: 50 },
  );
});

test('the time that a tick holds is read back', () => {
  const tick = { sequence: 7, bid: 108_012_000, ask: 108_014_000, timeMicros: 1_795_498_830_158_171 };
  expect(timeOfDayMicros(Buffer.from(tickText(tick)))).toBe(1_795_498_830_158_171 % 86_400_000_000);
});
