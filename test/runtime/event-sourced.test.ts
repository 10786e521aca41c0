import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { silentLog } from '../../runtime/actor.ts';
import { AskTimeout } from '../../runtime/errors.ts';
import { type JournalEntry, type JournalRow, JournalUnavailable } from '../../runtime/journal.ts';
import { type AppendOutcome, ScriptedJournal } from '../support/scripted-journal.ts';
import {
  deadlineMs,
  decode,
  digestOf,
  emptyTally,
  evolveTally,
  reloadMs,
  settleMs,
  startTally,
  type TallyLimits,
  type TallyResult,
  type TallyRig,
  tallyKey,
  type Watched,
} from '../support/tally.ts';

async function rigOf(limits?: Partial<TallyLimits>, journal?: ScriptedJournal): Promise<TallyRig> {
  const rig = await startTally(limits, journal);
  onTestFinished(() => rig.stop());
  return rig;
}

const done = (sum: number, seq: number, duplicate = false) => ({
  state: 'answered',
  value: { type: 'done', reply: { sum }, seq, duplicate },
});
const unavailable = (code: 'NOT_READY' | 'OVERLOADED') => ({
  state: 'answered',
  value: expect.objectContaining({ type: 'unavailable', code }),
});
const open = { state: 'open' };
const ids = (count: number, prefix = 'c') => Array.from({ length: count }, (_, i) => `${prefix}-${i + 1}`);
const seqs = (rows: readonly { seq: number }[]) => rows.map(({ seq }) => seq);

/** Written by somebody else, as another process would. */
function foreign(seq: number, id: string, amount = 100): JournalEntry {
  const payload = JSON.stringify({ events: [{ amount }], reply: { sum: amount } });
  const digest = digestOf({ type: 'add', id, amount });
  return { ...tallyKey, seq, slot: 3, epoch: 1, commandId: id, digest, payload };
}

test('nothing is answered, published or readable before its row is durable', async () => {
  const rig = await rigOf();
  rig.journal.hold();
  const first = rig.add('a', 5);
  const second = rig.add('b', 6);
  await rig.settle();
  expect([first, second]).toEqual([open, open]);
  expect(rig.published).toEqual([]);
  expect(await rig.read()).toEqual({ state: emptyTally, seq: 0 });

  rig.journal.release();
  await rig.settle();
  expect([first, second]).toEqual([done(5, 1), done(11, 2)]);
  expect(seqs(rig.published)).toEqual([1, 2]);
  expect(await rig.read()).toEqual({ state: { sum: 11, count: 2 }, seq: 2 });
});

test('what is decided while a commit is under way goes into the next one, and only one is under way', async () => {
  const rig = await rigOf();
  rig.journal.hold();
  rig.add('a');
  await rig.settle();
  const later = ids(10).map((id) => rig.add(id));
  await rig.settle();
  rig.journal.release();
  await rig.settle();
  expect(rig.journal.batches).toEqual([1, 10]);
  expect(rig.journal.mostAtOnce).toBe(1);
  expect(later).toEqual(later.map((_, i) => done(i + 2, i + 2)));
});

test('a commit is told with the state before it and the very texts that the journal holds', async () => {
  const rig = await rigOf();
  rig.add('a', 5);
  rig.add('b', 6);
  await rig.settle();
  const rows = await rig.rows();
  expect(rig.published.map(({ before }) => before.sum)).toEqual([0, 5]);
  for (const [i, commit] of rig.published.entries()) {
    expect(rows[i]!.payload).toContain(`"events":[${commit.encoded.join(',')}]`);
    expect(commit).toMatchObject({ commandId: rows[i]!.commandId, digest: rows[i]!.digest });
  }
});

test('a repeated command gives the first result, also while that is still in flight', async () => {
  const rig = await rigOf();
  rig.journal.hold();
  const first = rig.add('a', 5);
  const during = rig.add('a', 5);
  await rig.settle();
  expect([first, during]).toEqual([open, open]);
  rig.journal.release();
  await rig.settle();
  const after = rig.add('a', 5);
  await rig.settle();
  expect([first, during, after]).toEqual([done(5, 1), done(5, 1, true), done(5, 1, true)]);
  expect(await rig.rows()).toHaveLength(1);
});

