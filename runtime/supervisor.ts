/** Starts its children in order, restarts them by its strategy, stops them in reverse, and gives up when that happens too often. */
import assert from 'node:assert/strict';
import { Cell, type Keeper } from './cell.ts';
import type { Timer } from './clock.ts';
import { describeError, type Environment, type ErrorInfo, type Status } from './environment.ts';
import { ActorStopped, Terminal } from './errors.ts';
import type { TreeNode } from './nact.ts';
import { childPath } from './path.ts';
import { type ChildSpec, DuplicateChild, isSupervisor, StartFailed, type SupervisorSpec } from './spec.ts';
import { type FailureHistory, inWindow, judge, noFailures, type RestartPolicy } from './supervision.ts';

// oxlint-disable-next-line typescript/no-explicit-any
export type Child = Cell<any, any> | Supervisor;

/** Every actor of a system by its path. */
export type Registry = Map<string, Child>;

/** A child as its supervisor sees it. */
interface Member {
  readonly child: Child;
  readonly restart: 'permanent' | 'transient' | 'temporary';
  /** Its own budget, used below a dynamic supervisor. */
  readonly policy: RestartPolicy;
  history: FailureHistory;
  /** Rings when its backoff is over. */
  timer: Timer | undefined;
  /** It is being stopped for good and must not be started again. */
  leaving: boolean;
}

/** The restart budget of a supervisor is spent. */
export class GaveUp extends Terminal {
  constructor(path: string, reason: string, cause: unknown) {
    super(`supervisor ${path} gave up: ${reason}`, { cause });
  }
}

export class Supervisor implements Keeper<Child> {
  readonly path: string;
  readonly spec: SupervisorSpec;
  /** Where the child stands that answers for the subtree. */
  readonly frontPath: string | undefined;
  incarnation = 0;
  restarts = 0;
  startedMicros = 0;
  lastFailure: (ErrorInfo & { readonly atMicros: number }) | undefined;

  readonly #env: Environment;
  readonly #registry: Registry;
  readonly #keeper: Keeper<Supervisor>;
  readonly #members = new Map<string, Member>();
  #status: Status = 'dormant';
  #node: TreeNode | undefined;
  #history = noFailures;
  /** Those whose turn to start has not come yet, in the start of all or in the restart of their group, and its backoff. */
  readonly #group = new Set<Member>();
  #groupTimer: Timer | undefined;
  /** Rises whenever what is under way has been overtaken: by a halt, by giving up, or by a new restart of the group. */
  #era = 0;
  /** Crashes during the ordered start are dealt with after it. */
  #deferred: { readonly child: Child; readonly error: unknown }[] = [];
  #crashUnderWay = false;

  /** Puts itself and all children of the spec into the registry, and starts nothing. */
  constructor(env: Environment, registry: Registry, path: string, spec: SupervisorSpec, keeper: Keeper<Supervisor>) {
    this.#env = env;
    this.#registry = registry;
    this.path = path;
    this.spec = spec;
    this.frontPath = spec.front === undefined ? undefined : childPath(path, spec.front);
    this.#keeper = keeper;
    registry.set(path, this);
    for (const child of spec.children) this.#enroll(child);
  }

  get status(): Status {
    return this.#status;
  }

