/** How fast recorded ticks run through price stream, broker and accounts, the journal in memory: simulated ticks, orders resting on both sides. */
import { simulatedQuote, slotMicros } from '../../actors/market/simulator.ts';
import type { Tick } from '../../actors/price-stream.ts';
import { tradedInstruments } from '../../bin/instruments.ts';
import { openReplayJournal } from '../../bin/replay-journal.ts';
import { replay } from '../../bin/replay.ts';
import type { BenchOptions } from '../report.ts';

const symbol = 'EURUSD';
const batchTicks = 1_000;
const startMicros = Date.UTC(2026, 0, 5) * 1_000;

const cases = [
  { name: 'replay-ticks', accounts: 1, resting: 100, ticks: 200_000 },
  { name: 'replay-ticks-100-accounts', accounts: 100, resting: 10, ticks: 200_000 },
] as const;

export async function measureReplay(scale: number, emit: BenchOptions['emit']): Promise<void> {
  for (const { name, accounts, resting, ticks } of cases) {
    const journal = await openReplayJournal(false, accounts);
    const { ticksPerSecond } = await replay({
      ...{ instruments: tradedInstruments(), symbol, orders: [], resting, seed: 1, speed: Infinity, ...journal },
      ticks: simulatedTicks(Math.max(batchTicks, Math.round(ticks * scale))),
    });
    emit({ name, value: ticksPerSecond, unit: 'ticks/s', direction: 'higher' });
    await journal.close();
  }
}

/** Made before they are asked for, so that only their way through the platform is measured. */
function simulatedTicks(count: number): AsyncIterable<readonly Tick[]> {
  const instrument = tradedInstruments().get(symbol)!;
  const ticks: Tick[] = [];
  for (let slot = 0; ticks.length < count; slot++) {
    const tick = simulatedQuote(instrument, 1, startMicros + slot * slotMicros);
    if (tick.timeMicros !== ticks.at(-1)?.timeMicros) ticks.push(tick);
  }
  return (async function* () {
    for (let start = 0; start < count; start += batchTicks) yield ticks.slice(start, start + batchTicks);
  })();
}
