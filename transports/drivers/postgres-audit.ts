/** The audit logs of the platform and of each tenant: every entry's hash covers the one before it, so none can be changed or left out unseen. */
import { createHash } from 'node:crypto';
import type { AuditEntry } from '../../actors/audit-log.ts';
import { formatTime } from '../../actors/trading/time.ts';
import { tenantSchema } from './migration-files.ts';
import { momentOf, type Database, type Queryable } from './postgres.ts';
import { asTenant } from './roles.ts';

/** Appends in order, in one transaction; writers of one log wait for each other. */
export async function appendAudit(database: Database, entries: readonly AuditEntry[]): Promise<void> {
  await database.transaction(async (transaction) => {
    for (const [tenantId, ofLog] of Map.groupBy(entries, (entry) => entry.tenantId)) {
      await appendTo(transaction, auditTable(tenantId), ofLog);
    }
  });
}

/** What an audit log holds: its length, and the first entry that does not fit its chain. */
export interface AuditVerdict {
  readonly entries: number;
  readonly brokenAt?: number;
}

/** Recomputes the chain of one log. Entries cut off at its end are seen only by whoever knows how many there were. */
export async function verifyAudit(database: Database, tenantId: number | undefined): Promise<AuditVerdict> {
  let previous: Buffer = genesis;
  let entries = 0;
  for (;;) {
    const text = `select seq, (extract(epoch from at) * 1000000)::bigint as at, tenant_id, subject, action, target, details,
        previous_hash, hash
      from ${auditTable(tenantId)} where seq > $1 order by seq limit 1000`;
    const read = (log: Queryable) => log.query<AuditRow>(text, [entries]);
    const { rows } = await (tenantId === undefined ? read(database) : asTenant(database, tenantId, read));
    if (rows.length === 0) return { entries };
    for (const row of rows) {
      const entry = { ...row, tenantId: row.tenant_id ?? undefined, timeMicros: row.at };
      const isNext = row.seq === entries + 1 && row.previous_hash.equals(previous);
      if (!isNext || !row.hash.equals(hashOf(row.seq, entry, previous))) return { entries, brokenAt: entries + 1 };
      entries = row.seq;
      previous = row.hash;
    }
  }
}

interface AuditRow {
  readonly seq: number;
  readonly at: number;
  readonly tenant_id: number | null;
  readonly subject: string;
  readonly action: string;
  readonly target: string;
  readonly details: object;
  readonly previous_hash: Buffer;
  readonly hash: Buffer;
}

const genesis = Buffer.alloc(32);

async function appendTo(transaction: Queryable, table: string, entries: readonly AuditEntry[]): Promise<void> {
  // Two writers would both follow the same entry; readers are not held up by this mode.
  await transaction.query(`lock table ${table} in share row exclusive mode`);
  const { rows } = await transaction.query<{ seq: number; hash: Buffer }>(
    `select seq, hash from ${table} order by seq desc limit 1`,
  );
  let { seq, hash } = rows[0] ?? { seq: 0, hash: genesis };
  const added = entries.map((entry) => {
    const previous = hash;
    seq += 1;
    hash = hashOf(seq, entry, previous);
    const { tenantId, timeMicros, subject, action, target, details } = entry;
    const hashes = { previous_hash: previous.toString('hex'), hash: hash.toString('hex') };
    return { seq, at: timeMicros, tenant_id: tenantId ?? null, subject, action, target, details, ...hashes };
  });
  await transaction.query(
    `insert into ${table} (seq, at, tenant_id, subject, action, target, details, previous_hash, hash)
     select r.seq, ${momentOf('r.at')}, r.tenant_id, r.subject, r.action, r.target, r.details,
       decode(r.previous_hash, 'hex'), decode(r.hash, 'hex')
     from json_to_recordset($1) as r (seq bigint, at bigint, tenant_id int, subject text, action text, target text, details jsonb,
       previous_hash text, hash text)`,
    [JSON.stringify(added)],
  );
}

function hashOf(seq: number, entry: AuditEntry, previous: Buffer): Buffer {
  const { tenantId, timeMicros, subject, action, target, details } = entry;
  const text = canonical([seq, tenantId ?? null, formatTime(timeMicros), subject, action, target, details]);
  return createHash('sha256').update(previous).update(text).digest();
}

/** JSON with sorted keys: the database keeps the values of `details`, not the order of its keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

function auditTable(tenantId: number | undefined): string {
  return tenantId === undefined ? 'platform.audit' : `${tenantSchema(tenantId)}.audit`;
}
