/** Whether a frame is the one that is due. */
import type { Position } from './wire.ts';

/** `next`: it is. `seen`: it came before. `gap`: something is missing in between, or the count has begun anew. */
export type Step = 'next' | 'seen' | 'gap';

/** Of an account channel. @param last undefined when nothing of it is known: only a snapshot, or the first event of all, can begin it */
export function follow(last: Position | undefined, event: Position): Step {
  if (last === undefined) return event.sequence === 1 ? 'next' : 'gap';
  if (event.epoch !== last.epoch) return 'gap';
  if (event.sequence <= last.sequence) return 'seen';
  return event.sequence === last.sequence + 1 ? 'next' : 'gap';
}

/** Of a market channel, whose frames say how many before them were left out on purpose. */
export function followMarket(
  last: number | undefined,
  frame: { readonly sequence: number; readonly skipped?: number },
): Step {
  if (last === undefined) return 'gap';
  if (frame.sequence <= last) return 'seen';
  return frame.sequence - last - 1 === (frame.skipped ?? 0) ? 'next' : 'gap';
}