test('another command under a used id is refused, once it is certain that the id was used', async () => {
  const rig = await rigOf();
  rig.journal.hold();
  rig.add('a', 5);
  const other = rig.add('a', 6);
  await rig.settle();
  expect(other).toEqual(open);
  rig.journal.release();
  await rig.settle();
  expect(other).toEqual({ state: 'answered', value: { type: 'reused' } });
});

test('a command that changes nothing is answered once what it stands on is durable, and not journalled', async () => {
  const rig = await rigOf();
  rig.journal.hold();
  rig.add('a', 5);
  const idle = rig.add('b', 0);
  await rig.settle();
  expect(idle).toEqual(open);
  rig.journal.release();
  await rig.settle();
  expect(idle).toEqual(done(5, 1));
  expect(await rig.rows()).toHaveLength(1);
  const alone = rig.add('c', 0);
  await rig.settle();
  expect(alone).toEqual(done(5, 1));
});

test('64 commands are in flight and the 65th waits for the first', async () => {
  const rig = await rigOf();
  rig.journal.hold();
  const all = ids(65).map((id) => rig.add(id));
  await rig.settle();
  expect(rig.inspect()).toMatchObject({ inFlight: 64, waiting: 1 });
  rig.journal.release();
  await rig.settle();
  expect(all).toEqual(all.map((_, i) => done(i + 1, i + 1)));
});

test('beyond the commands that may wait, one more is told to come back', async () => {
  const rig = await rigOf({ inFlight: 2, waiting: 3 });
  rig.journal.hold();
  const all = ids(6).map((id) => rig.add(id));
  await rig.settle();
  expect(all[5]).toEqual(unavailable('OVERLOADED'));
  rig.journal.release();
  await rig.settle();
  expect(all.slice(0, 5)).toEqual([1, 2, 3, 4, 5].map((n) => done(n, n)));
});

test('commands that come while the journal is read wait and are served in order', async () => {
  const journal = new ScriptedJournal();
  await journal.memory.append([foreign(1, 'old', 10)]);
  const reading = Promise.withResolvers<void>();
  const read = journal.read.bind(journal);
  journal.read = async function* (key, afterSeq) {
    await reading.promise;
    yield* read(key, afterSeq);
  };
  const rig = await rigOf({}, journal);
  const answers = ids(3).map((id) => rig.add(id));
  const state = rig.read();
  await rig.settle();
  expect(answers).toEqual([open, open, open]);
  reading.resolve();
  await rig.settle();
  expect(answers).toEqual([done(11, 2), done(12, 3), done(13, 4)]);
  expect(await state).toEqual({ state: { sum: 10, count: 1 }, seq: 1 });
  expect(seqs(rig.published)).toEqual([2, 3, 4]);
});

test('as many reads wait for the journal as commands may, and one more is told that there is nothing to read yet', async () => {
  const journal = new ScriptedJournal();
  const reading = Promise.withResolvers<void>();
  const read = journal.read.bind(journal);
  journal.read = async function* (key, afterSeq) {
    await reading.promise;
    yield* read(key, afterSeq);
  };
  const rig = await rigOf({ waiting: 2 }, journal);
  const reads = [rig.read(), rig.read(), rig.read()];
  expect(await reads[2]).toMatchObject({ type: 'unavailable' });
  reading.resolve();
  for (const read of reads.slice(0, 2)) expect(await read).toEqual({ state: emptyTally, seq: 0 });
});

test('without the journal at its start an entity is not ready, and recovers when the journal returns', async () => {
  const journal = new ScriptedJournal();
  await journal.memory.append([foreign(1, 'old', 10)]);
  journal.isAway = true;
  const rig = await rigOf({}, journal);
  const refused = rig.add('a');
  expect(await rig.read()).toMatchObject({ type: 'unavailable' });
  await rig.settle();
  expect(refused).toEqual(unavailable('NOT_READY'));

  await rig.advance(reloadMs);
  expect(rig.inspect().phase).toBe('unavailable');
  journal.isAway = false;
  await rig.advance(reloadMs);
  const served = rig.add('a');
  await rig.settle();
  expect(served).toEqual(done(11, 2));
});

