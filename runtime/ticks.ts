/**
 * When a message was sent, as a small whole number: eighths of a millisecond that wrap around after six days.
 * It costs no memory of its own, and what is told by it is for people: a message that has waited for more than three days
 * is shown with a wrong age. What must be right, such as how long a message is worth handling, is reckoned in milliseconds.
 */
const perMs = 8;

/** @param monotonicMs zero or more @returns an even number: the last bit is for whoever keeps it, and tells nothing of time */
export function toTick(monotonicMs: number): number {
  return ((monotonicMs * perMs) | 0) & ~1;
}

/** @param sentTick,tick of `toTick` */
export function ageMs(sentTick: number, tick: number): number {
  return ((tick - sentTick) | 0) / perMs;
}
