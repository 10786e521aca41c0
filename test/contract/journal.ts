/** What every journal keeps to, whatever it is made of. */
import { createHash } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { slotOf } from '../../runtime/cluster.ts';
import type { EntityKey, Journal, JournalEntry, JournalRow } from '../../runtime/journal.ts';

export interface JournalUnderTest {
  readonly journal: Journal;
  /** Two tenants that the journal knows. */
  readonly tenants: readonly [number, number];
  /** Takes all slots for a new owner. @returns the epoch of a slot from then on */
  claim(): Promise<(slot: number) => number>;
}

export function journalContract(create: () => Promise<JournalUnderTest>): void {
  let journal: Journal;
  let claim: JournalUnderTest['claim'];
  let epochOf: (slot: number) => number;
  let one: EntityKey;
  let other: EntityKey;

  beforeEach(async () => {
    const made = await create();
    ({ journal, claim } = made);
    epochOf = await claim();
    one = { tenantId: made.tenants[0], entityId: 1 };
    other = { tenantId: made.tenants[1], entityId: 1 };
  });

  const entry = (key: EntityKey, seq: number, commandId = `c-${seq}`): JournalEntry => {
    const slot = slotOf(key);
    const digest = createHash('sha256').update(commandId).digest('hex');
    return { ...key, seq, slot, epoch: epochOf(slot), commandId, digest, payload: JSON.stringify({ v: 1, commandId }) };
  };
  const read = async (key: EntityKey, afterSeq = 0): Promise<JournalRow[]> => {
    const rows: JournalRow[] = [];
    for await (const row of journal.read(key, afterSeq)) rows.push(row);
    return rows;
  };
  const seqs = async (key: EntityKey): Promise<number[]> => (await read(key)).map((row) => row.seq);

  test('what was appended is read again as it was', async () => {
    const entries = [entry(one, 1), entry(one, 2, 'order:é "quoted" \\ {1,2} \u2028 💶')];
    expect(await journal.append(entries)).toEqual([]);
    expect(await read(one)).toEqual(
      entries.map(({ seq, epoch, commandId, digest, payload }) => ({ seq, epoch, commandId, digest, payload })),
    );
  });

  test('reading begins behind the seq that is given', async () => {
    await journal.append([entry(one, 1), entry(one, 2), entry(one, 3)]);
    expect((await read(one, 1)).map((row) => row.seq)).toEqual([2, 3]);
    expect(await read(one, 3)).toEqual([]);
    expect(await read({ ...one, entityId: 2 })).toEqual([]);
  });

  test('a reading that ends behind a later append does not stand in the way of the next one', async () => {
    await journal.append([entry(one, 1)]);
    const rows = journal.read(one, 0)[Symbol.asyncIterator]();
    await rows.next();
    await journal.append([entry(one, 2)]);
    while (!(await rows.next()).done);
    expect(await journal.append([entry(one, 3)])).toEqual([]);
  });

  test('a long journal is read whole and in order', async () => {
    const wanted = Array.from({ length: 2_500 }, (_, index) => index + 1);
    await journal.append(wanted.map((seq) => entry(one, seq)));
    expect(await seqs(one)).toEqual(wanted);
  });

  test('an empty batch changes nothing', async () => {
    expect(await journal.append([])).toEqual([]);
    expect(await journal.settle([])).toEqual({ refused: [], missing: [] });
  });

  test('one batch holds several rows of several entities of several tenants', async () => {
    const second = { ...one, entityId: 2 };
    const batch = [entry(one, 1), entry(other, 1), entry(one, 2), entry(second, 1), entry(one, 3)];
    expect(await journal.append(batch)).toEqual([]);
    expect(await seqs(one)).toEqual([1, 2, 3]);
    expect(await seqs(second)).toEqual([1]);
    expect(await seqs(other)).toEqual([1]);
  });

  test('a seq that is taken is a conflict, and nothing of that entity is written', async () => {
    await journal.append([entry(one, 1), entry(one, 2)]);
    expect(await journal.append([entry(one, 2, 'late'), entry(one, 3)])).toEqual([
      { ...one, reason: 'conflict', fromSeq: 2 },
    ]);
    expect((await read(one)).map((row) => row.commandId)).toEqual(['c-1', 'c-2']);
  });

  test('a seq that leaves a gap is a conflict', async () => {
    expect(await journal.append([entry(one, 2)])).toEqual([{ ...one, reason: 'conflict', fromSeq: 2 }]);
    await journal.append([entry(one, 1)]);
    expect(await journal.append([entry(one, 3)])).toEqual([{ ...one, reason: 'conflict', fromSeq: 3 }]);
    expect(await seqs(one)).toEqual([1]);
  });

  test('what stands behind a refused row is refused when it comes later', async () => {
    await journal.append([entry(one, 1)]);
    await journal.append([entry(one, 1, 'late')]);
    expect(await journal.append([entry(one, 3)])).toEqual([{ ...one, reason: 'conflict', fromSeq: 3 }]);
    expect(await seqs(one)).toEqual([1]);
  });

  test('an entity that is refused does not disturb the others in its batch', async () => {
    await journal.append([entry(one, 1)]);
    const refused = await journal.append([entry(one, 1, 'late'), entry(other, 1), entry(one, 2), entry(other, 2)]);
    expect(refused).toEqual([{ ...one, reason: 'conflict', fromSeq: 1 }]);
    expect(await seqs(other)).toEqual([1, 2]);
    expect(await seqs(one)).toEqual([1]);
  });

  test('after a refusal the entity goes on from where its journal ends', async () => {
    await journal.append([entry(one, 1), entry(one, 2)]);
    await journal.append([entry(one, 1, 'late')]);
    expect(await seqs(one)).toEqual([1, 2]);
    expect(await journal.append([entry(one, 3)])).toEqual([]);
  });

  test('a writer whose slots were claimed by another is fenced', async () => {
    const stale = [entry(one, 1), entry(one, 2)];
    epochOf = await claim();
    expect(await journal.append(stale)).toEqual([{ ...one, reason: 'fenced', fromSeq: 1 }]);
    expect(await journal.append([entry(one, 1)])).toEqual([]);
    expect(await seqs(one)).toEqual([1]);
  });

  test('a stale row leaves the rows of valid slots alone', async () => {
    const stale = entry(one, 1);
    epochOf = await claim();
    expect(await journal.append([stale, entry(other, 1)])).toEqual([{ ...one, reason: 'fenced', fromSeq: 1 }]);
    expect(await seqs(other)).toEqual([1]);
  });

  test('rows written under an older epoch stay readable', async () => {
    await journal.append([entry(one, 1)]);
    epochOf = await claim();
    expect(await journal.append([entry(one, 2)])).toEqual([]);
    const [first, second] = await read(one);
    expect(first!.epoch).toBeLessThan(second!.epoch);
  });

  test('settling tells written rows, missing rows and rows of others apart', async () => {
    const second = { ...one, entityId: 2 };
    const written = [entry(one, 1), entry(other, 1)];
    await journal.append([...written, entry(second, 1)]);
    const missing = [entry(one, 2), entry(one, 3)];
    const foreign = entry(second, 1, 'another');
    expect(await journal.settle([...written, ...missing, foreign])).toEqual({
      refused: [{ ...second, reason: 'conflict', fromSeq: 1 }],
      missing,
    });
  });

  test('what stands behind a row of another is neither missing nor written', async () => {
    await journal.append([entry(one, 1)]);
    expect(await journal.settle([entry(one, 1, 'another'), entry(one, 2)])).toEqual({
      refused: [{ ...one, reason: 'conflict', fromSeq: 1 }],
      missing: [],
    });
  });

  test('what settling found missing can be appended again', async () => {
    const batch = [entry(one, 1), entry(one, 2)];
    await journal.append(batch.slice(0, 1));
    const { missing } = await journal.settle(batch);
    expect(await journal.append(missing)).toEqual([]);
    expect(await journal.settle(batch)).toEqual({ refused: [], missing: [] });
  });

  test('the last seqs of a tenant name each entity that has rows', async () => {
    const far = { ...one, entityId: 7_000_000_000 };
    await journal.append([entry(one, 1), entry(one, 2), entry(far, 1)]);
    expect(await journal.lastSeqs(one.tenantId)).toEqual(
      new Map([
        [one.entityId, 2],
        [far.entityId, 1],
      ]),
    );
    expect(await journal.lastSeqs(other.tenantId)).toEqual(new Map());
  });
}