test('a journal that cannot be read for a reason of its own says so in the log', async () => {
  const journal = new ScriptedJournal();
  const { read } = journal;
  const fault = new TypeError('the driver is broken');
  // oxlint-disable-next-line require-yield -- it does not come so far
  journal.read = async function* () {
    throw fault;
  };
  const said: object[] = [];
  const rig = await startTally({}, journal, { log: { ...silentLog, warn: (fields) => void said.push(fields) } });
  onTestFinished(() => rig.stop());
  expect([rig.inspect().phase, said]).toEqual(['unavailable', [{ path: '/tally', err: fault }]]);
  journal.read = () => {
    throw fault;
  };
  await rig.advance(reloadMs);
  expect([rig.inspect().phase, said.length]).toEqual(['unavailable', 2]);
  journal.read = read;
  await rig.advance(reloadMs);
  expect(rig.inspect().phase).toBe('serving');
});

test('without an epoch nothing is decided', async () => {
  const rig = await rigOf();
  rig.epoch = undefined;
  const refused = rig.add('a');
  await rig.settle();
  expect(refused).toEqual(unavailable('NOT_READY'));
  rig.epoch = 1;
  const served = rig.add('a');
  await rig.settle();
  expect(served).toEqual(done(1, 1));
});

test('a journal that goes away fails all that is in flight, and the next command gets the seq of the first of them', async () => {
  const rig = await rigOf();
  rig.add('a', 5);
  await rig.settle();
  rig.journal.hold();
  const lost = ids(5).map((id) => rig.add(id));
  await rig.settle();
  rig.journal.outcomes.push('unavailable');
  rig.journal.release();
  await rig.settle();
  expect(lost).toEqual(lost.map(() => unavailable('NOT_READY')));
  expect(await rig.read()).toEqual({ state: { sum: 5, count: 1 }, seq: 1 });

  await rig.advance(reloadMs);
  const again = ids(5).map((id) => rig.add(id));
  await rig.settle();
  expect(again).toEqual([6, 7, 8, 9, 10].map((sum, i) => done(sum, i + 2)));
  expect(seqs(rig.published)).toEqual([1, 2, 3, 4, 5, 6]);
});

test('a commit whose outcome was unknown and that turns out to be written is acknowledged', async () => {
  const rig = await rigOf();
  rig.journal.outcomes.push('lost-after');
  const [first, second] = [rig.add('a'), rig.add('b')];
  await rig.settle();
  expect([first, second]).toEqual([open, open]);
  await rig.advance(settleMs);
  expect([first, second]).toEqual([done(1, 1), done(2, 2)]);
  expect(seqs(await rig.rows())).toEqual([1, 2]);
});

test('a commit whose outcome was unknown and that turns out to be missing is written again, ahead of what came later', async () => {
  const rig = await rigOf();
  rig.journal.outcomes.push('lost-before');
  const first = rig.add('a');
  await rig.settle();
  const second = rig.add('b');
  await rig.advance(settleMs);
  expect([first, second]).toEqual([done(1, 1), done(2, 2)]);
  expect(seqs(await rig.rows())).toEqual([1, 2]);
});

test('an outcome stays unknown as long as the journal cannot be asked, and asks end at their deadline', async () => {
  const rig = await rigOf();
  rig.journal.outcomes.push('lost-after');
  const first = rig.add('a');
  await rig.settle();
  rig.journal.isAway = true;
  await rig.advance(deadlineMs);
  expect(first).toMatchObject({ state: 'failed', error: expect.any(AskTimeout) });
  rig.journal.isAway = false;
  await rig.advance(settleMs);
  const repeated = rig.add('a');
  await rig.settle();
  expect(repeated).toEqual(done(1, 1, true));
});

test('a batch that the driver cannot write is given up instead of being tried for ever', async () => {
  const rig = await rigOf();
  rig.journal.outcomes.push('broken');
  const poison = rig.add('a');
  await rig.advance(settleMs);
  expect(poison).toEqual(unavailable('NOT_READY'));
  await rig.advance(reloadMs);
  const next = rig.add('b');
  await rig.settle();
  expect(next).toEqual(done(1, 1));
});

test('a writer that is fenced off writes nothing and says so', async () => {
  const rig = await rigOf();
  rig.journal.memory.claim(3, 2);
  const refused = [rig.add('a'), rig.add('b')];
  await rig.settle();
  expect(refused).toEqual([unavailable('NOT_READY'), unavailable('NOT_READY')]);
  expect(await rig.rows()).toEqual([]);
  rig.epoch = 2;
  await rig.advance(reloadMs);
  const served = rig.add('a');
  await rig.settle();
  expect(served).toEqual(done(1, 1));
});

