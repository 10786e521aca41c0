import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Ring, StampedRing } from '../../runtime/ring.ts';
import { trapRejections } from '../support/rejections.ts';

trapRejections();

describe('a ring with stamps', () => {
  test('does what an array does, at both ends, however it wraps and grows', () => {
    const act = fc.oneof(
      { weight: 4, arbitrary: fc.constant('push' as const) },
      { weight: 3, arbitrary: fc.constant('shift' as const) },
      { weight: 2, arbitrary: fc.constant('unshift' as const) },
      { weight: 1, arbitrary: fc.constant('replace' as const) },
      { weight: 1, arbitrary: fc.constant('move' as const) },
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 200 }), fc.nat(30), (acts, count) => {
        const ring = new StampedRing<number>();
        const model: { readonly value: number; readonly stamp: number }[] = [];
        let pushed = 0;
        for (const [value, action] of acts.entries()) {
          const entry = { value, stamp: value * 3 - 100 };
          if (action === 'push') {
            ring.push(value, entry.stamp);
            model.push(entry);
            pushed++;
          } else if (action === 'unshift') {
            ring.unshift(value, entry.stamp);
            model.unshift(entry);
          } else if (model.length > 0 && action === 'replace') {
            const at = value % model.length;
            expect({
              value: ring.replace(ring.end - model.length + at, value, entry.stamp),
              stamp: ring.stamp,
            }).toEqual(model[at]);
            model[at] = entry;
          } else if (model.length > 0) {
            const first = model.shift()!;
            expect({ value: ring.shift(), stamp: ring.stamp }).toEqual(first);
            if (action === 'move') {
              ring.moveToEnd(first.value, first.stamp);
              model.push(first);
            }
          }
          expect([ring.size, ring.pushed]).toEqual([model.length, pushed]);
          expect(ring.first(count)).toEqual(model.slice(0, count));
        }
      }),
    );
  });
});

describe('a ring', () => {
  test('gives back what came in, in its order', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200 }), (pushes) => {
        const ring = new Ring<number>();
        const model: number[] = [];
        for (const [value, isPush] of pushes.entries()) {
          if (isPush) {
            ring.push(value);
            model.push(value);
          } else expect(ring.shift()).toBe(model.shift());
          expect([ring.size, ring.first(3)]).toEqual([model.length, model.slice(0, 3)]);
        }
        expect(ring.pushed).toBe(pushes.filter(Boolean).length);
      }),
    );
  });

  test('gives nothing when it is empty', () => {
    const ring = new Ring<string>();
    expect([ring.size, ring.shift(), ring.first(3)]).toEqual([0, undefined, []]);
    ring.push('x');
    expect([ring.shift(), ring.shift(), ring.size]).toEqual(['x', undefined, 0]);
  });
});
