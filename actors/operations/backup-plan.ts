/** When a backup is due, what it is called, and which ones have had their time. */

export interface BackupFile {
  readonly timeMicros: number;
}

export interface Retention {
  /** The newest so many stay, however old they are. */
  readonly count: number;
  /** Younger ones stay, however many they are. */
  readonly days: number;
}

export const dayMicros = 86_400_000_000;

/** Those to remove. One that seems to come from the future stays: the clock may have been set. */
export function expiredBackups<File extends BackupFile>(
  files: readonly File[],
  nowMicros: number,
  { count, days }: Retention,
): readonly File[] {
  const newestFirst = files.toSorted((a, b) => b.timeMicros - a.timeMicros);
  return newestFirst.slice(count).filter(({ timeMicros }) => nowMicros - timeMicros > days * dayMicros);
}

export interface BackupHistory {
  /** Of the newest backup that there is; undefined: none. */
  readonly lastMicros: number | undefined;
  /** When one failed, and how many have in a row. */
  readonly failedMicros: number | undefined;
  readonly failures: number;
}

export interface BackupTimes {
  readonly everyMicros: number;
  /** The first pause behind a failure; it doubles up to `everyMicros`. */
  readonly retryMicros: number;
}

/** A platform without any backup makes one at once, and one that was down for long as soon as it is up. */
export function nextBackupMicros(history: BackupHistory, earliestMicros: number, times: BackupTimes): number {
  const { lastMicros, failedMicros, failures } = history;
  const due = lastMicros === undefined ? earliestMicros : Math.max(earliestMicros, lastMicros + times.everyMicros);
  if (failedMicros === undefined || failures === 0) return due;
  const pause = Math.min(times.retryMicros * 2 ** Math.min(failures - 1, 20), times.everyMicros);
  return Math.max(due, failedMicros + pause);
}

/** `platform-20261125T235218Z.aitbackup`, `tenant-acme-….aitbackup` */
export function backupName(timeMicros: number, tenant?: string): string {
  const time = new Date(timeMicros / 1000).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  return `${tenant === undefined ? 'platform' : `tenant-${tenant}`}-${time}.aitbackup`;
}

const scheduled = /^platform-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.aitbackup$/;

/** Backups of tenants and files with other names are somebody's own: they are not removed. */
export function isScheduledName(name: string): boolean {
  return timeOfName(name) !== undefined;
}

export function timeOfName(name: string): number | undefined {
  const [, year, month, day, hour, minute, second] = scheduled.exec(name) ?? [];
  if (year === undefined) return undefined;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? undefined : ms * 1000;
}