test('after a conflict the entity has read the other row, and goes on behind it', async () => {
  const rig = await rigOf();
  await rig.journal.memory.append([foreign(1, 'other')]);
  const refused = [rig.add('a'), rig.add('b')];
  await rig.settle();
  expect(refused).toEqual([unavailable('NOT_READY'), unavailable('NOT_READY')]);
  const [again, other] = [rig.add('a'), rig.add('other', 100)];
  await rig.settle();
  expect([again, other]).toEqual([done(101, 2), done(100, 1, true)]);
  expect(seqs(rig.published)).toEqual([1, 2]);
});

test('what stands on a refused row is not written, even when the rows before it are there by now', async () => {
  const rig = await rigOf();
  rig.journal.hold();
  const first = rig.add('a');
  await rig.settle();
  const second = rig.add('b');
  await rig.settle();
  await rig.journal.memory.append([foreign(1, 'other')]);
  rig.journal.release();
  await rig.settle();
  expect([first, second]).toEqual([unavailable('NOT_READY'), unavailable('NOT_READY')]);
  expect((await rig.rows()).map(({ commandId }) => commandId)).toEqual(['other']);
});

test('a full queue of the writer refuses the command, and what was let in before it is written', async () => {
  const rig = await rigOf({ queueEntries: 3 });
  rig.journal.hold();
  const first = rig.add('a');
  await rig.settle();
  const more = ids(5).map((id) => rig.add(id));
  await rig.settle();
  expect(more.slice(3)).toEqual([unavailable('OVERLOADED'), unavailable('OVERLOADED')]);
  rig.journal.release();
  await rig.settle();
  expect([first, ...more.slice(0, 3)]).toEqual([1, 2, 3, 4].map((n) => done(n, n)));
  const next = rig.add('next');
  await rig.settle();
  expect(next).toEqual(done(5, 5));
});

test('what was let in before an overload is still told when the journal refuses it', async () => {
  const rig = await rigOf({ queueEntries: 2 });
  rig.journal.hold();
  const all = [rig.add('a')];
  await rig.settle();
  all.push(...ids(3).map((id) => rig.add(id)));
  await rig.settle();
  expect(all[3]).toEqual(unavailable('OVERLOADED'));
  rig.journal.outcomes.push('unavailable');
  rig.journal.release();
  await rig.settle();
  expect(all.slice(0, 3)).toEqual(all.slice(0, 3).map(() => unavailable('NOT_READY')));
  await rig.advance(reloadMs);
  const next = rig.add('next');
  await rig.settle();
  expect(next).toEqual(done(1, 1));
});

test('a writer whose mailbox is full refuses the command, and the next one has its seq', async () => {
  const rig = await rigOf();
  const { tell } = rig.writer;
  rig.writer.tell = (message, options) =>
    message.type === 'append' && message.entry.commandId.startsWith('c-') && message.entry.seq > 2
      ? 'full'
      : tell.call(rig.writer, message, options);
  const all = ids(5).map((id) => rig.add(id));
  await rig.settle();
  expect(all).toEqual([done(1, 1), done(2, 2), ...ids(3).map(() => unavailable('OVERLOADED'))]);
  const next = rig.add('next');
  await rig.settle();
  expect(next).toEqual(done(3, 3));
});

test('a message that got lost on the way to the writer costs the commands behind it, and no more', async () => {
  const rig = await rigOf();
  rig.add('a');
  await rig.settle();
  let isLossy = true;
  const { tell } = rig.writer;
  rig.writer.tell = (message, options) => {
    if (!isLossy || message.type !== 'append') return tell.call(rig.writer, message, options);
    isLossy = false;
    return 'queued';
  };
  const [lost, behind] = [rig.add('b'), rig.add('c')];
  await rig.settle();
  expect([lost, behind]).toEqual([unavailable('NOT_READY'), unavailable('NOT_READY')]);
  await rig.advance(reloadMs);
  const next = rig.add('b');
  await rig.settle();
  expect(next).toEqual(done(2, 2));
});

test('a crash with rows on their way loses none that is durable, and no ask outlives it', async () => {
  const rig = await rigOf();
  rig.journal.hold();
  const first = rig.add('a', 5);
  await rig.settle();
  const crash = rig.crash();
  await rig.settle();
  expect([first.state, crash.state]).toEqual(['failed', 'failed']);
  rig.journal.release();
  await rig.settle();
  // The row became durable after the next incarnation had read the journal: it is read, and told, all the same.
  expect(await rig.read()).toEqual({ state: { sum: 5, count: 1 }, seq: 1 });
  expect(seqs(rig.published)).toEqual([1]);
  const repeated = rig.add('a', 5);
  await rig.settle();
  expect(repeated).toEqual(done(5, 1, true));
});

