/** What a benchmark reports: one line a measurement and peer, as JSON for programs and as a row for people. */

/** What a suite is given and what it gives back. */
export interface BenchOptions {
  /** Share of the full size, above 0 and at most 1: counts, populations and warm-ups are multiplied by it. */
  readonly scale: number;
  /** The suite ends within this time. */
  readonly seconds: number;
  emit(measurement: Measurement): void;
}

export interface Measurement {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Which way is better. */
  readonly direction: 'higher' | 'lower';
  /** Whom we are measured against, with its version, in the same run; absent where there is nobody. */
  readonly peer?: string;
  /** Absent when the peer could not run; `skipped` says why. */
  readonly peerValue?: number;
  readonly skipped?: string;
}

export interface BenchLine {
  readonly suite: string;
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly direction: 'higher' | 'lower';
  readonly peer: string | null;
  readonly peerValue: number | null;
  /** How many times better than the peer we are; above 1 is better, whatever the direction. */
  readonly ratio: number | null;
  readonly skipped?: string;
}

/** @throws {RangeError} the value is no finite number: nothing was measured */
export function toLine(suite: string, measurement: Measurement): BenchLine {
  const { name, value, unit, direction, peer = null, peerValue = null, skipped } = measurement;
  if (!Number.isFinite(value)) throw new RangeError(`${suite} ${name} must be a finite number, was ${value}`);
  const ratio = peerValue === null ? null : ratioOf(value, peerValue, direction);
  const line = {
    suite,
    name,
    value: rounded(value),
    unit,
    direction,
    peer,
    peerValue: peerValue === null ? null : rounded(peerValue),
    ratio,
  };
  return skipped === undefined ? line : { ...line, skipped };
}

function ratioOf(value: number, peerValue: number, direction: BenchLine['direction']): number | null {
  const ratio = direction === 'higher' ? value / peerValue : peerValue / value;
  return Number.isFinite(ratio) ? rounded(ratio) : null;
}

/** Four significant digits: more is noise. Whole numbers keep all of theirs. */
function rounded(value: number): number {
  return Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(4));
}

/** One row of the readable table; rows of one run stand in columns. */
export function toRow({ suite, name, value, unit, peer, peerValue, ratio, skipped }: BenchLine): string {
  const ours = `${suite.padEnd(8)} ${name.padEnd(36)} ${figure(value)} ${unit.padEnd(10)}`;
  if (peer === null) return ours.trimEnd();
  const theirs =
    peerValue === null
      ? `skipped: ${skipped ?? 'no figure'}`
      : `${figure(peerValue)}  ${ratio === null ? '' : `× ${ratio}`}`;
  return `${ours} ${peer.padEnd(20)} ${theirs}`.trimEnd();
}

function figure(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 3 }).padStart(14);
}

/**
 * The value below which a share of the samples lies, by nearest rank.
 *
 * @param samples at least one, in any order; left as they are
 * @param share 0 to 1: 0.99 for the 99th percentile
 */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const found = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (found === undefined) throw new RangeError('a percentile needs at least one sample');
  return found;
}
