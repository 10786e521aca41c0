/** Figures of alternated rounds, as lines of the report. */
import { percentile, type BenchOptions, type Measurement } from '../report.ts';

/** One figure of ours in each round. */
export interface Figure extends Pick<Measurement, 'name' | 'unit' | 'direction'> {
  readonly values: readonly number[];
}

export interface PeerFigures {
  readonly peer: string;
  /** Of the same rounds, in the same order; or why there are none. */
  readonly values: readonly number[] | { readonly skipped: string };
}

/**
 * One line a peer. The machine is never the same for long, so both figures of a line come from one round: the one whose ratio is the median.
 */
export function emitCompared(emit: BenchOptions['emit'], figure: Figure, peers: readonly PeerFigures[]): void {
  const { name, unit, direction, values } = figure;
  for (const { peer, values: theirs } of peers) {
    if ('skipped' in theirs) {
      emit({ name, value: percentile(values, 0.5), unit, direction, peer, skipped: theirs.skipped });
      continue;
    }
    const rounds = values.map((value, round) => ({ value, peerValue: theirs[round]!, ratio: value / theirs[round]! }));
    const median = percentile(
      rounds.map(({ ratio }) => ratio),
      0.5,
    );
    const { value, peerValue } = rounds.find(({ ratio }) => ratio === median)!;
    emit({ name, value, unit, direction, peer, peerValue });
  }
}
