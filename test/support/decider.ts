/**
 * Given these events, when this command, then these events: for rules that decide and evolve.
 * What is expected is said by `thenEvents` and its like, since an object with a method `then` would be taken for a promise.
 */
import { expect } from 'vitest';

export interface Decider<State, Command, Event, Reply, Facts extends readonly unknown[]> {
  readonly initial: State;
  /** @param facts whatever else a decision looks at; a case gives it with its command */
  decide(state: State, command: Command, ...facts: Facts): Decided<Event, Reply>;
  evolve(state: State, event: Event): State;
}

interface Decided<Event, Reply> {
  readonly events: readonly Event[];
  readonly reply: Reply;
}

/** Each expectation gives the case back, so that several can follow each other. */
export interface Case<State> {
  /** Exactly these, in this order; each is an event, or a part of one. Without any: nothing happened. */
  thenEvents(...events: readonly object[]): Case<State>;
  /** Only their types. */
  thenTypes(...types: readonly string[]): Case<State>;
  thenReply(reply: unknown): Case<State>;
  /** @param state the state after the events, or a part of it */
  thenState(state: object): Case<State>;
  /** The command is a mistake of whoever sent it. */
  thenThrows(error: string | RegExp | (new (...args: never[]) => Error)): void;
  /** The state after the events, for what no expectation above says. */
  readonly state: State;
}

export interface Given<State, Command, Facts extends readonly unknown[]> {
  when(command: Command, ...facts: Facts): Case<State>;
}

export function deciderOf<
  State,
  Command,
  Event extends { readonly type: string },
  Reply,
  Facts extends readonly unknown[],
>(
  decider: Decider<State, Command, Event, Reply, Facts>,
): { given(events: readonly Event[]): Given<State, Command, Facts> } {
  const { initial } = decider;
  const evolve = (state: State, event: Event): State => decider.evolve(state, event);
  return {
    given: (events) => {
      const before = events.reduce(evolve, initial);
      return {
        when: (command, ...facts) => {
          const decide = (): Decided<Event, Reply> => decider.decide(before, command, ...facts);
          return new DecidedCase(decide, (decided) => decided.reduce(evolve, before));
        },
      };
    },
  };
}

class DecidedCase<State, Event extends { readonly type: string }, Reply> implements Case<State> {
  readonly #decide: () => Decided<Event, Reply>;
  readonly #fold: (events: readonly Event[]) => State;

  constructor(decide: () => Decided<Event, Reply>, fold: (events: readonly Event[]) => State) {
    this.#decide = decide;
    this.#fold = fold;
  }

  get state(): State {
    return this.#fold(this.#decided().events);
  }

  thenEvents(...events: readonly object[]): this {
    const decided = this.#decided();
    expect(decided.events).toHaveLength(events.length);
    expect(decided.events).toMatchObject(events);
    return this;
  }

  thenTypes(...types: readonly string[]): this {
    expect(this.#decided().events.map(({ type }) => type)).toEqual(types);
    return this;
  }

  thenReply(reply: unknown): this {
    expect(this.#decided().reply).toEqual(reply);
    return this;
  }

  thenState(state: object): this {
    expect(this.state).toMatchObject(state);
    return this;
  }

  thenThrows(error: string | RegExp | (new (...args: never[]) => Error)): void {
    expect(this.#decide).toThrow(error);
  }

  /** Decides twice: a rule that changes the state it looks at, or looks at anything else, decides otherwise the second time. */
  #decided(): Decided<Event, Reply> {
    const decided = this.#decide();
    this.#fold(decided.events);
    expect(this.#decide(), 'the same command must be decided the same way again').toEqual(decided);
    return decided;
  }
}
