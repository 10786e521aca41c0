/** The side of an actor that faces the others: takes in messages, keeps them over restarts, and says what became of each. */
import { Ask, type Askable, type Asker, type AskKeeper } from './ask.ts';
import { type Waiting, wouldWaitForEver } from './ask-cycle.ts';
import { Envelope, enveloped, type Token } from './envelope.ts';
import type { Environment } from './environment.ts';
import { ActorStopped, MailboxFull, MailboxOverflow, MessageExpired } from './errors.ts';
import type { DeadLetter } from './events.ts';
import { defaultMailbox, Mailbox, type MailboxOwner, type Offered } from './mailbox.ts';
import { messageInfo, type MessageInfo } from './message-info.ts';
import { typeOf } from './redaction.ts';
import type { ActorRef, AskOptions, LocalRef, ReplyOf, Sender, TellOptions, TellResult, Watcher } from './ref.ts';
import { Ring } from './ring.ts';
import type { Runnable } from './scheduler.ts';
import type { WorkerSpec } from './spec.ts';

export const defaultStashCapacity = 1_000;

/** Abstract over what a cell is doing: whether it takes messages in, and whether one may be handled now. */
export abstract class Inbox<State, Message> implements Askable, Sender, MailboxOwner<Message>, Runnable {
  // Few fields, and those of the hot path: what a subclass has of them follows at once, and they lie together.
  protected readonly env: Environment;
  /** Whether messages are taken in, and whether one may be handled now: the status, ready for the hot path. */
  accepting = true;
  protected runnable = false;
  ready = false;
  nextReady: Runnable | undefined = undefined;
  /** Undefined until the first message. A field, not a getter, for the sake of the hot path; nobody else sets it. */
  mailbox: Mailbox<Message> | undefined;
  #aside: Aside<Message> | undefined;

  constructor(env: Environment) {
    this.env = env;
  }

  abstract readonly path: string;
  abstract readonly ref: ActorRef<Message>;
  /** Replaced by `updateSpec`: behavior and passivation take effect with the next start, the mailbox never, the rest at once. */
  abstract spec: WorkerSpec<State, Message>;
  abstract incarnation: number;
  abstract step(timed: boolean): boolean;
  abstract took(tookMs: number): void;
  /** It cannot handle a message now and got one: a dormant one has to be woken. */
  protected abstract wake(): void;
  protected abstract get isDraining(): boolean;
  /** Something has changed that says whether it may handle messages. */
  protected abstract refresh(): void;
  /** It cannot go on, through no fault of the message in hand. */
  abstract breakDown(error: Error): void;
  abstract watchedBy(watch: Watcher): void;
  abstract unwatchedBy(watch: Watcher): void;

  /** Messages that wait, those put aside included. */
  get waiting(): number {
    return (this.mailbox?.waiting ?? 0) + this.stashed;
  }

  get stashed(): number {
    return this.#aside?.stash.size ?? 0;
  }

  /** Whether it waits for room in another's mailbox. */
  get isParked(): boolean {
    return this.#aside !== undefined && this.#aside.parkedAt.size > 0;
  }

  tell(message: Message, options: TellOptions | undefined, sender?: Sender): TellResult {
    const mailbox = this.mailbox ?? this.#openMailbox();
    if (options === undefined && this.accepting && mailbox.isLasting) {
      const tick = this.env.tick();
      const offered = mailbox.offer(message, tick);
      if (offered !== 'queued') return this.#offered(offered, mailbox, Envelope.of(message, tick), sender);
      if (!this.runnable) this.wake();
      else if (!this.ready) this.env.scheduler.enqueue(this);
      return 'queued';
    }
    const { control = false, traceId, ttlMs } = options ?? noOptions;
    return this.#post(message, control, traceId, undefined, this.#expiry(control, ttlMs), sender);
  }

  ask(message: Message, options: AskOptions, asker: Asker | undefined): Ask {
    const { control = false, traceId, ttlMs, timeoutMs } = options;
    const ask = new Ask(this, message, timeoutMs, traceId, asker);
    this.env.deadlines.add(ask, timeoutMs, this.env.stampMs());
    this.#post(message, control, traceId, ask, this.#expiry(control, ttlMs), undefined);
    return ask;
  }

  deliver(message: Message, control: boolean, traceId: string | undefined, token: Token): void {
    this.#post(message, control, traceId, undefined, token, undefined);
  }

  /** Tells a message that became a dead letter once more. */
  retell(message: unknown, traceId: string | undefined, token: Token): TellResult {
    return this.#post(message as Message, false, traceId, undefined, token, undefined);
  }

