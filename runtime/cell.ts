/** One running actor, and its life from start to stop. It outlives its incarnations. */
import assert from 'node:assert/strict';
import type { ExitReason } from './actor.ts';
import type { Environment, Status } from './environment.ts';
import { ActorCrashed, ActorStopped } from './errors.ts';
import { Grace } from './grace.ts';
import { type Fatal, Handler } from './handler.ts';
import { CellRef } from './inbox.ts';
import { Incarnation } from './incarnation.ts';
import type { Occupant, TreeNode } from './nact.ts';
import type { ErrorInfo } from './redaction.ts';
import type { ActorRef, Watcher } from './ref.ts';
import type { WorkerSpec } from './spec.ts';
import { IdleWatch } from './watches.ts';

/** Who starts a cell and hears of its failures: its supervisor. */
export interface Keeper<Child> {
  /** A dormant child got a message. */
  wake(child: Child): void;
  /** A child crashed, has been cleaned up, and is out of nact's tree. */
  failed(child: Child, error: unknown, directive: Fatal): void;
  /** A child has ended by itself, without a failure. */
  ended(child: Child): void;
}

/** What a start came to: `halted` it was stopped on the way, `declined` it did not want to. */
export type Started = 'running' | 'halted' | 'declined';

/** What a halt is for. */
export type Towards = 'restarting' | 'down' | 'stopped';

/** Of halts that overlap, the one that leaves less holds. */
export function further(one: Towards | undefined, other: Towards): Towards {
  if (one === 'stopped' || other === 'stopped') return 'stopped';
  return one === 'down' ? one : other;
}

interface Starting {
  /** It rested before: then it starts once more, and is not restarted. */
  readonly hasRested: boolean;
  resolve(started: Started): void;
  reject(error: unknown): void;
}

const defaultShutdownMs = 5_000;

export class Cell<State, Message> extends Handler<State, Message> implements Occupant {
  override readonly path: string;
  override readonly ref: ActorRef<Message>;
  override spec: WorkerSpec<State, Message>;
  override incarnation = 0;
  restarts = 0;
  /** Wall time of the last start; zero before the first. */
  startedMicros = 0;
  #status: Status = 'dormant';
  #suspended = false;
  /** It is being halted, or was, since its last start. */
  #halted: Towards | undefined;
  #crashUnderWay = false;
  readonly #keeper: Keeper<Cell<State, Message>>;
  #node: TreeNode | undefined;
  #starting: Starting | undefined;
  /** The clean-up of the incarnation that is ending, and how long it may take. */
  #ending: { readonly done: Promise<void>; readonly grace: Grace } | undefined;
  /** What most actors never have. */
  #extras: Extras | undefined;

  constructor(env: Environment, path: string, spec: WorkerSpec<State, Message>, keeper: Keeper<Cell<State, Message>>) {
    super(env, spec);
    this.path = path;
    this.spec = spec;
    this.ref = new CellRef(this);
    this.#keeper = keeper;
  }

