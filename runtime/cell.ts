/** One running actor: its mailbox, its state, one message at a time, and its life from start to stop. It outlives its incarnations. */
import assert from 'node:assert/strict';
import type { Behavior, ExitReason } from './actor.ts';
import { Ask } from './ask.ts';
import type { Clock } from './clock.ts';
import {
  type DeadLetter,
  describeError,
  type Environment,
  type ErrorInfo,
  type Status,
  typeOf,
} from './environment.ts';
import { ActorCrashed, ActorStopped, MailboxFull } from './errors.ts';
import { type Host, Incarnation } from './incarnation.ts';
import { defaultMailbox, Envelope, Mailbox } from './mailbox.ts';
import type { TreeNode } from './nact.ts';
import type { ActorRef, AskOptions, ReplyOf, TellOptions, TellResult } from './ref.ts';
import type { Runnable } from './scheduler.ts';
import type { WorkerSpec } from './spec.ts';

/** Who starts a cell and hears of its failures: its supervisor. */
export interface Keeper<Child> {
  /** A dormant child got a message. */
  wake(child: Child): void;
  /** A child crashed, has been cleaned up, and is out of nact's tree. */
  failed(child: Child, error: unknown): void;
}

interface Starting {
  resolve(running: boolean): void;
  reject(error: unknown): void;
}

const defaultShutdownMs = 5_000;

export class Cell<State, Message> implements Runnable, Host<Message> {
  readonly path: string;
  readonly spec: WorkerSpec<State, Message>;
  readonly ref: ActorRef<Message>;
  readonly mailbox: Mailbox<Message>;
  incarnation = 0;
  handled = 0;
  restarts = 0;
  /** Wall time of the last start; zero before the first. */
  startedMicros = 0;
  lastFailure: (ErrorInfo & { readonly atMicros: number }) | undefined;
  ready = false;
  nextReady: Runnable | undefined = undefined;

  readonly #env: Environment;
  readonly #behavior: Behavior<State, Message>;
  readonly #keeper: Keeper<Cell<State, Message>>;
  #status: Status = 'dormant';
  /** Whether messages are taken in, and whether one may be handled now: the status, ready for the hot path. */
  #accepting = true;
  #runnable = false;
  #life: Incarnation<State, Message> | undefined;
  #node: TreeNode | undefined;
  /** The async start or message in hand; settles after its outcome has been dealt with. */
  #inFlight: Promise<void> | undefined;
  #starting: Starting | undefined;
  /** The clean-up of the incarnation that is ending. */
  #ending: Promise<void> | undefined;
  #halted = false;
  #crashUnderWay = false;

