import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { textFrame } from '../../transports/websocket/frame.ts';
import { uwsLauncher } from '../engines/launcher.ts';
import { startEngine, type EngineProcess } from '../engines/process.ts';
import { closeCode, RawWebSocket } from '../support/raw-websocket.ts';
import { webSocketContract } from './websocket.ts';

const launcher = await uwsLauncher();
if ('skipped' in launcher) process.stdout.write(`SKIPPED, the contract of WebSockets: ${launcher.skipped}\n`);

function start(): Promise<EngineProcess> {
  if ('skipped' in launcher) throw new Error(launcher.skipped);
  return startEngine('uws', launcher);
}

describe.skipIf('skipped' in launcher)('on uWebSockets.js', () => {
  webSocketContract(start, { compresses: false, saysWhy: false, wantsMasks: false, stopsReading: false });
});

describe.skipIf('skipped' in launcher)('a port of uWebSockets.js', () => {
  let engine: EngineProcess;
  beforeAll(async () => {
    engine = await start();
  });
  afterAll(() => engine.stop());

  const get = (path: string, ...lines: string[]) => ask('GET', path, lines);

  /** All that comes until the server ends the connection. */
  async function ask(method: string, path: string, lines: readonly string[] = [], body = ''): Promise<string> {
    const socket = connect(engine.port, '127.0.0.1');
    socket.write(`${[`${method} ${path} HTTP/1.1`, 'Host: localhost', ...lines].join('\r\n')}\r\n\r\n${body}`);
    let answer = '';
    socket.on('data', (bytes) => (answer += bytes.toString()));
    await once(socket, 'close');
    return answer;
  }

  test('answers the GETs that it was given, each on a connection of its own', async () => {
    const answer = await get('/livez?verbose', 'Authorization: Bearer x', 'Connection: keep-alive');
    expect(answer).toContain('HTTP/1.1 200 OK');
    expect(answer.toLowerCase()).toContain('connection: close');
    expect(answer.split('\r\n\r\n')[1]).toBe('verbose Bearer x 127.0.0.1');
  });

  test('says so when there is no answer', async () => {
    expect(await get('/broken')).toContain('HTTP/1.1 503 ');
  });

  test.each([
    ['another path', 'GET', '/metrics', [], '', '404'],
    ['the API', 'POST', '/api/v1/accounts/demo-1/orders', ['Content-Length: 2'], '{}', '413'],
    ['the stream without an upgrade', 'GET', '/stream', [], '', '404'],
    ['another method', 'POST', '/livez', ['Content-Length: 0'], '', '405'],
    ['a HEAD', 'HEAD', '/livez', [], '', '405'],
    ['a body', 'GET', '/livez', ['Content-Length: 2'], '{}', '413'],
    ['a body in chunks', 'GET', '/livez', ['Transfer-Encoding: chunked'], '0\r\n\r\n', '413'],
    ['two lengths', 'GET', '/livez', ['Content-Length: 0', 'Content-Length: 2'], '{}', '413'],
    ['a body to an upgrade', 'GET', '/stream', [...handshake(), 'Content-Length: 2'], '{}', '400'],
    ['an old version', 'GET', '/stream', handshake({ 'Sec-WebSocket-Version': '8' }), '', '400'],
    ['another upgrade', 'GET', '/stream', handshake({ Upgrade: 'h2c' }), '', '400'],
    ['a key that is none', 'GET', '/stream', handshake({ 'Sec-WebSocket-Key': '!'.repeat(24) }), '', '400'],
    ['a sub-protocol twice', 'GET', '/stream', handshake({ 'Sec-WebSocket-Protocol': 'a, a' }), '', '400'],
    ['a sub-protocol that is no token', 'GET', '/stream', handshake({ 'Sec-WebSocket-Protocol': 'a b' }), '', '400'],
  ] as const)('refuses %s', async (_name, method, path, lines, body, status) => {
    const answer = await ask(method, path, lines, body);
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer.toLowerCase()).toContain('connection: close');
  });

  test('drops nothing in silence: who takes too little for too long is cut off', async () => {
    const client = await RawWebSocket.open(engine.port);
    const { id } = await engine.accepted();
    client.socket.pause();
    const frames = textFrame('x'.repeat(1_000_000)).toString('base64');
    for (let at = 0; at < 40; at++) await engine.do({ type: 'write', id, frames });
    await engine.take('closed', id);
    client.socket.resume();
    const got = await client.rest();
    expect(got.length).toBeLessThan(40);
    expect(closeCode(got)).toBeUndefined();
  });

  test.each([
    ['waits for those there are', true],
    ['cuts off who stays', false],
  ])('takes no more connections once it drains, and %s', async (_name, leaves) => {
    const draining = await start();
    const client = await RawWebSocket.open(draining.port);
    const { id } = await draining.accepted();
    await draining.do({ type: 'drain' });
    await expect(once(connect(draining.port, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED');
    expect(draining.told('closed', id) + draining.told('drained', 0)).toBe(0);
    if (leaves) client.socket.destroy();
    await draining.take('drained', 0);
    await draining.take('closed', id);
    await client.closed();
    await draining.stop();
  });
});

function handshake(changed: Readonly<Record<string, string>> = {}): string[] {
  const headers = {
    ...{ Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13' },
    ...{ 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', ...changed },
  };
  return Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
}
