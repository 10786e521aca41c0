/** Looks through a backup without touching any database: is it whole, is it ours, does it hold what it says. */
import { stat } from 'node:fs/promises';
import type { EncryptionKey } from '../../envelope.ts';
import { readMigrations } from '../migration-files.ts';
import { TableHash, type TableDigest } from './digest.ts';
import { BackupRefused } from './frames.ts';
import { payloadFormat, readPayload, type Head, type Manifest } from './payload.ts';

export interface Contents {
  readonly head: Head;
  readonly manifest: Manifest;
  readonly fileBytes: number;
  /** Of the rows as text. */
  readonly bytes: number;
}

/**
 * Reads the file to its end.
 * @throws BackupRefused, or what keeps the file from being read
 */
export async function checkBackup(
  path: string,
  keys: readonly EncryptionKey[],
  onProgress: (done: number, total: number) => void = () => {},
): Promise<Contents> {
  const { size: fileBytes } = await stat(path);
  let head: Head | undefined;
  let hash: TableHash | undefined;
  let bytes = 0;
  const digests: TableDigest[] = [];
  let contents: Contents | undefined;
  // Read to the end of the file, also behind the manifest.
  for await (const record of readPayload(path, keys, (done) => onProgress(done, fileBytes))) {
    switch (record.type) {
      case 'head':
        if (record.head.format !== payloadFormat)
          throw new BackupRefused(`its contents have format ${record.head.format}, which this version does not know`);
        head = record.head;
        break;
      case 'table': {
        if (hash) digests.push(hash.digest());
        const table = head?.tables[record.index];
        if (!table || record.index !== digests.length) throw contradiction();
        hash = new TableHash(table.name === 'journal');
        break;
      }
      case 'rows':
        if (!hash) throw contradiction();
        hash.add(record.rows);
        bytes += record.rows.length;
        break;
      case 'manifest': {
        if (hash) digests.push(hash.digest());
        if (!head || digests.length !== head.tables.length) throw contradiction();
        if (firstDifference(digests, record.manifest.digests) >= 0) throw contradiction();
        contents = { head, manifest: record.manifest, fileBytes, bytes };
        break;
      }
    }
  }
  if (!contents) throw contradiction();
  return contents;
}

/** @returns the place of the first digest that is not the same; -1 where all are */
export function firstDifference(found: readonly TableDigest[], wanted: readonly TableDigest[]): number {
  return wanted.findIndex((digest, index) => {
    const other = found[index];
    return !other || other.rows !== digest.rows || other.sha256 !== digest.sha256 || other.chain !== digest.chain;
  });
}

/** @throws BackupRefused this code does not know the schemas that it was made with */
export function checkMigrations({ migrations, version }: Head): void {
  const ours = readMigrations();
  for (const { schema, version: number, title, checksum } of migrations) {
    const files = schema === 'platform' ? ours.platform : ours.tenant;
    const known = files.find((file) => file.version === number);
    if (!known)
      throw new BackupRefused(
        `version ${version} made it, with migration ${number} (${title}), which is not known here`,
      );
    if (known.checksum !== checksum)
      throw new BackupRefused(`migration ${number} (${title}) of ${schema} was another one when it was made`);
  }
}

function contradiction(): BackupRefused {
  return new BackupRefused('what is in it is not what its manifest says');
}
