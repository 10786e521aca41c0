/** What is to run, as data: workers, supervisors, and how they are restarted. */
import type { Behavior } from './actor.ts';
import { Terminal } from './errors.ts';
import type { MailboxSpec } from './mailbox.ts';
import { childPath } from './path.ts';
import type { FailureDirective } from './events.ts';
import type { RestartPolicy } from './supervision.ts';

export interface WorkerSpec<State, Message> {
  /** Unique below its supervisor; any text that is not empty. */
  readonly id: string;
  /** What it is, for people: `trading-account`. */
  readonly kind: string;
  readonly behavior: Behavior<State, Message>;
  /**
   * Default `permanent`: it always comes back. `transient` only after a failure. `temporary` never, and it is forgotten then.
   * A failing first start of a `permanent` one fails the start of the tree.
   */
  readonly restart?: RestartType;
  /** Its own end may end its supervisor: see `autoShutdown`. Not for permanent ones. */
  readonly significant?: boolean;
  /** How long a stop waits for the message in hand and for `stop` of the behavior, then leaves it behind. Default 5,000. */
  readonly shutdownMs?: number;
  /** Default: 1,000 messages, more are refused. */
  readonly mailbox?: MailboxSpec<Message>;
  /** Messages that may be put aside. Default 1,000. */
  readonly stashCapacity?: number;
  /** Starts at its first message. */
  readonly onDemand?: boolean;
  /**
   * Idle for so long (at most an eighth longer), with no timer running, no ask kept or open and nobody watched, it ends, and starts
   * again at its next message.
   * Default: never.
   */
  readonly passivateAfterMs?: number;
  /** An async handler, or start, that takes longer is aborted and crashes the actor. Default: it may take for ever, and is reported. */
  readonly handlerTimeoutMs?: number;
  /** Asked before a message that throws crashes the actor. `resume`: it goes on with the state it had, the message is a dead letter. */
  onError?(error: unknown, message: Message): FailureDirective;
  /** How often a message that crashes the actor is tried in all, 1 or more. Default 1. Then it is a dead letter. */
  readonly maxAttempts?: number;
  /** What inspection, events and crash reports may show of a message. Absent: its shape. Must not give secrets away. */
  showMessage?(message: Message): unknown;
  /** Its own restart budget below a dynamic supervisor; the supervisor's policy when absent. Elsewhere it has no effect. */
  readonly policy?: RestartPolicy;
}

export type RestartType = 'permanent' | 'transient' | 'temporary';

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
  /** Who answers for the subtree at this supervisor's path: the child of that id, or one of its workers, chosen for each message. */
  readonly front?: string | Routing;
  /** As for a worker. Default `permanent`. */
  readonly restart?: RestartType;
  readonly significant?: boolean;
  /**
   * Whether it ends, with all that is left, when `any` or `all` of its significant children have ended by themselves.
   * A crash after which a child comes back is no end, nor is a stop by somebody else. Default `never`.
   */
  readonly autoShutdown?: 'never' | 'any-significant' | 'all-significant';
  /** Bounds the stop of the whole subtree. Default: the children's own limits bound it. */
  readonly shutdownMs?: number;
}

/** How a pool chooses a worker for a message. */
export interface Routing {
  /** In turn; the one with the least to do; or always the same for the same key, as long as it runs. */
  readonly route: 'round-robin' | 'least-busy' | 'consistent-hash';
  /** For `consistent-hash`; messages without a key go round. */
  keyOf?(message: never): string | undefined;
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
  /** Of the one that is there. */
  readonly status: string;

  constructor(path: string, status: string) {
    super(`there is an actor at ${path} already, and it is ${status}`);
    this.status = status;
  }
}

/** There is no actor at that path. */
export class NoSuchActor extends Terminal {
  constructor(path: string) {
    super(`there is no actor at ${path}`);
  }
}

/** What was asked for is for a child that is down, and this one is not. */
export class ChildRunning extends Terminal {
  constructor(path: string, status: string) {
    super(`actor ${path} is ${status}, not down`);
  }
}

