/** The one statement of the journal's writer. */
import assert from 'node:assert';
import pg from 'pg';
import type { JournalEntry } from '../../runtime/journal.ts';
import type { DirectConnection } from './postgres.ts';

const separator = '\x1e';

// Numbers go as '{1,2}' and texts joined by U+001E: an order of magnitude cheaper than pg's own arrays.
// Slots are locked in order, so that two writers meeting on the same ones wait for each other instead of deadlocking.
// No ON CONFLICT: a conflict on an entity's first row would let the rows behind it in and leave a hole.
const insertText = `
with batch as (
  select * from unnest($1::int[], $2::bigint[], $3::bigint[], $4::int[], $5::bigint[],
    string_to_array($6, chr(30)), string_to_array($7, chr(30)), string_to_array($8, chr(30)))
    as b (tenant_id, account_id, seq, slot, epoch, command_id, digest, payload)),
own as materialized (
  select s.slot, s.epoch from platform.slot s
  where (s.slot, s.epoch) in (select slot, epoch from batch) order by s.slot for share)
insert into platform.journal (tenant_id, account_id, seq, epoch, command_id, digest, payload)
select b.tenant_id, b.account_id, b.seq, b.epoch, b.command_id, decode(b.digest, 'hex'), b.payload
from batch b join own using (slot, epoch)
order by b.tenant_id, b.account_id, b.seq`;

/** @returns how many rows were written */
export async function insert({ client }: DirectConnection, batch: readonly JournalEntry[]): Promise<number> {
  const numbers = (column: (entry: JournalEntry) => number): string => `{${batch.map(column).join(',')}}`;
  const texts = (column: (entry: JournalEntry) => string): string => batch.map(column).join(separator);
  const { rowCount } = await client.query({
    name: 'append',
    text: insertText,
    values: [
      numbers((entry) => entry.tenantId),
      numbers((entry) => entry.entityId),
      numbers((entry) => entry.seq),
      numbers((entry) => entry.slot),
      numbers((entry) => entry.epoch),
      texts((entry) => entry.commandId),
      texts((entry) => entry.digest),
      texts((entry) => entry.payload),
    ],
  });
  return rowCount ?? 0;
}

/** What would shift the texts of a batch against its numbers, or make PostgreSQL refuse all of it. */
export function assertWritable({ commandId, digest, payload }: JournalEntry): void {
  assert(commandId !== '' && !/[\0\x1e]/.test(commandId), 'a command id is text without U+0000 and U+001E');
  assert(/^[0-9a-f]{64}$/.test(digest), 'a digest is SHA-256 in hex');
  assert(
    payload !== '' && !payload.includes(separator) && !payload.includes('\0'),
    'a payload is JSON as a JSON writer gives it',
  );
}

/**
 * Whether the server has refused the statement and so written nothing. A lost connection, and the codes with which the server
 * ends a connection (57P, 08, 25P, XX), may follow a commit.
 */
export function isRolledBack(error: unknown): boolean {
  return error instanceof pg.DatabaseError && !/^(57P|08|25P|XX)/.test(error.code ?? 'XX');
}
