/** The latest snapshot of each account, in the schema of its tenant. */
import type { EntityKey } from '../../runtime/journal.ts';
import type { Snapshot, SnapshotStore } from '../../runtime/snapshots.ts';
import { tenantSchema } from './migration-files.ts';
import type { Database } from './postgres.ts';
import { asTenant } from './roles.ts';

export class PostgresSnapshots implements SnapshotStore {
  readonly #database: () => Database;

  /** @param database asked for at each use: it may come later, and may be replaced */
  constructor(database: () => Database) {
    this.#database = database;
  }

  async save({ tenantId, entityId }: EntityKey, snapshot: Snapshot): Promise<void> {
    const { version, seq, epoch, state, commands, digest } = snapshot;
    await this.#database().transaction(async (transaction) => {
      // The journal holds all of it: one that a power cut takes is made good by the next, so the disk is left to the journal.
      await transaction.query('set local synchronous_commit = off');
      await transaction.query(
        `insert into ${tenantSchema(tenantId)}.account_snapshot (account_id, version, seq, epoch, state, commands, digest)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (account_id) do update set version = excluded.version, seq = excluded.seq, epoch = excluded.epoch,
           state = excluded.state, commands = excluded.commands, digest = excluded.digest, saved_at = excluded.saved_at`,
        [entityId, version, seq, epoch, state, commands, digest],
      );
    });
  }

  async load({ tenantId, entityId }: EntityKey): Promise<Snapshot | undefined> {
    const text = `select version, seq, epoch, state, commands, digest
      from ${tenantSchema(tenantId)}.account_snapshot where account_id = $1`;
    const { rows } = await asTenant(this.#database(), tenantId, (transaction) =>
      transaction.query<Snapshot>(text, [entityId]),
    );
    return rows[0];
  }
}
