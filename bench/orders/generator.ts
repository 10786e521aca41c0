/** The load generator's process, seen from the benchmark. */
import { join } from 'node:path';
import { startChild } from './child.ts';
import type { LoadAnswer, LoadJob, LoadResult } from './job.ts';

export interface Generator {
  /** @throws {Error} an answer was wrong or did not come */
  run(job: LoadJob): Promise<LoadResult>;
  stop(): Promise<void>;
}

const startWithinMs = 10_000;

export async function startGenerator(): Promise<Generator> {
  const { process: child, stop } = await startChild<'ready'>(join(import.meta.dirname, 'load.ts'), {}, startWithinMs);
  return {
    stop,
    run: (job) =>
      new Promise((resolve, reject) => {
        const onExit = (): void => reject(new Error('the load generator has ended'));
        child.once('exit', onExit);
        child.once('message', (answer: LoadAnswer) => {
          child.off('exit', onExit);
          if (answer.type === 'result') resolve(answer.result);
          else reject(new Error(answer.reason));
        });
        child.send(job);
      }),
  };
}
