import { expect, test } from 'vitest';
import { backups, type BackupsMessage } from '../../actors/backups.ts';
import { VirtualClock } from '../../runtime/clock.ts';
import { Readiness } from '../../runtime/readiness.ts';
import { startTestSystem, worker } from '../support/test-system.ts';

const [minuteMs, hourMs, dayMs] = [60_000, 3_600_000, 86_400_000];

async function start(lastAgeMs?: number) {
  const readiness = new Readiness(new VirtualClock(), []);
  const rig = {
    saved: [] as number[],
    removals: 0,
    isServing: true,
    failures: [] as Error[],
    held: undefined as Promise<void> | undefined,
    readiness,
  };
  const startMicros = 1_800_000_000_000_000;
  const behavior = backups({
    readiness,
    latest: () => (lastAgeMs === undefined ? undefined : startMicros - lastAgeMs * 1_000),
    isServing: () => rig.isServing,
    async save(timeMicros) {
      rig.saved.push((timeMicros - startMicros) / 1_000);
      await rig.held;
      const failure = rig.failures.shift();
      if (failure) throw failure;
      return { fileBytes: 1_000 };
    },
    removeExpired: () => (rig.removals++, []),
    times: {
      everyMicros: dayMs * 1_000,
      retryMicros: 15 * minuteMs * 1_000,
      firstMicros: 10 * minuteMs * 1_000,
      lookMs: minuteMs,
    },
  });
  const system = await startTestSystem([worker('backups', behavior)]);
  await system.settle();
  /** A minute at a time, so that each answer comes before the next look. */
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= minuteMs) await system.advance(minuteMs);
  };
  return Object.assign(rig, { pass, system, health: () => readiness.components.get('backups') });
}

test('a platform without a backup makes one when its start is over, and one each day', async () => {
  const rig = await start();
  expect(rig.health()).toMatchObject({ state: 'ready', reason: 'there is no backup yet, the next is due in 10 min' });
  await rig.pass(9 * minuteMs);
  expect(rig.saved).toEqual([]);
  await rig.pass(minuteMs);
  expect(rig.saved).toEqual([10 * minuteMs]);
  expect(rig.health()).toMatchObject({
    state: 'ready',
    reason: 'the newest backup is 0 min old, the next is due in 24 h',
  });
  await rig.pass(dayMs - minuteMs);
  expect(rig.saved).toHaveLength(1);
  await rig.pass(minuteMs);
  expect(rig.saved).toEqual([10 * minuteMs, 10 * minuteMs + dayMs]);
  expect(rig.removals).toBe(2);
});

test('after a restart the day counts from the last backup, not from the start', async () => {
  const rig = await start(20 * hourMs);
  expect(rig.health()?.reason).toBe('the newest backup is 20 h old, the next is due in 4 h');
  await rig.pass(4 * hourMs);
  expect(rig.saved).toEqual([4 * hourMs]);
});

test('a failure is told, tried again after a pause that doubles, and forgotten once one succeeds', async () => {
  const rig = await start();
  rig.failures.push(new Error('no space left'), new Error('no space left'));
  await rig.pass(10 * minuteMs);
  expect(rig.health()).toMatchObject({
    state: 'degraded',
    reason: 'there is no backup yet, the next is due in 15 min, the last one failed: no space left',
  });
  expect(rig.readiness.isReady).toBe(true);
  await rig.pass(60 * minuteMs);
  expect(rig.saved).toEqual([10, 25, 55].map((minutes) => minutes * minuteMs));
  expect(rig.health()?.state).toBe('ready');
  expect(rig.removals).toBe(1);
});

test('there are never two at once, also when the actor was started anew meanwhile', async () => {
  const rig = await start();
  const held = Promise.withResolvers<void>();
  rig.held = held.promise;
  await rig.pass(10 * minuteMs);
  expect(rig.health()?.reason).toContain('one is under way');
  await rig.pass(2 * dayMs);
  rig.system.ref<BackupsMessage>('/backups').tell({ type: 'saved', timeMicros: 0, ok: true } as never);
  rig.system.ref<BackupsMessage>('/backups').tell(null as never);
  await rig.pass(hourMs);
  expect(rig.system.history()).toContain('restarted /backups');
  expect(rig.saved).toHaveLength(1);
  held.resolve();
  rig.held = undefined;
  await rig.pass(minuteMs);
  expect(rig.saved).toHaveLength(2);
});

test('while the database is away what is due waits, and an old backup is told', async () => {
  const rig = await start(50 * hourMs);
  rig.isServing = false;
  await rig.pass(hourMs);
  expect(rig.saved).toEqual([]);
  expect(rig.health()).toMatchObject({ state: 'degraded', reason: 'the newest backup is 2 days old, the next is due' });
  rig.isServing = true;
  await rig.pass(minuteMs);
  expect(rig.saved).toHaveLength(1);
});
