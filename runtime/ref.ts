/** A hold on an actor: the only way to reach it. It survives restarts; after a stop it leads nowhere. */
import type { Terminated } from './actor.ts';
import type { Ask, Asker } from './ask.ts';

/** Marks a message that is answered: `type GetBalance = { type: 'get-balance' } & Asks<Money>`. Exists in types only. */
export interface Asks<Reply> {
  readonly [reply]?: Reply;
}
declare const reply: unique symbol;

/** What message `M` of a protocol is answered with; `never` for one that is only told. Messages are told apart by their `type`. */
export type ReplyOf<Message, M = Message> =
  (M extends { readonly type: infer Type } ? Extract<Message, { readonly type: Type }> : M) extends Asks<infer Reply>
    ? Reply
    : never;

/**
 * What became of a message at the mailbox:
 * `queued` it will be handled; `parked` it waits for room, and so does the actor that sent it;
 * `dropped` the mailbox's policy let it, or an older one, go; `full` it was refused; `stopped` nobody is there.
 */
export type TellResult = 'queued' | 'parked' | 'dropped' | 'full' | 'stopped';

export interface TellOptions {
  /** Ahead of all ordinary messages, and never shed: cancels, stops, acknowledgements of the journal. */
  readonly control?: boolean;
  /** Follows the request through gateways, actors and the journal. */
  readonly traceId?: string;
  /** How long the message is worth handling; default as long as the mailbox says. Has no effect on a control message. */
  readonly ttlMs?: number;
}

export interface AskOptions extends TellOptions {
  /** Infinite waits for as long as the actor lives. */
  readonly timeoutMs: number;
}

export interface ActorRef<Message> {
  readonly path: string;
  /** Never throws; the result is back-pressure the sender may act on. */
  tell(message: Message, options?: TellOptions): TellResult;
  /**
   * Sends a message and waits for its reply.
   * Rejects at once with MailboxFull, MessageExpired, ActorStopped, ActorCrashed or AskUnanswered, and with AskTimeout after `timeoutMs`.
   * @throws {RangeError} `timeoutMs` is below zero or no number
   */
  ask<M extends Message>(message: M, options: AskOptions): Promise<ReplyOf<Message, M>>;
}

/** What the runtime's own refs can do beside: tell and ask on behalf of an actor, and be watched. */
export interface LocalRef<Message> extends ActorRef<Message> {
  /** Tells on behalf of an actor, which is parked when the mailbox is full and its policy says so. */
  tellFrom(sender: Sender, message: Message, options: TellOptions | undefined): TellResult;
  /** Asks on behalf of an actor. */
  askFrom(asker: Asker, message: Message, options: AskOptions): Ask;
  watchedBy(watch: Watcher): void;
  unwatchedBy(watch: Watcher): void;
}

/** An actor that may be parked. */
export interface Sender {
  /** One message of it more waits for room there. */
  park(at: object): void;
  unpark(at: object): void;
}

export interface Watcher {
  /** Of the one who watches. */
  readonly path: string;
  fire(terminated: Terminated): void;
}

export function isLocal<Message>(ref: ActorRef<Message>): ref is LocalRef<Message> {
  return 'tellFrom' in ref;
}
