import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Tail } from '../../../actors/market/tail.ts';

test('every tail holds the newest of what was appended to it, whatever others went on from it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.nat(), { maxLength: 60 }), (kept, choices) => {
      const made: { readonly tail: Tail<number>; readonly all: readonly number[] }[] = [
        { tail: new Tail(kept), all: [] },
      ];
      for (const [value, choice] of choices.entries()) {
        // Mostly the last one, as in life.
        const from = made.at(choice % 3 === 0 ? choice % made.length : -1)!;
        made.push({ tail: from.tail.append(value), all: [...from.all, value] });
      }
      for (const { tail, all } of made) {
        expect(tail.all()).toEqual(all.slice(-kept));
        expect(tail.last(2)).toEqual(all.slice(-Math.min(2, kept)));
        expect([tail.length, tail.newest]).toEqual([Math.min(all.length, kept), all.at(-1)]);
      }
    }),
  );
});
