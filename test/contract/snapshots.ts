/** What every store of snapshots keeps to, whatever it is made of. */
import { beforeEach, expect, test } from 'vitest';
import type { EntityKey } from '../../runtime/journal.ts';
import type { Snapshot, SnapshotStore } from '../../runtime/snapshots.ts';

export interface SnapshotsUnderTest {
  readonly store: SnapshotStore;
  /** Two tenants that the store knows. */
  readonly tenants: readonly [number, number];
}

export function snapshotContract(create: () => Promise<SnapshotsUnderTest>): void {
  let store: SnapshotStore;
  let key: EntityKey;
  let tenants: SnapshotsUnderTest['tenants'];

  beforeEach(async () => {
    ({ store, tenants } = await create());
    key = { tenantId: tenants[0], entityId: 7 };
  });

  const snapshot = (seq: number, more: Partial<Snapshot> = {}): Snapshot => {
    const digest = seq.toString(16).padStart(64, '0');
    return { version: 1, seq, epoch: 1, state: `{"seq":${seq}}`, commands: 'f1', digest, ...more };
  };

  test('of an entity that was never saved there is no snapshot', async () => {
    expect(await store.load(key)).toBeUndefined();
  });

  test('what was saved is loaded as it was', async () => {
    const state = JSON.stringify({ v: 1, text: 'é "quoted" \\ {1,2} \u2028 💶 \\u0000', long: 'x'.repeat(300_000) });
    // An epoch has the server's timeline in its upper half.
    const whole = snapshot(70_000_000_000, {
      version: 3,
      epoch: 2 ** 32 + 7,
      state,
      commands: 'AbC+/='.repeat(10_000),
    });
    await store.save(key, whole);
    expect(await store.load(key)).toEqual(whole);
  });

  test('the latest snapshot takes the place of the one before, whatever their seqs', async () => {
    for (const seq of [10, 20, 15]) {
      await store.save(key, snapshot(seq));
      expect(await store.load(key)).toEqual(snapshot(seq));
    }
  });

  test('each entity of each tenant has its own snapshot', async () => {
    const others = [
      { tenantId: tenants[0], entityId: 8 },
      { tenantId: tenants[1], entityId: 7 },
      { tenantId: tenants[0], entityId: 17 },
      { tenantId: tenants[0], entityId: 7_000_000_000 },
    ];
    await store.save(key, snapshot(1));
    for (const [i, other] of others.entries()) {
      expect(await store.load(other)).toBeUndefined();
      await store.save(other, snapshot(i + 2));
    }
    expect(await store.load(key)).toEqual(snapshot(1));
  });

  test('savings that meet leave one of them whole', async () => {
    const seqs = [1, 2, 3, 4, 5];
    await Promise.all(seqs.map((seq) => store.save(key, snapshot(seq))));
    const left = await store.load(key);
    expect(left).toEqual(snapshot(left!.seq));
  });
}