  get status(): Status {
    if (this.#status !== 'running') return this.#status;
    if (this.#suspended) return 'suspended';
    return this.isDraining ? 'draining' : 'running';
  }

  get watchers(): readonly string[] {
    return [...(this.#extras?.watchers ?? [])].map(({ path }) => path);
  }

  /**
   * Starts an incarnation. Not while one is alive.
   * @throws what the behavior's `start` threw; the cell then stands as after a crash
   */
  start(tree: TreeNode, siblings: 'few' | 'many'): Promise<Started> {
    assert(!this.life && !this.#ending, `${this.path} must not start while an incarnation is alive`);
    this.incarnation++;
    this.#halted = undefined;
    const hasRested = this.#status === 'dormant';
    this.begin(new Incarnation<Message>(this, this.incarnation));
    this.attention ||= this.isDraining;
    this.#node = tree.spawn(this.spec.id, siblings, this);
    // What an earlier incarnation put aside is for the new one to decide about.
    this.unstashAll();
    this.#become('starting');
    if (!this.ready) this.env.scheduler.enqueue(this);
    return new Promise((resolve, reject) => {
      this.#starting = { hasRested, resolve, reject };
    });
  }

  fallen(error: unknown): void {
    this.#closeCrash();
    this.#node = undefined;
    this.#keeper.failed(this, error, this.failures?.last?.directive === 'escalate' ? 'escalate' : 'restart');
  }

  /** Waits for its first message, without an incarnation. */
  rest(): void {
    assert(!this.life, `${this.path} must not rest while an incarnation is alive`);
    this.#halted = undefined;
    if (this.#extras) this.#extras.ended = undefined;
    this.#become('dormant');
  }

  /**
   * Ends the incarnation, if there is one: waits for the message in hand, then for `stop` of the behavior, in all `withinMs` at most.
   * Towards `restarting` the messages stay and more are taken in; else they are given up: for good towards `stopped`,
   * until it is started again towards `down`. Never rejects; may overlap.
   */
  async halt(towards: Towards, withinMs: number): Promise<void> {
    const { incarnation } = this;
    const before = this.#status;
    if (before === 'stopped' || (towards !== 'stopped' && before === 'down')) return;
    if (before === 'dormant' && towards === 'restarting') return;
    if (towards !== 'restarting') this.#become('stopping');
    else if (before !== 'stopping') this.#become('restarting');
    this.#halted = further(this.#halted, towards);
    if (this.#ending) this.#ending.grace.shorten(withinMs);
    else if (this.life) void this.#end(this.life, { kind: 'shutdown' }, Math.min(withinMs, this.#shutdownMs));
    await this.#ending?.done;
    // Another halt was done first, and it has been started again since.
    if (incarnation !== this.incarnation) return;
    this.#starting?.resolve('halted');
    this.#starting = undefined;
    this.#leaveTree();
    // Of two that overlap, the one that is done first ends it for both.
    if (towards === 'restarting' || this.status !== 'stopping') return;
    this.#leave(
      this.#halted === 'stopped' ? 'stopped' : towards,
      before === 'dormant' || before === 'down' ? undefined : { kind: 'shutdown' },
    );
  }

  /** A child that ended by itself, or failed for good, and is not to be started again by its supervisor. */
  retire(towards: 'down' | 'stopped', reason: ExitReason): void {
    if (this.#status !== 'stopped') this.#leave(towards, reason);
  }

  /** Lets its messages wait until it is resumed, over restarts too. */
  suspend(): void {
    if (this.#suspended) return;
    this.#suspended = true;
    this.refresh();
    this.env.announce('suspended', this.path, this.incarnation);
  }

  resume(): void {
    if (!this.#suspended) return;
    this.#suspended = false;
    this.env.announce('resumed', this.path, this.incarnation);
    this.refresh();
  }

  /**
   * Takes nothing new, over restarts too, until it is taken down.
   * @returns a promise that resolves when all that waits is handled and nothing is under way; never, when that never happens
   */
  drain(): Promise<void> {
    if (refusing.has(this.#status)) return Promise.resolve();
    this.resume();
    this.env.announce('draining', this.path, this.incarnation);
    return new Promise((resolve) => {
      const extras = (this.#extras ??= new Extras());
      const before = extras.onDrained;
      extras.onDrained = () => {
        before?.();
        resolve();
      };
      this.attention = true;
      this.#become(this.#status);
      this.settled();
    });
  }

  override watchedBy(watch: Watcher): void {
    if (this.#status === 'stopped' || this.#status === 'down') {
      watch.fire({ path: this.path, reason: this.#extras?.ended ?? shutDown });
    } else {
      (this.#extras ??= new Extras()).watchers.add(watch);
    }
  }

  override unwatchedBy(watch: Watcher): void {
    this.#extras?.watchers.delete(watch);
  }

  /** Of its idle watch. @returns for how long it has had nothing to do; undefined when it is gone, or has been put to rest */
  idleForMs(afterMs: number): number | undefined {
    const { life } = this;
    if (!life || this.#status !== 'running') return undefined;
    const isFree = !this.isBusy && this.waiting === 0 && !this.isParked && life.isFree;
    if (!isFree || this.#suspended || !this.isIdle) return 0;
    const idleMs = this.clock.monotonicMs() - life.handledMs;
    if (idleMs < afterMs) return idleMs;
    void this.#passivate(life);
    return undefined;
  }

  protected override get isDraining(): boolean {
    return this.#extras?.onDrained !== undefined;
  }

  protected override get isEnding(): boolean {
    return this.#ending !== undefined;
  }

  protected override get isStarting(): boolean {
    return this.#status === 'starting';
  }

  /** There may be a start to make; else it has no business in the ready queue. */
  protected override stepAside(): boolean {
    const { life } = this;
    if (life !== undefined && this.isStarting && !this.isBusy) this.#startBehavior(life);
    return this.runnable && this.hasMail;
  }

  protected override settled(): boolean {
    const onDrained = this.#extras?.onDrained;
    if (onDrained === undefined || this.isBusy || this.waiting > 0) return false;
    // One that is on its way up or down may yet have something to do; one that rests has not.
    if (this.#status !== 'running' && this.#status !== 'dormant') return false;
    if ((this.life && this.life.keptAsks > 0) || !this.isIdle) return false;
    // It goes on refusing what is new: whoever drains it is about to take it down.
    onDrained();
    return false;
  }

  protected override wake(): void {
    if (this.#status === 'dormant') this.#keeper.wake(this);
  }

  protected override get takesControl(): boolean {
    return this.isDraining && !refusing.has(this.#status);
  }

  protected override refresh(): void {
    this.runnable = this.#status === 'running' && !this.isBusy && !this.#suspended && !this.isParked;
    if (this.runnable && !this.ready && this.hasMail) this.env.scheduler.enqueue(this);
  }

  protected override end(life: Incarnation<Message>, error: unknown, info: ErrorInfo, directive: Fatal): void {
    // A first start that fails is told to whoever started the actor: they say what it means.
    const isTold = this.isStarting && this.incarnation === 1;
    const { path, incarnation } = this;
    this.log[isTold ? 'debug' : 'warn']({ path, incarnation, error: info }, 'actor crashed');
    // Whoever halts it closes this crash too.
    if (this.#ending) return;
    this.#become('restarting');
    const starting = this.#starting;
    this.#starting = undefined;
    void this.#end(life, { kind: 'crash', error }, this.#shutdownMs).then(() =>
      this.#report(error, directive, starting),
    );
  }

  /** Its messages wait for what its supervisor says. */
  protected override complete(life: Incarnation<Message>): void {
    const starting = this.#starting;
    this.#starting = undefined;
    this.#become('restarting');
    void this.#end(life, { kind: 'normal' }, this.#shutdownMs).then(() => {
      if (this.#halted) {
        starting?.resolve('halted');
        return;
      }
      this.#leaveTree();
      if (starting) starting.resolve('declined');
      else this.#keeper.ended(this);
    });
  }

  get #shutdownMs(): number {
    return this.spec.shutdownMs ?? defaultShutdownMs;
  }

  #startBehavior(life: Incarnation<Message>): void {
    let state: State | Promise<State>;
    try {
      state = this.behavior.start(life);
    } catch (error) {
      this.fail(life, error);
      return;
    }
    if (state instanceof Promise) this.await(life, state, (value) => this.#started(value));
    else this.#started(state);
  }

  #started(state: State): void {
    if (!this.startedWith(state) || this.#ending) return;
    this.startedMicros = this.clock.wallMicros();
    const isRestart = this.incarnation > 1 && this.#starting?.hasRested !== true;
    if (isRestart) this.restarts++;
    this.#become('running');
    this.env.announce(isRestart ? 'restarted' : 'started', this.path, this.incarnation);
    this.#watchIdleness();
    this.settled();
    this.#starting?.resolve('running');
    this.#starting = undefined;
  }

  #watchIdleness(): void {
    const { passivateAfterMs } = this.spec;
    if (passivateAfterMs === undefined) return;
    this.trackIdleness();
    const extras = (this.#extras ??= new Extras());
    // The spec may have changed since the last start.
    extras.idleWatch = new IdleWatch(this, this.env.deadlines, passivateAfterMs);
    extras.idleWatch.begin(this.env.stampMs());
  }

  /** Tells the supervisor of a crash: through nact, or by the outcome of the start that failed. */
  #report(error: unknown, directive: Fatal, starting: Starting | undefined): void {
    if (this.#halted) {
      starting?.resolve('halted');
    } else if (starting) {
      this.#leaveTree();
      starting.reject(error);
    } else if (directive === 'stop') {
      this.#leaveTree();
      this.#keeper.failed(this, error, 'stop');
    } else {
      this.#crashUnderWay = true;
      this.env.scheduler.began();
      this.#node?.crash(error);
    }
  }

  async #passivate(life: Incarnation<Message>): Promise<void> {
    this.#become('resting');
    await this.#end(life, { kind: 'resting' }, this.#shutdownMs);
    if (this.#halted || this.status !== 'resting') return;
    this.#leaveTree();
    this.#become('dormant');
    this.env.announce('resting', this.path, this.incarnation);
    if (this.hasMail) this.#keeper.wake(this);
    else this.settled();
  }

  /** @returns a promise that resolves when the incarnation is gone */
  #end(life: Incarnation<Message>, reason: ExitReason, withinMs: number): Promise<void> {
    const grace = new Grace(this.clock, withinMs);
    const over = (): void => void (this.#ending = undefined);
    // Not `finally`: whoever waits must hear of it before a halt that finds nothing to wait for goes on.
    const done = this.#cleanUp(life, reason, grace, withinMs).then(over, (error: unknown) => {
      over();
      throw error;
    });
    this.#ending = { done, grace };
    return done;
  }

  async #cleanUp(life: Incarnation<Message>, reason: ExitReason, grace: Grace, withinMs: number): Promise<void> {
    const { path, incarnation } = this;
    const gone = reason.kind === 'crash' ? new ActorCrashed(path, reason.error) : new ActorStopped(path);
    this.env.scheduler.began();
    this.#extras?.idleWatch?.clear();
    // An actor may have asked for its own end: then its method is still on the stack, and has the rest of its turn.
    // After a crash, `stop` must not run before everybody can see that the end is under way, or it might cause a second one.
    await Promise.resolve();
    let inTime = this.inFlight === undefined || (await grace.covers(this.inFlight));
    this.envelopeInHand?.ask?.abandon(gone);
    life.end(gone);
    if (inTime && this.hasState) inTime = await this.#stopBehavior(this.state, reason, grace);
    if (!inTime) {
      this.env.announce('abandoned', path, incarnation);
      this.log.error({ path, incarnation, withinMs }, 'actor did not stop in time');
      // What it has in hand is neither done nor undone.
      const unfinished = this.envelope();
      if (unfinished) this.deadLetter('stopped', unfinished);
    }
    if (this.isBusy) this.env.scheduler.finished();
    this.forget();
    this.env.scheduler.finished();
  }

  /** @returns whether it came to an end before the deadline */
  async #stopBehavior(state: State, reason: ExitReason, grace: Grace): Promise<boolean> {
    const report = (error: unknown): void => this.env.report('stop of a behavior failed', error, this.path, state);
    try {
      const stopped = this.behavior.stop?.(state, reason);
      return stopped instanceof Promise ? await grace.covers(stopped.catch(report)) : true;
    } catch (error) {
      report(error);
      return true;
    }
  }

  #leaveTree(): void {
    this.#node?.stop();
    this.#node = undefined;
    this.#closeCrash();
  }

  #closeCrash(): void {
    if (!this.#crashUnderWay) return;
    this.#crashUnderWay = false;
    this.env.scheduler.finished();
  }

  /** It is gone, until it is started again or for good. @param reason undefined when it had no life to end */
  #leave(towards: 'down' | 'stopped', reason: ExitReason | undefined): void {
    this.#become(towards);
    this.giveUpMessages('stopped');
    this.env.names.release(this);
    const extras = this.#extras;
    this.#extras = undefined;
    const ended = reason ?? extras?.ended ?? shutDown;
    if (ended.kind !== 'shutdown') (this.#extras = new Extras()).ended = ended;
    for (const watch of extras?.watchers ?? []) watch.fire({ path: this.path, reason: ended });
    extras?.onDrained?.();
    if (reason) this.env.announce(towards, this.path, this.incarnation);
  }

  #become(status: Status): void {
    this.#status = status;
    this.accepting = !refusing.has(status) && !this.isDraining;
    this.refresh();
  }
}

class Extras {
  readonly watchers = new Set<Watcher>();
  idleWatch: IdleWatch | undefined;
  /** Called when nothing waits and nothing is in hand any more. */
  onDrained: (() => void) | undefined;
  /** Why it has ended, for those who ask later; undefined when it was shut down, or has not ended. */
  ended: ExitReason | undefined;
}

const shutDown: ExitReason = { kind: 'shutdown' };
const refusing: ReadonlySet<Status> = new Set(['stopping', 'down', 'stopped']);
