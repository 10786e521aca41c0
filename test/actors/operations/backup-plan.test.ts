import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  backupName,
  dayMicros,
  expiredBackups,
  isScheduledName,
  nextBackupMicros,
  timeOfName,
} from '../../../actors/operations/backup-plan.ts';

const now = 1_000 * dayMicros;
const aged = (...days: number[]) => days.map((age) => ({ timeMicros: now - age * dayMicros }));

test.each([
  ['nothing is removed where there is nothing', [], 3, 7, []],
  ['the newest stay, however old they are', [100, 101, 102], 3, 7, []],
  ['beyond them the old ones go', [1, 8, 9, 10], 2, 7, [9, 10]],
  ['young ones stay, however many they are', [0, 1, 2, 3, 4, 5, 6, 7], 1, 7, []],
  ['at the last moment of its time a backup is still there', [1, 7], 1, 7, []],
  ['just behind it, it is not', [1, 7.001], 1, 7, [7.001]],
  ['one from the future stays, and counts', [-5, 1, 8], 1, 7, [8]],
  ['the order in which they are found is of no importance', [10, 1, 9, 8], 2, 7, [9, 10]],
])('%s', (_, ages, count, days, gone) => {
  expect(expiredBackups(aged(...ages), now, { count, days })).toEqual(aged(...gone));
});

test('whatever there is, so many of the newest and all young ones stay', () => {
  const ages = fc.array(fc.double({ min: -10, max: 100, noNaN: true }));
  fc.assert(
    fc.property(ages, fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 60 }), (all, count, days) => {
      const files = aged(...all);
      const gone = new Set(expiredBackups(files, now, { count, days }));
      const kept = files.filter((file) => !gone.has(file));
      expect(kept.length).toBeGreaterThanOrEqual(Math.min(count, files.length));
      for (const file of gone) {
        expect(now - file.timeMicros).toBeGreaterThan(days * dayMicros);
        expect(kept.filter(({ timeMicros }) => timeMicros >= file.timeMicros).length).toBeGreaterThanOrEqual(count);
      }
    }),
  );
});

const times = { everyMicros: dayMicros, retryMicros: 900_000_000 };
const fine = { failedMicros: undefined, failures: 0 };

test.each([
  ['without any backup one is due at once', { lastMicros: undefined, ...fine }, now],
  ['a day behind the last', { lastMicros: now - 1_000, ...fine }, now - 1_000 + dayMicros],
  ['one that was missed is due at once', { lastMicros: now - 5 * dayMicros, ...fine }, now],
  ['behind a failure there is a pause', { lastMicros: undefined, failedMicros: now, failures: 1 }, now + 900_000_000],
  ['that doubles', { lastMicros: undefined, failedMicros: now, failures: 3 }, now + 3_600_000_000],
  ['up to a day', { lastMicros: undefined, failedMicros: now, failures: 50 }, now + dayMicros],
])('%s', (_, history, due) => {
  expect(nextBackupMicros(history, now, times)).toBe(due);
});

test('a name tells the time; others are no backups of the schedule', () => {
  const timeMicros = Date.parse('2026-11-25T23:52:18Z') * 1000;
  expect(backupName(timeMicros + 999_999)).toBe('platform-20261125T235218Z.aitbackup');
  expect(timeOfName(backupName(timeMicros))).toBe(timeMicros);
  expect(backupName(timeMicros, 'acme')).toBe('tenant-acme-20261125T235218Z.aitbackup');
  for (const name of [
    backupName(timeMicros, 'acme'),
    'x',
    `${backupName(timeMicros)}.partial`,
    'platform-20269925T235218Z.aitbackup',
  ])
    expect([name, isScheduledName(name)]).toEqual([name, false]);
});
