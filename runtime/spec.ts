/** What is to run, as data: workers, supervisors, and how they are restarted. */
import type { Behavior } from './actor.ts';
import { Terminal } from './errors.ts';
import type { MailboxSpec } from './mailbox.ts';
import { childPath } from './path.ts';
import type { RestartPolicy } from './supervision.ts';

export interface WorkerSpec<State, Message> {
  /** Unique below its supervisor; any text that is not empty. */
  readonly id: string;
  /** What it is, for people: `trading-account`. */
  readonly kind: string;
  readonly behavior: Behavior<State, Message>;
  /** Default `permanent`. `temporary` is forgotten when it crashes; a failing first start of a `permanent` one fails the start of the tree. */
  readonly restart?: 'permanent' | 'transient' | 'temporary';
  /** How long a stop waits for the message in hand and for `stop` of the behavior, then leaves it behind. Default 5,000. */
  readonly shutdownMs?: number;
  /** Default: 1,000 messages, more are refused. */
  readonly mailbox?: MailboxSpec<Message>;
  /** Starts at its first message. */
  readonly onDemand?: boolean;
  /** Its own restart budget below a dynamic supervisor; the supervisor's policy when absent. Elsewhere it has no effect. */
  readonly policy?: RestartPolicy;
}

export interface SupervisorSpec {
  readonly id: string;
  /**
   * Who restarts with a child that crashed: nobody else, those started after it, or all.
   * `dynamic` is for children that come and go at run time: like `one-for-one`, with a restart budget for each child.
   */
  readonly strategy: 'one-for-one' | 'rest-for-one' | 'one-for-all' | 'dynamic';
  /** The restart budget of all children together; of a dynamic supervisor: how many children may give up. */
  readonly policy: RestartPolicy;
  /** Started in this order, stopped in reverse. */
  readonly children: readonly ChildSpec[];
  /** Id of the child that answers for the subtree: `find` of this supervisor's path gives that child's ref. */
  readonly front?: string;
  /** Bounds the stop of the whole subtree. Default: the children's own limits bound it. */
  readonly shutdownMs?: number;
}

// A tree holds workers of every state and message; each spec was checked where it was written.
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyWorkerSpec = WorkerSpec<any, any>;
export type ChildSpec = AnyWorkerSpec | SupervisorSpec;

export function isSupervisor(spec: ChildSpec): spec is SupervisorSpec {
  return 'strategy' in spec;
}

/** A spec that cannot be run. Nothing of it was started. */
export class InvalidSpec extends Terminal {
  constructor(path: string, fault: string) {
    super(`spec of ${path}: ${fault}`);
  }
}

/** A supervisor has a child of that id already, running or not. */
export class DuplicateChild extends Terminal {
  constructor(path: string) {
    super(`there is an actor at ${path} already`);
  }
}

/** There is no supervisor at that path. */
export class NoSuchSupervisor extends Terminal {
  constructor(path: string) {
    super(`there is no supervisor at ${path}`);
  }
}

/** The first start of a permanent actor failed; what was started with it has been stopped again. */
export class StartFailed extends Terminal {
  readonly path: string;

  constructor(path: string, cause: unknown) {
    super(`actor ${path} did not start`, { cause });
    this.path = path;
  }
}

const restarts: ReadonlySet<string> = new Set(['permanent', 'transient', 'temporary']);
const strategies: ReadonlySet<string> = new Set(['one-for-one', 'rest-for-one', 'one-for-all', 'dynamic']);

/** @throws InvalidSpec when a spec, or one below it, cannot be run */
export function checkSpec(spec: ChildSpec, path: string): void {
  const demand = (holds: boolean, fault: string): void => {
    if (!holds) throw new InvalidSpec(path, fault);
  };
  demand(spec.id !== '', 'id must not be empty');
  demand(spec.shutdownMs === undefined || spec.shutdownMs >= 0, `shutdownMs must be 0 or more, was ${spec.shutdownMs}`);
  if (spec.policy) checkPolicy(spec.policy, demand);
  if (!isSupervisor(spec)) {
    const { restart = 'permanent' } = spec;
    demand(restarts.has(restart), `restart must be ${[...restarts].join(', ')}, was ${restart}`);
    const capacity = spec.mailbox?.capacity ?? 1;
    demand(Number.isSafeInteger(capacity) && capacity >= 1, `mailbox capacity must be 1 or more, was ${capacity}`);
    return;
  }
  demand(strategies.has(spec.strategy), `strategy must be ${[...strategies].join(', ')}, was ${spec.strategy}`);
  const ids = new Set<string>();
  for (const child of spec.children) {
    demand(!ids.has(child.id), `child id ${child.id} occurs twice`);
    ids.add(child.id);
    checkSpec(child, childPath(path, child.id));
  }
  demand(spec.front === undefined || ids.has(spec.front), `front ${spec.front} is none of its children`);
}

function checkPolicy(policy: RestartPolicy, demand: (holds: boolean, fault: string) => void): void {
  const { intensity, periodMs, backoff } = policy;
  demand(Number.isSafeInteger(intensity) && intensity >= 0, `intensity must be 0 or more, was ${intensity}`);
  demand(periodMs > 0, `periodMs must be above 0, was ${periodMs}`);
  demand(backoff.firstMs >= 0, `backoff.firstMs must be 0 or more, was ${backoff.firstMs}`);
  demand(backoff.maxMs >= backoff.firstMs, `backoff.maxMs must be firstMs or more, was ${backoff.maxMs}`);
  demand(backoff.jitter >= 0 && backoff.jitter <= 1, `backoff.jitter must be 0 to 1, was ${backoff.jitter}`);
}
