/** How long a target takes: a peak-sensitive average for choosing, and percentiles of the latest calls for hedging. */

export interface Latency {
  /** Jumps to a slower call at once, and comes back from it over `decayMs` (Finagle's peak EWMA). Zero before the first call. */
  readonly peakMs: number;
  readonly updatedMs: number;
  /** Of the latest calls, in the order they came; at most `kept`. */
  readonly latest: readonly number[];
}

export const newLatency: Latency = { peakMs: 0, updatedMs: 0, latest: [] };

const decayMs = 10_000;
const kept = 64;
/** With fewer calls than that nothing is said of percentiles. */
const fewest = 20;

export function observed(latency: Latency, tookMs: number, nowMs: number): Latency {
  const weight = Math.exp(-Math.max(0, nowMs - latency.updatedMs) / decayMs);
  const peakMs = tookMs > latency.peakMs ? tookMs : latency.peakMs * weight + tookMs * (1 - weight);
  return { peakMs, updatedMs: nowMs, latest: [...latency.latest.slice(1 - kept), tookMs] };
}

/** @param share 0 to 1 @returns undefined where too few calls are known */
export function percentileOf({ latest }: Latency, share: number): number | undefined {
  if (latest.length < fewest) return undefined;
  const sorted = latest.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
