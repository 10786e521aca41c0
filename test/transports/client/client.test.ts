/** The client against a real server, with a clock that the test moves by hand. */
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocketServer, type WebSocket as ServerSocket } from 'ws';
import { StreamClient, type StreamState } from '../../../transports/client/client.ts';

interface Message {
  readonly type: string;
  readonly id: string;
  readonly channels?: readonly string[];
  readonly resume?: object;
}

/** Values in the order in which they come, each waited for. */
class Queue<Value> {
  readonly #values: Value[] = [];
  #wake = (): void => {};

  push(value: Value): void {
    this.#values.push(value);
    this.#wake();
  }

  async next(isWanted: (value: Value) => boolean = () => true): Promise<Value> {
    for (;;) {
      const index = this.#values.findIndex(isWanted);
      const [value] = index < 0 ? [] : this.#values.splice(0, index + 1).slice(-1);
      if (value !== undefined) return value;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

let server: WebSocketServer;
let sockets: Queue<ServerSocket>;
let messages: Queue<Message>;
let states: Queue<{ state: StreamState; detail: string }>;
let told: Queue<readonly [kind: string, channel: string, data: unknown]>;
let timers: Map<object, { readonly delayMs: number; run(): void }>;
let nowMs: number;
let stream: StreamClient;

beforeEach(async () => {
  [sockets, messages, states, told, timers] = [new Queue(), new Queue(), new Queue(), new Queue(), new Map()];
  nowMs = 0;
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (socket) => {
    sockets.push(socket);
    socket.on('message', (data) => messages.push(JSON.parse((data as Buffer).toString()) as Message));
  });
  await new Promise((resolve) => server.once('listening', resolve));
  stream = new StreamClient({
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/stream`,
    token: 'key',
    ...{ random: () => 1, acknowledgeMs: 0, now: () => nowMs },
    after(delayMs, run) {
      const timer = {};
      timers.set(timer, { delayMs, run });
      return () => timers.delete(timer);
    },
    listener: {
      onState: (state, detail) => states.push({ state, detail }),
      onQuote: (quote) => told.push(['quote', quote.symbol, quote.bid]),
      onSnapshot: (channel, data) => told.push(['snapshot', channel, data]),
      onEvent: (channel, event) => told.push(['event', channel, event.type]),
      onServerTime: () => {},
      onProblem: (problem) => told.push(['problem', '', problem.code]),
    },
  });
});

afterEach(async () => {
  stream.close();
  for (const socket of server.clients) socket.terminate();
  await new Promise((resolve) => server.close(resolve));
});

const send = (socket: ServerSocket, frame: object) => socket.send(JSON.stringify(frame));
const ofType = (type: string) => messages.next((message) => message.type === type);
const stateIs = (wanted: StreamState) => states.next(({ state }) => state === wanted);
const orders = 'orders:demo-1';
const snapshot = (sequence: number, data: unknown = []) => ({
  type: 'snapshot',
  channel: orders,
  epoch: 'a',
  sequence,
  data,
});
const event = (sequence: number) => ({
  type: 'event',
  channel: orders,
  epoch: 'a',
  sequence,
  data: { type: `e-${sequence}` },
});

/** Lets the timer pass that was set last, of those that wait no longer than `atMostMs`. */
function pass(atMostMs: number): number {
  const [timer, { delayMs, run }] = [...timers].filter(([, one]) => one.delayMs <= atMostMs).at(-1)!;
  timers.delete(timer);
  nowMs += delayMs;
  run();
  return delayMs;
}

async function connect(): Promise<ServerSocket> {
  const socket = await sockets.next();
  send(socket, { type: 'hello', heartbeatMs: 5_000 });
  const { id } = await ofType('authenticate');
  send(socket, { type: 'reply', id, ok: true, result: {} });
  await stateIs('online');
  return socket;
}

async function subscribed(): Promise<ServerSocket> {
  const socket = await connect();
  stream.subscribe([orders]);
  const { id } = await ofType('subscribe');
  send(socket, { type: 'reply', id, ok: true, result: { [orders]: { epoch: 'a', mode: 'snapshot' } } });
  send(socket, snapshot(5));
  expect(await told.next()).toEqual(['snapshot', orders, []]);
  return socket;
}

describe('events of an account', () => {
  test('come once each, whatever is sent twice', async () => {
    const socket = await subscribed();
    for (const sequence of [5, 6, 6, 7]) send(socket, event(sequence));
    expect(await told.next()).toEqual(['event', orders, 'e-6']);
    expect(await told.next()).toEqual(['event', orders, 'e-7']);
  });

  test.each([
    { what: 'a number that is left out', frame: event(8) },
    { what: 'a heartbeat that is ahead', frame: { type: 'heartbeat', time: '', last: { [orders]: 9 } } },
    { what: 'another epoch', frame: { ...event(6), epoch: 'b' } },
  ])('are asked for again after $what', async ({ frame }) => {
    const socket = await subscribed();
    send(socket, frame);
    send(socket, frame);
    expect(await ofType('subscribe')).toMatchObject({
      channels: [orders],
      resume: { [orders]: { epoch: 'a', sequence: 5 } },
    });
    send(socket, snapshot(9, ['anew']));
    expect(await told.next()).toEqual(['snapshot', orders, ['anew']]);
  });

  test('begin anew where the server says that they cannot be resumed', async () => {
    const socket = await subscribed();
    send(socket, { type: 'resync', channel: orders, epoch: 'b', reason: 'restored' });
    send(socket, event(6));
    send(socket, { ...snapshot(2, ['restored']), epoch: 'b' });
    send(socket, { ...event(3), epoch: 'b' });
    expect(await told.next()).toEqual(['snapshot', orders, ['restored']]);
    expect(await told.next()).toEqual(['event', orders, 'e-3']);
  });
});

describe('a lost connection', () => {
  test('is made again, later each time, and resumes', async () => {
    const socket = await subscribed();
    socket.terminate();
    await stateIs('waiting');
    expect(pass(60_000)).toBe(500);
    (await sockets.next()).terminate();
    await stateIs('waiting');
    expect(pass(60_000)).toBe(1_000);
    await connect();
    expect(await ofType('subscribe')).toMatchObject({ resume: { [orders]: { epoch: 'a', sequence: 5 } } });
  });

  test('is not made again before the time that the server has given', async () => {
    const socket = await connect();
    send(socket, { type: 'bye', code: 1012, reason: 'restarting', retryAfterMs: 4_000 });
    socket.close(1012, 'restarting');
    expect((await stateIs('waiting')).detail).toBe('restarting; next try in 4.5 s');
    expect(pass(60_000)).toBe(4_500);
  });

  test('is seen by three missed heartbeats, though nothing was closed', async () => {
    await connect();
    expect(pass(60_000)).toBe(15_000);
    expect((await stateIs('waiting')).detail).toContain('silent');
  });

  test.each([4001, 4003, 4009])('is final after a close with %i', async (code) => {
    const socket = await connect();
    socket.close(code);
    await stateIs('refused');
    expect(timers.size).toBe(0);
  });
});

test('a key that is not accepted is not tried again', async () => {
  const socket = await sockets.next();
  const { id } = await ofType('authenticate');
  send(socket, { type: 'reply', id, ok: false, problem: { code: 'UNAUTHENTICATED' } });
  expect((await stateIs('refused')).detail).toBe('the credential was not accepted');
  expect(timers.size).toBe(0);
});

test('a channel that is not there yet is asked for again, and one that will never be is told of once', async () => {
  const socket = await connect();
  stream.subscribe([orders, 'quotes:NOPE']);
  const { id } = await ofType('subscribe');
  const problems = {
    [orders]: { problem: { code: 'NOT_READY', retryAfterMs: 1_000 } },
    'quotes:NOPE': { problem: { code: 'NOT_FOUND' } },
  };
  send(socket, { type: 'reply', id, ok: true, result: problems });
  expect(await told.next()).toEqual(['problem', '', 'NOT_FOUND']);
  expect(pass(1_000)).toBe(1_000);
  expect(await ofType('subscribe')).toMatchObject({ channels: [orders] });
});

test('a quote comes alike from a snapshot and from the stream', async () => {
  const socket = await connect();
  const quote = { symbol: 'EURUSD', bid: '1.1', ask: '1.2', time: '' };
  const channel = 'quotes:EURUSD';
  stream.subscribe([channel]);
  const { id } = await ofType('subscribe');
  send(socket, { type: 'reply', id, ok: true, result: { [channel]: { epoch: 'a', mode: 'snapshot' } } });
  send(socket, { type: 'snapshot', channel, epoch: 'a', sequence: 0, data: null });
  send(socket, { type: 'snapshot', channel, epoch: 'a', sequence: 1, data: quote });
  send(socket, { type: 'quote', channel, sequence: 2, ...quote, bid: '1.15' });
  expect(await told.next()).toEqual(['quote', 'EURUSD', '1.1']);
  expect(await told.next()).toEqual(['quote', 'EURUSD', '1.15']);
});

test('a client that was closed while its ticket was on the way does not come back', async () => {
  const asked = Promise.withResolvers<string>();
  const seen: StreamState[] = [];
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/stream`;
  const late = new Map<object, () => void>();
  const other = new StreamClient({
    ...{ url, ticket: () => asked.promise, listener: { onState: (state) => void seen.push(state) } },
    after(_delayMs, run) {
      const timer = {};
      late.set(timer, run);
      return () => late.delete(timer);
    },
  });
  other.close();
  asked.reject(new Error('no'));
  await asked.promise.catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  expect(seen).toEqual(['connecting', 'closed']);
  expect(late.size).toBe(0);
});