test('a row that becomes durable while the next incarnation reads the journal is read as well', async () => {
  const rig = await rigOf();
  rig.journal.hold();
  rig.add('a', 5);
  await rig.settle();
  const read = rig.journal.read.bind(rig.journal);
  const reading = Promise.withResolvers<void>();
  rig.journal.read = async function* (key, afterSeq) {
    const rows: JournalRow[] = [];
    for await (const row of read(key, afterSeq)) rows.push(row);
    await reading.promise;
    yield* rows;
  };
  rig.crash();
  await rig.settle();
  rig.journal.release();
  await rig.settle();
  reading.resolve();
  await rig.settle();
  expect(await rig.read()).toEqual({ state: { sum: 5, count: 1 }, seq: 1 });
  expect(seqs(rig.published)).toEqual([1]);
});

test('a row of the last incarnation is never taken for one of this', async () => {
  const rig = await rigOf();
  rig.journal.hold();
  rig.add('a', 5);
  await rig.settle();
  rig.crash();
  await rig.settle();
  const mine = rig.add('b', 7);
  await rig.settle();
  rig.journal.release();
  await rig.settle();
  expect(mine).toEqual(unavailable('NOT_READY'));
  expect((await rig.rows()).map(({ commandId }) => commandId)).toEqual(['a']);
  const again = rig.add('b', 7);
  await rig.settle();
  expect(again).toEqual(done(12, 2));
  expect(seqs(rig.published)).toEqual([1, 2]);
});

test('what the last incarnation had queued gives way to what this one decides', async () => {
  const rig = await rigOf();
  rig.journal.hold();
  rig.add('a');
  await rig.settle();
  ids(3).map((id) => rig.add(id));
  await rig.settle();
  rig.journal.outcomes.push('unavailable');
  rig.crash();
  await rig.settle();
  const mine = rig.add('mine', 7);
  await rig.settle();
  rig.journal.release();
  await rig.settle();
  expect(mine).toEqual(done(7, 1));
  expect((await rig.rows()).map(({ commandId }) => commandId)).toEqual(['mine']);
});

test('an entity that restarts after a refusal is heard by the writer', async () => {
  const rig = await rigOf();
  rig.journal.outcomes.push('unavailable');
  rig.add('a');
  await rig.settle();
  rig.crash();
  await rig.advance(reloadMs);
  rig.crash();
  await rig.settle();
  const served = rig.add('b');
  await rig.settle();
  expect(served).toEqual(done(1, 1));
});

test('rows that became durable in a crash are told by the next incarnation, once', async () => {
  const rig = await rigOf();
  const first = rig.add('a', 5);
  await rig.settle();
  rig.journal.hold();
  rig.add('b', 6);
  await rig.settle();
  rig.crash();
  rig.journal.release();
  await rig.settle();
  expect(first).toEqual(done(5, 1));
  expect(seqs(rig.published)).toEqual([1, 2]);
  expect(rig.published[1]).toMatchObject({ commandId: 'b', events: [{ amount: 6 }], before: { sum: 5 } });
});

test('a crash of the writer loses neither its queue nor the commit under way', async () => {
  const rig = await rigOf();
  rig.journal.hold();
  const first = rig.add('a');
  await rig.settle();
  const queued = [rig.add('b'), rig.add('c')];
  await rig.settle();
  rig.writer.tell({ type: 'append' } as never);
  await rig.settle();
  rig.journal.release();
  await rig.advance(settleMs);
  expect([first, ...queued]).toEqual([1, 2, 3].map((n) => done(n, n)));
  expect(seqs(await rig.rows())).toEqual([1, 2, 3]);
});

test('a command beyond those held in memory is found among the rows, and told from another one', async () => {
  const rig = await rigOf({ recentCommands: 4 });
  for (const id of ids(10)) {
    rig.add(id);
    await rig.settle();
  }
  expect(rig.inspect().recentCommands).toBe(4);
  const [old, other, recent] = [rig.add('c-1'), rig.add('c-2', 9), rig.add('c-10')];
  await rig.settle();
  expect([old, other]).toEqual([done(1, 1, true), { state: 'answered', value: { type: 'reused' } }]);
  expect(recent).toEqual(done(10, 10, true));
  expect(rig.lookedUp).toEqual(['c-1', 'c-2']);
});

