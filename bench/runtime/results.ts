/** What the contenders answered over all rounds, by figure. */
import type { Answer } from './answer.ts';
import type { Contender } from './contenders.ts';
import type { Step } from './plan.ts';

/** The value of each pass of each round, or why there is none. */
export type Values = readonly number[] | { readonly skipped: string };

export class Results {
  readonly #values = new Map<string, Map<Contender, Values>>();

  /** A contender that has failed once is left out of the figure: it has met too few of the rounds. */
  add({ figures }: Step, contender: Contender, answer: Answer): void {
    for (const { name, value } of figures) {
      const contenders = this.#values.get(name) ?? new Map<Contender, Values>();
      this.#values.set(name, contenders);
      contenders.set(contender, joined(contenders.get(contender) ?? [], answer, value));
    }
  }

  /** Undefined where the contender was not asked. */
  of(figure: string, contender: Contender): Values | undefined {
    return this.#values.get(figure)?.get(contender);
  }
}

function joined(before: Values, answer: Answer, name: string): Values {
  if ('skipped' in before) return before;
  if (answer.type !== 'values') return { skipped: answer.reason };
  const value = answer.values[name];
  return value === undefined ? { skipped: `it gave no ${name}` } : [...before, value];
}
