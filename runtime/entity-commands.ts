/** The commands of one incarnation of an event-sourced actor: from their arrival, over the decision, to the answer. */
import type { ActorContext } from './actor.ts';
import type {
  CommandResult,
  Decided,
  EventSourcedMessage,
  EventSourcedSpec,
  LookedUp,
  PendingCommand,
} from './event-sourced.ts';
import type { Entry, InFlight, Waiter } from './in-flight.ts';
import type { JournalRow } from './journal.ts';
import { type KnownCommand, KnownCommands } from './known-commands.ts';

type RefusalCode = Extract<CommandResult<never>, { type: 'unavailable' }>['code'];

export class EntityCommands<State, Command, Event, Reply> {
  readonly known: KnownCommands<Reply>;
  readonly #spec: EventSourcedSpec<State, Command, Event, Reply>;
  readonly #context: ActorContext<EventSourcedMessage<State, Command, Reply>>;
  readonly #inFlight: InFlight<State, Event, Reply>;
  /** While it is held, commands wait; while it is closed, they are refused. */
  #gate: { readonly type: 'held' | 'open' } | { readonly type: 'closed'; readonly reason: string } = { type: 'held' };
  #generation = 0;
  readonly #waiting: PendingCommand<Command>[] = [];
  /** Commands that are being looked up among those no longer in memory. */
  #lookingUp = 0;

  constructor(
    spec: EventSourcedSpec<State, Command, Event, Reply>,
    context: ActorContext<EventSourcedMessage<State, Command, Reply>>,
    inFlight: InFlight<State, Event, Reply>,
  ) {
    this.#spec = spec;
    this.#context = context;
    this.#inFlight = inFlight;
    this.known = new KnownCommands(spec.limits.recentCommands);
  }

  /** Commands that have been taken in and are not in flight yet. */
  get pending(): number {
    return this.#waiting.length + this.#lookingUp;
  }

  hold(): void {
    this.#gate = { type: 'held' };
  }

  /** @param generation of the entries from now on */
  open(generation: number): void {
    this.#gate = { type: 'open' };
    this.#generation = generation;
    this.serveWaiting();
  }

  close(reason: string): void {
    this.#gate = { type: 'closed', reason };
    this.serveWaiting();
  }

