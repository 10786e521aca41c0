/** One ref for many workers of a kind: chooses one of them for each message. */
import { createHash } from 'node:crypto';
import type { Terminated } from './actor.ts';
import { Ask, type Askable, type Asker } from './ask.ts';
import type { Token } from './envelope.ts';
import { ActorStopped } from './errors.ts';
import type { Inbox } from './inbox.ts';
import { harmless } from './redaction.ts';
import type { AskOptions, LocalRef, ReplyOf, Sender, TellOptions, TellResult, Watcher } from './ref.ts';
import type { AnyWorkerSpec, Routing, SupervisorSpec } from './spec.ts';
import type { RestartPolicy } from './supervision.ts';

/** A worker as a pool sees it. */
interface Worker extends Pick<Inbox<never, never>, 'ref' | 'path' | 'waiting' | 'accepting' | 'retell'> {
  readonly status: string;
  readonly isBusy: boolean;
}

/**
 * A supervisor of equal workers behind one ref: `find` of its path gives that ref.
 *
 * @param size 1 or more
 * @param worker the spec of the worker of that number, from 0; its id must be unique
 */
export function pool(options: {
  readonly id: string;
  readonly size: number;
  readonly routing: Routing;
  readonly policy: RestartPolicy;
  worker(number: number): AnyWorkerSpec;
}): SupervisorSpec {
  const { id, size, routing, policy, worker } = options;
  const children = Array.from({ length: size }, (_, number) => worker(number));
  return { id, strategy: 'one-for-one', policy, front: routing, children };
}

export interface PoolHooks {
  /** `keyOf` threw; that message goes round. */
  onPolicyFailed(error: unknown, message: unknown): void;
  /** No worker takes messages. */
  onNobody(message: unknown, traceId: string | undefined, token: Token | undefined): void;
}

/** A worker that takes nothing new, down or draining, is passed over; one that restarts is not: its messages wait for it. */
export class Pool implements LocalRef<never>, Askable {
  readonly path: string;
  readonly #routing: Routing;
  readonly #children: () => readonly object[];
  readonly #hooks: PoolHooks;
  readonly #watched = new WeakMap<Watcher, Watcher>();
  #turn = 0;

  /**
   * @param children of the pool's supervisor, whatever they are; only workers are sent anything
   */
  constructor(path: string, routing: Routing, children: () => readonly object[], hooks: PoolHooks) {
    this.path = path;
    this.#hooks = hooks;
    this.#routing = routing;
    this.#children = children;
  }

  tell(message: never, options?: TellOptions): TellResult {
    return this.#local(message, options)?.tell(message, options) ?? 'stopped';
  }

  ask<M extends never>(message: M, options: AskOptions): Promise<ReplyOf<never, M>> {
    return this.#local(message, options)?.ask(message, options) ?? Promise.reject(new ActorStopped(this.path));
  }

  tellFrom(sender: Sender, message: never, options: TellOptions | undefined): TellResult {
    return this.#local(message, options)?.tellFrom(sender, message, options) ?? 'stopped';
  }

  /** Tells a message that became a dead letter once more. */
  retell(message: unknown, traceId: string | undefined, token: Token): TellResult {
    const worker = this.#choose(message as never);
    if (worker) return worker.retell(message, traceId, token);
    this.#hooks.onNobody(message, traceId, token);
    return 'stopped';
  }

  askFrom(asker: Asker, message: never, options: AskOptions): Ask {
    const local = this.#local(message, options);
    if (local) return local.askFrom(asker, message, options);
    const ask = new Ask(this, message, options.timeoutMs, options.traceId, asker);
    ask.abandon(new ActorStopped(this.path));
    return ask;
  }

  /** Only of an ask that no worker got, and so none can be late with. */
  lateReply(): void {}

  /** It has ended when the last of its workers has, those included that were added or came back meanwhile. */
  watchedBy(watch: Watcher): void {
    let left = 0;
    const last: Watcher = {
      path: watch.path,
      fire: ({ reason }) => {
        left -= 1;
        if (left === 0) follow(reason);
      },
    };
    const follow = (reason: Terminated['reason']): void => {
      const alive = this.#members().filter(({ status }) => status !== 'down' && status !== 'stopped');
      if (alive.length === 0) watch.fire({ path: this.path, reason });
      left = alive.length;
      for (const { ref } of alive) (ref as LocalRef<never>).watchedBy(last);
    };
    this.#watched.set(watch, last);
    follow({ kind: 'shutdown' });
  }

  unwatchedBy(watch: Watcher): void {
    const last = this.#watched.get(watch);
    if (!last) return;
    this.#watched.delete(watch);
    for (const { ref } of this.#members()) (ref as LocalRef<never>).unwatchedBy(last);
  }

  #local(message: never, options: TellOptions | undefined): LocalRef<never> | undefined {
    const worker = this.#choose(message);
    if (!worker) this.#hooks.onNobody(message, options?.traceId, undefined);
    return worker?.ref as LocalRef<never> | undefined;
  }

  /** All its workers, whatever they are doing. */
  #members(): Worker[] {
    return (this.#children() as (Worker & { readonly children?: unknown })[]).filter(
      ({ children }) => children === undefined,
    );
  }

  #choose(message: never): Worker | undefined {
    const workers = this.#members().filter(({ accepting }) => accepting);
    if (workers.length === 0) return undefined;
    switch (this.#routing.route) {
      case 'round-robin':
        return this.#next(workers);
      case 'least-busy':
        return this.#leastBusy(workers);
      case 'consistent-hash': {
        const key = this.#keyOf(message);
        return key === undefined ? this.#next(workers) : byRendezvous(key, workers);
      }
    }
  }

  #keyOf(message: never): string | undefined {
    try {
      return harmless(this.#routing.keyOf?.(message));
    } catch (error) {
      this.#hooks.onPolicyFailed(error, message);
      return undefined;
    }
  }

  #next(workers: readonly Worker[]): Worker {
    return workers[this.#turn++ % workers.length]!;
  }

  /** Among equals it goes round, or the first would get everything that comes while all are idle. */
  #leastBusy(workers: readonly Worker[]): Worker {
    const first = this.#turn++ % workers.length;
    let best = workers[first]!;
    for (let offset = 1; offset < workers.length; offset++) {
      const worker = workers[(first + offset) % workers.length]!;
      if (load(worker) < load(best)) best = worker;
    }
    return best;
  }
}

function load({ waiting, isBusy }: Worker): number {
  return waiting + (isBusy ? 1 : 0);
}

/**
 * Rendezvous hashing (Thaler and Ravishankar, 1998): the worker whose hash with the key is highest.
 * When one goes, only its own keys move, and they spread over all the others.
 */
function byRendezvous(key: string, workers: readonly Worker[]): Worker {
  let best = workers[0]!;
  let highest = -1;
  for (const worker of workers) {
    const weight = createHash('sha1').update(`${key}\0${worker.path}`).digest().readUInt32BE(0);
    if (weight <= highest) continue;
    highest = weight;
    best = worker;
  }
  return best;
}