test('as many commands are looked up at once as may wait, and one more is told to come back', async () => {
  const rig = await rigOf({ recentCommands: 1, waiting: 3 });
  for (const id of ids(6)) {
    rig.add(id);
    await rig.settle();
  }
  const repeated = ids(4).map((id) => rig.add(id));
  await rig.settle();
  expect(repeated).toEqual([...[1, 2, 3].map((seq) => done(seq, seq, true)), unavailable('OVERLOADED')]);
  const again = rig.add('c-4');
  await rig.settle();
  expect(again).toEqual(done(4, 4, true));
});

test('a new command is not looked up, and one that was refused before is decided anew', async () => {
  const rig = await rigOf();
  rig.journal.outcomes.push('unavailable');
  rig.add('a');
  await rig.advance(reloadMs);
  const [again, twice] = [rig.add('a'), rig.add('a')];
  await rig.settle();
  expect([again, twice]).toEqual([done(1, 1), done(1, 1, true)]);
  rig.add('b');
  await rig.settle();
  expect(rig.lookedUp).toEqual(['a', 'a']);
});

test('as many commands wait for what is in flight as may wait for a place there, and one more is told to come back', async () => {
  const rig = await rigOf({ waiting: 3 });
  rig.journal.hold();
  const first = rig.add('a', 5);
  const others = [rig.add('a', 5), rig.add('a', 6), rig.add('idle', 0), rig.add('a', 5), rig.add('idle', 0)];
  await rig.settle();
  expect(others.slice(3)).toEqual([unavailable('OVERLOADED'), unavailable('OVERLOADED')]);
  rig.journal.release();
  await rig.settle();
  expect([first, ...others.slice(0, 3)]).toEqual([
    ...[done(5, 1), done(5, 1, true)],
    ...[{ state: 'answered', value: { type: 'reused' } }, done(5, 1)],
  ]);
  rig.journal.hold();
  rig.add('b', 5);
  const again = ids(3).map(() => rig.add('b', 5));
  await rig.settle();
  rig.journal.outcomes.push('unavailable');
  rig.journal.release();
  await rig.settle();
  expect(again).toEqual(again.map(() => unavailable('NOT_READY')));
});

test('a command that has waited longer than its sender is refused instead of taking effect late', async () => {
  const rig = await rigOf({ inFlight: 1, waitingMs: deadlineMs });
  rig.journal.outcomes.push('lost-after');
  const first = rig.add('a');
  await rig.settle();
  rig.journal.isAway = true;
  const late = rig.add('late');
  await rig.advance(deadlineMs - 1);
  const inTime = rig.add('in-time');
  await rig.advance(1);
  expect([first.state, late.state, inTime.state]).toEqual(['failed', 'failed', 'open']);
  rig.journal.isAway = false;
  await rig.advance(settleMs);
  expect(inTime).toEqual(done(2, 2));
  expect((await rig.rows()).map(({ commandId }) => commandId)).toEqual(['a', 'in-time']);
});

test('results beyond those to be held are let go once what was in flight is durable', async () => {
  const rig = await rigOf({ recentCommands: 3 });
  rig.journal.hold();
  ids(20).map((id) => rig.add(id));
  await rig.settle();
  expect(rig.inspect().recentCommands).toBe(20);
  rig.journal.release();
  await rig.settle();
  rig.add('next');
  await rig.settle();
  expect(rig.inspect().recentCommands).toBe(3);
});

test('a long journal is read page by page, and goes on where it broke off', async () => {
  const journal = new ScriptedJournal();
  const amount = 2;
  await journal.memory.append(Array.from({ length: 1_000 }, (_, i) => foreign(i + 1, `f-${i}`, amount)));
  const read = journal.read.bind(journal);
  let rows = 0;
  journal.read = async function* (key, afterSeq) {
    for await (const row of read(key, afterSeq)) {
      if (++rows === 700) throw new JournalUnavailable();
      yield row;
    }
  };
  const rig = await rigOf({}, journal);
  // What was read so far is the state of an earlier day, which nobody is shown.
  expect(await rig.read()).toMatchObject({ type: 'unavailable' });
  expect(rig.inspect().durableSeq).toBe(512);
  await rig.advance(reloadMs);
  expect(await rig.read()).toEqual({ state: { sum: 1_000 * amount, count: 1_000 }, seq: 1_000 });
  expect(journal.reads).toEqual([0, 512]);
  expect(rig.published).toEqual([]);
});

