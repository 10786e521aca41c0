/** How fast an account comes back from its journal: read, decoded and folded, as at its start. */
import assert from 'node:assert/strict';
import { decide, emptyAccount, evolve, type Account, type Facts } from '../../actors/trading/account.ts';
import { commandId, digest } from '../../actors/trading/command-identity.ts';
import { decodePayload, encodeEvent, encodePayload } from '../../actors/trading/codec.ts';
import type { AccountCommand } from '../../actors/trading/commands.ts';
import { simulatedQuote } from '../../actors/market/simulator.ts';
import { tradedInstruments } from '../../bin/instruments.ts';
import { riskLimits } from '../../config/limits.ts';
import { slotOf } from '../../runtime/cluster.ts';
import type { JournalEntry } from '../../runtime/journal.ts';
import { provisionTenant } from '../../transports/drivers/provisioning.ts';
import { percentile } from '../report.ts';
import type { JournalBench } from './plan.ts';

/** Slug of the tenant that has an account with a long journal. */
export const replayed = 'replay';

const symbol = 'EURUSD';
const unit = 10n ** 8n;
const readings = 3;
const batchRows = 1_000;

export async function measureReplay(bench: JournalBench): Promise<void> {
  const { database, journal, epochOf, expectation, plan, emit } = bench;
  // A whole tenant: its journal is read with its own rights.
  const { tenantId } = await provisionTenant(database, { slug: replayed, name: 'Replay' });
  const key = { tenantId, entityId: 1 };
  const slot = slotOf(key);
  const common = { ...key, slot, epoch: epochOf(slot) };
  let live = emptyAccount(key.entityId);
  let seq = 0;
  let batch: JournalEntry[] = [];
  for (const { account, row } of trading(live, plan.replayRows)) {
    live = account;
    batch.push({ ...common, ...row, seq: ++seq });
    if (batch.length < batchRows && seq < plan.replayRows) continue;
    assert.deepEqual(await journal.append(batch), []);
    batch = [];
  }
  expectation.add(key, seq);

  const speeds: number[] = [];
  for (let reading = 0; reading < readings; reading++) {
    const fromMs = performance.now();
    let account = emptyAccount(key.entityId);
    let rows = 0;
    for await (const { payload } of journal.read(key, 0)) {
      account = decodePayload(payload).events.reduce(evolve, account);
      rows += 1;
    }
    speeds.push((rows * 1_000) / (performance.now() - fromMs));
    assert.equal(rows, seq, 'all rows are read');
    assert.deepEqual(account, live, 'an account that was read again is the one that wrote it');
  }
  emit({ name: 'replay-rows', value: percentile(speeds, 0.5), unit: 'rows/s', direction: 'higher' });
}

/** An account that buys and sells by turns, its orders filled one after the other. */
function* trading(
  from: Account,
  rows: number,
): Iterable<{ account: Account; row: Pick<JournalEntry, 'commandId' | 'digest' | 'payload'> }> {
  const instruments = tradedInstruments();
  const instrument = instruments.get(symbol)!;
  const nowMicros = Date.now() * 1_000;
  const quote = { symbol, sequence: 1, ...simulatedQuote(instrument, 1, nowMicros) };
  const facts = (seq: number): Facts => ({
    ...{ nowMicros, seq, limits: () => riskLimits, quote: () => quote },
    ...{ killed: () => undefined, hours: () => undefined, recentRange: () => undefined },
    instrument: (name) => instruments.get(name),
  });
  let account = from;
  let orderId: string | undefined;
  for (let seq = 1; seq <= rows; seq++) {
    const command = nextCommand(seq, orderId, nowMicros, BigInt(quote.ask));
    const { events, reply } = decide(account, command, facts(seq));
    assert(events.length > 0, `row ${seq} has events`);
    orderId = reply.type === 'order' && command.type === 'submit-order' ? reply.orderId : undefined;
    account = events.reduce(evolve, account);
    const encoded = events.map((event) => encodeEvent(event, (name) => instruments.get(name)));
    const payload = encodePayload({ command, events: encoded, reply });
    yield { account, row: { commandId: commandId(command), digest: digest(command), payload } };
  }
}

/** @param orderId of the order that waits for its fill */
function nextCommand(seq: number, orderId: string | undefined, timeMicros: number, price: bigint): AccountCommand {
  if (seq === 1) return { type: 'open-account', currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false };
  if (seq === 2) return { type: 'deposit', reference: 'bench', amount: 1_000_000n * unit };
  const quantity = unit / 100n;
  if (orderId !== undefined) {
    const fill = { executionId: String(seq), quantity, price };
    return { type: 'broker-report', report: { type: 'filled', orderId, venue: 'bench', timeMicros, ...fill } };
  }
  return {
    ...{ type: 'submit-order', clientOrderId: `replay-${seq}`, symbol, side: seq % 4 === 1 ? 'sell' : 'buy' },
    ...{ orderType: 'market', quantity, timeInForce: 'ioc', source: 'trader' },
  };
}
