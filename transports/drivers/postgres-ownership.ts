/** Who may write: a node claims slots under a new epoch, and whoever held them before is fenced from then on. */
import assert from 'node:assert';
import { slotCount } from '../../runtime/cluster.ts';
import { Retryable } from '../../runtime/errors.ts';
import type { Queryable } from './postgres.ts';

export interface Ownership {
  /** Rises at every start of the node. */
  readonly incarnation: number;
  /** Under which a slot (0 to 1,023) is ours. */
  epochOf(slot: number): number;
  /** @throws ClaimLost another process has claimed slots since: what this one appends is refused */
  check(database: Queryable): Promise<void>;
}

/** Two processes share a database that serves one: the later one has it. Only a new start takes it back. */
export class ClaimLost extends Retryable {
  constructor(owner: string | null) {
    super(
      `another platform, on ${owner ?? 'no node'}, has claimed the journal of this database: stop it, then start this one again`,
      { retryAfterMs: 60_000 },
    );
  }
}

/**
 * Claims every slot for the only node there is; a forgotten process that still runs can write no more.
 * Waits for appends in flight, so a journal that is read afterwards is complete up to here.
 */
export async function claimAllSlots(
  database: Queryable,
  node: { nodeId: string; version: string },
): Promise<Ownership> {
  const { rows } = await database.query<{ slot: number; epoch: number; incarnation: number }>(claim, [
    node.nodeId,
    node.version,
  ]);
  assert(rows.length === slotCount, `there must be ${slotCount} slots, were ${rows.length}`);
  const { incarnation } = rows[0]!;
  const epochs = new Map(rows.map(({ slot, epoch }) => [slot, epoch]));
  return {
    incarnation,
    epochOf: (slot) => {
      const epoch = epochs.get(slot);
      assert(epoch !== undefined, `slot must be 0 to ${slotCount - 1}, was ${slot}`);
      return epoch;
    },
    async check(current) {
      const lost = await current.query<{ owner: string | null }>(
        'select owner from platform.slot where (owner, incarnation) is distinct from ($1::text, $2::bigint) limit 1',
        [node.nodeId, incarnation],
      );
      if (lost.rows[0]) throw new ClaimLost(lost.rows[0].owner);
    },
  };
}

// The timeline stands in the upper half of an epoch: a promoted standby starts above all that its primary gave out.
// Slots are locked in the order in which appends lock them. A single node renews no lease.
const claim = `
with me as (
  insert into platform.node as n (node_id, incarnation, lease_until, state, version)
  values ($1, 1, 'infinity', 'up', $2)
  on conflict (node_id) do update
    set incarnation = n.incarnation + 1, lease_until = excluded.lease_until, state = 'up', died_at = null, version = excluded.version
  returning node_id, incarnation),
line as (
  select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint << 32 as base),
locked as materialized (
  select slot from platform.slot order by slot for update)
update platform.slot t
set owner = me.node_id, incarnation = me.incarnation, epoch = greatest(t.epoch, line.base) + 1
from me, line, locked
where t.slot = locked.slot
returning t.slot, t.epoch, t.incarnation`;
