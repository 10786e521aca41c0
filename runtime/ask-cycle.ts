/** Finds actors that wait for each other: for an answer, or for room in a mailbox. */
import type { Ask, Askable, Asker } from './ask.ts';

/** What is known of an actor that may wait. */
export interface Waiting extends Askable {
  readonly isBusy: boolean;
  readonly life: (Asker & { readonly openAsks: ReadonlySet<Ask> }) | undefined;
  /** The actors in whose mailboxes it waits for room. */
  readonly parkedAt: Iterable<object>;
}

/**
 * Whoever is asked waits only while an async handler of its own is under way, and for the asks of that handler.
 * @param from an actor that awaits `ask`
 * @returns the paths from `from` back to itself; undefined when the one it asks does not wait for it
 */
export function findCycle(from: Waiting, ask: Ask): string[] | undefined {
  if (ask.settled || ask.during !== from.life?.turn) return undefined;
  const way = new Search(from, false).way(ask.target as Waiting, needsMail(ask));
  return way && [from.path, ...way];
}

/** Whether an actor would wait for ever if it waited for room in the mailbox of `target`, for `target` waits until it handles more messages. */
export function wouldWaitForEver(actor: Waiting, target: Waiting): boolean {
  return new Search(actor, true).way(target, true) !== undefined;
}

/** An answer to a message that waits needs an actor that takes messages; one in hand is answered also by an actor that is parked. */
function needsMail({ where }: Ask): boolean {
  return where === 'queue';
}

class Search {
  readonly #goal: Waiting;
  readonly #byMail: boolean;
  readonly #seen = new Set<Waiting>();
  readonly #seenByMail = new Set<Waiting>();

  /** @param byMail only somebody who needs the goal to take messages has reached it */
  constructor(goal: Waiting, byMail: boolean) {
    this.#goal = goal;
    this.#byMail = byMail;
  }

  /** @param byMail whoever comes this way waits until `at` handles another message, not only the one in hand */
  way(at: Waiting, byMail: boolean): string[] | undefined {
    if (at === this.#goal) return byMail || !this.#byMail ? [at.path] : undefined;
    const seen = byMail ? this.#seenByMail : this.#seen;
    if (seen.has(at)) return undefined;
    seen.add(at);
    const way = this.#onByAsks(at) ?? (byMail ? this.#onByRoom(at) : undefined);
    return way && [at.path, ...way];
  }

  #onByAsks({ isBusy, life }: Waiting): string[] | undefined {
    if (!isBusy || !life) return undefined;
    for (const ask of life.openAsks) {
      if (ask.settled || ask.during !== life.turn) continue;
      const way = this.way(ask.target as Waiting, needsMail(ask));
      if (way) return way;
    }
    return undefined;
  }

  #onByRoom({ parkedAt }: Waiting): string[] | undefined {
    for (const at of parkedAt) {
      const way = this.way(at as Waiting, true);
      if (way) return way;
    }
    return undefined;
  }
}
