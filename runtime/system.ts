/** An actor system: a tree of supervisors and workers, started, found, looked at and stopped as one. */
import { type Log, silentLog } from './actor.ts';
import { Cell, type Keeper } from './cell.ts';
import { type Clock, systemClock } from './clock.ts';
import { DeadLetters } from './dead-letters.ts';
import type { Directory } from './directory.ts';
import { Environment } from './environment.ts';
import { ActorStopped, Terminal } from './errors.ts';
import type { EventStream } from './events.ts';
import type { MessageInfo } from './message-info.ts';
import { type ActorDetail, type ActorInfo, describeInDetail, describeTree } from './inspection.ts';
import { TreeNode } from './nact.ts';
import type { NameEvent } from './names.ts';
import { operate, type OperatorRequest, type OperatorResult } from './operator.ts';
import { isWithin } from './path.ts';
import { describeError } from './redaction.ts';
import type { ActorRef } from './ref.ts';
import type { SchedulerStatistics, SchedulingOrder } from './scheduler.ts';
import {
  checkChild,
  checkSpec,
  type ChildSpec,
  InvalidSpec,
  isSupervisor,
  NoSuchActor,
  NoSuchSupervisor,
  type SupervisorSpec,
} from './spec.ts';
import type { Child, Registry } from './family.ts';
import { Supervisor } from './supervisor.ts';

export type { Status } from './environment.ts';
export type { DeadLetter, LifecycleEvent, RuntimeEvent } from './events.ts';
export type { ActorDetail, ActorInfo } from './inspection.ts';
export type { MailboxSpec } from './mailbox.ts';
export type { OperatorRequest, OperatorResult } from './operator.ts';
export type { ChildSpec, SupervisorSpec, WorkerSpec } from './spec.ts';
export type { RestartPolicy } from './supervision.ts';

export interface ActorSystem extends Directory {
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: EventStream;
  readonly deadLetters: DeadLetters;

  /**
   * Starts a tree, each actor after those before it; the root's path is `/`. Once a system.
   * @throws InvalidSpec nothing was started @throws StartFailed a permanent actor did not start, and everything is stopped again
   * @throws ActorStopped the system was stopped before, or on the way
   */
  start(root: SupervisorSpec): Promise<void>;
  /**
   * Adds an actor or a subtree below a supervisor and starts it.
   * @throws NoSuchSupervisor @throws InvalidSpec @throws DuplicateChild @throws ActorStopped the supervisor is stopped
   * @throws StartFailed a permanent actor did not start; nothing of the spec is left
   */
  spawn(supervisorPath: string, spec: ChildSpec): Promise<void>;
  /** Stops an actor and all below it, children first, and forgets it. Where nothing is, there is nothing to do. */
  stopChild(path: string): Promise<void>;
  /** Stops an actor and keeps its spec: it is down. A temporary or dynamic one is forgotten; the root ends the system. @throws NoSuchActor */
  terminateChild(path: string): Promise<void>;
  /**
   * Starts an actor that is down, or has been given up.
   * @throws NoSuchActor @throws ChildRunning @throws ActorStopped its supervisor is not up @throws StartFailed it stays down
   */
  restartChild(path: string): Promise<void>;
  /** Forgets an actor that is down. @throws NoSuchActor @throws ChildRunning @throws DynamicChild */
  deleteChild(path: string): Promise<void>;
  /**
   * Gives a supervisor another spec; children of the same id go on running.
   * @throws NoSuchSupervisor @throws InvalidSpec @throws StartFailed @throws ActorStopped the supervisor has been forgotten meanwhile
   */
  updateSpec(path: string, spec: SupervisorSpec): Promise<void>;

  /** The tree, or the part below `root`, parents first. Empty where nothing is. */
  inspect(root?: string): readonly ActorInfo[];
  /** One actor with all that is known of it; undefined where none is. @param within shows nothing, and no paths, from outside of this part */
  inspectActor(path: string, within?: string): ActorDetail | undefined;
  /** The messages that one actor would handle next, as they may be seen. */
  peek(path: string, count: number): readonly MessageInfo[];
  scheduler(): SchedulerStatistics;
  /** Does something to a running actor, or says what it would do. Never rejects. */
  operate(request: OperatorRequest): Promise<OperatorResult>;

  /** Calls `hook` each time the scheduler has run dry: several times in a busy turn. @returns how to take it away */
  onTurnEnd(hook: () => void): () => void;
  /** Resolves when no actor has anything to do, and a turn of the event loop has brought nothing new. For tests and replays. */
  idle(): Promise<void>;
  /** Stops everything, in reverse order of start. May be called twice, also before and during the start. */
  stop(): Promise<void>;
}

export interface SystemOptions {
  readonly name: string;
  readonly clock?: Clock;
  readonly log?: Log;
  /** 0 up to 1, spreads the waits before restarts. Default Math.random. */
  readonly random?: () => number;
  /** An async handler that takes longer is reported, once a message; above zero. Default 5,000. */
  readonly stuckAfterMs?: number;
  /** Who runs next, for tests. Default: first come, first served. */
  readonly order?: SchedulingOrder;
}

export function createSystem(options: SystemOptions): ActorSystem {
  const { name, clock = systemClock, log = silentLog, random = Math.random, stuckAfterMs = 5_000, order } = options;
  return new System(name, new Environment({ clock, log, random, stuckAfterMs, order }));
}

/** A system is started once. */
export class AlreadyStarted extends Terminal {
  constructor(name: string) {
    super(`system ${name} has been started already`);
  }
}

class System implements ActorSystem, Keeper<Supervisor> {
  readonly name: string;
  readonly #env: Environment;
  readonly #registry: Registry = new Map();
  #tree: ReturnType<typeof TreeNode.root> | undefined;
  #root: Supervisor | undefined;
  #stopping: Promise<void> | undefined;

