/** Which commands an entity has had: the latest with their results, all of them by their ids. */
import { CommandFilter } from './command-filter.ts';

export interface KnownCommand<Reply> {
  readonly digest: string;
  readonly seq: number;
  readonly reply: Reply;
}

export class KnownCommands<Reply> {
  readonly #limit: number;
  readonly #recent = new Map<string, KnownCommand<Reply>>();
  /** The last row whose result is not held. */
  #forgottenSeq = 0;
  #ids = new CommandFilter();

  /** @param limit results held; those of rows in flight are held besides */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Of every row that was remembered, and of some that never became durable: those do no harm. */
  get ids(): CommandFilter {
    return this.#ids;
  }

  /** Results held. */
  get size(): number {
    return this.#recent.size;
  }

  /** Of the rows through `seq` only the ids are known. To be called while nothing is known yet. */
  startBehind(seq: number, ids: CommandFilter): void {
    this.#forgottenSeq = seq;
    this.#ids = ids;
  }

  find(commandId: string): KnownCommand<Reply> | undefined {
    return this.#recent.get(commandId);
  }

  /** @param durableSeq only what is durable may be forgotten */
  remember(commandId: string, known: KnownCommand<Reply>, durableSeq: number): void {
    this.#recent.set(commandId, known);
    this.#ids.add(commandId);
    while (this.#recent.size > this.#limit) {
      const oldest = this.#recent.keys().next().value!;
      const { seq } = this.#recent.get(oldest)!;
      if (seq > durableSeq) return;
      this.#recent.delete(oldest);
      this.#forgottenSeq = seq;
    }
  }

  /** It did not happen. */
  forget(commandId: string): void {
    this.#recent.delete(commandId);
  }

  /** Whether the result of every row behind `seq` is held. */
  holdsAllAfter(seq: number): boolean {
    return this.#forgottenSeq <= seq;
  }
}