  onCommand(pending: PendingCommand<Command>): void {
    const { limits } = this.#spec;
    if (this.#gate.type === 'closed') return this.#refuse(pending, 'NOT_READY', this.#gate.reason);
    if (this.#gate.type === 'open' && this.#inFlight.size < limits.inFlight) return this.#serve(pending);
    const { length } = this.#waiting;
    if (length >= limits.waiting) return this.#refuse(pending, 'OVERLOADED', `${length} commands are waiting`);
    this.#waiting.push({ sinceMs: this.#context.clock.monotonicMs(), ...pending });
  }

  onLookedUp({ pending, throughSeq, found, error }: LookedUp<Command, Reply>): void {
    this.#lookingUp -= 1;
    if (found) this.#answerKnown(pending, found);
    else if (error === undefined) this.onCommand({ ...pending, newThroughSeq: throughSeq });
    else this.#refuse(pending, 'NOT_READY', 'earlier commands cannot be looked up');
  }

  /** To be called whenever there may be room in flight. */
  serveWaiting(): void {
    const { inFlight, waitingMs = Infinity } = this.#spec.limits;
    while (this.#waiting.length > 0 && this.#gate.type !== 'held' && this.#inFlight.size < inFlight) {
      const pending = this.#waiting.shift()!;
      const waitedMs = this.#context.clock.monotonicMs() - pending.sinceMs!;
      // Whoever sent it has given it up by now, and would be surprised by its effect.
      if (waitedMs >= waitingMs) this.#refuse(pending, 'OVERLOADED', `waited for ${Math.round(waitedMs)} ms`);
      else this.onCommand(pending);
    }
  }

  /** Nobody hears of what was in flight from `fromSeq` on. What the journal has of it after all is read again. */
  giveUp(fromSeq: number, code: RefusalCode, reason: string): void {
    for (const { commandId, waiters } of this.#inFlight.giveUp(fromSeq)) {
      this.known.forget(commandId);
      for (const waiter of waiters) this.#refuse(waiter, code, reason);
    }
  }

  inspect(): { readonly waiting: number; readonly lookingUp: number; readonly recentCommands: number } {
    return { waiting: this.#waiting.length, lookingUp: this.#lookingUp, recentCommands: this.known.size };
  }

  #serve(pending: PendingCommand<Command>): void {
    const { limits, commandId, lookUpCommand } = this.#spec;
    const id = commandId(pending.command);
    const known = this.known.find(id);
    if (known) return this.#answerKnown(pending, known);
    // Looked up in vain, and whatever has come since is still in memory: otherwise its twin may have, and is forgotten already.
    const isNew = pending.newThroughSeq !== undefined && this.known.holdsAllAfter(pending.newThroughSeq);
    if (isNew || !this.known.ids.mayHave(id)) return this.#decide(pending, id);
    if (this.#lookingUp >= limits.waiting) {
      return this.#refuse(pending, 'OVERLOADED', `${this.#lookingUp} commands are being looked up`);
    }
    // Either a repeated command from long ago, or one new id in a million that looks like one.
    this.#lookingUp += 1;
    const throughSeq = this.#inFlight.durableSeq;
    this.#context.pipe(lookUpCommand(id, throughSeq), (result) => ({
      ...{ type: 'looked-up', pending, throughSeq },
      ...(result.ok ? { found: result.value } : { found: undefined, error: result.error }),
    }));
  }

  #decide(pending: PendingCommand<Command>, commandId: string): void {
    const epoch = this.#spec.epoch();
    if (epoch === undefined) return this.#refuse(pending, 'NOT_READY', 'this node owns no slots yet');
    const { seq, state, last } = this.#inFlight;
    const decided = this.#spec.decide(state, pending.command, seq + 1);
    if (decided.events.length > 0) this.#append(pending, decided, { seq: seq + 1, epoch, commandId });
    else this.#answerOnceDurable(last, pending, done(decided.reply, seq));
  }

  #append(
    { command, replyTo, subjectId }: PendingCommand<Command>,
    { events, reply }: Decided<Event, Reply>,
    { seq, epoch, commandId }: Pick<JournalRow, 'seq' | 'epoch' | 'commandId'>,
  ): void {
    const spec = this.#spec;
    const inFlight = this.#inFlight;
    const { traceId } = replyTo;
    const digest = spec.digest(command);
    const encoded = events.map(spec.encodeEvent);
    const payload = spec.encodePayload({ command, events: encoded, reply, traceId, subjectId });
    const row = { seq, epoch, commandId, digest, payload };
    const before = inFlight.state;
    const after = events.reduce(spec.evolve, before);
    const waiters = [{ replyTo, result: done(reply, seq) }];
    inFlight.push({ ...row, events, encoded, before, traceId, subjectId, after, waiters });
    this.known.remember(commandId, { digest, seq, reply }, inFlight.durableSeq);
    const { tenantId, entityId } = spec.key;
    const entry = { tenantId, entityId, slot: spec.slot, ...row };
    const request = { type: 'append', entry, generation: this.#generation, owner: this.#context.self } as const;
    if (spec.writer.tell(request) !== 'queued') this.giveUp(seq, 'OVERLOADED', 'the journal writer takes no more');
  }

  #answerKnown(pending: PendingCommand<Command>, known: KnownCommand<Reply>): void {
    const isSame = known.digest === this.#spec.digest(pending.command);
    const result = isSame ? done(known.reply, known.seq, true) : ({ type: 'reused' } as const);
    this.#answerOnceDurable(this.#inFlight.find(known.seq), pending, result);
  }

  #answerOnceDurable(
    entry: Entry<State, Event, Reply> | undefined,
    pending: PendingCommand<Command>,
    result: CommandResult<Reply>,
  ): void {
    const { replyTo } = pending;
    const { guests } = this.#inFlight;
    if (!entry) replyTo.reply(result);
    else if (guests < this.#spec.limits.waiting) this.#inFlight.addGuest(entry, { replyTo, result });
    else this.#refuse(pending, 'OVERLOADED', `${guests} commands wait for others that are in flight`);
  }

  #refuse({ replyTo }: Pick<Waiter<Reply>, 'replyTo'>, code: RefusalCode, reason: string): void {
    const result = { type: 'unavailable', code, reason, retryAfterMs: this.#spec.limits.reloadMs } as const;
    replyTo.reply(result satisfies CommandResult<Reply>);
  }
}

function done<Reply>(reply: Reply, seq: number, duplicate = false): CommandResult<Reply> {
  return { type: 'done', reply, seq, duplicate };
}