  constructor(env: Environment, path: string, spec: WorkerSpec<State, Message>, keeper: Keeper<Cell<State, Message>>) {
    this.#env = env;
    this.path = path;
    this.spec = spec;
    this.#behavior = spec.behavior;
    this.#keeper = keeper;
    this.mailbox = new Mailbox<Message>(spec.mailbox ?? defaultMailbox, (envelope) => this.#onLetGo(envelope));
    this.ref = new CellRef(this);
  }

  get status(): Status {
    return this.#status;
  }

  get clock(): Environment['clock'] {
    return this.#env.clock;
  }

  get log(): Environment['log'] {
    return this.#env.log;
  }

  /** What the behavior shows of its state; undefined when it shows nothing, fails to, or when there is no state now. */
  inspectState(): unknown {
    if (!this.#life?.hasState) return undefined;
    try {
      return this.#behavior.inspect?.(this.#life.state);
    } catch (error) {
      this.log.error({ path: this.path, error: describeError(error) }, 'inspect of a behavior failed');
      return undefined;
    }
  }

  tell(message: Message, options: TellOptions | undefined): TellResult {
    if (options === undefined) return this.#post(message, false, undefined, undefined, 0);
    return this.#post(message, options.control === true, options.traceId, undefined, 0);
  }

  ask(message: Message, options: AskOptions): Promise<unknown> {
    const ask = new Ask(this.path, options.timeoutMs, options.traceId, this.#onLateReply);
    this.#env.deadlines.add(ask, this.#env.stampMs());
    this.#post(message, options.control === true, options.traceId, ask, 0);
    return ask.promise;
  }

  deliver(message: Message, control: boolean, traceId: string | undefined, incarnation: number): void {
    this.#post(message, control, traceId, undefined, incarnation);
  }

  crash(error: Error): void {
    const life = this.#life;
    if (!life || this.#ending) return;
    if (life.current !== undefined || this.#status === 'starting') life.crashRequest ??= error;
    else this.#fail(life, error);
  }

  /**
   * Starts an incarnation. Not while one is alive.
   * @returns whether it runs; false when it was halted on the way
   * @throws what the behavior's `start` threw; the cell then stands as after a crash
   */
  start(tree: TreeNode, siblings: 'few' | 'many'): Promise<boolean> {
    assert(!this.#life && !this.#ending, `${this.path} must not start while an incarnation is alive`);
    this.incarnation++;
    this.#halted = false;
    this.#life = new Incarnation<State, Message>(this, this.incarnation);
    this.#node = tree.spawn(this.spec.id, siblings, (error) => {
      this.#closeCrash();
      this.#node = undefined;
      this.#keeper.failed(this, error);
    });
    this.#become('starting');
    if (!this.ready) this.#env.scheduler.enqueue(this);
    return new Promise((resolve, reject) => {
      this.#starting = { resolve, reject };
    });
  }

  /** Waits for its first message, without an incarnation. */
  rest(): void {
    assert(!this.#life, `${this.path} must not rest while an incarnation is alive`);
    this.#become('dormant');
  }

  /**
   * Ends the incarnation, if there is one: waits for the message in hand, then for `stop` of the behavior, in all `withinMs` at most.
   * Towards `restarting` the messages stay and more are taken in; towards `stopped` they are given up. Never rejects; may overlap.
   */
  async halt(towards: 'restarting' | 'stopped', withinMs: number): Promise<void> {
    if (this.#status === 'stopped' || (this.#status === 'dormant' && towards === 'restarting')) return;
    const wasDormant = this.#status === 'dormant';
    if (towards === 'stopped') this.#become('stopping');
    else if (this.#status !== 'stopping') this.#become('restarting');
    this.#halted = true;
    if (this.#life && !this.#ending) {
      void this.#end(this.#life, { kind: 'shutdown' }, Math.min(withinMs, this.#shutdownMs));
    }
    await this.#ending;
    this.#starting?.resolve(false);
    this.#starting = undefined;
    this.#node?.stop();
    this.#node = undefined;
    this.#closeCrash();
    // A later halt towards `stopped` may have overtaken this one.
    if (this.status !== 'stopping') return;
    this.#become('stopped');
    this.#giveUpMessages();
    if (!wasDormant) this.#env.announce('stopped', this.path, this.incarnation);
  }

  step(): boolean {
    const life = this.#life;
    if (!this.#runnable || life === undefined) {
      if (life !== undefined && this.#status === 'starting' && this.#inFlight === undefined) this.#begin(life);
      return this.#runnable && this.mailbox.size > 0;
    }
    const envelope = this.mailbox.take();
    if (envelope === undefined) return false;
    if (envelope.incarnation !== 0 && envelope.incarnation !== this.incarnation) {
      this.#deadLetter('outdated', envelope);
      return this.mailbox.size > 0;
    }
    if (envelope.ask !== undefined) envelope.ask.where = 'handler';
    life.current = envelope;
    let next: State | Promise<State>;
    try {
      next = this.#behavior.receive(life.state, envelope.message, life);
    } catch (error) {
      this.#fail(life, error);
      return false;
    }
    if (next instanceof Promise) {
      this.#await(life, next, (value) => this.#received(life, value));
      return false;
    }
    this.#received(life, next);
    return this.#runnable && this.mailbox.size > 0;
  }

  get #shutdownMs(): number {
    return this.spec.shutdownMs ?? defaultShutdownMs;
  }

  #post(
    message: Message,
    control: boolean,
    traceId: string | undefined,
    ask: Ask | undefined,
    incarnation: number,
  ): TellResult {
    const envelope = new Envelope(message, traceId, ask, this.#env.stampMs(), incarnation);
    if (!this.#accepting) {
      ask?.abandon(new ActorStopped(this.path));
      this.#deadLetter('stopped', envelope);
      return 'stopped';
    }
    const offered = control ? this.#offerControl(envelope) : this.mailbox.offer(envelope);
    if (offered === 'full') {
      ask?.abandon(new MailboxFull(this.path, this.mailbox.capacity));
      this.#deadLetter('full', envelope);
      return 'full';
    }
    if (this.#runnable) {
      if (!this.ready) this.#env.scheduler.enqueue(this);
    } else if (this.#status === 'dormant') {
      this.#keeper.wake(this);
    }
    return offered === 'let-go' ? 'dropped' : 'queued';
  }

  #offerControl(envelope: Envelope<Message>): 'queued' | 'full' {
    try {
      this.mailbox.offerControl(envelope);
      return 'queued';
    } catch (error) {
      // The sender is not to blame for the invariant; the actor that is flooded is, and starts afresh without the flood.
      this.#giveUpMessages();
      this.crash(error as Error);
      return 'full';
    }
  }

  #begin(life: Incarnation<State, Message>): void {
    let state: State | Promise<State>;
    try {
      state = this.#behavior.start(life);
    } catch (error) {
      this.#fail(life, error);
      return;
    }
    if (state instanceof Promise) this.#await(life, state, (value) => this.#started(life, value));
    else this.#started(life, state);
  }

  #started(life: Incarnation<State, Message>, value: State): void {
    life.state = value;
    life.hasState = true;
    if (life.crashRequest) return this.#fail(life, life.crashRequest);
    if (this.#ending) return;
    this.startedMicros = this.clock.wallMicros();
    if (this.incarnation > 1) this.restarts++;
    this.#become('running');
    this.#env.announce(this.incarnation === 1 ? 'started' : 'restarted', this.path, this.incarnation);
    this.#starting?.resolve(true);
    this.#starting = undefined;
  }

  #received(life: Incarnation<State, Message>, value: State): void {
    if (life.crashRequest) return this.#fail(life, life.crashRequest);
    life.state = value;
    life.current = undefined;
    this.handled++;
  }

  /** Takes the cell out of the scheduler until the promise settles. What an abandoned incarnation brings later is ignored. */
  #await(life: Incarnation<State, Message>, promise: Promise<State>, then: (value: State) => void): void {
    this.#runnable = false;
    this.#env.scheduler.began();
    const settle = (act: () => void): void => {
      if (this.#life !== life) return;
      this.#inFlight = undefined;
      this.#runnable = this.#status === 'running';
      act();
      if (this.#runnable && !this.ready && this.mailbox.size > 0) this.#env.scheduler.enqueue(this);
      this.#env.scheduler.finished();
    };
    this.#inFlight = promise.then(
      (value) => settle(() => then(value)),
      (error: unknown) => settle(() => this.#fail(life, error)),
    );
  }

  #fail(life: Incarnation<State, Message>, error: unknown): void {
    const described = describeError(error);
    this.lastFailure = { ...described, atMicros: this.clock.wallMicros() };
    this.#env.announce('crashed', this.path, this.incarnation, error);
    // A first start that fails is told to whoever started the actor: they say what it means.
    const isTold = this.#status === 'starting' && this.incarnation === 1;
    this.log[isTold ? 'debug' : 'warn'](
      { path: this.path, incarnation: this.incarnation, err: error },
      'actor crashed',
    );
    life.current?.ask?.abandon(new ActorCrashed(this.path, error));
    life.current = undefined;
    // Whoever halts it closes this crash too.
    if (this.#ending) return;
    this.#become('restarting');
    const starting = this.#starting;
    this.#starting = undefined;
    void this.#end(life, { kind: 'crash', error }, this.#shutdownMs).then(() => this.#report(error, starting));
  }

  /** Tells the supervisor of a crash: through nact, or by the outcome of the start that failed. */
  #report(error: unknown, starting: Starting | undefined): void {
    if (this.#halted) {
      starting?.resolve(false);
    } else if (starting) {
      this.#node?.stop();
      this.#node = undefined;
      starting.reject(error);
    } else {
      this.#crashUnderWay = true;
      this.#env.scheduler.began();
      this.#node?.crash(error);
    }
  }

  #closeCrash(): void {
    if (!this.#crashUnderWay) return;
    this.#crashUnderWay = false;
    this.#env.scheduler.finished();
  }

  #end(life: Incarnation<State, Message>, reason: ExitReason, withinMs: number): Promise<void> {
    this.#ending = this.#cleanUp(life, reason, withinMs).finally(() => {
      this.#ending = undefined;
    });
    return this.#ending;
  }

  async #cleanUp(life: Incarnation<State, Message>, reason: ExitReason, withinMs: number): Promise<void> {
    const { clock } = this;
    const gone = reason.kind === 'crash' ? new ActorCrashed(this.path, reason.error) : new ActorStopped(this.path);
    const deadlineMs = clock.monotonicMs() + withinMs;
    this.#env.scheduler.began();
    // An actor may have asked for its own end: then its method is still on the stack, and has the rest of its turn.
    // After a crash, `stop` must not run before everybody can see that the end is under way, or it might cause a second one.
    await Promise.resolve();
    let inTime = this.#inFlight === undefined || (await settlesWithin(this.#inFlight, withinMs, clock));
    life.current?.ask?.abandon(gone);
    life.end(gone);
    if (inTime && life.hasState) inTime = await this.#stopBehavior(life.state, reason, deadlineMs);
    if (!inTime) {
      this.#env.announce('abandoned', this.path, this.incarnation);
      this.log.error({ path: this.path, incarnation: this.incarnation, withinMs }, 'actor did not stop in time');
    }
    this.#life = undefined;
    if (this.#inFlight) this.#env.scheduler.finished();
    this.#inFlight = undefined;
    this.#env.scheduler.finished();
  }

  /** @returns whether it came to an end before the deadline */
  async #stopBehavior(state: State, reason: ExitReason, deadlineMs: number): Promise<boolean> {
    const report = (error: unknown): void => {
      this.log.error({ path: this.path, error: describeError(error) }, 'stop of a behavior failed');
    };
    try {
      const stopped = this.#behavior.stop?.(state, reason);
      if (!(stopped instanceof Promise)) return true;
      return await settlesWithin(stopped.catch(report), deadlineMs - this.clock.monotonicMs(), this.clock);
    } catch (error) {
      report(error);
      return true;
    }
  }

