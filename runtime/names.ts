/** Names that actors give themselves: where another can be found without knowing the tree. */
import type { ActorRef } from './ref.ts';

export interface NameEvent {
  readonly type: 'added' | 'removed';
  readonly name: string;
  readonly ref: ActorRef<never>;
}

interface Entry {
  readonly ref: ActorRef<never>;
  readonly owner: object;
}

/** An entry outlives the restarts of its actor, and goes when the actor ends. */
export class Names {
  readonly #entries = new Map<string, Entry>();
  readonly #ownedBy = new WeakMap<object, Set<string>>();
  readonly #onError: (error: unknown) => void;
  #listeners: readonly { readonly prefix: string; readonly hear: (event: NameEvent) => void }[] = [];

  /** @param onError is told what a listener threw */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** @returns false when another actor has the name; an actor may register a name of its own again */
  register(name: string, ref: ActorRef<never>, owner: object): boolean {
    const entry = this.#entries.get(name);
    if (entry) return entry.owner === owner;
    this.#entries.set(name, { ref, owner });
    const owned = this.#ownedBy.get(owner) ?? new Set();
    this.#ownedBy.set(owner, owned.add(name));
    this.#tell({ type: 'added', name, ref });
    return true;
  }

  /** The owner has ended. */
  release(owner: object): void {
    const owned = this.#ownedBy.get(owner);
    if (!owned) return;
    this.#ownedBy.delete(owner);
    for (const name of owned) {
      const { ref } = this.#entries.get(name)!;
      this.#entries.delete(name);
      this.#tell({ type: 'removed', name, ref });
    }
  }

  find(name: string): ActorRef<never> | undefined {
    return this.#entries.get(name)?.ref;
  }

  /** Names that begin with `prefix`, in the order in which they were registered. */
  list(prefix: string): readonly string[] {
    return [...this.#entries.keys()].filter((name) => name.startsWith(prefix));
  }

  /** Tells of names that begin with `prefix` from now on. @returns how to end it */
  subscribe(prefix: string, hear: (event: NameEvent) => void): () => void {
    const listener = { prefix, hear };
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  #tell(event: NameEvent): void {
    for (const { prefix, hear } of this.#listeners) {
      try {
        if (event.name.startsWith(prefix)) hear(event);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