/** A dynamic supervisor keeps no children that are down: terminate them, and spawn them again. */
export class DynamicChild extends Terminal {
  constructor(path: string) {
    super(`actor ${path} is dynamic: it is spawned and terminated, nothing else`);
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
const autoShutdowns: ReadonlySet<string> = new Set(['never', 'any-significant', 'all-significant']);
const overflows: ReadonlySet<string> = new Set([
  ...['reject', 'drop-new', 'drop-oldest', 'latest-by-key', 'park-sender', 'crash'],
]);
const routes: ReadonlySet<string> = new Set(['round-robin', 'least-busy', 'consistent-hash']);

type Demand = (holds: boolean, fault: string) => void;

/** Checks the spec of a child. @throws InvalidSpec when it, or one below it, cannot be run */
export function checkChild(spec: ChildSpec, parentPath: string): void {
  checkIsSpec(spec, childPath(parentPath, '?'));
  checkSpec(spec, childPath(parentPath, spec.id));
}

function checkIsSpec(spec: ChildSpec, path: string): void {
  if (typeof spec !== 'object' || spec === null) throw new InvalidSpec(path, `must be an object, was ${typeof spec}`);
  if (typeof spec.id !== 'string' || spec.id === '') throw new InvalidSpec(path, 'id must be text, and not empty');
}

/** Checks a spec that is to stand at a path. @throws InvalidSpec when it, or one below it, cannot be run */
export function checkSpec(spec: ChildSpec, path: string): void {
  checkIsSpec(spec, path);
  const demand: Demand = (holds, fault) => {
    if (!holds) throw new InvalidSpec(path, fault);
  };
  const { restart = 'permanent', significant = false, shutdownMs = 0 } = spec;
  demand(shutdownMs >= 0, `shutdownMs must be 0 or more, was ${shutdownMs}`);
  demand(restarts.has(restart), `restart must be ${[...restarts].join(', ')}, was ${restart}`);
  demand(!significant || restart !== 'permanent', 'significant must not be permanent: it would never end by itself');
  if (spec.policy !== undefined) checkPolicy(spec.policy, demand);
  if (isSupervisor(spec)) checkSupervisor(spec, path, demand);
  else checkWorker(spec, demand);
}

function checkWorker(spec: AnyWorkerSpec, demand: Demand): void {
  demand(typeof spec.kind === 'string', `kind must be text, was ${typeof spec.kind}`);
  demand(
    typeof spec.behavior?.start === 'function' && typeof spec.behavior.receive === 'function',
    'behavior must have start and receive',
  );
  const { capacity = 1, whenFull = 'reject', ttlMs = 1 } = spec.mailbox ?? {};
  demand(isCount(capacity, 1), `mailbox capacity must be 1 or more, was ${capacity}`);
  demand(overflows.has(whenFull), `mailbox whenFull must be ${[...overflows].join(', ')}, was ${whenFull}`);
  demand(ttlMs > 0, `mailbox ttlMs must be above 0, was ${ttlMs}`);
  const { stashCapacity = 0, maxAttempts = 1, handlerTimeoutMs = 1, passivateAfterMs = 1 } = spec;
  demand(isCount(stashCapacity, 0), `stashCapacity must be 0 or more, was ${stashCapacity}`);
  demand(isCount(maxAttempts, 1), `maxAttempts must be 1 or more, was ${maxAttempts}`);
  demand(handlerTimeoutMs > 0, `handlerTimeoutMs must be above 0, was ${handlerTimeoutMs}`);
  demand(passivateAfterMs > 0, `passivateAfterMs must be above 0, was ${passivateAfterMs}`);
}

function checkSupervisor(spec: SupervisorSpec, path: string, demand: Demand): void {
  demand(strategies.has(spec.strategy), `strategy must be ${[...strategies].join(', ')}, was ${spec.strategy}`);
  const { autoShutdown = 'never', front } = spec;
  demand(autoShutdowns.has(autoShutdown), `autoShutdown must be ${[...autoShutdowns].join(', ')}, was ${autoShutdown}`);
  demand(spec.policy !== undefined, 'policy must be given');
  demand(Array.isArray(spec.children), 'children must be a list');
  const ids = new Set<string>();
  for (const child of spec.children) {
    checkChild(child, path);
    demand(!ids.has(child.id), `child id ${child.id} occurs twice`);
    ids.add(child.id);
    demand(
      child.significant !== true || autoShutdown !== 'never',
      `child ${child.id} must not be significant while autoShutdown is never`,
    );
  }
  if (typeof front === 'string') demand(ids.has(front), `front ${front} is none of its children`);
  else if (front) demand(routes.has(front.route), `front.route must be ${[...routes].join(', ')}, was ${front.route}`);
}

function isCount(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least;
}

function checkPolicy(policy: RestartPolicy, demand: Demand): void {
  const { intensity, periodMs, backoff } = policy ?? {};
  demand(typeof backoff === 'object' && backoff !== null, 'policy must have intensity, periodMs and backoff');
  demand(Number.isSafeInteger(intensity) && intensity >= 0, `intensity must be 0 or more, was ${intensity}`);
  demand(periodMs > 0, `periodMs must be above 0, was ${periodMs}`);
  demand(backoff.firstMs >= 0, `backoff.firstMs must be 0 or more, was ${backoff.firstMs}`);
  demand(backoff.maxMs >= backoff.firstMs, `backoff.maxMs must be firstMs or more, was ${backoff.maxMs}`);
  demand(backoff.jitter >= 0 && backoff.jitter <= 1, `backoff.jitter must be 0 to 1, was ${backoff.jitter}`);
}
