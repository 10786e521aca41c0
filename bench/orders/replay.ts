/**
 * How fast ticks run through price stream, broker and accounts, the journal in memory, with orders resting on both sides of each account.
 * The ticks are a recorded day of EURUSD where `TEST_DATA_DIR` has it, else simulated ones.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { simulatedQuote, slotMicros } from '../../actors/market/simulator.ts';
import type { Tick } from '../../actors/price-stream.ts';
import { tradedInstruments } from '../../bin/instruments.ts';
import { openReplayJournal } from '../../bin/replay-journal.ts';
import { replay } from '../../bin/replay.ts';
import { readTicks } from '../../transports/drivers/tick-file.ts';
import type { BenchOptions } from '../report.ts';

const symbol = 'EURUSD';
const batchTicks = 1_000;
const startMicros = Date.UTC(2026, 0, 5) * 1_000;
const simulatedCount = 200_000;
/** Code is cold at first. */
const warmUpTicks = 20_000;
const resting = 100;

const cases = [
  { name: 'replay-ticks', accounts: 1 },
  { name: 'replay-ticks-100-accounts', accounts: 100 },
] as const;

export async function measureReplay(scale: number, emit: BenchOptions['emit']): Promise<void> {
  const all = (await recordedTicks()) ?? simulatedTicks(simulatedCount);
  const ticks = all.slice(0, Math.max(batchTicks, Math.round(all.length * scale)));
  await play(ticks.slice(0, warmUpTicks), 1);
  for (const { name, accounts } of cases)
    emit({ name, value: await play(ticks, accounts), unit: 'ticks/s', direction: 'higher' });
}

async function play(ticks: readonly Tick[], accounts: number): Promise<number> {
  const journal = await openReplayJournal(false, accounts);
  const { ticksPerSecond } = await replay({
    ...{ instruments: tradedInstruments(), symbol, orders: [], resting, seed: 1, speed: Infinity, ...journal },
    ticks: batches(ticks),
  });
  await journal.close();
  return ticksPerSecond;
}

async function recordedTicks(): Promise<Tick[] | undefined> {
  const path = join(process.env['TEST_DATA_DIR'] ?? '', 'data/fxcm-tick-eurusd-20140508_quote.zip');
  if (!existsSync(path)) return undefined;
  const columns = ['milliseconds', 'bid', 'ask'] as const;
  const ticks: Tick[] = [];
  for await (const batch of readTicks({ path, columns, date: '2014-05-08', timezone: '-05:00' })) ticks.push(...batch);
  return ticks;
}

function simulatedTicks(count: number): Tick[] {
  const instrument = tradedInstruments().get(symbol)!;
  const ticks: Tick[] = [];
  for (let slot = 0; ticks.length < count; slot++) {
    const tick = simulatedQuote(instrument, 1, startMicros + slot * slotMicros);
    if (tick.timeMicros !== ticks.at(-1)?.timeMicros) ticks.push(tick);
  }
  return ticks;
}

/** Made before they are asked for, so that only their way through the platform is measured. */
async function* batches(ticks: readonly Tick[]): AsyncGenerator<readonly Tick[]> {
  for (let start = 0; start < ticks.length; start += batchTicks) yield ticks.slice(start, start + batchTicks);
}
