/** What one actor, or one tenant, does to the others: nothing. */
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ActorRef } from '../../../runtime/ref.ts';
import type { OperatorRequest } from '../../../runtime/system.ts';
import { life } from '../../support/lives.ts';
import { trapRejections } from '../../support/rejections.ts';
import { handler, startTestSystem, supervisor, type TestSystem, worker } from '../../support/test-system.ts';

trapRejections();

test('P5 an actor that is suspended handles nothing, and everything once it is resumed', async () => {
  const ids = ['a', 'b', 'c'];
  const act = fc.record({
    does: fc.constantFrom('tell', 'tell', 'tell', 'control', 'crash', 'suspend', 'resume', 'restart', 'peer', 'turn'),
    id: fc.constantFrom(...ids),
  });
  const strategy = fc.constantFrom('one-for-one' as const, 'one-for-all' as const);
  await fc.assert(
    fc.asyncProperty(strategy, fc.array(act, { maxLength: 40 }), async (how, acts) => {
      const suspended = new Set<string>();
      const wrong: string[] = [];
      const handled: string[] = [];
      const member = (id: string) =>
        worker(id, {
          start: (context) => void context.after(5, `${id} timer`),
          receive: async (_state: void, message: string) => {
            if (suspended.has(id)) wrong.push(`${id} ${message}`);
            await turn();
            handled.push(message);
            if (message.startsWith('crash')) throw new Error(message);
          },
        });
      const backoff = { firstMs: 5, maxMs: 5, jitter: 0 };
      const root = supervisor('root', how, [...ids.map(member), life('peer')], { backoff });
      const { system, ref, settle, advance, deadLetters } = await startTestSystem(root);
      const request = { by: 'test', reason: 'chance' };
      const sent: string[] = [];
      for (const { does, id } of acts) {
        const path = `/${id}`;
        if (does === 'turn') await advance(1);
        else if (does === 'peer') ref<string>('/peer').tell('crash');
        else if (does === 'tell' || does === 'control' || does === 'crash') {
          sent.push(`${does} ${sent.length}`);
          ref<string>(path).tell(sent.at(-1)!, { control: does === 'control' });
        } else {
          void system.operate({ ...request, path, action: does });
          if (does === 'suspend') suspended.add(id);
          if (does === 'resume') suspended.delete(id);
        }
      }
      for (let times = 0; times < 20; times++) await advance(10);
      expect(wrong).toEqual([]);
      for (const id of ids) {
        if (suspended.has(id)) expect(system.inspect(`/${id}`)[0]?.status).toBe('suspended');
        suspended.delete(id);
        await system.operate({ ...request, path: `/${id}`, action: 'resume' });
      }
      for (let times = 0; times < 10; times++) await advance(10);
      await settle();
      expect(handled.filter((message) => !message.endsWith('timer')).toSorted()).toEqual(sent.toSorted());
      const reasons = deadLetters.map(({ reason }) => reason);
      expect(reasons.filter((reason) => reason !== 'poison' && reason !== 'outdated')).toEqual([]);
      await system.stop();
    }),
    { numRuns: 60 },
  );
});

