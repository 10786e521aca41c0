/** The load generator, a process of its own: takes jobs from its parent one after another and answers each. */
import type { LoadAnswer, LoadJob } from './job.ts';
import { runJob } from './load-run.ts';

process.once('disconnect', () => process.exit());
process.on('message', (job: LoadJob) => {
  runJob(job).then(
    (result) => answer({ type: 'result', result }),
    (error: Error) => answer({ type: 'failed', reason: error.message }),
  );
});
process.send?.('ready');

function answer(message: LoadAnswer): void {
  process.send?.(message);
}