  /** In start order. */
  get children(): readonly Child[] {
    return [...this.#members.values()].map((member) => member.child);
  }

  /** Restarts that count now, and how many may: of a child, or of the supervisor itself. */
  budget(child?: Child): { readonly restartsInWindow: number; readonly intensity: number } {
    const member = child && this.#isDynamic ? this.#memberOf(child) : undefined;
    const policy = member?.policy ?? this.spec.policy;
    const history = member?.history ?? this.#history;
    const restartsInWindow = inWindow(policy, history, this.#env.clock.monotonicMs()).length;
    return { restartsInWindow, intensity: policy.intensity };
  }

  /**
   * Starts the children in order; on-demand ones without messages only become known.
   * @returns whether it runs; false when it was halted on the way
   * @throws StartFailed when a permanent child does not start; what was started is stopped again
   */
  async start(tree: TreeNode, siblings: 'few' | 'many'): Promise<boolean> {
    this.incarnation++;
    this.#history = noFailures;
    this.#status = 'starting';
    const era = ++this.#era;
    this.#node = tree.spawn(this.spec.id, siblings, (error) => {
      this.#node = undefined;
      this.#closeCrash();
      this.#keeper.failed(this, error);
    });
    const members = [...this.#members.values()];
    for (const member of members) {
      member.history = noFailures;
      this.#group.add(member);
    }
    for (const member of members) {
      try {
        await this.#launch(member);
      } catch (error) {
        if (era !== this.#era) return false;
        if (member.restart === 'permanent') return this.#failStart(member, error);
        this.#deferred.push({ child: member.child, error });
      }
      if (era !== this.#era) return false;
    }
    this.#status = 'running';
    this.startedMicros = this.#env.clock.wallMicros();
    if (this.incarnation > 1) this.restarts++;
    this.#env.announce(this.incarnation === 1 ? 'started' : 'restarted', this.path, this.incarnation);
    for (const { child, error } of this.#deferred.splice(0)) this.failed(child, error);
    return true;
  }

  /**
   * Stops the children in reverse order, those of a dynamic supervisor all at once, then itself.
   * Towards `restarting` they keep their messages; towards `stopped` the messages are given up. Never rejects; may overlap.
   */
  async halt(towards: 'restarting' | 'stopped', withinMs: number): Promise<void> {
    if (this.#status === 'stopped') return;
    const wasDormant = this.#status === 'dormant';
    if (towards === 'stopped') this.#status = 'stopping';
    else if (this.#status !== 'stopping') this.#status = 'restarting';
    this.#interrupt();
    await this.#haltMembers(this.#members.values(), towards, Math.min(withinMs, this.spec.shutdownMs ?? Infinity));
    this.#node?.stop();
    this.#node = undefined;
    this.#closeCrash();
    if (this.status !== 'stopping') return;
    this.#status = 'stopped';
    if (!wasDormant) this.#env.announce('stopped', this.path, this.incarnation);
  }

  /**
   * Adds a child behind the others and starts it.
   * @throws DuplicateChild @throws ActorStopped @throws StartFailed a permanent child does not start; it is forgotten again
   */
  async add(spec: ChildSpec): Promise<void> {
    const path = childPath(this.path, spec.id);
    if (this.#members.has(spec.id)) throw new DuplicateChild(path);
    if (this.#status === 'stopping' || this.#status === 'stopped') throw new ActorStopped(this.path);
    const member = this.#enroll(spec);
    if (!this.#isUp) return;
    try {
      await this.#launch(member);
    } catch (error) {
      if (member.restart === 'permanent') {
        await this.#forget(member);
        throw new StartFailed(path, error);
      }
      this.failed(member.child, error);
    }
  }

  /** Stops a child and forgets its spec. */
  async remove(child: Child): Promise<void> {
    const member = this.#memberOf(child);
    if (member) await this.#forget(member);
  }

  wake(child: Child): void {
    const member = this.#memberOf(child);
    if (member && this.#isUp && !this.#group.has(member)) this.#relaunch(member);
  }

  failed(child: Child, error: unknown): void {
    if (this.#status === 'starting') this.#deferred.push({ child, error });
    const member = this.#memberOf(child);
    if (this.#status !== 'running' || !member || member.leaving) return;
    // It crashed before the restart of its group had taken it down: it comes back with the others, and that is paid for.
    if (this.#group.has(member)) return;
    const policy = this.#isDynamic ? member.policy : this.spec.policy;
    const history = this.#isDynamic ? member.history : this.#history;
    const { nowMs, chance } = this.#moment();
    const judged = judge(policy, history, { nowMs, chance, restart: member.restart });
    if (this.#isDynamic) member.history = judged.history;
    else this.#history = judged.history;
    switch (judged.directive.do) {
      case 'stop':
        void this.#forget(member);
        break;
      case 'restart':
        this.#restart(member, judged.directive.afterMs);
        break;
      case 'escalate':
        if (this.#isDynamic) this.#giveUpMember(member, error);
        else void this.#giveUp(judged.directive.reason, error);
        break;
    }
  }

  get #isDynamic(): boolean {
    return this.spec.strategy === 'dynamic';
  }

  get #isUp(): boolean {
    return this.#status === 'running' || this.#status === 'starting';
  }

  #enroll(spec: ChildSpec): Member {
    const path = childPath(this.path, spec.id);
    const child: Child = isSupervisor(spec)
      ? new Supervisor(this.#env, this.#registry, path, spec, this)
      : new Cell(this.#env, path, spec, this);
    const restart = isSupervisor(spec) ? 'permanent' : (spec.restart ?? 'permanent');
    const policy = isSupervisor(spec) ? this.spec.policy : (spec.policy ?? this.spec.policy);
    const member: Member = { child, restart, policy, history: noFailures, timer: undefined, leaving: false };
    this.#registry.set(path, child);
    this.#members.set(spec.id, member);
    return member;
  }

  #memberOf(child: Child): Member | undefined {
    const member = this.#members.get(child.spec.id);
    return member?.child === child ? member : undefined;
  }

  /** Starts a child, unless it is to wait for its first message. One that ran before a restart runs after it. */
  async #launch(member: Member): Promise<void> {
    const { child, leaving } = member;
    this.#group.delete(member);
    if (leaving) return;
    const mayRest = child instanceof Cell && child.spec.onDemand === true && child.status !== 'restarting';
    if (mayRest && child.mailbox.size === 0) return child.rest();
    assert(this.#node, `${this.path} has a node while it is up`);
    await child.start(this.#node, this.#isDynamic ? 'many' : 'few');
  }

  /** Starts a child that nobody waits for. */
  #relaunch(member: Member): void {
    this.#launch(member).catch((error: unknown) => this.failed(member.child, error));
  }

  /** Takes back a start that cannot be completed. */
  async #failStart(member: Member, error: unknown): Promise<false> {
    this.#status = 'restarting';
    this.#interrupt();
    const era = this.#era;
    await this.#haltMembers(this.#members.values(), 'stopped', this.spec.shutdownMs ?? Infinity);
    if (era !== this.#era) return false;
    this.#node?.stop();
    this.#node = undefined;
    throw error instanceof StartFailed ? error : new StartFailed(member.child.path, error);
  }

  #restart(member: Member, afterMs: number): void {
    switch (this.spec.strategy) {
      case 'one-for-one':
      case 'dynamic':
        member.timer = this.#afterBackoff(afterMs, () => this.#relaunch(member));
        break;
      case 'one-for-all':
        void this.#restartGroup([...this.#members.values()], afterMs);
        break;
      case 'rest-for-one': {
        const members = [...this.#members.values()];
        void this.#restartGroup(members.slice(members.indexOf(member)), afterMs);
        break;
      }
    }
  }

  /** Takes the group down in reverse, waits, and starts it in order. Joins a restart that is under way. */
  async #restartGroup(members: readonly Member[], afterMs: number): Promise<void> {
    this.#interrupt();
    const era = this.#era;
    for (const member of members) this.#group.add(member);
    for (const member of this.#groupInOrder().toReversed()) {
      if (member.restart === 'temporary') await this.#forget(member);
      else await member.child.halt('restarting', Infinity);
      if (era !== this.#era) return;
    }
    this.#groupTimer = this.#afterBackoff(afterMs, () => void this.#startGroup());
  }

  #afterBackoff(afterMs: number, run: () => void): Timer | undefined {
    if (afterMs > 0) return this.#env.clock.after(afterMs, run);
    run();
    return undefined;
  }

  async #startGroup(): Promise<void> {
    const era = this.#era;
    for (const member of this.#groupInOrder()) {
      try {
        await this.#launch(member);
      } catch (error) {
        if (era === this.#era) this.failed(member.child, error);
        return;
      }
      if (era !== this.#era) return;
    }
  }

  #groupInOrder(): Member[] {
    return [...this.#members.values()].filter((member) => this.#group.has(member));
  }

  /** A child of a dynamic supervisor has spent its own budget: it stays down, and that is a failure of the group. */
  #giveUpMember(member: Member, error: unknown): void {
    const { child } = member;
    this.#env.announce('gave-up', child.path, child.incarnation, error);
    this.#env.log.error({ path: child.path, error: describeError(error) }, 'actor given up');
    void child.halt('stopped', Infinity);
    const judged = judge(this.spec.policy, this.#history, { ...this.#moment(), restart: 'permanent' });
    this.#history = judged.history;
    if (judged.directive.do === 'escalate') void this.#giveUp(judged.directive.reason, error);
  }

  async #giveUp(reason: string, cause: unknown): Promise<void> {
    const error = new GaveUp(this.path, reason, cause);
    this.lastFailure = { ...describeError(error), atMicros: this.#env.clock.wallMicros() };
    this.#env.announce('gave-up', this.path, this.incarnation, error);
    this.#env.log.error({ path: this.path, reason, error: describeError(cause) }, 'supervisor gave up');
    this.#status = 'restarting';
    this.#interrupt();
    const era = this.#era;
    this.#env.scheduler.began();
    await this.#haltMembers(this.#members.values(), 'stopped', this.spec.shutdownMs ?? Infinity);
    if (era === this.#era) {
      this.#crashUnderWay = true;
      this.#node?.crash(error);
    } else {
      this.#env.scheduler.finished();
    }
  }

  #closeCrash(): void {
    if (!this.#crashUnderWay) return;
    this.#crashUnderWay = false;
    this.#env.scheduler.finished();
  }

  async #forget(member: Member): Promise<void> {
    member.leaving = true;
    member.timer?.cancel();
    await member.child.halt('stopped', Infinity);
    if (this.#memberOf(member.child) !== member) return;
    this.#group.delete(member);
    this.#members.delete(member.child.spec.id);
    unregister(this.#registry, member.child);
  }

  /** Cancels what is under way; a restart of the group is forgotten only when its members are. */
  #interrupt(): void {
    this.#era++;
    this.#groupTimer?.cancel();
    this.#groupTimer = undefined;
    this.#deferred.length = 0;
    if (this.#status === 'running') return;
    this.#group.clear();
    for (const member of this.#members.values()) member.timer?.cancel();
  }

  async #haltMembers(members: Iterable<Member>, towards: 'restarting' | 'stopped', withinMs: number): Promise<void> {
    const { clock } = this.#env;
    const deadlineMs = clock.monotonicMs() + withinMs;
    const inReverse = [...members].toReversed();
    if (this.#isDynamic) {
      await Promise.all(inReverse.map(({ child }) => child.halt(towards, withinMs)));
      return;
    }
    for (const { child } of inReverse) {
      await child.halt(towards, Math.max(0, deadlineMs - clock.monotonicMs()));
    }
  }

  #moment(): { readonly nowMs: number; readonly chance: number } {
    return { nowMs: this.#env.clock.monotonicMs(), chance: this.#env.random() };
  }
}

function unregister(registry: Registry, child: Child): void {
  registry.delete(child.path);
  if (child instanceof Supervisor) for (const below of child.children) unregister(registry, below);
}
