/** Starts its children in order, restarts them by its strategy, stops them in reverse, and gives up when that happens too often. */
import type { ExitReason } from './actor.ts';
import { Cell, further, type Keeper, type Started, type Towards } from './cell.ts';
import type { Timer } from './clock.ts';
import type { Environment, Status } from './environment.ts';
import { Terminal } from './errors.ts';
import { type Child, Family, isGone, type Member, type Registry, restartOf } from './family.ts';
import type { Fatal } from './handler.ts';
import type { Occupant, TreeNode } from './nact.ts';
import { describeError, type ErrorInfo } from './redaction.ts';
import { type ChildSpec, isSupervisor, StartFailed, type SupervisorSpec } from './spec.ts';
import { judge, noFailures } from './supervision.ts';

/** The restart budget of a supervisor is spent. */
export class GaveUp extends Terminal {
  constructor(path: string, reason: string, cause: unknown) {
    super(`supervisor ${path} gave up: ${reason}`, { cause });
  }
}

/** A permanent actor ended without a failure. */
export class EndedByItself extends Terminal {
  constructor(path: string) {
    super(`actor ${path} ended although it is permanent`);
  }
}

/** A child is gone that should be there. */
type Loss = { readonly child: Child; readonly incarnation: number } & (
  | { readonly type: 'failed'; readonly error: unknown; readonly directive: Fatal }
  | { readonly type: 'ended' }
  | { readonly type: 'not-started'; readonly error: unknown }
);

export class Supervisor extends Family implements Keeper<Child>, Occupant {
  incarnation = 0;
  restarts = 0;
  startedMicros = 0;
  lastFailure: (ErrorInfo & { readonly atMicros: number }) | undefined;
  readonly #keeper: Keeper<Supervisor>;
  #status: Status = 'dormant';
  /** Rises whenever what is under way has been overtaken: by a halt, by giving up, or by a new restart of the group. */
  #era = 0;
  /** Losses during the ordered start are dealt with after it. */
  #deferred: Loss[] = [];
  /** When the backoff of the group is over, monotonic. */
  #groupDueMs = 0;
  /** What the halt under way, or the last one, comes to. */
  #towards: Towards | undefined;
  #crashUnderWay = false;

  /** Puts itself and all children of the spec into the registry, and starts nothing. */
  constructor(env: Environment, registry: Registry, path: string, spec: SupervisorSpec, keeper: Keeper<Supervisor>) {
    super(env, registry, path, spec);
    this.#keeper = keeper;
    registry.set(path, this);
    for (const child of spec.children) this.enroll(child);
  }

  override get status(): Status {
    return this.#status;
  }

