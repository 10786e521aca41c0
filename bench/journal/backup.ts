/** The tenant that `replay` has filled, saved into a file and put back from it; in rows as text, as they stand before compression. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { restoreBackup } from '../../transports/drivers/backup/restore.ts';
import { writeBackup } from '../../transports/drivers/backup/write.ts';
import { EncryptionKey } from '../../transports/envelope.ts';
import type { JournalBench } from './plan.ts';
import { replayed } from './replay.ts';

const million = 1e6;

export async function measureBackup({ database, emit }: JournalBench): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'aitrading-bench-'));
  const key = new EncryptionKey(randomBytes(32));
  const path = join(folder, 'tenant.backup');
  try {
    const fromMs = performance.now();
    const saved = await writeBackup(database, { path, key, tenant: replayed, version: 'bench', now: new Date() });
    const savedMs = performance.now();
    // The pools beside it are ours, and idle.
    const restored = await restoreBackup(database, { path, keys: [key], tenant: replayed, isPrivate: true });
    const restoredMs = performance.now();
    const speed = (bytes: number, ms: number): number => bytes / million / (ms / 1_000);
    const line = { unit: 'MB/s', direction: 'higher' } as const;
    emit({ name: 'backup', value: speed(saved.bytes, savedMs - fromMs), ...line });
    emit({ name: 'restore', value: speed(restored.bytes, restoredMs - savedMs), ...line });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
