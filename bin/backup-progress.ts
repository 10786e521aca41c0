/** One progress bar a step, in the order in which the steps come. */
import { Progress } from './progress.ts';

export function stepBar(): { report(step: string, done: number, total: number): void; finish(): void } {
  let bar: Progress | undefined;
  let [current, size] = ['', 0];
  return {
    report(step, done, total) {
      // A total that was a guess may grow once it is passed; the bar stays at its first.
      if (step !== current) {
        bar?.finish();
        [current, size] = [step, Math.max(total, 1)];
        bar = new Progress(step, size, { unit: 'bytes' });
      }
      bar!.report(done >= total ? size : done);
    },
    finish: () => bar?.finish(),
  };
}