  /**
   * Starts the children in order; on-demand ones without messages only become known.
   * @throws StartFailed when a permanent child does not start; what was started is stopped again
   */
  async start(tree: TreeNode, siblings: 'few' | 'many'): Promise<Started> {
    this.incarnation++;
    this.history = noFailures;
    this.#towards = undefined;
    this.#status = 'starting';
    const era = ++this.#era;
    this.node = tree.spawn(this.spec.id, siblings, this);
    const members = [...this.members.values()];
    for (const member of members) {
      member.history = noFailures;
      this.group.add(member);
    }
    for (const member of members) {
      // One that was taken down meanwhile stays so.
      if (!this.group.has(member)) continue;
      try {
        await this.launch(member);
      } catch (error) {
        if (era !== this.#era) return 'halted';
        if (restartOf(member) === 'permanent') return this.#failStart(member, error);
        this.notStarted(member, error);
      }
      if (era !== this.#era) return 'halted';
    }
    this.#status = 'running';
    this.startedMicros = this.env.clock.wallMicros();
    if (this.incarnation > 1) this.restarts++;
    this.env.announce(this.incarnation === 1 ? 'started' : 'restarted', this.path, this.incarnation);
    for (const loss of this.#deferred.splice(0)) {
      // One that was taken down meanwhile, or has been started again, is lost no more.
      const { child, incarnation } = loss;
      if (child.incarnation === incarnation && child.status === 'restarting') this.#lose(loss);
    }
    return 'running';
  }

  fallen(error: unknown): void {
    this.node = undefined;
    this.#closeCrash();
    this.#keeper.failed(this, error, 'restart');
  }

  /**
   * Stops the children in reverse order, those of a dynamic supervisor all at once, then itself.
   * Towards `restarting` they keep their messages; else the messages are given up, and towards `down` it may be started again.
   * Never rejects; may overlap.
   */
  async halt(towards: Towards, withinMs: number): Promise<void> {
    const { incarnation } = this;
    const before = this.#status;
    if (before === 'stopped' || (towards !== 'stopped' && before === 'down')) return;
    this.#towards = further(this.#towards, towards);
    if (towards !== 'restarting') this.#status = 'stopping';
    else if (before !== 'stopping') this.#status = 'restarting';
    this.#interrupt();
    await this.haltMembers(towards, Math.min(withinMs, this.spec.shutdownMs ?? Infinity));
    // Another halt was done first, and it has been started again since.
    if (incarnation !== this.incarnation) return;
    this.node?.stop();
    this.node = undefined;
    this.#closeCrash();
    if (towards === 'restarting' || this.status !== 'stopping') return;
    // Of two that overlap, the one that is done first ends it for both.
    const end = this.#towards === 'stopped' ? 'stopped' : towards;
    this.#status = end;
    if (before !== 'dormant' && before !== 'down') this.env.announce(end, this.path, this.incarnation);
  }

  /** It has ended, all below it has been stopped, and its supervisor does not start it again. */
  retire(towards: 'down' | 'stopped'): void {
    if (this.#status === 'stopped') return;
    this.#status = towards;
    this.env.announce(towards, this.path, this.incarnation);
  }

  wake(child: Child): void {
    const member = this.memberOf(child);
    if (member && this.isUp && !this.group.has(member)) this.#relaunch(member);
  }

  failed(child: Child, error: unknown, directive: Fatal): void {
    this.#lose({ type: 'failed', child, incarnation: child.incarnation, error, directive });
  }

  ended(child: Child): void {
    this.#lose({ type: 'ended', child, incarnation: child.incarnation });
  }

  /** A start that nobody waits for has failed: it is tried again like a crash, but a child that was never there has not ended. */
  protected override notStarted({ child }: Member, error: unknown): void {
    this.#lose({ type: 'not-started', child, incarnation: child.incarnation, error });
  }

  #lose(loss: Loss): void {
    if (this.#status === 'starting') return void this.#deferred.push(loss);
    const member = this.#bereft(loss.child);
    if (!member) return;
    const restart = restartOf(member);
    switch (loss.type) {
      case 'failed':
        if (loss.directive === 'escalate') return void this.#giveUp('the failure was escalated', loss.error);
        if (loss.directive === 'restart' && restart !== 'temporary') return this.#judge(member, loss.error);
        this.retireChild(member, { kind: 'crash', error: loss.error });
        return this.#endIfDone(member);
      case 'ended':
        if (restart === 'permanent') return this.#judge(member, new EndedByItself(member.child.path));
        this.retireChild(member, { kind: 'normal' });
        return this.#endIfDone(member);
      case 'not-started':
        if (restart === 'temporary') return this.retireChild(member, { kind: 'crash', error: loss.error });
        return this.#judge(member, loss.error);
    }
  }

  /** Whether it is for this supervisor, now, to do something about a child that is gone. */
  #bereft(child: Child): Member | undefined {
    const member = this.memberOf(child);
    if (this.#status !== 'running' || !member || member.leaving) return undefined;
    // It went before the restart of its group had taken it down: it comes back with the others, and that is paid for.
    return this.group.has(member) ? undefined : member;
  }

  /** A child is gone that should be there: what to do about it. */
  #judge(member: Member, error: unknown): void {
    const restart = restartOf(member);
    const policy = this.isDynamic ? this.policyOf(member) : this.spec.policy;
    const history = this.isDynamic ? member.history : this.history;
    const { nowMs, chance } = this.#moment();
    const judged = judge(policy, history, { nowMs, chance, restart });
    if (this.isDynamic) member.history = judged.history;
    else this.history = judged.history;
    switch (judged.directive.do) {
      case 'stop':
        break;
      case 'restart':
        this.#announceRestart(member, judged.directive.afterMs);
        this.#restart(member, judged.directive.afterMs);
        break;
      case 'escalate':
        if (this.isDynamic) this.#giveUpMember(member, error);
        else void this.#giveUp(judged.directive.reason, error);
        break;
    }
  }

  /** A child has ended and is not started again: its spec is kept, unless it is temporary or dynamic. */
  protected override retireChild(member: Member, reason: ExitReason): void {
    const { child } = member;
    const isForgotten = this.isDynamic || restartOf(member) === 'temporary';
    if (child instanceof Supervisor) child.retire(isForgotten ? 'stopped' : 'down');
    else child.retire(isForgotten ? 'stopped' : 'down', reason);
    if (isForgotten) void this.forget(member);
  }

  /** A child has ended by itself, and that may be the end of all. */
  #endIfDone({ child: gone }: Member): void {
    const { autoShutdown = 'never' } = this.spec;
    if (autoShutdown === 'never' || gone.spec.significant !== true) return;
    const left = this.children.some((child) => child.spec.significant === true && !isGone(child));
    if (autoShutdown === 'any-significant' || !left) void this.#endByItself();
  }

  async #endByItself(): Promise<void> {
    this.#status = 'restarting';
    this.#interrupt();
    const era = this.#era;
    this.env.scheduler.began();
    await this.haltMembers('down', this.spec.shutdownMs ?? Infinity);
    this.env.scheduler.finished();
    if (era !== this.#era) return;
    this.node?.stop();
    this.node = undefined;
    this.#keeper.ended(this);
  }

  #announceRestart(member: Member, afterMs: number): void {
    const group = this.groupOf(member.child).map(({ path }) => path);
    const body = { type: 'restarting', child: member.child.path, afterMs, group } as const;
    this.env.events.publish(this.path, this.incarnation, body);
  }

