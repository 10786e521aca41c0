/** docs/protocol.md is true: its examples, in their order, are answered as it shows, and its routes are those there are. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { PlatformProcess, StreamClient, type Frame, type HttpAnswer } from '../support/platform-process.ts';
import { conversationOf, differences, httpExamples, isSameKind, type HttpExample } from './examples.ts';
import { readPage, section, tableRows } from './markdown.ts';

const page = readPage('docs/protocol.md');
let platform: PlatformProcess;

beforeAll(async () => {
  platform = await PlatformProcess.onFreePorts();
  await platform.start();
}, 120_000);
afterAll(() => platform?.dispose(), 30_000);

test('the routes are those of the OpenAPI documents', async () => {
  const [api, database] = await Promise.all([routesOf('api'), routesOf('database')]);
  const told = tableRows(section(page, 'Routes')).map(([route]) => route!.replaceAll('`', ''));
  expect(told.toSorted()).toEqual([...new Set([...api, ...database])].toSorted());
});

async function routesOf(service: 'api' | 'database'): Promise<string[]> {
  const { json } = await platform.call(service, '/openapi.json');
  return Object.entries(json.paths as Record<string, object>).flatMap(([path, methods]) =>
    /^\/(api|v1)\//.test(path)
      ? Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace('{*}', '{path}')}`)
      : [],
  );
}

test('a fresh platform answers the examples as the page shows', async () => {
  const wrong: string[] = [];
  for (const example of httpExamples(page)) {
    const { method, path, status, answer } = example;
    const found = await answerTo(example);
    wrong.push(...differences({ status, answer }, { status: found.status, answer: found.json }, `${method} ${path}`));
  }
  const stream = await StreamClient.open(`ws://127.0.0.1:${platform.port('data-bridge')}/stream`);
  const seen = new Set<Frame>();
  for (const { isSent, frame } of conversationOf(page)) {
    if (isSent) stream.send('token' in frame ? { ...frame, token: keyFor('') } : frame);
    else wrong.push(...differences(frame, await next(stream, seen, frame), JSON.stringify(frame)));
  }
  stream.close();
  expect(wrong).toEqual([]);
}, 60_000);

/** What is read may lag behind what was sent: it is asked for again until it is as shown, or some seconds have passed. */
async function answerTo({ method, path, body, status, answer }: HttpExample): Promise<HttpAnswer> {
  const ask = (): Promise<HttpAnswer> =>
    platform.call('api', path, { method, token: keyFor(path), ...(body === undefined ? {} : { body }) });
  if (method !== 'GET') return ask();
  let last!: HttpAnswer;
  const isAsShown = async (): Promise<boolean> => {
    last = await ask();
    return last.status === status && differences(answer, last.json).length === 0;
  };
  await vi.waitUntil(isAsShown, { timeout: 5_000, interval: 100 }).catch(() => {});
  return last;
}

/** The first frame of this kind that was not shown yet. */
async function next(stream: StreamClient, seen: Set<Frame>, shown: Frame): Promise<Frame> {
  const isNext = (frame: Frame): boolean => !seen.has(frame) && isSameKind(shown, frame);
  const found = await vi
    .waitUntil(() => stream.frames.find(isNext), { timeout: 10_000, interval: 20 })
    .catch(() => expect.fail(`nothing came like ${JSON.stringify(shown)}`));
  seen.add(found);
  return found;
}

function keyFor(path: string): string {
  const { trader, ops } = platform.credentials();
  return path.startsWith('/api/v1/actors') ? ops.apiKey : trader.apiKey;
}