test('P3 no actor is alive below one that is not, whatever operators do', async () => {
  const paths = ['/s', '/s/a', '/s/t', '/s/t/b', '/s/t/c'];
  const act = fc.record({
    action: fc.constantFrom<OperatorRequest['action']>('suspend', 'resume', 'restart', 'stop', 'drain'),
    path: fc.constantFrom(...paths),
    crash: fc.boolean(),
    waits: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 20 }), async (acts) => {
      const inner = supervisor('t', 'rest-for-one', [life('b'), life('c')], { intensity: 2 });
      const { system, advance } = await startTestSystem([supervisor('s', 'one-for-all', [life('a'), inner])]);
      const orphans: string[] = [];
      const failures: string[] = [];
      const look = (): void => {
        const statuses = new Map(system.inspect().map(({ path, status }) => [path, status]));
        for (const path of paths.slice(1)) {
          const above = statuses.get(path.slice(0, path.lastIndexOf('/')));
          if (statuses.get(path) === 'running' && (above === 'down' || above === 'stopped')) orphans.push(path);
        }
      };
      system.events.subscribe({}, look);
      for (const { action, path, crash, waits } of acts) {
        if (crash) system.find<string>(path)?.tell('crash');
        const request = { action, path, by: 'test', reason: 'chance', drainMs: 10 };
        system.operate(request).catch((error: unknown) => failures.push(`${action} ${path}: ${print(error)}`));
        if (waits) await advance(20);
        look();
      }
      await advance(100);
      look();
      expect([orphans, failures]).toEqual([[], []]);
      await system.stop();
      expect(system.inspect().map(({ status }) => status)).toEqual(system.inspect().map(() => 'stopped'));
    }),
    { numRuns: 60 },
  );
});

function print(error: unknown): string {
  return error instanceof Error
    ? `${error.message}; ${error.cause === undefined ? '' : print(error.cause)}`
    : String(error);
}

/** Names that would be mistaken for the tenant's own by a look at how a path begins. */
const neighbours = ['a', 'bb', 'b%2Fx'];
const marker = 'MARKER-OF-ANOTHER-TENANT';

/** One tenant: a worker that does what it is told, one that hangs, and a pool. */
function tenant(id: string, running: () => TestSystem) {
  const secret = id === 'b' ? 'b itself' : marker;
  const find = <Message>(path: string): ActorRef<Message> | undefined => running().system.find<Message>(path);
  type Order = { readonly type: string; readonly to?: string; readonly text?: string };
  const behavior = handler<Order>(async ({ type, to }, context) => {
    const other = to === undefined ? undefined : find<Order>(to);
    if (type === 'crash') throw new Error(`crash of ${secret}`);
    if (type === 'hang') await new Promise(() => {});
    if (type === 'watch' && other) context.watch(other, () => ({ type: 'ended' }));
    if (type === 'ask' && other) {
      await context.ask(other, { type: 'question' }, { timeoutMs: 150 }).catch(() => undefined);
    }
    if (type === 'pipe' && other) {
      context.pipe(context.ask(other, { type: 'question' }, { timeoutMs: 150 }), () => ({ type: 'answered' }));
    }
    if (type === 'tell' && other) context.tell(other, { type: 'greeting' });
    if (type === 'name') context.register(`${secret} at ${context.path}`);
    context.reply('answer');
  });
  const options = {
    showMessage: (message: Order) => message,
    mailbox: { capacity: 3, whenFull: 'park-sender' } as const,
    ...{ handlerTimeoutMs: 100, shutdownMs: 10 },
  };
  const children = ['worker', 'other'].map((name) => worker(name, { ...behavior, inspect: () => secret }, options));
  const policy = { intensity: 2, backoff: { firstMs: 10, maxMs: 10, jitter: 0 } };
  const pool = {
    ...supervisor('pool', 'one-for-one', [worker('0', behavior, options)]),
    front: { route: 'round-robin' as const },
  };
  return { ...supervisor(id, 'one-for-all', [...children, pool], policy), restart: 'permanent' as const };
}

