/** Finds actors that wait for each other's answers. */
import type { Ask, Askable, Asker } from './ask.ts';

/** What is known of an actor that may wait. */
interface Waiting extends Askable {
  readonly isBusy: boolean;
  readonly life: (Asker & { readonly openAsks: ReadonlySet<Ask> }) | undefined;
}

/**
 * Whoever is asked waits only while an async handler of its own is under way, and for the asks of that handler.
 * @param from an actor that awaits `ask`
 * @returns the paths from `from` back to itself; undefined when the one it asks does not wait for it
 */
export function findCycle(from: Waiting, ask: Ask): string[] | undefined {
  if (ask.settled || ask.during !== from.life?.turn) return undefined;
  const way = wayTo(from, ask.target as Waiting, new Set());
  return way && [from.path, ...way];
}

function wayTo(goal: Waiting, at: Waiting, seen: Set<Waiting>): string[] | undefined {
  if (at === goal) return [goal.path];
  if (seen.has(at) || !at.isBusy || !at.life) return undefined;
  seen.add(at);
  for (const ask of at.life.openAsks) {
    if (ask.settled || ask.during !== at.life.turn) continue;
    const way = wayTo(goal, ask.target as Waiting, seen);
    if (way) return [at.path, ...way];
  }
  return undefined;
}
