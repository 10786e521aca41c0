/** A message with all that there is to it. Most messages have nothing to them and go without. */
import type { Ask } from './ask.ts';

/** What a message that was sent earlier is worth now. */
export interface Token {
  /**
   * Asked once, when its message is taken to be handled.
   * `outdated` its incarnation has ended, `expired` it waited too long, `canceled` its sender took it back.
   */
  verdict(nowMs: number): 'live' | 'outdated' | 'expired' | 'canceled';
}

/** No message: any value may be one. */
export const nothing: unique symbol = Symbol('nothing');

/** The last bit of a tick beside a message that stands in an envelope: looking at it is cheaper than looking at the message. */
export const enveloped = 1;

export class Envelope<Message> {
  readonly message: Message;
  readonly traceId: string | undefined;
  readonly ask: Ask | undefined;
  /** Of the event-loop turn in which the message was sent. */
  readonly sentTick: number;
  /** Undefined for what is always worth handling. */
  readonly token: Token | undefined;

  constructor(
    message: Message,
    traceId: string | undefined,
    ask: Ask | undefined,
    sentTick: number,
    token: Token | undefined,
  ) {
    this.message = message;
    this.traceId = traceId;
    this.ask = ask;
    this.sentTick = sentTick;
    this.token = token;
  }

  /** @param sentTick of a message that came alone */
  static of<Message>(value: Message | Envelope<Message>, sentTick: number): Envelope<Message> {
    return value instanceof Envelope ? value : new Envelope(value, undefined, undefined, sentTick, undefined);
  }
}
