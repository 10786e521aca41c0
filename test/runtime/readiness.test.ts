import { expect, test } from 'vitest';
import { VirtualClock } from '../../runtime/clock.ts';
import { Readiness } from '../../runtime/readiness.ts';

function start(): { clock: VirtualClock; readiness: Readiness } {
  const clock = new VirtualClock(1_000);
  return { clock, readiness: new Readiness(clock, ['database', 'platform']) };
}

test('nothing is ready before each component has said so, and the others say why', () => {
  const { readiness } = start();
  expect(readiness.isReady).toBe(false);
  readiness.set('database', 'ready');
  expect(readiness.isReady).toBe(false);
  expect(readiness.reasons).toEqual(['platform: not started yet']);
  readiness.set('platform', 'ready');
  expect(readiness.isReady).toBe(true);
  expect(readiness.reasons).toEqual([]);
});

test('whoever waits is told when everything is ready, and at once after that', async () => {
  const { readiness } = start();
  const told: string[] = [];
  const waiting = readiness.whenReady().then(() => told.push('waited'));
  readiness.set('database', 'ready');
  await Promise.resolve();
  expect(told).toEqual([]);
  readiness.set('platform', 'ready');
  await waiting;
  await readiness.whenReady();
  expect(told).toEqual(['waited']);
});

test('a component that goes down takes readiness with it, but not that it has been ready', () => {
  const { readiness } = start();
  readiness.set('database', 'ready');
  expect(readiness.hasStarted).toBe(false);
  readiness.set('platform', 'ready');
  readiness.set('database', 'down', 'it does not answer');
  expect(readiness.isReady).toBe(false);
  expect(readiness.hasStarted).toBe(true);
  expect(readiness.reasons).toEqual(['database: it does not answer']);
});

test('a degraded component stays visible and keeps nothing from being ready', () => {
  const { readiness } = start();
  readiness.set('database', 'ready');
  readiness.set('platform', 'ready');
  readiness.set('redis', 'degraded', 'it does not answer');
  expect(readiness.isReady).toBe(true);
  expect(readiness.reasons).toEqual([]);
  expect(readiness.components.get('redis')).toMatchObject({ state: 'degraded', reason: 'it does not answer' });
});

test('a state without a reason is its own reason', () => {
  const { readiness } = start();
  readiness.set('database', 'down');
  expect(readiness.reasons).toContain('database: down');
});

test('a state lasts from when it began, whatever reasons are given meanwhile', () => {
  const { clock, readiness } = start();
  clock.advance(1);
  readiness.set('database', 'down', 'one reason');
  clock.advance(1);
  readiness.set('database', 'down', 'another');
  expect(readiness.components.get('database')).toEqual({ state: 'down', reason: 'another', sinceMicros: 2_000 });
  readiness.set('database', 'ready');
  expect(readiness.components.get('database')?.sinceMicros).toBe(3_000);
});
