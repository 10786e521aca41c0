/** The demo tenant: what a newcomer finds on the first start, with credentials in a file that only the owner can read. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Terminal } from '../runtime/errors.ts';
import { isWellFormedKey, newApiKey } from '../transports/api-key.ts';
import type { MasterKeys } from '../transports/drivers/postgres-keys.ts';
import { putPersonDetails, renameSubject } from '../transports/drivers/postgres-person.ts';
import { putCredential } from '../transports/drivers/postgres-credentials.ts';
import { provisionTenant, registerAccount } from '../transports/drivers/provisioning.ts';
import { writeDurably } from '../transports/drivers/write-durably.ts';
import { Shredded } from '../transports/envelope.ts';
import type { Role } from '../config/roles.ts';
import type { Storage } from './storage.ts';

export interface SeededAccount {
  readonly slug: string;
  readonly currency: string;
  readonly leverage: number;
  readonly aiMayOrder: boolean;
  /** In account currency, scaled by 10^8. */
  readonly deposit: bigint;
}

interface DemoCredential {
  readonly email: string;
  readonly apiKey: string;
}

/** Orders, journal and audit know them by their subject ids; the addresses are in the vault alone, encrypted. */
const people = {
  trader: { role: 'trader', subjectId: 'demo-trader', email: 'trader@demo.example' },
  tenantAdmin: { role: 'tenant-admin', subjectId: 'demo-tenant-admin', email: 'admin@demo.example' },
  platformAdmin: { role: 'platform-admin', subjectId: 'demo-platform-admin', email: 'platform@demo.example' },
  ops: { role: 'ops', subjectId: 'demo-ops', email: 'ops@demo.example' },
  auditor: { role: 'auditor', subjectId: 'demo-auditor', email: 'auditor@demo.example' },
} as const satisfies Record<string, { role: Role; subjectId: string; email: string }>;

type Person = keyof typeof people;
type DemoCredentials = { readonly tenant: string; readonly accounts: readonly string[] } & Record<
  Person,
  DemoCredential
>;

const tenant = { slug: 'demo', name: 'Demo' };
const ofTheTenant: readonly Person[] = ['trader', 'tenantAdmin'];
const unit = 10n ** 8n;

export const demoAccounts: readonly SeededAccount[] = [
  { slug: 'demo-1', currency: 'USD', leverage: 30, aiMayOrder: false, deposit: 100_000n * unit },
  { slug: 'demo-2', currency: 'EUR', leverage: 30, aiMayOrder: true, deposit: 50_000n * unit },
];

/** Somebody has changed the file of the demo credentials: which keys are meant cannot be told. */
export class CredentialsUnreadable extends Terminal {
  constructor(path: string, cause: unknown) {
    super(`${path} does not hold the keys of the demo tenant; move it away, and the next start makes new ones`, {
      cause,
    });
  }
}

export function credentialsPath(home: string): string {
  return join(home, 'demo-credentials.json');
}

/**
 * Registers the demo tenant, its accounts and its keys; may run at every start.
 * The file comes first and is what the database is made to agree with, so a crash in between locks nobody out, and keys that
 * are no longer in it stop working.
 * Money is not given here: opening an account is a command to its actor.
 * @throws CredentialsUnreadable, UnknownMasterKey
 */
export async function seedDemo(
  storage: Pick<Storage, 'database'>,
  home: string,
  accounts: readonly SeededAccount[],
  masters: MasterKeys,
): Promise<void> {
  const database = storage.database();
  const { tenantId } = await provisionTenant(database, tenant);
  const credentials = readCredentials(home) ?? writeCredentials(home, tenantId, accounts);
  for (const { slug, currency, leverage, aiMayOrder } of accounts) {
    await registerAccount(database, tenantId, {
      slug,
      currency,
      oms: 'netting',
      leverage,
      aiMayOrder,
      owner: people.trader.subjectId,
    });
  }
  for (const person of Object.keys(people) as Person[]) {
    const { role, subjectId, email } = people[person];
    const hash = createHash('sha256').update(credentials[person].apiKey).digest();
    const keyTenant = ofTheTenant.includes(person) ? tenantId : null;
    const known = { tenantId: keyTenant ?? 0, subjectId };
    // The version before this one knew people by their addresses.
    await renameSubject(database, { ...known, subjectId: email }, subjectId);
    await putCredential(database, {
      ...{ hash, tenantId: keyTenant, keyId: subjectId, role, scopes: [], name: `demo ${role}` },
    });
    await putPersonDetails(database, masters, known, { email }).catch(unlessForgotten);
  }
}

function unlessForgotten(error: unknown): void {
  if (!(error instanceof Shredded)) throw error;
}

function readCredentials(home: string): DemoCredentials | undefined {
  const path = credentialsPath(home);
  if (!existsSync(path)) return undefined;
  try {
    const credentials = JSON.parse(readFileSync(path, 'utf8')) as DemoCredentials;
    for (const person of Object.keys(people) as Person[]) {
      if (!isWellFormedKey(credentials[person].apiKey)) throw new RangeError(`${person}.apiKey must be an API key`);
    }
    return credentials;
  } catch (error) {
    throw new CredentialsUnreadable(path, error);
  }
}

function writeCredentials(home: string, tenantId: number, accounts: readonly SeededAccount[]): DemoCredentials {
  const keys = Object.fromEntries(
    (Object.keys(people) as Person[]).map((person) => {
      const apiKey = newApiKey('demo', ofTheTenant.includes(person) ? tenantId : 0);
      return [person, { email: people[person].email, apiKey }];
    }),
  ) as Record<Person, DemoCredential>;
  const credentials: DemoCredentials = { tenant: tenant.slug, accounts: accounts.map(({ slug }) => slug), ...keys };
  writeDurably(credentialsPath(home), `${JSON.stringify(credentials, null, 2)}\n`, 0o600);
  return credentials;
}