test('P6 nothing that is heard or seen through the filter of a tenant mentions another one', async () => {
  const ids = ['b', ...neighbours.map((id) => id.replace('%2F', '/'))];
  const paths = ids.flatMap((id) =>
    ['worker', 'other', 'pool'].map((name) => `/tenants/${id.replace('/', '%2F')}/${name}`),
  );
  const act = fc.record({
    does: fc.constantFrom(
      'crash',
      'hang',
      'watch',
      'ask',
      'pipe',
      'tell',
      'name',
      'note',
      'operate',
      'advance',
      'settle',
      'end',
    ),
    path: fc.constantFrom(...paths),
    to: fc.constantFrom(...paths),
    action: fc.constantFrom<OperatorRequest['action']>('suspend', 'resume', 'restart', 'stop', 'drain', 'trip'),
  });
  const within = '/tenants/b';
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (acts) => {
      const tenants = ids.map((id) => tenant(id, () => running));
      const running: TestSystem = await startTestSystem([supervisor('tenants', 'dynamic', [])]);
      for (const each of tenants) await running.system.spawn('/tenants', each);
      const { system, advance, settle } = running;
      const heard: unknown[] = [];
      system.events.subscribe({ within }, (event) => void heard.push(event));
      const view = (): string =>
        JSON.stringify([
          ...[heard, system.events.since(0, { within }), system.deadLetters.list({ limit: 10_000, within })],
          system.inspect(within),
          paths.map((path) => [
            system.inspectActor(path, within),
            path.startsWith(`${within}/`) && system.peek(path, 9),
          ]),
        ]);
      const refs = new Map(paths.map((path) => [path, system.find(path) as ActorRef<unknown>]));
      const isOwn = (path: string): boolean => path.startsWith(`${within}/`);
      for (const { does, path, to, action } of acts) {
        if (does === 'advance') await advance(60);
        else if (does === 'settle') await settle();
        else if (does === 'operate') {
          const why = isOwn(path) ? 'of b' : marker;
          void system.operate({ action, path, by: why, reason: `${why} for ${isOwn(path) ? 'b' : path}`, drainMs: 10 });
        } else if (does === 'end') void system.terminateChild(path).catch(() => {});
        // What a tenant is told itself is its own; here it says only whom to turn to, and that is not shown.
        else refs.get(path)!.tell(isOwn(path) ? hidden({ type: does, to }) : { type: does, to, text: marker });
        expect(view()).not.toMatch(leak);
      }
      await advance(200);
      expect(view()).not.toMatch(leak);
      const ended = Promise.all(system.list('/tenants').map((path) => system.stopChild(path)));
      await advance(200);
      await ended;
      expect(view()).not.toMatch(leak);
    }),
    { numRuns: 100 },
  );
});

test('P6 what a tenant has to do with another one is left out of what its own admin sees of it', async () => {
  const behavior = handler<string>(async (message, context) => {
    const other = running.ref<string>(context.path === '/b/worker' ? '/a/worker' : '/b/worker');
    if (message === 'watch') context.watch(other, () => 'ended');
    if (message === 'ask') context.pipe(context.ask(other, 'hang', { timeoutMs: Infinity }), () => 'answered');
    if (message === 'hang') await new Promise(() => {});
  });
  const spec = (id: string) => supervisor(id, 'one-for-one', [worker('worker', behavior, { shutdownMs: 0 })]);
  const running = await startTestSystem(supervisor('root', 'one-for-all', [spec('a'), spec('b')]));
  for (const path of ['/a/worker', '/b/worker']) running.ref<string>(path).tell('watch');
  running.ref<string>('/b/worker').tell('ask');
  await running.settle();
  const { system } = running;
  expect(system.inspectActor('/b/worker')).toMatchObject({
    ...{ watchers: ['/a/worker'], watching: ['/a/worker'], openAsks: [{ path: '/a/worker' }] },
  });
  expect(system.inspectActor('/b/worker', '/b')).toMatchObject({ watchers: [], watching: [], openAsks: [] });
  expect(system.inspectActor('/b')?.nextFailure.group).toEqual(['/a', '/b']);
  expect(system.inspectActor('/b', '/b')?.nextFailure.group).toEqual(['/b']);
});

const leak = new RegExp([marker, ...neighbours.map((id) => `/tenants/${id}(?![a-z])`)].join('|'));

/** The same, apart from what printing it gives. */
function hidden(message: { readonly type: string; readonly to: string }): unknown {
  return Object.defineProperty({ type: message.type }, 'to', { value: message.to, enumerable: false });
}
