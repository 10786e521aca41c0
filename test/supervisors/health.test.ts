import { expect, test } from 'vitest';
import type { ActorInfo } from '../../runtime/inspection.ts';
import { treeHealth, type TreeStatus } from '../../supervisors/health.ts';

const calm: Omit<ActorInfo, 'path' | 'type' | 'kind'> = {
  ...{ id: 'x', status: 'running', incarnation: 1, startedMicros: 1, handled: 0, restarts: 0 },
  ...{ failed: 0, periodMs: 10_000, timers: 0, openReplies: 0 },
  mailbox: {
    ...{ depth: 0, highWater: 0, capacity: 0, control: 0, parked: 0, stashed: 0 },
    ...{ oldestMs: 0, received: 0, dropped: 0 },
  },
  ...{ restartsInWindow: 0, intensity: 5, children: [] },
};

const supervisors = [
  ['/', 'rest-for-one'],
  ['/storage', 'one-for-one'],
  ['/market', 'dynamic'],
  ['/tenants', 'dynamic'],
  ['/tenants/acme', 'one-for-one'],
  ['/tenants/acme/accounts', 'dynamic'],
  ['/gateways', 'one-for-one'],
] as const;
const workers = [
  '/storage/database',
  '/market/EURUSD',
  '/tenants/acme/tenant',
  '/tenants/acme/accounts/42',
  '/gateways/api',
];

const healthy: readonly ActorInfo[] = [
  ...supervisors.map(([path, kind]): ActorInfo => ({ ...calm, path, kind, type: 'supervisor' })),
  ...workers.map((path): ActorInfo => ({ ...calm, path, kind: 'test', type: 'worker' })),
];

function treeWith(path: string, change: Partial<ActorInfo>): ActorInfo[] {
  expect(healthy.map((actor) => actor.path)).toContain(path);
  return healthy.map((actor) => (actor.path === path ? { ...actor, ...change } : actor));
}

function statusOf(actors: readonly ActorInfo[], path: string): TreeStatus | undefined {
  return treeHealth(actors).supervisors.find((supervisor) => supervisor.path === path)?.status;
}

const ended = { status: 'stopped' } as const;
const failing = {
  status: 'restarting',
  lastFailure: { name: 'Error', message: 'no connection', atMicros: 1 },
} as const;
const mailbox = (depth: number, capacity: number) => ({ mailbox: { ...calm.mailbox, depth, capacity } });

test('a tree in which all is well is operational, with each of its supervisors', () => {
  expect(treeHealth(healthy)).toEqual({
    status: 'operational',
    reasons: [],
    supervisors: supervisors.map(([path]) => ({ path, status: 'operational' })),
  });
});

test('an empty tree is operational', () => {
  expect(treeHealth([])).toEqual({ status: 'operational', reasons: [], supervisors: [] });
});

test.each<[string, Partial<ActorInfo>, string | undefined]>([
  ['it has ended', ended, 'has ended'],
  ['it is being restarted', failing, 'is being restarted: no connection'],
  ['it restarts for a reason nobody knows', { status: 'restarting' }, 'is being restarted: unknown'],
  ['half of its restarts are used', { restartsInWindow: 3, intensity: 6 }, '3 of 6 restarts are used'],
  ['fewer are used', { restartsInWindow: 2, intensity: 6 }, undefined],
  ['it has none to use', { restartsInWindow: 0, intensity: 0 }, undefined],
  ['nine tenths of its mailbox are full', mailbox(900, 1_000), 'mailbox holds 900 of 1000'],
  ['fewer are full', mailbox(899, 1_000), undefined],
  ['it sleeps until its first message', { status: 'dormant' }, undefined],
  ['it starts', { status: 'starting' }, undefined],
  ['it is asked to stop', { status: 'stopping' }, undefined],
])('a worker is a reason for trouble, or not, when %s', (_when, change, reason) => {
  const expected = reason === undefined ? [] : [`/storage/database: ${reason}`];
  expect(treeHealth(treeWith('/storage/database', change)).reasons).toEqual(expected);
});

test.each<[string, Partial<ActorInfo>, TreeStatus]>([
  ['/storage/database', ended, 'down'],
  ['/storage/database', failing, 'degraded'],
  ['/storage/database', mailbox(10, 10), 'degraded'],
  ['/gateways/api', ended, 'down'],
  ['/storage', ended, 'down'],
  ['/market', ended, 'down'],
  ['/market', failing, 'degraded'],
  ['/market/EURUSD', ended, 'degraded'],
  ['/tenants/acme', ended, 'degraded'],
  ['/tenants/acme/tenant', ended, 'degraded'],
  ['/tenants/acme/accounts/42', ended, 'degraded'],
])('with %s as %j the platform is %s', (path, change, status) => {
  expect(treeHealth(treeWith(path, change)).status).toBe(status);
});

test('trouble goes up the tree: down next to it, degraded further up, operational beside it', () => {
  const tree = treeWith('/tenants/acme/accounts/42', ended);
  expect(treeHealth(tree).supervisors).toEqual([
    { path: '/', status: 'degraded', reason: '/tenants/acme/accounts/42: has ended' },
    { path: '/storage', status: 'operational' },
    { path: '/market', status: 'operational' },
    { path: '/tenants', status: 'degraded', reason: '/tenants/acme/accounts/42: has ended' },
    { path: '/tenants/acme', status: 'degraded', reason: '/tenants/acme/accounts/42: has ended' },
    { path: '/tenants/acme/accounts', status: 'down', reason: '/tenants/acme/accounts/42: has ended' },
    { path: '/gateways', status: 'operational' },
  ]);
});

test('of several troubles the one that brings a supervisor down counts', () => {
  const tree = treeWith('/tenants/acme/accounts/42', failing).map((actor) =>
    actor.path === '/tenants/acme/tenant' ? { ...actor, ...ended } : actor,
  );
  expect(statusOf(tree, '/tenants/acme')).toBe('down');
});
