/** The schedule of backups on this node: where they go, what opens them, how long they stay. */
import { backups } from '../actors/backups.ts';
import type { Config } from '../config/config.ts';
import type { Limits } from '../config/limits.ts';
import type { Readiness } from '../runtime/readiness.ts';
import type { AnyWorkerSpec } from '../runtime/spec.ts';
import { backupFolder, backupKeys, listBackups, removeExpired, saveBackup } from './backup-desk.ts';
import type { Storage } from './storage.ts';

export function backupsSpec(options: {
  readonly storage: Storage;
  readonly readiness: Readiness;
  readonly config: Pick<Config, 'masterKeys' | 'home'>;
  readonly limits: Limits['backup'];
}): AnyWorkerSpec {
  const { storage, readiness, config, limits } = options;
  const folder = backupFolder(config.home);
  return {
    ...{ id: 'backups', kind: 'backups' },
    behavior: backups({
      readiness,
      latest: () => listBackups(folder)[0]?.timeMicros,
      isServing: () => readiness.isReady,
      async save(timeMicros) {
        const keys = backupKeys(config, config.home);
        return saveBackup({ database: storage.database(), folder, keys, timeMicros, subject: 'platform' });
      },
      removeExpired: (nowMicros) =>
        removeExpired(folder, nowMicros, { count: limits.keepCount, days: limits.keepDays }),
      times: {
        ...{ everyMicros: limits.everyMs * 1_000, retryMicros: limits.retryMs * 1_000 },
        ...{ firstMicros: limits.firstMs * 1_000, lookMs: limits.lookMs },
      },
    }),
  };
}
