/**
 * The tree of actors, kept by nact: spawn, stop, and the way of a crash from an actor to its supervisor.
 * No other file imports nact. No message of a user passes through it.
 *
 * nact's own directives run handlers twice, hang, or leave children alive, so only this way is used: the crashed actor escalates,
 * its parent stops it, and our supervisor decides about the rest once nact is done.
 */
import untyped from 'nact';

/** nact's types are wrong in places; this is the part we use, as it is. */
interface Nact {
  start(options: { readonly name: string }): Reference;
  spawn(parent: Reference, receive: () => never, name: string, options: { readonly onCrash: OnCrash }): Reference;
  stop(actor: Reference): void;
  dispatch(actor: Reference, token: typeof crashToken): void;
}
interface Reference {
  readonly name: string;
}
type OnCrash = (token: unknown, error: unknown, directives: Directives, child: Reference | undefined) => symbol;
interface Directives {
  readonly stop: symbol;
  readonly escalate: symbol;
  readonly stopChild: symbol;
}

const nact = untyped as unknown as Nact;
const crashToken = 'crash';
/** nact copies its map of children at every crash, so that an actor with thousands of them would crash slowly. */
const bucketSize = 256;

/** One actor or supervisor in nact's tree, for one incarnation. */
export class TreeNode {
  readonly #reference: Reference;
  readonly #parent: TreeNode | undefined;
  readonly #onCrashed: (error: unknown) => void;
  /** None of a worker's: there are many of those. */
  #children: Map<string, TreeNode> | undefined;
  #buckets: { readonly reference: Reference; size: number }[] | undefined;
  #bucket: { readonly reference: Reference; size: number } | undefined;
  #serial = 0;
  #crash: { readonly error: unknown } | undefined;
  /** `falling`: nact is about to stop it by itself; stopping it now would make nact throw. */
  #state: 'live' | 'falling' | 'stopped' = 'live';
  #onStopped: (() => void) | undefined;

  private constructor(
    parent: TreeNode | undefined,
    name: string,
    within: Reference,
    onCrashed: (error: unknown) => void,
  ) {
    this.#parent = parent;
    this.#onCrashed = onCrashed;
    this.#reference = nact.spawn(within, this.#receive, name, { onCrash: this.#onCrash });
  }

  /** A tree of its own with one node, below which everything else is spawned. It never crashes. */
  static root(name: string): TreeNode {
    systems++;
    const system = nact.start({ name: `${encodeName(name)}.${systems}` });
    const root = new TreeNode(undefined, 'root', system, () => {});
    root.#onStopped = () => nact.stop(system);
    return root;
  }

  /**
   * @param id any text
   * @param onCrashed called in a turn of its own when a crash has gone its way through nact; never after `stop`
   * @param siblings how many are to be expected: `many` spreads them over several nact actors
   */
  spawn(id: string, siblings: 'few' | 'many', onCrashed: (error: unknown) => void): TreeNode {
    // The serial keeps a new incarnation apart from an old one that nact has not yet forgotten.
    const name = `${encodeName(id)}.${this.#serial++}`;
    const bucket = siblings === 'many' ? this.#bucketWithRoom() : undefined;
    const child = new TreeNode(this, name, bucket?.reference ?? this.#reference, onCrashed);
    if (bucket) {
      bucket.size++;
      child.#onStopped = () => void bucket.size--;
    }
    (this.#children ??= new Map()).set(name, child);
    return child;
  }

  /** Sends a crash on its way. Once, and not after `stop`. */
  crash(error: unknown): void {
    this.#crash = { error };
    nact.dispatch(this.#reference, crashToken);
  }

  /** Takes the node out of the tree. Its children must be stopped before: nact does not reach them. May be called twice. */
  stop(): void {
    if (this.#state === 'stopped') return;
    if (this.#state === 'live') {
      for (const bucket of this.#buckets ?? []) nact.stop(bucket.reference);
      nact.stop(this.#reference);
    }
    this.#leave();
  }

  #leave(): void {
    this.#state = 'stopped';
    if (this.#parent) this.#parent.#children?.delete(this.#reference.name);
    this.#onStopped?.();
  }

  readonly #receive = (): never => {
    throw this.#crash?.error;
  };

  readonly #onCrash: OnCrash = (_token, error, directives, childReference) => {
    if (childReference === undefined) {
      if (this.#state !== 'live') return directives.stop;
      this.#state = 'falling';
      return directives.escalate;
    }
    // A bucket's crash handler is its parent's, and a child's own: both get the child from nact.
    const child = this.#children?.get(childReference.name);
    if (child) {
      // nact stops the child a microtask after this returns.
      setImmediate(() => {
        if (child.#state === 'stopped') return;
        child.#leave();
        child.#onCrashed(error);
      });
    }
    return directives.stopChild;
  };

  #bucketWithRoom(): { readonly reference: Reference; size: number } {
    if (this.#bucket && this.#bucket.size < bucketSize) return this.#bucket;
    const buckets = (this.#buckets ??= []);
    this.#bucket = buckets.find((bucket) => bucket.size < bucketSize / 2);
    if (!this.#bucket) {
      const name = `bucket.${buckets.length}`;
      const reference = nact.spawn(this.#reference, this.#receive, name, { onCrash: this.#onCrash });
      this.#bucket = { reference, size: 0 };
      buckets.push(this.#bucket);
    }
    return this.#bucket;
  }
}

/** nact keeps systems in a global map by name, and a second one of a name replaces the first. */
let systems = 0;

/** nact takes a few characters only. Lower-case letters, digits and hyphens stay; the rest becomes `_` and its hexadecimal code. */
export function encodeName(id: string): string {
  return id.replaceAll(/[^a-z0-9-]/g, (character) => `_${character.charCodeAt(0).toString(16)}_`);
}
