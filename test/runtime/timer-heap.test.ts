import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TimerHeap, type HeapEntry } from '../../runtime/timer-heap.ts';

const operation = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('add' as const), dueMs: fc.nat(20) }) },
  fc.record({ do: fc.constant('remove' as const), which: fc.nat() }),
  fc.record({ do: fc.constant('move' as const), which: fc.nat(), dueMs: fc.nat(20) }),
  fc.record({ do: fc.constant('take' as const) }),
);

test('the first is the one that a list in order has first, whatever was added, moved and taken out', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const heap = new TimerHeap<HeapEntry>();
      const all: HeapEntry[] = [];
      let inside: HeapEntry[] = [];
      const leave = (entry: HeapEntry) => {
        heap.remove(entry);
        inside = inside.filter((other) => other !== entry);
      };
      for (const step of operations) {
        if (step.do === 'add') {
          const entry = { dueMs: step.dueMs, order: all.length, place: -1 };
          all.push(entry);
          inside.push(entry);
          heap.add(entry);
        } else if (step.do === 'take') {
          if (heap.first) leave(heap.first);
        } else if (all.length > 0) {
          // Also what is in it no more: nothing happens.
          const entry = all[step.which % all.length]!;
          if (step.do === 'remove') {
            leave(entry);
          } else {
            entry.dueMs = step.dueMs;
            heap.moved(entry);
          }
        }
        const [first] = inside.toSorted((a, b) => a.dueMs - b.dueMs || a.order - b.order);
        expect(heap.first).toBe(first);
        expect(heap.size).toBe(inside.length);
      }
    }),
  );
});
