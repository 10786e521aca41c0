/** Runs the plan, round after round: every step goes to one contender after the other, each in a process of its own. */
import type { Answer } from './answer.ts';
import type { Contender } from './contenders.ts';
import { filling, type Step } from './plan.ts';
import { Results } from './results.ts';
import { Session } from './session.ts';

export interface RoundsOptions {
  readonly platform: Contender;
  readonly peers: readonly Contender[];
  readonly plan: readonly (readonly Step[])[];
  /** At most; one where time runs out. */
  readonly rounds: number;
  /** No round begins that would, were it a tenth longer than the longest so far, end after this. */
  readonly deadlineMs: number;
}

/** Even past the deadline a step has this long. */
const shortestPatienceMs = 10_000;

/** @throws {Error} our own runtime has failed a step; a peer that fails is left out of the figure */
export async function runRounds(options: RoundsOptions): Promise<Results> {
  const { platform, peers, plan, rounds, deadlineMs } = options;
  const results = new Results();
  const take = (step: Step, contender: Contender, answer: Answer): void => {
    if (contender === platform && answer.type !== 'values') throw new Error(`${lineOf(step)}: ${answer.reason}`);
    results.add(step, contender, answer);
  };
  let longestMs = 0;
  for (let round = 0; round < rounds; round++) {
    const startedMs = performance.now();
    if (round > 0 && startedMs + 1.1 * longestMs > deadlineMs) break;
    for (const steps of plan) await runSteps(steps, rotated([platform, ...peers], round), deadlineMs, take);
    longestMs = Math.max(longestMs, performance.now() - startedMs);
  }
  return results;
}

type Take = (step: Step, contender: Contender, answer: Answer) => void;

async function runSteps(
  steps: readonly Step[],
  contenders: readonly Contender[],
  deadlineMs: number,
  take: Take,
): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const sessions = new Map<Contender, Session>();
  for (const contender of contenders) {
    if (contender.command === undefined || !steps.some((step) => isFor(step, contender))) continue;
    const session = new Session(contender.command);
    cleanup.defer(() => session.stop());
    sessions.set(contender, session);
  }
  for (const step of steps) {
    const ready: { readonly contender: Contender; readonly ask: () => Promise<Answer> }[] = [];
    for (const contender of contenders.filter((contender) => isFor(step, contender))) {
      const session = sessions.get(contender);
      const ask = (step: Step): Promise<Answer> => {
        if (!session) return Promise.resolve({ type: 'lacks', reason: contender.skipped ?? 'it was not started' });
        return session.request(lineOf(step), Math.max(shortestPatienceMs, deadlineMs - performance.now()));
      };
      const warm = await warmUp(step, ask);
      if ('type' in warm) take(step, contender, warm);
      else ready.push({ contender, ask: () => ask(warm) });
    }
    for (let pass = 0; pass < (step.window?.passes ?? 1); pass++) {
      for (const { contender, ask } of rotated(ready, pass)) take(step, contender, await ask());
    }
  }
}

function isFor(step: Step, { only = step.request }: Contender): boolean {
  return only === step.request;
}

/** @returns the step with as many as fill its window, or why it cannot be measured */
async function warmUp(step: Step, ask: (step: Step) => Promise<Answer>): Promise<Step | Answer> {
  const { count: least, window } = step;
  if (window === undefined) return step;
  let count = least;
  for (let spentMs = 0; spentMs < window.warmUpMs;) {
    const answer = await ask({ ...step, count });
    if (answer.type !== 'values') return answer;
    const perSecond = answer.values['perSecond'] ?? 0;
    spentMs += (count * 1_000) / perSecond;
    count = filling(window.ms, perSecond, least);
  }
  return { ...step, count };
}

function lineOf({ request, count, with: other }: Step): string {
  return other === undefined ? `${request} ${count}` : `${request} ${count} ${other}`;
}

/** Nobody always comes first. */
function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const at = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
