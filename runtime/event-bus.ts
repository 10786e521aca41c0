/** Topics, delivered in order to subscribers within this process. */

export type Unsubscribe = () => void;

interface Subscription {
  readonly hear: (event: never) => void;
  isOver: boolean;
}

/**
 * Subscribers are called at once, in the order of subscription. They must be short: an actor's subscriber tells its own mailbox,
 * whose policy then decides what happens when it is slow. A subscriber that throws is reported and the others go on.
 * Who subscribes during an event hears the next one; who unsubscribes hears no more.
 */
export class EventBus<Topics extends object> {
  /** A list is never changed but replaced, so that an event goes round among those who were there when it came. */
  readonly #subscriptions = new Map<keyof Topics, readonly Subscription[]>();
  readonly #onError: (error: unknown, topic: string) => void;

  constructor(onError: (error: unknown, topic: string) => void) {
    this.#onError = onError;
  }

  publish<Topic extends keyof Topics>(topic: Topic, event: Topics[Topic]): void {
    const subscriptions = this.#subscriptions.get(topic);
    if (!subscriptions) return;
    for (const { hear, isOver } of subscriptions) {
      if (isOver) continue;
      try {
        (hear as (event: Topics[Topic]) => void)(event);
      } catch (error) {
        this.#onError(error, String(topic));
      }
    }
  }

  subscribe<Topic extends keyof Topics>(topic: Topic, subscriber: (event: Topics[Topic]) => void): Unsubscribe {
    const subscription: Subscription = { hear: subscriber, isOver: false };
    this.#subscriptions.set(topic, [...(this.#subscriptions.get(topic) ?? []), subscription]);
    return () => {
      if (subscription.isOver) return;
      subscription.isOver = true;
      const others = this.#subscriptions.get(topic)?.filter((other) => other !== subscription) ?? [];
      if (others.length > 0) this.#subscriptions.set(topic, others);
      else this.#subscriptions.delete(topic);
    };
  }
}