  constructor(name: string, env: Environment) {
    this.name = name;
    this.#env = env;
    env.deadLetters = new DeadLetters(
      env.events,
      () => env.clock.wallMicros(),
      () => env.tick(),
      (path, message, traceId, token) => {
        const child = this.#registry.get(path);
        return (child instanceof Cell ? child : child?.pool)?.retell(message, traceId, token);
      },
    );
  }

  get clock(): Clock {
    return this.#env.clock;
  }

  get log(): Log {
    return this.#env.log;
  }

  get events(): EventStream {
    return this.#env.events;
  }

  get deadLetters(): DeadLetters {
    return this.#env.deadLetters;
  }

  async start(spec: SupervisorSpec): Promise<void> {
    if (this.#root) throw new AlreadyStarted(this.name);
    if (this.#stopping) throw new ActorStopped('/');
    checkSpec(spec, '/');
    if (!isSupervisor(spec)) throw new InvalidSpec('/', 'the root must be a supervisor');
    this.#tree = TreeNode.root(this.name);
    this.#root = new Supervisor(this.#env, this.#registry, '/', spec, this);
    let started;
    try {
      started = await this.#root.start(this.#tree.node, 'few');
    } catch (error) {
      await this.stop();
      throw error;
    }
    if (started !== 'running') throw new ActorStopped('/');
  }

  async spawn(supervisorPath: string, spec: ChildSpec): Promise<void> {
    const supervisor = this.#supervisorAt(supervisorPath);
    checkChild(spec, supervisorPath);
    await supervisor.add(spec);
  }

  async stopChild(path: string): Promise<void> {
    const child = this.#registry.get(path);
    if (child === this.#root) return this.stop();
    if (child) await this.#keeperOf(path)?.remove(child);
  }

  async terminateChild(path: string): Promise<void> {
    if (path === '/') return this.stop();
    const { child, keeper } = this.#childAt(path);
    await keeper.terminate(child);
  }

  async restartChild(path: string): Promise<void> {
    const { child, keeper } = this.#childAt(path);
    await keeper.restart(child);
  }

  async deleteChild(path: string): Promise<void> {
    const { child, keeper } = this.#childAt(path);
    await keeper.delete(child);
  }

  async updateSpec(path: string, spec: SupervisorSpec): Promise<void> {
    const supervisor = this.#supervisorAt(path);
    checkSpec(spec, path);
    if (spec.id !== supervisor.spec.id)
      throw new InvalidSpec(path, `id must stay ${supervisor.spec.id}, was ${spec.id}`);
    await supervisor.update(spec);
  }

  find<Message = never>(path: string): ActorRef<Message> | undefined {
    const child = this.#registry.get(path);
    if (child instanceof Cell) return child.ref as ActorRef<Message>;
    if (child?.pool) return child.pool as ActorRef<never>;
    return child?.frontPath === undefined ? undefined : this.find<Message>(child.frontPath);
  }

  named<Message = never>(name: string): ActorRef<Message> | undefined {
    return this.#env.names.find(name);
  }

  names(prefix: string): readonly string[] {
    return this.#env.names.list(prefix);
  }

  onNames(prefix: string, hear: (event: NameEvent) => void): () => void {
    return this.#env.names.subscribe(prefix, hear);
  }

  list(path: string): readonly string[] {
    const child = this.#registry.get(path);
    return child instanceof Supervisor ? child.children.map((below) => below.path) : [];
  }

  inspect(root = '/'): readonly ActorInfo[] {
    const child = this.#registry.get(root);
    return child ? describeTree(child, this.#keeperOf(root), this.clock.monotonicMs()) : [];
  }

  inspectActor(path: string, within = '/'): ActorDetail | undefined {
    const child = isWithin(path, within) ? this.#registry.get(path) : undefined;
    return child && describeInDetail(child, this.#keeperOf(path), this.clock.monotonicMs(), within);
  }

  peek(path: string, count: number): readonly MessageInfo[] {
    const child = this.#registry.get(path);
    return child instanceof Cell ? child.peek(count) : [];
  }

  scheduler(): SchedulerStatistics {
    return this.#env.scheduler.statistics();
  }

  operate(request: OperatorRequest): Promise<OperatorResult> {
    const { path } = request;
    return operate(this.#env, this.#registry.get(path), this.#keeperOf(path), request);
  }

  onTurnEnd(hook: () => void): () => void {
    return this.#env.scheduler.onTurnEnd(hook);
  }

  idle(): Promise<void> {
    return this.#env.scheduler.idle();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** The root gave up: nobody is above it, so the system ends. */
  failed(_root: Child, error: unknown): void {
    this.log.error({ error: describeError(error) }, 'the root supervisor gave up');
    void this.stop();
  }

  /** The root ended because its significant children have. */
  ended(): void {
    void this.stop();
  }

  wake(): void {}

  async #stop(): Promise<void> {
    await this.#root?.halt('stopped', Infinity);
    this.#tree?.stop();
  }

  #supervisorAt(path: string): Supervisor {
    const supervisor = this.#registry.get(path);
    if (!(supervisor instanceof Supervisor)) throw new NoSuchSupervisor(path);
    return supervisor;
  }

  #childAt(path: string): { readonly child: Child; readonly keeper: Supervisor } {
    const child = this.#registry.get(path);
    const keeper = this.#keeperOf(path);
    if (!child || !keeper) throw new NoSuchActor(path);
    return { child, keeper };
  }

  #keeperOf(path: string): Supervisor | undefined {
    if (path === '/') return undefined;
    const above = this.#registry.get(path.slice(0, path.lastIndexOf('/')) || '/');
    return above instanceof Supervisor ? above : undefined;
  }
}