  /** How many wait for answers to messages that wait, those put aside included. */
  get waitingAsks(): number {
    const envelopes = [...(this.mailbox?.peek(Infinity) ?? []), ...(this.#aside?.stash.first(Infinity) ?? [])];
    return envelopes.filter(({ ask }) => ask?.settled === false).length;
  }

  /** The messages that would be handled next, as they may be seen. */
  peek(count: number): readonly MessageInfo[] {
    return (this.mailbox?.peek(count) ?? []).map((envelope) => this.describe(envelope));
  }

  /** While it drains, it still hears what is sent ahead of all ordinary messages. */
  protected get takesControl(): boolean {
    return false;
  }

  #openMailbox(): Mailbox<Message> {
    this.mailbox = new Mailbox<Message>(this.spec.mailbox ?? defaultMailbox, this);
    return this.mailbox;
  }

  #expiry(control: boolean, ttlMs: number | undefined): Token | undefined {
    const worthMs = ttlMs ?? this.spec.mailbox?.ttlMs;
    return worthMs === undefined || control ? undefined : new Expiry(this.env.clock.monotonicMs() + worthMs);
  }

  #post(
    message: Message,
    control: boolean,
    traceId: string | undefined,
    ask: Ask | undefined,
    token: Token | undefined,
    sender: Sender | undefined,
  ): TellResult {
    const tick = this.env.tick();
    const envelope = new Envelope(message, traceId, ask, tick, token);
    if (!this.accepting && !(control && this.takesControl)) {
      ask?.abandon(new ActorStopped(this.path));
      this.deadLetter('stopped', envelope);
      return 'stopped';
    }
    const mailbox = this.mailbox ?? this.#openMailbox();
    if (control) return this.#offerControl(mailbox, envelope);
    return this.#offered(mailbox.offer(envelope, tick | enveloped), mailbox, envelope, sender);
  }

  #offered(
    offered: Offered,
    mailbox: Mailbox<Message>,
    envelope: Envelope<Message>,
    sender: Sender | undefined,
  ): TellResult {
    if (offered === 'full') return this.#refuse(mailbox, envelope, sender);
    if (!this.runnable) this.wake();
    else if (!this.ready) this.env.scheduler.enqueue(this);
    return offered === 'let-go' ? 'dropped' : 'queued';
  }

  #offerControl(mailbox: Mailbox<Message>, envelope: Envelope<Message>): TellResult {
    try {
      mailbox.offerControl(envelope);
      return this.#offered('queued', mailbox, envelope, undefined);
    } catch (error) {
      // The sender is not to blame for the invariant; the actor that is flooded is, and starts afresh without the flood.
      this.giveUpMessages('full');
      envelope.ask?.abandon(new MailboxFull(this.path, mailbox.capacity));
      this.deadLetter('full', envelope);
      this.breakDown(error as Error);
      return 'full';
    }
  }

  #refuse(mailbox: Mailbox<Message>, envelope: Envelope<Message>, sender: Sender | undefined): TellResult {
    const { capacity, spec } = mailbox;
    if (spec.whenFull === 'park-sender') {
      if (sender && this.#park(mailbox, envelope, sender)) return 'parked';
      mailbox.dropped++;
    }
    envelope.ask?.abandon(new MailboxFull(this.path, capacity));
    this.deadLetter('full', envelope);
    if (spec.whenFull === 'crash') this.breakDown(new MailboxOverflow(this.path, capacity));
    return spec.whenFull === 'drop-new' ? 'dropped' : 'full';
  }

  /** Actors that wait for each other, for room or for an answer, would wait for ever: the last of them is refused. */
  #park(mailbox: Mailbox<Message>, envelope: Envelope<Message>, sender: Sender): boolean {
    if (sender === this || wouldWaitForEver(sender as unknown as Waiting, this as unknown as Waiting)) return false;
    if (!mailbox.park({ envelope, admitted: () => sender.unpark(this) })) return false;
    sender.park(this);
    return true;
  }

  /** Where messages of it wait for room. */
  get parkedAt(): Iterable<object> {
    return this.#aside?.parkedAt.keys() ?? [];
  }

  park(at: object): void {
    const { parkedAt } = (this.#aside ??= new Aside());
    parkedAt.set(at, (parkedAt.get(at) ?? 0) + 1);
    this.refresh();
  }

  unpark(at: object): void {
    const parkedAt = this.#aside?.parkedAt;
    const left = (parkedAt?.get(at) ?? 0) - 1;
    if (left > 0) parkedAt?.set(at, left);
    else parkedAt?.delete(at);
    this.refresh();
  }

  protected get stashCapacity(): number {
    return this.spec.stashCapacity ?? defaultStashCapacity;
  }

  protected putAside(envelope: Envelope<Message>): void {
    const aside = (this.#aside ??= new Aside());
    aside.times++;
    if (envelope.ask) {
      envelope.ask.keeper ??= stashKeeper;
      envelope.ask.where = 'queue';
    }
    aside.stash.push(envelope);
  }

  /** A message for which the stash had no room. */
  protected spill(envelope: Envelope<Message>): void {
    envelope.ask?.abandon(new MailboxFull(this.path, this.stashCapacity));
    this.deadLetter('stash-full', envelope);
  }

  /** How often a message was put aside. */
  protected get stashes(): number {
    return this.#aside?.times ?? 0;
  }

  unstashAll(): void {
    const envelopes = this.#takeStash();
    if (envelopes.length > 0) this.putBack(envelopes);
  }

  /** Puts messages in front of all that wait. */
  protected putBack(envelopes: readonly Envelope<Message>[]): void {
    this.mailbox!.putBack(envelopes);
    this.refresh();
  }

  /** Everything that waits becomes dead letters. */
  protected giveUpMessages(reason: 'stopped' | 'full'): void {
    for (const envelope of [...this.#takeStash(), ...(this.mailbox?.drain() ?? [])]) {
      const full = reason === 'full' && new MailboxFull(this.path, this.mailbox!.capacity);
      envelope.ask?.abandon(full || new ActorStopped(this.path));
      this.deadLetter(reason, envelope);
    }
  }

  #takeStash(): Envelope<Message>[] {
    const stashed: Envelope<Message>[] = [];
    const stash = this.#aside?.stash;
    for (let envelope = stash?.shift(); envelope; envelope = stash?.shift()) stashed.push(envelope);
    return stashed;
  }

  onLetGo(envelope: Envelope<Message>): void {
    envelope.ask?.abandon(new MailboxFull(this.path, this.mailbox!.capacity));
    this.deadLetter('let-go', envelope);
  }

  protected expired(envelope: Envelope<Message>): void {
    envelope.ask?.abandon(new MessageExpired(this.path, typeOf(envelope.message)));
    this.deadLetter('expired', envelope);
  }

  onHigh(depth: number): void {
    const { capacity } = this.mailbox!;
    this.env.events.publish(this.path, this.incarnation, { type: 'mailbox-high', depth, capacity });
  }

  onPolicyFailed(error: unknown, message: Message): void {
    this.env.report('keyOf of a mailbox failed', error, this.path, message);
  }

  tick(): number {
    return this.env.tick();
  }

  lateReply({ message, traceId }: Ask): void {
    this.deadLetter('late-reply', new Envelope(message as Message, traceId, undefined, this.env.tick(), undefined));
  }

  deadLetter(reason: DeadLetter['reason'], envelope: Envelope<Message>): void {
    const { path, incarnation, spec } = this;
    this.env.deadLetters.add(reason, { path, incarnation, show: spec.showMessage }, envelope);
  }

  /** @param envelope of a message to this actor */
  describe(envelope: Envelope<unknown>): MessageInfo {
    return messageInfo(envelope, this.spec.showMessage, this.env.tick());
  }
}

const noOptions: TellOptions = {};

/** Keeps the asks of messages that were put aside, until they are handled. */
export const stashKeeper: AskKeeper = { released() {} };

/** What most actors never have. */
class Aside<Message> {
  readonly stash = new Ring<Envelope<Message>>();
  /** How often a message was put there. */
  times = 0;
  /** Where messages of this actor wait for room, and how many. */
  readonly parkedAt = new Map<object, number>();
}

/** A message that is worth handling for a while. */
class Expiry implements Token {
  readonly #endMs: number;

  constructor(endMs: number) {
    this.#endMs = endMs;
  }

  verdict(nowMs: number): 'live' | 'expired' {
    return nowMs > this.#endMs ? 'expired' : 'live';
  }
}

export class CellRef<State, Message> implements LocalRef<Message> {
  readonly #inbox: Inbox<State, Message>;

  constructor(inbox: Inbox<State, Message>) {
    this.#inbox = inbox;
  }

  get path(): string {
    return this.#inbox.path;
  }

  tell(message: Message, options?: TellOptions): TellResult {
    return this.#inbox.tell(message, options);
  }

  ask<M extends Message>(message: M, options: AskOptions): Promise<ReplyOf<M>> {
    return this.#inbox.ask(message, options, undefined).promise as Promise<ReplyOf<M>>;
  }

  tellFrom(sender: Sender, message: Message, options: TellOptions | undefined): TellResult {
    return this.#inbox.tell(message, options, sender);
  }

  askFrom(asker: Asker, message: Message, options: AskOptions): Ask {
    return this.#inbox.ask(message, options, asker);
  }

  watchedBy(watch: Watcher): void {
    this.#inbox.watchedBy(watch);
  }

  unwatchedBy(watch: Watcher): void {
    this.#inbox.unwatchedBy(watch);
  }
}
