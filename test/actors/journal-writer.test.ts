/** The writer and several entities; how one entity fares with it is in test/runtime/event-sourced.test.ts. */
import { expect, test } from 'vitest';
import { journalWriter, type JournalWriterLimits, type JournalWriterMessage } from '../../actors/journal-writer.ts';
import type { AppendRequest, JournalNotice } from '../../runtime/event-sourced.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import { ScriptedJournal } from '../support/scripted-journal.ts';
import { handler, startTestSystem, worker, type TestSystem } from '../support/test-system.ts';

const standard: JournalWriterLimits = { queueEntries: 100, batchEntries: 10, batchBytes: 1_000, settleMs: 250 };

interface Rig {
  readonly test: TestSystem;
  readonly journal: ScriptedJournal;
  /** What each owner was told. */
  readonly told: Map<number, JournalNotice[]>;
  append(
    entityId: number,
    seq: number,
    options?: Partial<Pick<AppendRequest, 'generation'>> & { bytes?: number },
  ): void;
  seqs(entityId: number): Promise<number[]>;
}

async function start(limits: Partial<JournalWriterLimits> = {}): Promise<Rig> {
  const journal = new ScriptedJournal();
  const told = new Map<number, JournalNotice[]>();
  const owner = (id: number) =>
    worker(
      String(id),
      handler<JournalNotice>((notice) => void told.set(id, [...(told.get(id) ?? []), notice])),
    );
  const system = await startTestSystem([
    worker('writer', journalWriter(journal, { ...standard, ...limits })),
    ...[1, 2, 3].map(owner),
  ]);
  const writer = system.ref<JournalWriterMessage>('/writer');
  return {
    ...{ test: system, journal, told },
    append(entityId, seq, { generation = 1, bytes = 10 } = {}) {
      const key = { tenantId: 1, entityId };
      const entry = { ...key, seq, slot: entityId, epoch: 1, commandId: `c-${seq}`, digest: `${generation}` };
      const ref: ActorRef<JournalNotice> = system.ref(`/${entityId}`);
      writer.tell({ type: 'append', entry: { ...entry, payload: 'x'.repeat(bytes) }, generation, owner: ref });
    },
    async seqs(entityId) {
      const seqs: number[] = [];
      for await (const { seq } of journal.memory.read({ tenantId: 1, entityId }, 0)) seqs.push(seq);
      return seqs;
    },
  };
}

const durable = (throughSeq: number, generation = 1) => ({ type: 'journal-durable', throughSeq, generation });
const refused = (fromSeq: number, reason: string, generation = 1) => ({
  ...{ type: 'journal-refused', fromSeq, generation, reason },
});

test('entries of several entities go into one commit, and each owner is told once how far it is durable', async () => {
  const rig = await start();
  for (const [entityId, seq] of [
    [1, 1],
    [2, 1],
    [1, 2],
    [3, 1],
    [1, 3],
  ] as const) {
    rig.append(entityId, seq);
  }
  await rig.test.settle();
  expect(rig.journal.batches).toEqual([5]);
  expect(Object.fromEntries(rig.told)).toEqual({ 1: [durable(3)], 2: [durable(1)], 3: [durable(1)] });
});

test('a commit holds no more entries than its bound', async () => {
  const rig = await start({ batchEntries: 4 });
  for (let seq = 1; seq <= 10; seq++) rig.append(1, seq);
  await rig.test.settle();
  expect(rig.journal.batches).toEqual([4, 4, 2]);
  expect(rig.told.get(1)).toEqual([durable(4), durable(8), durable(10)]);
});

test('a commit holds no more bytes than its bound, but always one entry', async () => {
  const rig = await start({ batchBytes: 100 });
  for (const [seq, bytes] of [50, 50, 1, 500, 20].entries()) rig.append(1, seq + 1, { bytes });
  await rig.test.settle();
  expect(rig.journal.batches).toEqual([2, 1, 1, 1]);
  expect(await rig.seqs(1)).toEqual([1, 2, 3, 4, 5]);
});

test('an entity that is refused does not disturb the others', async () => {
  const rig = await start();
  rig.journal.memory.claim(2, 9);
  for (const seq of [1, 2]) for (const entityId of [1, 2, 3]) rig.append(entityId, seq);
  await rig.test.settle();
  expect(Object.fromEntries(rig.told)).toEqual({ 1: [durable(2)], 2: [refused(1, 'fenced')], 3: [durable(2)] });
  rig.append(1, 3);
  rig.append(2, 3);
  await rig.test.settle();
  expect(rig.told.get(1)?.at(-1)).toEqual(durable(3));
  expect(rig.told.get(2)).toHaveLength(1);
});

test('when the journal is away each entity of the commit is refused once, and the others are tried', async () => {
  const rig = await start();
  rig.journal.hold();
  rig.append(1, 1);
  rig.append(2, 1);
  rig.append(1, 2);
  await rig.test.settle();
  rig.append(1, 3);
  rig.append(3, 1);
  await rig.test.settle();
  rig.journal.outcomes.push('unavailable');
  rig.journal.release();
  await rig.test.settle();
  expect(Object.fromEntries(rig.told)).toEqual({
    ...{ 1: [refused(1, 'unavailable')], 2: [refused(1, 'unavailable')], 3: [durable(1)] },
  });
  rig.append(1, 1, { generation: 2 });
  await rig.test.settle();
  expect(rig.told.get(1)?.at(-1)).toEqual(durable(1, 2));
});

test('a commit that was only half written is finished', async () => {
  const rig = await start();
  rig.journal.hold();
  for (const seq of [1, 2, 3]) rig.append(1, seq);
  rig.append(2, 1);
  await rig.test.settle();
  const row = { tenantId: 1, entityId: 1, seq: 1, slot: 1, epoch: 1, commandId: 'c-1', digest: '1', payload: 'x' };
  rig.journal.outcomes.push('lost-before');
  rig.journal.release();
  await rig.test.settle();
  await rig.journal.memory.append([row]);
  await rig.test.advance(250);
  expect(Object.fromEntries(rig.told)).toEqual({ 1: [durable(1), durable(3)], 2: [durable(1)] });
  expect(await rig.seqs(1)).toEqual([1, 2, 3]);
});

test('an entry of an earlier generation that comes late is nobody’s', async () => {
  const rig = await start();
  rig.append(1, 1, { generation: 5 });
  rig.append(1, 1, { generation: 4 });
  await rig.test.settle();
  expect(rig.told.get(1)).toEqual([durable(1, 5)]);
  expect(await rig.seqs(1)).toEqual([1]);
});

test('inspection counts commits, entries, refusals and outcomes that were unknown', async () => {
  const rig = await start();
  rig.journal.outcomes.push('written', 'lost-after', 'unavailable');
  for (const seq of [1, 2, 3]) {
    rig.append(1, seq);
    await rig.test.advance(250);
  }
  expect(rig.test.system.inspectActor('/writer')?.state).toEqual({
    ...{ status: 'idle', queued: 0, commits: 2, entries: 2, refused: 1, unknown: 1 },
  });
});
