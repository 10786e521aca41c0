/**
 * The actor runtime as it comes, with everything on, against nact, XState and Erlang/OTP with one scheduler.
 *
 * Everybody is fed alike: 1,000 messages a turn of the event loop, or of a sending process that then yields, to counters in turn.
 * Each contender runs in processes of its own that live for a round, is warmed up by the step itself, and is measured while the
 * others wait; they take turns three times a round. A line shows the turn whose ratio is the median of all rounds.
 * A slower contender gets fewer messages, so that each is measured over about the same time. All are counted: one that is lost
 * fails the step.
 */
import assert from 'node:assert/strict';
import { percentile, type BenchOptions } from './report.ts';
import { emitCompared } from './orders/comparison.ts';
import { platform, preparePeers } from './runtime/contenders.ts';
import { planOf, snapshotName } from './runtime/plan.ts';
import { runRounds } from './runtime/rounds.ts';

const mostRounds = 9;

export async function run({ scale, seconds, emit }: BenchOptions): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const peers = await preparePeers(cleanup);
  const plan = planOf(scale);
  const results = await runRounds({
    ...{ platform, peers, plan },
    rounds: scale < 1 ? 1 : mostRounds,
    deadlineMs: performance.now() + seconds * 1_000,
  });
  for (const { name, unit, direction } of plan.flat().flatMap(({ figures }) => figures)) {
    const values = results.of(name, platform);
    assert(values && !('skipped' in values), `${name} is measured in every round`);
    const theirs = peers.flatMap((peer) => {
      const found = results.of(name, peer);
      return found ? [{ peer: peer.name, values: found }] : [];
    });
    emitCompared(emit, { name, unit, direction, values }, theirs);
    if (name === snapshotName) {
      // One look a second takes so much of a core.
      const share = percentile(values, 0.5) / 1_000;
      emit({ name: 'snapshot-overhead-1hz', value: share * 100, unit: '%', direction: 'lower' });
    }
  }
}
