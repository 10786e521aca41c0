/** How a failure tells its caller what to do next: the class is the policy. Expected refusals are values, not errors. */

/** Trying again later may work. */
export abstract class Retryable extends Error {
  readonly retryAfterMs: number;

  constructor(message: string, options: { retryAfterMs: number; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Trying the same again cannot work. */
export abstract class Terminal extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
  }
}

/** No reply within the deadline. The message may still be handled: its outcome is unknown to the asker. */
export class AskTimeout extends Retryable {
  /** Whether the message was still in the mailbox, or already with the behavior, when time ran out. */
  readonly where: 'queue' | 'handler';

  constructor(path: string, messageType: string, timeoutMs: number, where: 'queue' | 'handler') {
    super(`no reply from ${path} to ${messageType} within ${timeoutMs} ms (${where})`, { retryAfterMs: 1_000 });
    this.where = where;
  }
}

/** The mailbox refused the message; nothing was done. */
export class MailboxFull extends Retryable {
  constructor(path: string, capacity: number) {
    super(`mailbox of ${path} is full (${capacity} messages)`, { retryAfterMs: 500 });
  }
}

/** The message waited longer than it was good for; nothing was done. */
export class MessageExpired extends Retryable {
  constructor(path: string, messageType: string) {
    super(`${messageType} expired in the mailbox of ${path}`, { retryAfterMs: 500 });
  }
}

/** The actor was stopped before it could handle the message. */
export class ActorStopped extends Terminal {
  constructor(path: string) {
    super(`actor ${path} is stopped`);
  }
}

/** The behavior threw while it handled the message. Its supervisor has restarted or stopped it. */
export class ActorCrashed extends Terminal {
  constructor(path: string, cause: unknown) {
    super(`actor ${path} crashed while it handled the message`, { cause });
  }
}

/** The message was handled, and nobody replied or kept the ask: no reply will ever come. */
export class AskUnanswered extends Terminal {
  constructor(path: string, messageType: string) {
    super(`actor ${path} handled ${messageType} without a reply`);
  }
}

/** Each of these actors waits for the next to answer, and the last for the first: none could ever go on. */
export class AskCycle extends Terminal {
  /** Paths, from the asker back to itself. */
  readonly cycle: readonly string[];

  constructor(cycle: readonly string[]) {
    super(`an ask would wait for itself: ${cycle.join(' → ')}`);
    this.cycle = cycle;
  }
}

/** A handler did not settle in time: its signal was aborted and its actor crashes. */
export class HandlerTimeout extends Retryable {
  constructor(path: string, messageType: string, timeoutMs: number) {
    super(`actor ${path} did not finish ${messageType} within ${timeoutMs} ms`, { retryAfterMs: 1_000 });
  }
}

/** More messages came than the mailbox holds, and its policy is to crash then. */
export class MailboxOverflow extends Terminal {
  constructor(path: string, capacity: number) {
    super(`mailbox of ${path} overflowed (${capacity} messages)`);
  }
}
