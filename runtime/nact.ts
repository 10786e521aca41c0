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
  spawn(
    parent: Reference,
    receive: (state: TreeNode) => never,
    name: string,
    options: { readonly onCrash: OnCrash; readonly initialState?: TreeNode },
  ): Reference;
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

/** Who stands at a node. */
export interface Occupant {
  /** Its crash has gone its way through nact; called in a turn of its own, and never after the node was stopped. */
  fallen(error: unknown): void;
}

interface Bucket {
  readonly reference: Reference;
  size: number;
}

/** The crash of a node on its way up. nact reads nothing of it. */
class Crash {
  readonly node: TreeNode;
  readonly error: unknown;

  constructor(node: TreeNode, error: unknown) {
    this.node = node;
    this.error = error;
  }
}

/** One actor or supervisor in nact's tree, for one incarnation. */
export class TreeNode {
  readonly #reference: Reference;
  readonly #occupant: Occupant;
  readonly #bucket: Bucket | undefined;
  /** None below a worker: there are many of those. */
  #below: { serial: number; readonly buckets: Bucket[] } | undefined;
  #error: unknown;
  /** `falling`: nact is about to stop it by itself; stopping it now would make nact throw. */
  #state: 'live' | 'falling' | 'stopped' = 'live';

  private constructor(within: Reference, name: string, occupant: Occupant, bucket: Bucket | undefined) {
    this.#occupant = occupant;
    this.#bucket = bucket;
    this.#reference = nact.spawn(bucket?.reference ?? within, receive, name, { onCrash, initialState: this });
    if (bucket) bucket.size++;
  }

  /** A tree of its own with one node, below which everything else is spawned. It never crashes. @returns how to end it */
  static root(name: string): { readonly node: TreeNode; stop(): void } {
    systems++;
    const system = nact.start({ name: `${encodeName(name)}.${systems}` });
    const node = new TreeNode(system, 'root', { fallen() {} }, undefined);
    return {
      node,
      stop: () => {
        node.stop();
        nact.stop(system);
      },
    };
  }

  /**
   * @param id any text
   * @param siblings how many are to be expected: `many` spreads them over several nact actors
   */
  spawn(id: string, siblings: 'few' | 'many', occupant: Occupant): TreeNode {
    // The serial keeps a new incarnation apart from an old one that nact has not yet forgotten.
    const name = `${encodeName(id)}.${this.#spawned().serial++}`;
    return new TreeNode(this.#reference, name, occupant, siblings === 'many' ? this.#bucketWithRoom() : undefined);
  }

  /** Sends a crash on its way. Once, and not after `stop`. */
  crash(error: unknown): void {
    this.#error = error;
    nact.dispatch(this.#reference, crashToken);
  }

  /** Takes the node out of the tree. Its children must be stopped before: nact does not reach them. May be called twice. */
  stop(): void {
    if (this.#state === 'stopped') return;
    if (this.#state === 'live') {
      for (const bucket of this.#below?.buckets ?? []) nact.stop(bucket.reference);
      nact.stop(this.#reference);
    }
    this.#leave();
  }

  /** What nact runs at the token: the one way into its crash protocol. */
  toCrash(): Crash {
    return new Crash(this, this.#error);
  }

  /** @returns whether the crash is to go on to the parent */
  falls(): boolean {
    if (this.#state !== 'live') return false;
    this.#state = 'falling';
    return true;
  }

  /** nact has stopped it. */
  hasFallen(): void {
    if (this.#state === 'stopped') return;
    this.#leave();
    this.#occupant.fallen(this.#error);
  }

  #spawned(): { serial: number; readonly buckets: Bucket[] } {
    return (this.#below ??= { serial: 0, buckets: [] });
  }

  #leave(): void {
    this.#state = 'stopped';
    if (this.#bucket) this.#bucket.size--;
  }

  #bucketWithRoom(): Bucket {
    const { buckets } = this.#spawned();
    const last = buckets.at(-1);
    if (last && last.size < bucketSize) return last;
    // Others have room again after stops; looking through them all once in so many spawns costs nothing.
    const found = buckets.findIndex((bucket) => bucket.size < bucketSize / 2);
    const [reused] = found < 0 ? [] : buckets.splice(found, 1);
    const bucket = reused ?? this.#newBucket();
    buckets.push(bucket);
    return bucket;
  }

  #newBucket(): Bucket {
    const name = `bucket.${this.#spawned().serial++}`;
    return { reference: nact.spawn(this.#reference, receive, name, { onCrash }), size: 0 };
  }
}

// One function each for all actors of all systems: a closure an actor would be a quarter of what an idle actor takes.
function receive(node: TreeNode): never {
  // oxlint-disable-next-line typescript/only-throw-error -- nact hands it on unread, and an Error would cost a stack
  throw node.toCrash();
}

/** Runs first at the crashed actor, without a child, then at its parent. A bucket is a parent like any other. */
const onCrash: OnCrash = (_token, error, directives, childReference) => {
  if (!(error instanceof Crash)) return directives.stop;
  const { node } = error;
  if (childReference === undefined) return node.falls() ? directives.escalate : directives.stop;
  // nact stops the child a microtask after this returns.
  setImmediate(() => node.hasFallen());
  return directives.stopChild;
};

/** nact keeps systems in a global map by name, and a second one of a name replaces the first. */
let systems = 0;

/** nact takes a few characters only. Lower-case letters, digits and hyphens stay; the rest becomes `_` and its hexadecimal code. */
export function encodeName(id: string): string {
  return id.replaceAll(/[^a-z0-9-]/g, (character) => `_${character.charCodeAt(0).toString(16)}_`);
}