  #giveUpMessages(): void {
    for (const envelope of this.mailbox.drain()) {
      envelope.ask?.abandon(new ActorStopped(this.path));
      this.#deadLetter('stopped', envelope);
    }
  }

  #onLetGo(envelope: Envelope<Message>): void {
    envelope.ask?.abandon(new MailboxFull(this.path, this.mailbox.capacity));
    this.#deadLetter('let-go', envelope);
  }

  readonly #onLateReply = (ask: Ask): void => {
    this.#env.deadLetter('late-reply', this.path, this.incarnation, '', ask.traceId);
  };

  #deadLetter(reason: DeadLetter['reason'], envelope: Envelope<Message>): void {
    this.#env.deadLetter(reason, this.path, this.incarnation, typeOf(envelope.message), envelope.traceId);
  }

  #become(status: Status): void {
    this.#status = status;
    this.#accepting = status !== 'stopping' && status !== 'stopped';
    this.#runnable = status === 'running' && this.#inFlight === undefined;
  }
}

class CellRef<Message> implements ActorRef<Message> {
  readonly path: string;
  readonly #cell: Cell<unknown, Message>;

  constructor(cell: Cell<unknown, Message>) {
    this.path = cell.path;
    this.#cell = cell;
  }

  tell(message: Message, options?: TellOptions): TellResult {
    return this.#cell.tell(message, options);
  }

  ask<M extends Message>(message: M, options: AskOptions): Promise<ReplyOf<M>> {
    return this.#cell.ask(message, options) as Promise<ReplyOf<M>>;
  }
}

async function settlesWithin(promise: Promise<unknown>, withinMs: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.after(Math.max(0, withinMs), () => resolve(false));
    const settled = (): void => {
      timer.cancel();
      resolve(true);
    };
    promise.then(settled, settled);
  });
}
