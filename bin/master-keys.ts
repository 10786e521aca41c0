/** The master keys: those of the configuration, or in development one in the data folder, made where it is missing. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { MasterKeysConfig } from '../config/config.ts';
import { decodeMasterKey } from '../config/master-key.ts';
import { Terminal } from '../runtime/errors.ts';
import type { MasterKeys } from '../transports/drivers/postgres-keys.ts';
import type { Queryable } from '../transports/drivers/postgres.ts';
import { syncFolder, writeDurably } from '../transports/drivers/write-durably.ts';
import { EncryptionKey } from '../transports/envelope.ts';

/** The file does not hold a key, or not for its owner alone. */
export class MasterKeyRefused extends Terminal {
  constructor(path: string, what: string) {
    super(`the master key in ${path} ${what}`);
  }
}

export function masterKeyPath(home: string): string {
  return join(home, 'master.key');
}

/**
 * @param home the data folder, which belongs to this process; used where the configuration has no key, so never in production
 * @throws MasterKeyRefused
 */
export function openMasterKeys(config: MasterKeysConfig, home: string): MasterKeys {
  if (config.current) {
    const previous = config.previous && keyFrom(config.previous.reveal(), 'MASTER_KEY_PREVIOUS');
    return { current: keyFrom(config.current.reveal(), 'MASTER_KEY'), previous };
  }
  const current = readKeyFile(masterKeyPath(home)) ?? writeKeyFile(masterKeyPath(home), newKeyText());
  return { current, previous: readKeyFile(previousPath(home)) };
}

/**
 * The same for a database that may be encrypted already: then a key that is missing is not made, since it would open nothing.
 * @throws MasterKeyRefused
 */
export async function openMasterKeysOf(
  database: Queryable,
  config: MasterKeysConfig,
  home: string,
): Promise<MasterKeys> {
  const path = masterKeyPath(home);
  if (!config.current && !existsSync(path)) {
    const { rows } = await database.query('select from platform.data_key where wrapped is not null limit 1');
    if (rows.length > 0) throw new MasterKeyRefused(path, 'is missing: put it back, or set MASTER_KEY');
  }
  return openMasterKeys(config, home);
}

/** Makes a new key in the data folder and keeps the one before, unless that has been done and not been finished. */
export function renewMasterKey(home: string): MasterKeys {
  const { current, previous } = openMasterKeys({ current: undefined, previous: undefined }, home);
  if (previous && previous.id !== current.id) return { current, previous };
  writeKeyFile(previousPath(home), readFileSync(masterKeyPath(home), 'utf8'));
  return { current: writeKeyFile(masterKeyPath(home), newKeyText()), previous: current };
}

/**
 * When nothing in the database is wrapped by it any more. Backups made under it still are, so it stays beside the new one.
 * @returns where; undefined when there is none
 */
export function retirePreviousMasterKey(home: string): string | undefined {
  const previous = readKeyFile(previousPath(home));
  if (!previous) return undefined;
  const retired = `${masterKeyPath(home)}.${previous.id}`;
  renameSync(previousPath(home), retired);
  syncFolder(home);
  return retired;
}

function previousPath(home: string): string {
  return `${masterKeyPath(home)}.previous`;
}

function newKeyText(): string {
  return `${randomBytes(32).toString('base64')}\n`;
}

function writeKeyFile(path: string, text: string): EncryptionKey {
  writeDurably(path, text, 0o600);
  return keyFrom(text, path);
}

function readKeyFile(path: string): EncryptionKey | undefined {
  if (!existsSync(path)) return undefined;
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0)
    throw new MasterKeyRefused(path, 'can be read by others: chmod 600 it, and run aitrading keys rotate-master');
  return keyFrom(readFileSync(path, 'utf8'), path);
}

function keyFrom(text: string, path: string): EncryptionKey {
  const bytes = decodeMasterKey(text.trim());
  if (!bytes) throw new MasterKeyRefused(path, 'is not 32 bytes as base64 or hex');
  const key = new EncryptionKey(bytes);
  bytes.fill(0);
  return key;
}
