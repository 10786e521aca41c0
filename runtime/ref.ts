/** A hold on an actor: the only way to reach it. It survives restarts; after a stop it leads nowhere. */

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
 * `queued` it will be handled; `dropped` the mailbox's policy let it, or an older one, go; `full` it was refused; `stopped` nobody is there.
 */
export type TellResult = 'queued' | 'dropped' | 'full' | 'stopped';

export interface TellOptions {
  /** Ahead of all ordinary messages, and never shed: cancels, stops, acknowledgements of the journal. */
  readonly control?: boolean;
  /** Follows the request through gateways, actors and the journal. */
  readonly traceId?: string;
}

export interface AskOptions extends TellOptions {
  readonly timeoutMs: number;
}

export interface ActorRef<Message> {
  readonly path: string;
  /** Never throws; the result is back-pressure the sender may act on. */
  tell(message: Message, options?: TellOptions): TellResult;
  /**
   * Sends a message and waits for its reply.
   * Rejects at once with MailboxFull, ActorStopped or ActorCrashed, and with AskTimeout after `timeoutMs`.
   */
  ask<M extends Message>(message: M, options: AskOptions): Promise<ReplyOf<Message, M>>;
}
