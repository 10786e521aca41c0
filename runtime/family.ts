/** The children of a supervisor: who they are, in which order, and how they come and go. What a failure costs is for the supervisor. */
import assert from 'node:assert/strict';
import type { ExitReason } from './actor.ts';
import { Cell, type Towards } from './cell.ts';
import type { Timer } from './clock.ts';
import type { Environment, Status } from './environment.ts';
import { ActorStopped } from './errors.ts';
import { poolInFrontOf } from './front.ts';
import type { TreeNode } from './nact.ts';
import { childPath } from './path.ts';
import type { Pool } from './pool.ts';
import {
  ChildRunning,
  type ChildSpec,
  DuplicateChild,
  DynamicChild,
  isSupervisor,
  type RestartType,
  StartFailed,
  type SupervisorSpec,
} from './spec.ts';
import type { Supervisor } from './supervisor.ts';
import { type FailureHistory, inWindow, noFailures, type RestartPolicy } from './supervision.ts';

// Siblings have states and messages of all kinds; which, only their own behaviors know.
// oxlint-disable-next-line typescript/no-explicit-any
export type Child = Cell<any, any> | Supervisor;

/** Every actor of a system by its path. */
export type Registry = Map<string, Child>;

/** A child as its supervisor sees it. */
export interface Member {
  readonly child: Child;
  /** Its own budget, used below a dynamic supervisor. */
  history: FailureHistory;
  /** Rings when its backoff is over. */
  timer: Timer | undefined;
  /** It is being stopped for good and must not be started again. */
  leaving: boolean;
}

/** What a supervisor would do about a failure now. */
export interface Outlook {
  readonly restartsInWindow: number;
  readonly intensity: number;
  readonly periodMs: number;
  /** Failures in a row. */
  readonly streak: number;
  /** Whether one more failure now is one too many. */
  readonly isLast: boolean;
  /** When a child that is down for now starts again, in so many milliseconds; undefined when none waits. */
  readonly restartsInMs: number | undefined;
}

/** Abstract over the supervisor: whether it is up, and what it does about a child that is gone. */
export abstract class Family {
  readonly path: string;
  spec: SupervisorSpec;
  protected readonly env: Environment;
  protected readonly registry: Registry;
  protected readonly members = new Map<string, Member>();
  protected node: TreeNode | undefined;
  protected history = noFailures;
  /** Those whose turn to start has not come yet, in the start of all or in the restart of their group, and its backoff. */
  protected readonly group = new Set<Member>();
  protected groupTimer: Timer | undefined;
  /** The update under way; the next one waits for it. */
  #updating: Promise<void> | undefined;
  #pool: Pool | undefined;

  constructor(env: Environment, registry: Registry, path: string, spec: SupervisorSpec) {
    this.env = env;
    this.registry = registry;
    this.path = path;
    this.spec = spec;
  }

  abstract get status(): Status;
  protected abstract get isUp(): boolean;
  /** Makes a child, which is not started. */
  protected abstract make(spec: ChildSpec, path: string): Child;
  /** A start that nobody waits for has failed. */
  protected abstract notStarted(member: Member, error: unknown): void;
  /** A child has ended, or does not want to start, and is not started again. */
  protected abstract retireChild(member: Member, reason: ExitReason): void;
  /** Takes the group down in reverse, waits, and starts it in order. @param kept comes back although it is temporary */
  protected abstract restartGroup(members: readonly Member[], afterMs: number, kept?: Member): Promise<void>;
  /** Takes one child down, waits, and starts it, whatever becomes of the others. */
  protected abstract restartAlone(member: Member): Promise<void>;

  /** Chooses a worker for each message to its path. */
  get pool(): Pool | undefined {
    if (typeof this.spec.front !== 'object') return undefined;
    this.#pool ??= poolInFrontOf(this.env, this);
    return this.#pool;
  }

  /** Where the child stands that answers for the subtree. */
  get frontPath(): string | undefined {
    return typeof this.spec.front === 'string' ? childPath(this.path, this.spec.front) : undefined;
  }

  /** In start order. */
  get children(): readonly Child[] {
    return [...this.members.values()].map((member) => member.child);
  }

  /** What would become of a failure of a child, or of any of them. */
  outlook(child?: Child): Outlook {
    const member = child && this.memberOf(child);
    const own = this.isDynamic ? member : undefined;
    const policy = own ? this.policyOf(own) : this.spec.policy;
    const history = own?.history ?? this.history;
    const nowMs = this.env.clock.monotonicMs();
    const restartsInWindow = inWindow(policy, history, nowMs).length;
    const isWaiting = member?.timer !== undefined || (member && this.group.has(member) && this.groupTimer);
    return {
      restartsInWindow,
      intensity: policy.intensity,
      periodMs: policy.periodMs,
      streak: history.streak,
      isLast: restartsInWindow >= policy.intensity,
      restartsInMs: isWaiting ? Math.max(0, history.restartedMs - nowMs) : undefined,
    };
  }

