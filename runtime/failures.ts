/** How an actor has failed: its last crashes with what it had in hand, and what is to be done about the next. */
import { harmless } from './redaction.ts';
import type { Envelope } from './envelope.ts';
import type { CrashEvent, FailureDirective } from './events.ts';

export type Crash = Omit<CrashEvent, 'type'> & { readonly incarnation: number; readonly atMicros: number };

const keptCrashes = 10;

export class Failures<Message> {
  #crashes: readonly Crash[] = [];
  /** Messages given up because they made it throw. */
  messages = 0;
  /** The message that is tried again, and how often it has been. */
  #retried: { readonly envelope: Envelope<Message>; attempts: number } | undefined;

  add(crash: Crash): void {
    this.#crashes = [...this.#crashes, crash].slice(-keptCrashes);
  }

  get last(): Crash | undefined {
    return this.#crashes.at(-1);
  }

  /** Oldest first. */
  get crashes(): readonly Crash[] {
    return this.#crashes;
  }

  /** The message made it throw. @returns whether it is to be tried once more */
  mayRetry(envelope: Envelope<Message>, maxAttempts: number): boolean {
    if (maxAttempts <= 1) return false;
    if (this.#retried?.envelope !== envelope) this.#retried = { envelope, attempts: 1 };
    if (this.#retried.attempts >= maxAttempts) return false;
    this.#retried.attempts++;
    return true;
  }

  /** A message has been handled, or given up. */
  settled(envelope: Envelope<Message> | undefined): void {
    if (envelope !== undefined && this.#retried?.envelope === envelope) this.#retried = undefined;
  }
}

const directives: ReadonlySet<string> = new Set(['resume', 'restart', 'stop', 'escalate']);

/** What a spec wants done about an error over a message. @param report of a policy that fails or answers nonsense: then it is a restart */
export function directiveFor<Message>(
  onError: ((error: unknown, message: Message) => FailureDirective) | undefined,
  error: unknown,
  message: Message,
  report: (what: string, error: unknown) => void,
): FailureDirective {
  if (!onError) return 'restart';
  try {
    const directive = harmless(onError(error, message));
    if (directives.has(directive)) return directive;
    report(
      'onError of a spec answered nonsense',
      new TypeError(`a directive must be one of ${[...directives].join(', ')}`),
    );
  } catch (policyError) {
    report('onError of a spec failed', policyError);
  }
  return 'restart';
}
