import { expect, test } from 'vitest';
import { MemorySnapshots, type Snapshot } from '../../runtime/snapshots.ts';

const key = { tenantId: 1, entityId: 7 };

function snapshot(seq: number): Snapshot {
  return { version: 1, seq, epoch: 1, state: `state ${seq}`, commands: 'f1', digest: 'd' };
}

test('of an entity that was never saved there is no snapshot', async () => {
  expect(await new MemorySnapshots().load(key)).toBeUndefined();
});

test('the latest snapshot takes the place of the one before, whatever their seqs', async () => {
  const store = new MemorySnapshots();
  for (const seq of [10, 20, 15]) {
    await store.save(key, snapshot(seq));
    expect(await store.load(key)).toEqual(snapshot(seq));
  }
});

test('each entity of each tenant has its own snapshot', async () => {
  const store = new MemorySnapshots();
  const others = [
    { tenantId: 1, entityId: 8 },
    { tenantId: 2, entityId: 7 },
    { tenantId: 11, entityId: 7 },
    { tenantId: 1, entityId: 17 },
  ];
  await store.save(key, snapshot(1));
  for (const [i, other] of others.entries()) {
    expect(await store.load(other)).toBeUndefined();
    await store.save(other, snapshot(i + 2));
  }
  expect(await store.load(key)).toEqual(snapshot(1));
});
