/** An actor in the place of another: a test sees what it is sent, and answers for it. */
import { expect } from 'vitest';
import type { ReplyTo } from '../../runtime/actor.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import type { WorkerSpec } from '../../runtime/system.ts';
import { settle, worker } from './test-system.ts';

interface Received<Message> {
  readonly message: Message;
  readonly replyTo: ReplyTo;
}

/** `spec` goes into the tree wherever the other would stand. Waits for what may come by letting everything happen, not by sleeping. */
export class Probe<Message> {
  readonly spec: WorkerSpec<ActorRef<Message>, Message>;
  /** All it was sent, oldest first. */
  readonly messages: Message[] = [];
  #ref: ActorRef<Message> | undefined;
  readonly #waiting: Received<Message>[] = [];
  #taken: Received<Message> | undefined;

  constructor(id = 'probe') {
    this.spec = worker<ActorRef<Message>, Message>(id, {
      start: ({ self }) => (this.#ref = self),
      receive: (self, message, context) => {
        this.messages.push(message);
        this.#waiting.push({ message, replyTo: context.replyLater() });
        return self;
      },
    });
  }

  /** @throws Error it has not been started */
  get ref(): ActorRef<Message> {
    if (!this.#ref) throw new Error(`probe ${this.spec.id} is in no tree that has been started`);
    return this.#ref;
  }

  /** The oldest message that was not taken yet. @throws Error none came, although everything has happened that can without time going by */
  async next(): Promise<Message> {
    await settle();
    this.#taken = this.#waiting.shift();
    if (!this.#taken) throw new Error(`probe ${this.spec.id} got nothing more, after ${this.messages.length} messages`);
    return this.#taken.message;
  }

  /** Takes the next message, which must be equal, or an object that has at least these members. */
  async expectMessage(match: unknown): Promise<Message> {
    const message = await this.next();
    if (typeof match === 'object' && match !== null) expect(message).toMatchObject(match);
    else expect(message).toEqual(match);
    return message;
  }

  /** Nothing has come that was not taken. */
  async expectNothing(): Promise<void> {
    await settle();
    expect(this.#waiting.map(({ message }) => message)).toEqual([]);
  }

  /** Answers the message that was taken last, if it was an ask, and lets happen what follows. Once for each. */
  async reply(value: unknown): Promise<void> {
    this.#takenReply().reply(value);
    await settle();
  }

  /** The same with a failure. */
  async fail(error: Error): Promise<void> {
    this.#takenReply().fail(error);
    await settle();
  }

  #takenReply(): ReplyTo {
    if (!this.#taken) throw new Error(`take a message of probe ${this.spec.id} before you answer it`);
    return this.#taken.replyTo;
  }
}