test('a row that cannot be decoded ends the incarnation, and is read anew by the next', async () => {
  const journal = new ScriptedJournal();
  await journal.memory.append([foreign(1, 'a'), { ...foreign(2, 'b'), payload: 'no JSON' }]);
  const rig = await startTally({}, journal);
  const refused = rig.add('c');
  await rig.settle();
  expect(refused.state).not.toBe('answered');
  expect(journal.reads.length).toBeGreaterThan(1);
  await rig.stop();
});

test('an entity that crashes while its journal is read lets go of the reading', async () => {
  const journal = new ScriptedJournal();
  await journal.memory.append(Array.from({ length: 1_000 }, (_, i) => foreign(i + 1, `f-${i}`)));
  const read = journal.read.bind(journal);
  const reading = Promise.withResolvers<void>();
  let isClosed = false;
  journal.read = async function* (key, afterSeq) {
    try {
      for await (const row of read(key, afterSeq)) {
        if (row.seq === 280) await reading.promise;
        yield row;
      }
    } finally {
      isClosed = true;
    }
  };
  const rig = await rigOf({}, journal);
  await rig.stop();
  reading.resolve();
  await rig.settle();
  expect(isClosed).toBe(true);
});

test('an entity is idle only while nothing is read, decided, looked up or on its way', async () => {
  const journal = new ScriptedJournal();
  const reading = Promise.withResolvers<void>();
  const read = journal.read.bind(journal);
  journal.read = async function* (key, afterSeq) {
    await reading.promise;
    yield* read(key, afterSeq);
  };
  const rig = await rigOf({ inFlight: 1, recentCommands: 0 }, journal);
  expect(rig.isIdle()).toBe(false);
  reading.resolve();
  await rig.settle();
  expect(rig.isIdle()).toBe(true);

  journal.hold();
  const both = [rig.add('a'), rig.add('b')];
  await rig.settle();
  expect(rig.isIdle()).toBe(false);
  journal.release();
  await rig.settle();
  expect([...both, rig.isIdle()]).toEqual([done(1, 1), done(2, 2), true]);

  const late = Promise.withResolvers<void>();
  const { memory } = journal;
  const readMemory = memory.read.bind(memory);
  memory.read = async function* (key, afterSeq) {
    await late.promise;
    yield* readMemory(key, afterSeq);
  };
  const repeated = rig.add('a');
  await rig.settle();
  expect(rig.isIdle()).toBe(false);
  late.resolve();
  await rig.settle();
  expect([repeated, rig.isIdle()]).toEqual([done(1, 1, true), true]);

  // It would only wait for the pause to end.
  journal.outcomes.push('unavailable');
  rig.add('c');
  await rig.settle();
  expect([rig.inspect().phase, rig.isIdle()]).toEqual(['unavailable', true]);
});

type Action =
  | { readonly do: 'add'; readonly id: number; readonly amount: number }
  | { readonly do: 'outcome'; readonly outcome: AppendOutcome }
  | { readonly do: 'away'; readonly isAway: boolean }
  | { readonly do: 'hold' | 'release' | 'settle' | 'crash-entity' | 'crash-writer' | 'foreign-row' }
  | { readonly do: 'advance'; readonly byMs: number };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant('add' as const), id: fc.nat(30), amount: fc.integer({ min: -1, max: 1 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('outcome' as const),
      outcome: fc.constantFrom<AppendOutcome>('written', 'unavailable', 'lost-before', 'lost-after', 'broken'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('away' as const), isAway: fc.boolean() }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('hold', 'release', 'settle', 'crash-entity', 'crash-writer', 'foreign-row'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('advance' as const), byMs: fc.constantFrom(1, settleMs, reloadMs) }),
  },
);

const limits = fc.constantFrom<Partial<TallyLimits>>(
  {},
  { inFlight: 2, waiting: 4, recentCommands: 8 },
  { queueEntries: 2, recentCommands: 5 },
  { writerMailbox: 2, inFlight: 8 },
);

interface Asked {
  readonly command: { readonly type: 'add'; readonly id: string; readonly amount: number };
  readonly answer: Watched<TallyResult>;
}