  /** Who is stopped, or restarted, together with a child, in start order. */
  groupOf(child: Child): readonly Child[] {
    switch (this.spec.strategy) {
      case 'one-for-one':
      case 'dynamic':
        return [child];
      case 'one-for-all':
        return this.children;
      case 'rest-for-one': {
        const { children } = this;
        return children.slice(children.indexOf(child));
      }
    }
  }

  /**
   * Adds a child behind the others and starts it.
   * @throws DuplicateChild @throws ActorStopped @throws StartFailed a permanent child does not start; it is forgotten again
   */
  async add(spec: ChildSpec): Promise<void> {
    const path = childPath(this.path, spec.id);
    const before = this.members.get(spec.id);
    if (before) throw new DuplicateChild(path, before.child.status);
    if (!this.isUp && this.status !== 'dormant' && this.status !== 'restarting') throw new ActorStopped(this.path);
    await this.#startAdded([this.enroll(spec)]);
  }

  /** Starts children that are new, in order. A permanent one that does not start is forgotten, with those behind it. */
  async #startAdded(added: readonly Member[]): Promise<void> {
    for (const [at, member] of added.entries()) {
      // Whoever is left starts with the supervisor or with its group, or has.
      if (!this.isUp || this.group.has(member) || member.child.incarnation > 0) continue;
      try {
        await this.launch(member);
      } catch (error) {
        if (restartOf(member) !== 'permanent') {
          this.notStarted(member, error);
          continue;
        }
        for (const unstarted of added.slice(at).toReversed()) await this.forget(unstarted);
        throw new StartFailed(member.child.path, error);
      }
    }
  }

  /** Stops a child and forgets its spec. */
  async remove(child: Child): Promise<void> {
    const member = this.memberOf(child);
    if (member) await this.forget(member);
  }

  /** Stops a child and keeps its spec: it is down, and comes back with the next restart of its group, or when it is restarted by hand. */
  async terminate(child: Child): Promise<void> {
    const member = this.memberOf(child);
    if (!member) return;
    // A temporary child is never started again, and the children of a dynamic supervisor are only those that run.
    if (this.isDynamic || restartOf(member) === 'temporary') await this.forget(member);
    else await this.#takeDown(member);
  }

  /** As `terminate`, but keeps the spec whatever the child is, so that an operator can have it back. */
  async bench(child: Child): Promise<void> {
    const member = this.memberOf(child);
    if (member) await this.#takeDown(member);
  }

  /** Starts a child that is down, or has been given up. @throws ChildRunning @throws ActorStopped @throws StartFailed it stays down */
  async restart(child: Child): Promise<void> {
    const member = this.memberOf(child);
    if (!member) return;
    if (!isGone(child)) throw new ChildRunning(child.path, child.status);
    if (!this.isUp) throw new ActorStopped(this.path);
    member.leaving = false;
    member.history = noFailures;
    try {
      await this.launch(member, 'now');
    } catch (error) {
      await child.halt('down', Infinity);
      throw new StartFailed(child.path, error);
    }
  }

  /**
   * Restarts a child, and with it whom its strategy says; that costs no budget.
   * @throws ActorStopped nothing was done @throws StartFailed it was down, and stays so
   */
  async renew(child: Child): Promise<void> {
    const member = this.memberOf(child);
    if (!member || !this.mayRenew(child)) throw new ActorStopped(child.path);
    if (isGone(child)) return this.restart(child);
    if (this.isDynamic || this.spec.strategy === 'one-for-one') return this.restartAlone(member);
    const group = this.groupOf(child);
    await this.restartGroup(
      [...this.members.values()].filter((other) => group.includes(other.child)),
      0,
      member,
    );
  }

  /** Whether a child can be restarted now: its supervisor runs, and the child is not being taken down. */
  mayRenew(child: Child): boolean {
    return this.status === 'running' && this.memberOf(child)?.leaving === false;
  }

  /** Forgets the spec of a child that is down. @throws ChildRunning @throws DynamicChild */
  async delete(child: Child): Promise<void> {
    if (this.isDynamic) throw new DynamicChild(child.path);
    if (!isGone(child)) throw new ChildRunning(child.path, child.status);
    await this.remove(child);
  }

  /**
   * Takes another spec: children of the same id go on running and take theirs at their next start, those that it lacks are stopped
   * in reverse and forgotten, new ones are started in order. The children stand in the order of the new spec, behind those that
   * were added meanwhile. One update waits for another.
   * @throws StartFailed a new permanent child does not start; it is forgotten again, with the new ones behind it; elsewhere in the
   * tree the spec holds @throws ActorStopped it has been forgotten meanwhile
   */
  async update(spec: SupervisorSpec): Promise<void> {
    const before = this.#updating;
    const update = before ? before.then(() => this.#update(spec)) : this.#update(spec);
    // Whoever asked for an update hears of its failure; the next one does not.
    const updating = update.catch(() => {});
    this.#updating = updating;
    await update.finally(() => {
      if (this.#updating === updating) this.#updating = undefined;
    });
  }

  async #update(spec: SupervisorSpec): Promise<void> {
    this.#demandKnown();
    const failures: unknown[] = [];
    const wanted = new Map(spec.children.map((child) => [child.id, child]));
    this.spec = spec;
    for (const member of [...this.members.values()].toReversed()) {
      if (this.memberOf(member.child) !== member) continue;
      const next = wanted.get(member.child.spec.id);
      const isSameKind = next !== undefined && isSupervisor(next) === !(member.child instanceof Cell);
      if (!isSameKind) await this.forget(member);
      else if (!(member.child instanceof Cell)) {
        await member.child.update(next as SupervisorSpec).catch((error: unknown) => failures.push(error));
      } else member.child.spec = next as never;
    }
    this.#demandKnown();
    const added: Member[] = [];
    for (const [id, child] of wanted) {
      const member = this.members.get(id);
      if (!member) {
        added.push(this.enroll(child));
        continue;
      }
      this.members.delete(id);
      this.members.set(id, member);
    }
    await this.#startAdded(added);
    if (failures.length > 0) throw failures[0];
  }

  /** Whoever is enrolled by a supervisor that has been forgotten would be at nobody's hands. */
  #demandKnown(): void {
    const known: unknown = this.registry.get(this.path);
    if (known !== this) throw new ActorStopped(this.path);
  }

  async #takeDown(member: Member): Promise<void> {
    member.leaving = true;
    member.timer?.cancel();
    member.timer = undefined;
    this.group.delete(member);
    await member.child.halt('down', Infinity);
    member.leaving = false;
  }

  protected policyOf(member: Member): RestartPolicy {
    const { spec } = member.child;
    return (isSupervisor(spec) ? undefined : spec.policy) ?? this.spec.policy;
  }

  protected get isDynamic(): boolean {
    return this.spec.strategy === 'dynamic';
  }

  protected enroll(spec: ChildSpec): Member {
    const path = childPath(this.path, spec.id);
    const child = this.make(spec, path);
    const member: Member = { child, history: noFailures, timer: undefined, leaving: false };
    this.registry.set(path, child);
    this.members.set(spec.id, member);
    return member;
  }

  protected memberOf(child: Child): Member | undefined {
    const member = this.members.get(child.spec.id);
    return member?.child === child ? member : undefined;
  }

  /** Starts a child, unless it is to wait for its first message. One that ran before a restart runs after it. */
  protected async launch(member: Member, when: 'now' | 'on-demand' = 'on-demand'): Promise<void> {
    const { child, leaving } = member;
    this.group.delete(member);
    member.timer?.cancel();
    member.timer = undefined;
    if (leaving) return;
    const mayRest =
      when === 'on-demand' && child instanceof Cell && child.spec.onDemand === true && child.status !== 'restarting';
    if (mayRest && child.waiting === 0) return child.rest();
    assert(this.node, `${this.path} has a node while it is up`);
    const started = await child.start(this.node, this.isDynamic ? 'many' : 'few');
    if (started === 'declined') this.retireChild(member, { kind: 'normal' });
  }

  protected groupInOrder(): Member[] {
    return [...this.members.values()].filter((member) => this.group.has(member));
  }

  protected async forget(member: Member): Promise<void> {
    member.leaving = true;
    member.timer?.cancel();
    // Somebody may start it again between its end and the moment it is forgotten.
    do await member.child.halt('stopped', Infinity);
    while (!isGone(member.child));
    if (this.memberOf(member.child) !== member) return;
    this.group.delete(member);
    this.members.delete(member.child.spec.id);
    unregister(this.registry, member.child);
  }

  protected async haltMembers(towards: Towards, withinMs: number): Promise<void> {
    const { clock } = this.env;
    const deadlineMs = clock.monotonicMs() + withinMs;
    const inReverse = this.children.toReversed();
    if (this.isDynamic) {
      await Promise.all(inReverse.map((child) => child.halt(towards, withinMs)));
      return;
    }
    for (const child of inReverse) {
      await child.halt(towards, Math.max(0, deadlineMs - clock.monotonicMs()));
    }
  }
}

export function restartOf({ child }: Member): RestartType {
  return child.spec.restart ?? 'permanent';
}

export function isGone(child: Child): boolean {
  return child.status === 'down' || child.status === 'stopped';
}

function unregister(registry: Registry, child: Child): void {
  if (registry.get(child.path) === child) registry.delete(child.path);
  if (!(child instanceof Cell)) for (const below of child.children) unregister(registry, below);
}
