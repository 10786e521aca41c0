/** A store of snapshots in memory that fails, and takes its time, when it is told to. */
import type { EntityKey } from '../../runtime/journal.ts';
import { MemorySnapshots, type Snapshot, type SnapshotStore } from '../../runtime/snapshots.ts';

export class ScriptedSnapshots implements SnapshotStore {
  readonly memory = new MemorySnapshots();
  /** What arrived to be saved. */
  readonly saved: Snapshot[] = [];
  /** While it is away every call fails. */
  isAway = false;
  /** How many saves were under way at once. */
  mostAtOnce = 0;
  #underWay = 0;
  #gate: PromiseWithResolvers<void> | undefined;

  /** From now on calls wait. */
  hold(): void {
    this.#gate ??= Promise.withResolvers();
  }

  release(): void {
    this.#gate?.resolve();
    this.#gate = undefined;
  }

  async save(key: EntityKey, snapshot: Snapshot): Promise<void> {
    this.saved.push(snapshot);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#underWay);
    await this.#gate?.promise;
    this.#underWay -= 1;
    this.#demand();
    await this.memory.save(key, snapshot);
  }

  async load(key: EntityKey): Promise<Snapshot | undefined> {
    await this.#gate?.promise;
    this.#demand();
    return this.memory.load(key);
  }

  #demand(): void {
    if (this.isAway) throw new Error('the store is away');
  }
}
