/** Who runs next, by a seed: a race that one seed finds is there again with the same seed. */
import type { SchedulingOrder } from '../../runtime/scheduler.ts';

export function seededOrder(seed: number): SchedulingOrder {
  const random = seededRandom(seed);
  return { pick: (count) => Math.floor(random() * count) };
}

/**
 * Numbers from 0 up to 1 that follow from the seed: Mulberry32, a counter whose value is stirred.
 * @param seed an integer; its lower 32 bits count
 */
export function seededRandom(seed: number): () => number {
  let counter = seed;
  return () => {
    counter = (counter + 0x6d2b79f5) | 0;
    let bits = Math.imul(counter ^ (counter >>> 15), counter | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
