/** An actor system: a tree of supervisors and workers, started, found, looked at and stopped as one. */
import { type Log, silentLog } from './actor.ts';
import { Cell, type Keeper } from './cell.ts';
import { type Clock, systemClock } from './clock.ts';
import type { Directory } from './directory.ts';
import { describeError, Environment, type RuntimeEvents } from './environment.ts';
import { ActorStopped, Terminal } from './errors.ts';
import type { EventBus } from './event-bus.ts';
import { type ActorInfo, describe, describeTree } from './inspection.ts';
import { TreeNode } from './nact.ts';
import { childPath } from './path.ts';
import type { ActorRef } from './ref.ts';
import { checkSpec, type ChildSpec, NoSuchSupervisor, type SupervisorSpec } from './spec.ts';
import { type Child, type Registry, Supervisor } from './supervisor.ts';

export type { DeadLetter, LifecycleEvent, RuntimeEvents, Status } from './environment.ts';
export type { ActorInfo } from './inspection.ts';
export type { MailboxSpec } from './mailbox.ts';
export type { ChildSpec, SupervisorSpec, WorkerSpec } from './spec.ts';
export type { RestartPolicy } from './supervision.ts';

export interface ActorSystem extends Directory {
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: EventBus<RuntimeEvents>;
  /** Messages that nobody handled, since the start. */
  readonly deadLetters: number;
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
  /** The tree, or the part below `root`, parents first. Empty where nothing is. */
  inspect(root?: string): readonly ActorInfo[];
  /** One actor with what its behavior shows of its state. */
  inspectState(path: string): ActorInfo | undefined;
  /** Calls `hook` each time the scheduler has run dry: several times in a busy turn. @returns how to take it away */
  onTurnEnd(hook: () => void): () => void;
  /** Resolves when no actor has anything to do, and a turn of the event loop has brought nothing new. For tests and replays. */
  idle(): Promise<void>;
  /** Stops everything, in reverse order of start. May be called twice, also before and during the start. */
  stop(): Promise<void>;
}

/** @param options.random 0 up to 1, spreads the waits before restarts; default Math.random */
export function createSystem(options: {
  readonly name: string;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly random?: () => number;
}): ActorSystem {
  const { name, clock = systemClock, log = silentLog, random = Math.random } = options;
  return new System(name, new Environment(clock, log, random));
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
  #tree: TreeNode | undefined;
  #root: Supervisor | undefined;
  #stopping: Promise<void> | undefined;

  constructor(name: string, env: Environment) {
    this.name = name;
    this.#env = env;
  }

  get clock(): Clock {
    return this.#env.clock;
  }

  get log(): Log {
    return this.#env.log;
  }

  get events(): EventBus<RuntimeEvents> {
    return this.#env.events;
  }

  get deadLetters(): number {
    return this.#env.deadLetters;
  }

  async start(spec: SupervisorSpec): Promise<void> {
    if (this.#root) throw new AlreadyStarted(this.name);
    if (this.#stopping) throw new ActorStopped('/');
    checkSpec(spec, '/');
    this.#tree = TreeNode.root(this.name);
    this.#root = new Supervisor(this.#env, this.#registry, '/', spec, this);
    let running: boolean;
    try {
      running = await this.#root.start(this.#tree, 'few');
    } catch (error) {
      await this.stop();
      throw error;
    }
    if (!running) throw new ActorStopped('/');
  }

  async spawn(supervisorPath: string, spec: ChildSpec): Promise<void> {
    const supervisor = this.#registry.get(supervisorPath);
    if (!(supervisor instanceof Supervisor)) throw new NoSuchSupervisor(supervisorPath);
    checkSpec(spec, childPath(supervisorPath, spec.id));
    await supervisor.add(spec);
  }

  async stopChild(path: string): Promise<void> {
    const child = this.#registry.get(path);
    if (child === this.#root) return this.stop();
    if (child) await this.#keeperOf(path)?.remove(child);
  }

  find<Message = never>(path: string): ActorRef<Message> | undefined {
    const child = this.#registry.get(path);
    if (child instanceof Cell) return child.ref as ActorRef<Message>;
    return child?.frontPath === undefined ? undefined : this.find<Message>(child.frontPath);
  }

  list(path: string): readonly string[] {
    const child = this.#registry.get(path);
    return child instanceof Supervisor ? child.children.map((below) => below.path) : [];
  }

  inspect(root = '/'): readonly ActorInfo[] {
    const child = this.#registry.get(root);
    return child ? describeTree(child, this.#keeperOf(root), this.clock.monotonicMs()) : [];
  }

  inspectState(path: string): ActorInfo | undefined {
    const child = this.#registry.get(path);
    if (!child) return undefined;
    const info = describe(child, this.#keeperOf(path), this.clock.monotonicMs());
    return child instanceof Cell ? { ...info, state: child.inspectState() } : info;
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

  wake(): void {}

  async #stop(): Promise<void> {
    await this.#root?.halt('stopped', Infinity);
    this.#tree?.stop();
  }

  #keeperOf(path: string): Supervisor | undefined {
    if (path === '/') return undefined;
    const above = this.#registry.get(path.slice(0, path.lastIndexOf('/')) || '/');
    return above instanceof Supervisor ? above : undefined;
  }
}
