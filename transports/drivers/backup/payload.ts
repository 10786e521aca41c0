/**
 * What is in a backup, once decrypted and unpacked: records of `type (1) · length (4) · body`. First the head, then each table with its
 * rows as COPY writes them, last the manifest with what the rows must add up to.
 */
import { finished, pipeline, Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import type { EncryptionKey } from '../../envelope.ts';
import type { TableDigest } from './digest.ts';
import { BackupRefused, openFrames } from './frames.ts';

export const payloadFormat = 1;

export type Scope =
  | { readonly type: 'platform' }
  | { readonly type: 'tenant'; readonly tenantId: number; readonly slug: string };

export interface SavedTenant {
  readonly tenantId: number;
  readonly slug: string;
  /** As PostgreSQL writes it. With number and slug it tells a tenant from one of another platform. */
  readonly createdAt: string;
}

export interface SavedMigration {
  readonly schema: string;
  readonly version: number;
  readonly title: string;
  readonly checksum: string;
}

export interface SavedTable {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly string[];
}

export interface Head {
  readonly format: number;
  readonly scope: Scope;
  /** When the platform's first migration was applied: tells one platform from another. */
  readonly platform: string;
  /** The moment that is in it, RFC 3339. */
  readonly createdAt: string;
  readonly version: string;
  readonly server: string;
  readonly migrations: readonly SavedMigration[];
  readonly tenants: readonly SavedTenant[];
  /** In the order in which they can be filled. */
  readonly tables: readonly SavedTable[];
}

export interface Manifest {
  /** In the order of the head's tables. */
  readonly digests: readonly TableDigest[];
  /** Numbers that were given out. */
  readonly sequences: readonly { readonly schema: string; readonly name: string; readonly last: number }[];
}

export type PayloadRecord =
  | { readonly type: 'head'; readonly head: Head }
  | { readonly type: 'table'; readonly index: number }
  | { readonly type: 'rows'; readonly rows: Buffer }
  | { readonly type: 'manifest'; readonly manifest: Manifest };

const codes = { head: 1, table: 2, rows: 3, manifest: 4 } as const;
const recordHeadBytes = 5;
/** Of what is kept in memory whole. */
const jsonBytes = 256 * 1024 * 1024;

export function rowsRecord(rows: Buffer): Buffer[] {
  const head = Buffer.allocUnsafe(recordHeadBytes);
  head.writeUInt8(codes.rows, 0);
  head.writeUInt32BE(rows.length, 1);
  return [head, rows];
}

export function jsonRecord(record: Exclude<PayloadRecord, { type: 'rows' }>): Buffer[] {
  const { type, ...body } = record;
  const text = Buffer.from(JSON.stringify(body));
  const head = Buffer.allocUnsafe(recordHeadBytes);
  head.writeUInt8(codes[type], 0);
  head.writeUInt32BE(text.length, 1);
  return [head, text];
}

/**
 * Reads a backup from its beginning; may be called again. Rows come in pieces that are cut anywhere.
 * @param onBytes how much of the file was read, in all
 * @throws BackupRefused
 */
export async function* readPayload(
  path: string,
  keys: readonly EncryptionKey[],
  onBytes?: (bytes: number) => void,
): AsyncGenerator<PayloadRecord> {
  const unpacked = createZstdDecompress();
  const whole = Promise.withResolvers<void>();
  pipeline(Readable.from(openFrames(path, keys, onBytes), { objectMode: false }), unpacked, (error) =>
    error ? whole.reject(error) : whole.resolve(),
  );
  whole.promise.catch(() => {});
  const source = new ByteSource(unpacked);
  try {
    for (;;) {
      const head = await source.take(recordHeadBytes);
      const [code, length] = [head[0]!, head.readUInt32BE(1)];
      if (code === codes.rows) {
        for (let left = length; left > 0;) {
          const rows = await source.some(left);
          left -= rows.length;
          yield { type: 'rows', rows };
        }
        continue;
      }
      if (length > jsonBytes) throw new BackupRefused('its contents cannot be read');
      const body = JSON.parse((await source.take(length)).toString()) as never;
      if (code === codes.head) yield { type: 'head', ...(body as { head: Head }) };
      else if (code === codes.table) yield { type: 'table', ...(body as { index: number }) };
      else if (code === codes.manifest) {
        yield { type: 'manifest', ...(body as { manifest: Manifest }) };
        break;
      } else throw new BackupRefused('its contents cannot be read');
    }
    if (!(await source.isAtEnd())) throw new BackupRefused('its contents do not end where they should');
    await whole.promise;
  } catch (error) {
    throw refusalOf(error);
  } finally {
    unpacked.destroy();
    await new Promise<void>((resolve) => finished(unpacked, () => resolve()));
  }
}

/** Whoever altered the file is told so, also where the unpacking stumbled over it. */
function refusalOf(error: unknown): unknown {
  if (error instanceof BackupRefused) return error;
  const { code } = error as { code?: unknown };
  const isReading = typeof code === 'string' && /^E[A-Z]+$/.test(code);
  return isReading ? error : new BackupRefused('its contents cannot be read', error);
}

class ByteSource {
  readonly #chunks: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** One byte at least, `most` at most. */
  async some(most: number): Promise<Buffer> {
    if (await this.isAtEnd()) throw new BackupRefused('it is cut off');
    const part = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(part.length);
    return part;
  }

  async take(bytes: number): Promise<Buffer> {
    if (this.#chunk.length >= bytes) return bytes === 0 ? Buffer.alloc(0) : this.some(bytes);
    const parts: Buffer[] = [];
    for (let left = bytes; left > 0; left -= parts.at(-1)!.length) parts.push(await this.some(left));
    return Buffer.concat(parts);
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return true;
      this.#chunk = next.value;
    }
    return false;
  }
}
