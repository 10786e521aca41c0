/** API keys by the SHA-256 of the key; the key itself is never stored. */
import { tenantSchema } from './migration-files.ts';
import type { Database, Queryable } from './postgres.ts';
import { asTenant } from './roles.ts';

export interface NewCredential {
  /** SHA-256 of the key, 32 bytes. */
  readonly hash: Uint8Array;
  /** Null for a key of the platform's own staff. */
  readonly tenantId: number | null;
  readonly keyId: string;
  readonly role: string;
  readonly scopes: readonly string[];
  readonly name: string;
  readonly expiresAt?: Date;
}

export interface Credential {
  readonly tenantId: number | null;
  readonly tenantSlug: string | null;
  readonly keyId: string;
  readonly role: string;
  readonly scopes: readonly string[];
  readonly expiresAt?: Date;
  readonly revokedAt?: Date;
}

/**
 * Enters a key. Repeated, it changes role, scopes, name and expiry, and with another hash the key before it works no more;
 * a revoked key stays revoked.
 */
export async function putCredential(database: Database, credential: NewCredential): Promise<void> {
  const { hash, tenantId, keyId, role, scopes, name, expiresAt } = credential;
  await database.transaction(async (transaction) => {
    await transaction.query(
      `insert into ${keysOf(tenantId)} as k (key_id, role, scopes, name, expires_at) values ($1, $2, $3, $4, $5)
       on conflict (key_id) do update
         set role = excluded.role, scopes = excluded.scopes, name = excluded.name, expires_at = excluded.expires_at`,
      [keyId, role, scopes, name, expiresAt ?? null],
    );
    await transaction.query(
      'delete from platform.credential where key_id = $3 and tenant_id is not distinct from $2 and hash <> $1',
      [Buffer.from(hash), tenantId, keyId],
    );
    await transaction.query(
      'insert into platform.credential (hash, tenant_id, key_id) values ($1, $2, $3) on conflict (hash) do nothing',
      [Buffer.from(hash), tenantId, keyId],
    );
  });
}

/** Whose key this is and what it may do; expired and revoked ones are found too: the caller says why it refuses. */
export async function findCredential(database: Database, hash: Uint8Array): Promise<Credential | undefined> {
  const found = await database.query<{ tenantId: number | null; tenantSlug: string | null; keyId: string }>(
    `select c.tenant_id as "tenantId", t.slug as "tenantSlug", c.key_id as "keyId"
     from platform.credential c left join platform.tenant t using (tenant_id) where c.hash = $1`,
    [Buffer.from(hash)],
  );
  const owner = found.rows[0];
  if (!owner) return undefined;
  const { rows } = await readKeys(database, owner.tenantId, (keys) =>
    keys.query<{ role: string; scopes: string[]; expires_at: Date | null; revoked_at: Date | null }>(
      `select role, scopes, expires_at, revoked_at from ${keysOf(owner.tenantId)} where key_id = $1`,
      [owner.keyId],
    ),
  );
  const key = rows[0];
  if (!key) return undefined;
  return {
    ...owner,
    role: key.role,
    scopes: key.scopes,
    ...(key.expires_at && { expiresAt: key.expires_at }),
    ...(key.revoked_at && { revokedAt: key.revoked_at }),
  };
}

/** The platform's own keys are read with the platform's rights. */
function readKeys<T>(database: Database, tenantId: number | null, work: (keys: Queryable) => Promise<T>): Promise<T> {
  return tenantId === null ? work(database) : asTenant(database, tenantId, work);
}

function keysOf(tenantId: number | null): string {
  return tenantId === null ? 'platform.api_key' : `${tenantSchema(tenantId)}.api_key`;
}
