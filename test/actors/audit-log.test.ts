import { expect, test } from 'vitest';
import { auditLog, type AuditEntry, type AuditLogMessage } from '../../actors/audit-log.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import { gate, startTestSystem, worker, type TestSystem } from '../support/test-system.ts';

interface Rig {
  readonly test: TestSystem;
  readonly ref: ActorRef<AuditLogMessage>;
  /** Actions as they were written, a list a transaction. */
  readonly written: string[][];
  readonly counts: { tries: number };
  isAway: boolean;
  hold: Promise<void> | undefined;
  record(...actions: string[]): Promise<void>;
}

const entry = (action: string): AuditEntry => ({
  ...{ tenantId: 1, timeMicros: 1, subject: 'k-1', action, target: 't', details: {} },
});

async function start(pendingEntries = 100): Promise<Rig> {
  const behavior = auditLog({
    async write(entries) {
      rig.counts.tries += 1;
      await rig.hold;
      if (rig.isAway) throw new Error('no connection');
      rig.written.push(entries.map(({ action }) => action));
    },
    ...{ retryMs: 500, pendingEntries },
  });
  const system = await startTestSystem([worker('audit', behavior)]);
  const ref = system.ref<AuditLogMessage>('/audit');
  const rig: Rig = {
    ...{ test: system, ref, written: [], counts: { tries: 0 }, isAway: false, hold: undefined },
    async record(...actions) {
      for (const action of actions) ref.tell({ type: 'record', entry: entry(action) });
      await system.settle();
    },
  };
  return rig;
}

test('entries are written in order, and what gathers meanwhile goes together', async () => {
  const rig = await start();
  const held = gate();
  rig.hold = held.promise;
  await rig.record('a', 'b', 'c');
  held.resolve();
  await rig.test.settle();
  expect(rig.written).toEqual([['a'], ['b', 'c']]);
});

test('what could not be written is tried again after a pause, however much comes meanwhile', async () => {
  const rig = await start();
  rig.isAway = true;
  await rig.record('a', 'b');
  await rig.record('c');
  expect(rig.counts.tries).toBe(1);
  await rig.test.advance(500);
  await rig.test.advance(500);
  expect(rig.counts.tries).toBe(3);
  rig.isAway = false;
  await rig.test.advance(500);
  expect(rig.written).toEqual([['a', 'b', 'c']]);
});

test('beyond its bound entries are lost and counted, and the others are kept', async () => {
  const rig = await start(2);
  rig.isAway = true;
  await rig.record('a', 'b', 'c', 'd');
  expect(rig.test.system.inspectActor('/audit')?.state).toEqual({ status: 'pausing', pending: 2, lost: 2 });
  rig.isAway = false;
  await rig.test.advance(500);
  expect(rig.written).toEqual([['a', 'b']]);
});

test('a crash loses nothing that was recorded', async () => {
  const rig = await start();
  rig.isAway = true;
  await rig.record('a', 'b');
  rig.ref.tell(undefined as never);
  await rig.test.settle();
  rig.isAway = false;
  await rig.test.advance(500);
  expect(rig.test.history()).toContain('restarted /audit');
  expect(rig.written.flat()).toEqual(['a', 'b']);
});