  /** Takes back a start that cannot be completed. */
  async #failStart(member: Member, error: unknown): Promise<'halted'> {
    this.#status = 'restarting';
    this.#interrupt();
    const era = this.#era;
    await this.haltMembers('stopped', this.spec.shutdownMs ?? Infinity);
    if (era !== this.#era) return 'halted';
    this.node?.stop();
    this.node = undefined;
    throw error instanceof StartFailed ? error : new StartFailed(member.child.path, error);
  }

  #restart(member: Member, afterMs: number): void {
    const group = this.groupOf(member.child);
    if (this.spec.strategy === 'one-for-one' || this.isDynamic) {
      member.timer = this.#afterBackoff(afterMs, () => this.#relaunch(member));
    } else {
      void this.restartGroup(
        [...this.members.values()].filter(({ child }) => group.includes(child)),
        afterMs,
      );
    }
  }

  /** Joins a restart that is under way. */
  protected override async restartGroup(members: readonly Member[], afterMs: number, kept?: Member): Promise<void> {
    this.#interrupt();
    const era = this.#era;
    const { clock } = this.env;
    // Others that wait for their backoff go on waiting, and these with them.
    const joinsOthers = [...this.group].some((member) => !members.includes(member));
    this.#groupDueMs = Math.max(joinsOthers ? this.#groupDueMs : 0, clock.monotonicMs() + afterMs);
    for (const member of members) this.group.add(member);
    for (const member of this.groupInOrder().toReversed()) {
      // Started by hand meanwhile, or taken down: then it is of the group no more.
      if (!this.group.has(member)) continue;
      if (restartOf(member) === 'temporary' && member !== kept) await this.forget(member);
      else await member.child.halt('restarting', Infinity);
      if (era !== this.#era) return;
    }
    const leftMs = Math.max(afterMs, this.#groupDueMs - clock.monotonicMs());
    this.#groupDueMs = clock.monotonicMs() + leftMs;
    this.groupTimer = this.#afterBackoff(leftMs, () => void this.#startGroup());
  }

  protected override async restartAlone(member: Member): Promise<void> {
    // A group of one: neither a crash nor a message starts it meanwhile, and a stop takes it out.
    this.group.add(member);
    await member.child.halt('restarting', Infinity);
    if (this.group.has(member)) this.#relaunch(member);
  }

  #afterBackoff(afterMs: number, run: () => void): Timer | undefined {
    if (afterMs > 0) return this.env.clock.after(afterMs, run);
    run();
    return undefined;
  }

  async #startGroup(): Promise<void> {
    const era = this.#era;
    for (const member of this.groupInOrder()) {
      // One that was taken down meanwhile stays so.
      if (!this.group.has(member)) continue;
      try {
        await this.launch(member);
      } catch (error) {
        this.notStarted(member, error);
      }
      if (era !== this.#era) return;
    }
  }

  /** A child of a dynamic supervisor has spent its own budget: it stays down, and that is a failure of the group. */
  #giveUpMember(member: Member, error: unknown): void {
    const { child } = member;
    this.env.announce('gave-up', child.path, child.incarnation, error);
    this.env.log.error({ path: child.path, error: describeError(error) }, 'actor given up');
    if (child instanceof Supervisor) child.retire('stopped');
    else child.retire('stopped', { kind: 'crash', error });
    const judged = judge(this.spec.policy, this.history, { ...this.#moment(), restart: 'permanent' });
    this.history = judged.history;
    if (judged.directive.do === 'escalate') void this.#giveUp(judged.directive.reason, error);
    else this.#endIfDone(member);
  }

  async #giveUp(reason: string, cause: unknown): Promise<void> {
    const error = new GaveUp(this.path, reason, cause);
    this.lastFailure = { ...describeError(error), atMicros: this.env.clock.wallMicros() };
    this.env.announce('gave-up', this.path, this.incarnation, error);
    this.env.log.error({ path: this.path, reason, error: describeError(cause) }, 'supervisor gave up');
    this.#status = 'restarting';
    this.#interrupt();
    const era = this.#era;
    this.env.scheduler.began();
    await this.haltMembers('stopped', this.spec.shutdownMs ?? Infinity);
    if (era === this.#era) {
      this.#crashUnderWay = true;
      this.node?.crash(error);
    } else {
      this.env.scheduler.finished();
    }
  }

  #closeCrash(): void {
    if (!this.#crashUnderWay) return;
    this.#crashUnderWay = false;
    this.env.scheduler.finished();
  }

  /** Cancels what is under way; a restart of the group is forgotten only when its members are. */
  #interrupt(): void {
    this.#era++;
    this.groupTimer?.cancel();
    this.groupTimer = undefined;
    this.#deferred.length = 0;
    if (this.#status === 'running') return;
    this.group.clear();
    this.#groupDueMs = 0;
    for (const member of this.members.values()) member.timer?.cancel();
  }

  protected override get isUp(): boolean {
    return this.#status === 'running' || this.#status === 'starting';
  }

  protected override make(spec: ChildSpec, path: string): Child {
    return isSupervisor(spec)
      ? new Supervisor(this.env, this.registry, path, spec, this)
      : new Cell(this.env, path, spec, this);
  }

  /** Starts a child that nobody waits for. */
  #relaunch(member: Member): void {
    this.launch(member).catch((error: unknown) => this.notStarted(member, error));
  }

  #moment(): { readonly nowMs: number; readonly chance: number } {
    return { nowMs: this.env.clock.monotonicMs(), chance: this.env.random() };
  }
}
