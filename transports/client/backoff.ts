/** How long to wait before the next try: longer after each failure, and scattered, so that many clients do not come back at once. */

const firstMs = 500;
const mostMs = 15_000;

/**
 * @param failures in a row, 0 for the first
 * @param random 0 up to, not including, 1
 * @param leastMs what the platform has asked for
 */
export function backoffMs(failures: number, random: number, leastMs = 0): number {
  const ceiling = Math.min(mostMs, firstMs * 2 ** Math.min(failures, 16));
  // What was asked for is everybody's alike, so the scatter comes on top.
  return leastMs + ceiling * random;
}