async function perform(rig: TallyRig, actions: readonly Action[]): Promise<Asked[]> {
  const asked: Asked[] = [];
  let foreigners = 0;
  for (const step of actions) {
    switch (step.do) {
      case 'add': {
        const command = { type: 'add', id: `c-${step.id}`, amount: step.amount } as const;
        asked.push({ command, answer: rig.add(command.id, command.amount) });
        break;
      }
      case 'outcome':
        rig.journal.outcomes.push(step.outcome);
        break;
      case 'away':
        rig.journal.isAway = step.isAway;
        break;
      case 'hold':
        rig.journal.hold();
        break;
      case 'release':
        rig.journal.release();
        break;
      case 'settle':
        await rig.settle();
        break;
      case 'crash-entity':
        rig.crash();
        break;
      case 'crash-writer':
        rig.writer.tell({ type: 'append' } as never);
        break;
      case 'foreign-row': {
        const seq = (await rig.rows()).length + 1;
        await rig.journal.memory.append([foreign(seq, `f-${++foreigners}`)]);
        break;
      }
      case 'advance':
        await rig.advance(step.byMs);
        break;
    }
  }
  return asked;
}

/** The journal is well again, and all that was asked is answered or has run out of time. */
async function recover(rig: TallyRig): Promise<void> {
  rig.journal.isAway = false;
  rig.journal.outcomes.length = 0;
  rig.journal.release();
  for (let i = 0; i < 4; i++) await rig.advance(reloadMs);
  await rig.advance(deadlineMs);
}

const runs = Math.ceil(150 * Number(process.env['TEST_SCALE'] ?? 1));

test('whatever fails: rows have no holes, every acknowledged command stands in the journal once, and everybody sees the same', async () => {
  await fc.assert(
    fc.asyncProperty(limits, fc.array(action, { minLength: 1, maxLength: 60 }), async (given, actions) => {
      const rig = await startTally(given);
      try {
        const asked = await perform(rig, actions);
        await recover(rig);
        const last = rig.add('last', 1);
        await rig.advance(reloadMs);
        const rows = await rig.rows();
        if (rows.at(-1)?.commandId !== 'last') {
          // Rows of others came in between: told so, it goes on behind them.
          expect(last).toEqual(unavailable('NOT_READY'));
        }
        expect(seqs(rows)).toEqual(rows.map((_, i) => i + 1));
        expect(new Set(rows.map(({ commandId }) => commandId)).size).toBe(rows.length);
        expect(rig.journal.mostAtOnce).toBeLessThanOrEqual(1);

        for (const { command, answer } of asked) {
          expect(answer.state).not.toBe('open');
          const row = rows.find(({ commandId }) => commandId === command.id);
          if (answer.value?.type === 'reused') expect(row?.digest).not.toBe(digestOf(command));
          if (answer.value?.type !== 'done' || command.amount === 0) continue;
          expect(row).toMatchObject({ seq: answer.value.seq, digest: digestOf(command) });
          expect(decode(row!.payload).reply).toEqual(answer.value.reply);
        }

        const folded = rows.flatMap(({ payload }) => decode(payload).events).reduce(evolveTally, emptyTally);
        expect(await rig.read()).toEqual({ state: folded, seq: rows.length });
        expect(seqs(rig.published)).toEqual(seqs(rows));
        for (const { seq, events } of rig.published) expect(events).toEqual(decode(rows[seq - 1]!.payload).events);
      } finally {
        await rig.stop();
      }
    }),
    { numRuns: runs },
  );
}, 120_000);

test.each([0, 1, 2])(
  'a command that is looked up twice at once has one effect, though only %i others are remembered',
  async (recentCommands) => {
    const rig = await rigOf({ inFlight: 2, recentCommands });
    rig.journal.outcomes.push('unavailable');
    rig.add('x');
    await rig.advance(reloadMs);
    const late = Promise.withResolvers<void>();
    const { memory } = rig.journal;
    const read = memory.read.bind(memory);
    let reads = 0;
    memory.read = async function* (key, afterSeq) {
      reads += 1;
      const isSecond = reads === 2;
      const rows: JournalRow[] = [];
      for await (const row of read(key, afterSeq)) rows.push(row);
      if (isSecond) await late.promise;
      yield* rows;
    };
    const [first, second] = [rig.add('x'), rig.add('x')];
    await rig.settle();
    for (const id of ids(3)) {
      rig.add(id);
      await rig.settle();
    }
    late.resolve();
    await rig.settle();
    expect([first, second]).toEqual([done(1, 1), done(1, 1, true)]);
    expect(await rig.rows()).toHaveLength(4);
  },
);
