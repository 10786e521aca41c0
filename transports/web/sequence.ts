/** Whether an event of an account channel is the one that is due. */
import type { Position } from './wire.ts';

/** `next`: it is. `seen`: it came before. `gap`: something is missing in between, or the count has begun anew. */
export type Step = 'next' | 'seen' | 'gap';

/** @param last undefined when nothing of the channel is known: only a snapshot, or the first event of all, can begin it */
export function follow(last: Position | undefined, event: Position): Step {
  if (last === undefined) return event.sequence === 1 ? 'next' : 'gap';
  if (event.epoch !== last.epoch) return 'gap';
  if (event.sequence <= last.sequence) return 'seen';
  return event.sequence === last.sequence + 1 ? 'next' : 'gap';
}
