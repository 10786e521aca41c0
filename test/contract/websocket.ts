/** What every WebSocket engine must do, proved from outside by a client that sends what it likes. */
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { compressedTextFrame, textFrame } from '../../transports/websocket/frame.ts';
import type { EngineProcess } from '../engines/process.ts';
import { maxPayloadBytes } from '../engines/server.ts';
import { clientFrame, closeCode, closeFrame, RawWebSocket, type FrameParts } from '../support/raw-websocket.ts';
import { seededRandom } from '../support/seeded-order.ts';

/** In what the engines differ. */
export interface EngineTraits {
  /** Batches may be compressed. */
  readonly compresses: boolean;
  /** Says why with a close frame where a client breaks the protocol; otherwise it just hangs up. */
  readonly saysWhy: boolean;
  /** Refuses frames that are not masked; otherwise it reads them as if they were. */
  readonly wantsMasks: boolean;
  /** Leaves unread what comes while reading is paused; otherwise it holds so many bytes and then closes. */
  readonly stopsReading: boolean;
}

interface Opened {
  readonly id: number;
  readonly client: RawWebSocket;
}

const perMessageDeflate = 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits';

export function webSocketContract(start: () => Promise<EngineProcess>, traits: EngineTraits): void {
  let engine: EngineProcess;
  beforeAll(async () => {
    engine = await start();
  });
  afterAll(() => engine.stop());
  beforeEach(() => engine.forget());

  async function open(lines: readonly string[] = [], allowHalfOpen = false): Promise<Opened> {
    const client = await RawWebSocket.open(engine.port, lines, allowHalfOpen);
    return { id: (await engine.accepted()).id, client };
  }

  async function leave({ id, client }: Opened): Promise<void> {
    client.socket.destroy();
    await engine.take('closed', id);
  }

  const write = (id: number, frames: Buffer, times?: number) =>
    engine.do({ type: 'write', id, frames: frames.toString('base64'), ...(times !== undefined && { times }) });

  /** The code that the connection was closed with; undefined where it was cut off. */
  async function endOf({ id, client }: Opened): Promise<number | undefined> {
    const code = closeCode(await client.rest());
    await engine.take('closed', id);
    return code;
  }

  const said = (code: number) => (traits.saysWhy ? code : undefined);

  describe('the handshake', () => {
    test.each([
      ['nothing offered', [], undefined, { format: 'json' }],
      ['json', ['aitrading.v1.json'], 'aitrading.v1.json', { format: 'json' }],
      ['binary', ['aitrading.v1.binary'], 'aitrading.v1.binary', { format: 'binary' }],
      ['batch', ['aitrading.v1.batch'], 'aitrading.v1.batch', { format: 'batch' }],
      [
        'the first we know',
        ['x', 'aitrading.v1.batch', 'aitrading.v1.json'],
        'aitrading.v1.batch',
        { format: 'batch' },
      ],
      ['a ticket', ['ticket.abc'], 'ticket.abc', { format: 'json', ticket: 'abc' }],
      ['a ticket and a format', ['ticket.abc', 'aitrading.v1.json'], 'aitrading.v1.json', { ticket: 'abc' }],
      ['none we know', ['x', 'y'], undefined, { format: 'json' }],
    ])('agrees on a sub-protocol: %s', async (_name, offered, chosen, wanted) => {
      const lines = offered.length === 0 ? [] : [`Sec-WebSocket-Protocol: ${offered.join(', ')}`];
      const client = await RawWebSocket.open(engine.port, lines);
      const { id, handshake, remoteAddress } = await engine.accepted();
      const head = client.head.toLowerCase();
      expect(head).toContain('101 switching protocols');
      // Of the example in RFC 6455, section 1.3.
      expect(client.head).toContain('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
      if (chosen === undefined) expect(head).not.toContain('sec-websocket-protocol');
      else expect(head).toContain(`sec-websocket-protocol: ${chosen}`);
      expect(handshake).toMatchObject({ ...wanted, isCompressed: false });
      expect(remoteAddress).toBe('127.0.0.1');
      await leave({ id, client });
    });

    test('hands on the credential as it came', async () => {
      const client = await RawWebSocket.open(engine.port, ['Authorization: Bearer x.y-z ']);
      const { id, handshake } = await engine.accepted();
      expect(handshake.authorization).toBe('Bearer x.y-z');
      await leave({ id, client });
    });

    test('is refused at any other path', async () => {
      const client = new RawWebSocket(engine.port);
      expect(await client.request('/other')).toContain('404');
      await client.closed();
    });

    test('has a query that does not matter', async () => {
      const client = new RawWebSocket(engine.port);
      expect(await client.request('/stream?a=b')).toContain('101');
      await leave({ id: (await engine.accepted()).id, client });
    });

    test('is refused with 503 while no connections are taken', async () => {
      await engine.do({ type: 'refuse', reason: 'restarting' });
      const client = new RawWebSocket(engine.port);
      expect(await client.request('/stream')).toContain('503');
      await client.closed();
      await engine.do({ type: 'refuse', reason: undefined });
      await leave(await open());
    });

    test.each(['json', 'binary', 'batch'])('compresses nothing but batches: %s', async (format) => {
      const lines = [`Sec-WebSocket-Protocol: aitrading.v1.${format}`, perMessageDeflate];
      const client = await RawWebSocket.open(engine.port, lines);
      const { id, handshake } = await engine.accepted();
      const isCompressed = format === 'batch' && traits.compresses;
      expect(handshake.isCompressed).toBe(isCompressed);
      expect(client.head.toLowerCase().includes('permessage-deflate')).toBe(isCompressed);
      await leave({ id, client });
    });

    test.runIf(traits.compresses)('leaves batches as they are for a client with a small window', async () => {
      const client = await RawWebSocket.open(engine.port, [
        'Sec-WebSocket-Protocol: aitrading.v1.batch',
        'Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9',
      ]);
      const { id, handshake } = await engine.accepted();
      expect(handshake.isCompressed).toBe(false);
      await leave({ id, client });
    });
  });

  describe('messages', () => {
    test.each([0, 1, 125, 126, 65_535, maxPayloadBytes])('of %i bytes come in whole', async (length) => {
      const { id, client } = await open();
      client.send(clientFrame('x'.repeat(length)));
      expect((await engine.take('message', id)).text).toHaveLength(length);
      await leave({ id, client });
    });

    test('come in order, whatever pieces they arrive in', async () => {
      const { id, client } = await open();
      const texts = Array.from({ length: 50 }, (_, at) => `message ${at} €`);
      const bytes = Buffer.concat(texts.map((text) => clientFrame(text)));
      for (let at = 0; at < bytes.length; at += 7) client.send(bytes.subarray(at, at + 7));
      for (const text of texts) expect((await engine.take('message', id)).text).toBe(text);
      await leave({ id, client });
    });

    test('in fragments are put together, with a ping answered in between', async () => {
      const { id, client } = await open();
      const [first, second] = [Buffer.from('a€').subarray(0, 2), Buffer.from('a€').subarray(2)];
      client.send(clientFrame(first, { first: 0x01 }));
      client.send(clientFrame('are you there', { first: 0x89 }));
      client.send(clientFrame(second, { first: 0x80 }));
      expect((await engine.take('message', id)).text).toBe('a€');
      expect(await client.next()).toEqual({ first: 0x8a, payload: Buffer.from('are you there') });
      await leave({ id, client });
    });

    test('many frames of one write go out in order and unchanged', async () => {
      const { id, client } = await open();
      const sizes = [0, 1, 125, 126, 127, 16_383, 16_384, 65_535, 65_536, 200_000, 3];
      const sent = Array.from({ length: 60 }, (_, at) => `${at}:`.padEnd(sizes[at % sizes.length]!, 'x'));
      await write(id, Buffer.concat(sent.map((text) => textFrame(text))));
      for (const text of sent) {
        const frame = await client.next();
        expect(frame?.first).toBe(0x81);
        expect(frame?.payload.equals(Buffer.from(text))).toBe(true);
      }
      await leave({ id, client });
    });

    test('binary frames go out as such', async () => {
      const { id, client } = await open();
      await write(id, Buffer.from([0x82, 3, 1, 255, 0, 0x81, 1, 0x61]));
      expect(await client.next()).toEqual({ first: 0x82, payload: Buffer.from([1, 255, 0]) });
      expect(await client.next()).toEqual({ first: 0x81, payload: Buffer.from('a') });
      await leave({ id, client });
    });

    test('the client of the ws package gets what was written, and is heard', async () => {
      const client = new WebSocket(`ws://127.0.0.1:${engine.port}/stream`, ['aitrading.v1.batch']);
      const got: string[] = [];
      client.on('message', (data: Buffer) => got.push(data.toString()));
      const { id, handshake } = await engine.accepted();
      expect(handshake).toMatchObject({ format: 'batch', isCompressed: traits.compresses });
      const text = JSON.stringify(Array.from({ length: 100 }, () => ({ type: 'quote', symbol: 'EURUSD' })));
      const deflated = deflateRawSync(text, { finishFlush: 2, windowBits: 12 });
      const frame = handshake.isCompressed ? compressedTextFrame(deflated.subarray(0, -4)) : textFrame(text);
      await write(id, frame, 3);
      await engine.do({ type: 'ping', id });
      await write(id, frame);
      const closed = new Promise<number>((resolve) => client.once('close', resolve));
      client.send(text);
      expect((await engine.take('message', id)).text).toBe(text);
      await engine.do({ type: 'close', id, code: 1012, reason: 'restarting' });
      expect(await closed).toBe(1012);
      expect(got).toEqual([text, text, text, text]);
      await engine.take('closed', id);
    });

    test('too long ones close with 1009', async () => {
      const opened = await open();
      opened.client.send(clientFrame('x'.repeat(maxPayloadBytes + 1)));
      expect(await endOf(opened)).toBe(1009);
      expect(engine.told('message', opened.id)).toBe(0);
    });

    test.each<[string, FrameParts]>([
      ['much too long', { length: 2 ** 31 }],
      ['as long as can be', { length: 2n ** 63n - 1n }],
    ])('that are to be %s are not waited for', async (_name, parts) => {
      const opened = await open();
      opened.client.send(clientFrame('x', parts));
      expect(await endOf(opened)).toBe(said(1009));
    });

    test('too long in fragments ends the connection', async () => {
      const opened = await open();
      opened.client.send(clientFrame('x', { first: 0x01 }));
      for (let at = 0; at < 5; at++) opened.client.send(clientFrame('x'.repeat(30_000), { first: 0x00 }));
      expect(await endOf(opened)).toBe(said(1009));
    });

    test.each([
      ['a byte that is none', [Buffer.from([0x61, 0xff])]],
      ['one cut off', [Buffer.from('€').subarray(0, 2)]],
      ['a surrogate', [Buffer.from([0xed, 0xa0, 0x80])]],
      ['one longer than it need be', [Buffer.from([0xc0, 0x80])]],
      ['broken over fragments', [Buffer.from('€').subarray(0, 1), Buffer.from('a€')]],
    ])('invalid UTF-8 ends the connection: %s', async (_name, parts) => {
      const opened = await open();
      for (const [at, part] of parts.entries())
        opened.client.send(clientFrame(part, { first: (at === 0 ? 1 : 0) | (at === parts.length - 1 ? 0x80 : 0) }));
      expect(await endOf(opened)).toBe(said(1007));
      expect(engine.told('message', opened.id)).toBe(0);
    });

    test('binary ones close with 4009', async () => {
      const opened = await open();
      opened.client.send(clientFrame('x', { first: 0x82 }));
      opened.client.send(clientFrame('behind it'));
      expect(await endOf(opened)).toBe(4009);
      expect(engine.told('message', opened.id)).toBe(0);
    });

    describe.runIf(traits.compresses)('that are compressed', () => {
      const lines = ['Sec-WebSocket-Protocol: aitrading.v1.batch', perMessageDeflate];
      const deflated = (text: string) => deflateRawSync(text, { finishFlush: 2 }).subarray(0, -4);

      test('are inflated', async () => {
        const { id, client } = await open(lines);
        client.send(clientFrame(deflated('hello '.repeat(100)), { first: 0xc1 }));
        client.send(clientFrame('plain'));
        expect((await engine.take('message', id)).text).toBe('hello '.repeat(100));
        expect((await engine.take('message', id)).text).toBe('plain');
        await leave({ id, client });
      });

      test('are no larger inflated than others may be', async () => {
        const opened = await open(lines);
        const bomb = deflated('x'.repeat(50_000_000));
        expect(bomb.length).toBeLessThan(maxPayloadBytes);
        opened.client.send(clientFrame(bomb, { first: 0xc1 }));
        expect(await endOf(opened)).toBe(said(1009));
      });

      test('and are not what they say end the connection', async () => {
        const opened = await open(lines);
        opened.client.send(clientFrame(Buffer.alloc(50, 0xff), { first: 0xc1 }));
        expect(await endOf(opened)).toBe(said(1007));
      });
    });
  });

  describe('pings', () => {
    test('of the server measure the round trip, one at a time', async () => {
      const { id, client } = await open();
      expect((await engine.do({ type: 'look', id })).roundTripMs).toBe(0);
      await engine.do({ type: 'ping', id });
      await engine.do({ type: 'ping', id });
      await write(id, textFrame('behind'));
      const ping = await client.next();
      expect(ping?.first).toBe(0x89);
      expect((await client.next())?.payload.toString()).toBe('behind');
      expect((await engine.do({ type: 'look', id })).roundTripMs).toBeGreaterThan(0);
      client.send(clientFrame(ping!.payload, { first: 0x8a }));
      client.send(clientFrame('answered'));
      await engine.take('message', id);
      const answered = (await engine.do({ type: 'look', id })).roundTripMs;
      expect(answered).toBeGreaterThan(0);
      expect((await engine.do({ type: 'look', id })).roundTripMs).toBe(answered);
      await leave({ id, client });
    });

    test('a pong that nobody asked for tells nothing', async () => {
      const { id, client } = await open();
      client.send(clientFrame('', { first: 0x8a }));
      client.send(clientFrame('after it'));
      await engine.take('message', id);
      expect((await engine.do({ type: 'look', id })).roundTripMs).toBe(0);
      await leave({ id, client });
    });
  });

  describe('pausing', () => {
    test('keeps the order and loses nothing', async () => {
      const { id, client } = await open();
      await engine.do({ type: 'pause', id });
      const texts = Array.from({ length: 400 }, (_, at) => `message ${at}`);
      client.send(Buffer.concat(texts.slice(0, 300).map((text) => clientFrame(text))));
      await leave(await open());
      expect(engine.told('message', id)).toBe(0);
      await engine.do({ type: 'resume', id });
      client.send(Buffer.concat(texts.slice(300).map((text) => clientFrame(text))));
      for (const text of texts) expect((await engine.take('message', id)).text).toBe(text);
      await leave({ id, client });
    });

    test('hands on what a client said before it left', async () => {
      const { id, client } = await open();
      await engine.do({ type: 'pause', id });
      client.send(clientFrame('first'));
      client.send(clientFrame('second'));
      client.send(closeFrame(1000));
      await leave(await open());
      await engine.do({ type: 'resume', id });
      expect((await engine.take('message', id)).text).toBe('first');
      expect((await engine.take('message', id)).text).toBe('second');
      await engine.take('closed', id);
      client.socket.destroy();
    });

    test('does not keep a connection from being closed', async () => {
      const { id, client } = await open();
      await engine.do({ type: 'pause', id });
      client.send(clientFrame('unread'));
      await engine.do({ type: 'close', id, code: 4001, reason: 'not authenticated in time' });
      expect(await endOf({ id, client })).toBe(4001);
      expect(engine.told('message', id)).toBe(0);
    });

    test.runIf(!traits.stopsReading)('ends the connection of a client that goes on and on', async () => {
      const { id, client } = await open();
      await engine.do({ type: 'pause', id });
      for (let at = 0; at < 40; at++) client.send(clientFrame('x'.repeat(maxPayloadBytes)));
      expect(await endOf({ id, client })).toBe(4029);
    });
  });

  describe('closing', () => {
    test('says code and reason, behind all that was written', async () => {
      const { id, client } = await open();
      await write(id, textFrame('last'), 100);
      await engine.do({ type: 'close', id, code: 4008, reason: 'the client reads too slowly' });
      await write(id, textFrame('too late'));
      await engine.do({ type: 'ping', id });
      await engine.do({ type: 'close', id, code: 1012, reason: 'again' });
      const frames = await client.rest();
      expect(frames).toHaveLength(101);
      expect(closeCode(frames)).toBe(4008);
      expect(frames.at(-1)?.payload.toString('utf8', 2)).toBe('the client reads too slowly');
      await engine.take('closed', id);
    });

    // uWebSockets.js knows no codes from 3000 to 3999, and answers a close with one of these without any.
    test.each([1000, 1001, 4999, ...(traits.saysWhy ? [3000] : [])])(
      'by the client is answered with its own code, %i',
      async (code) => {
        const { id, client } = await open();
        client.send(closeFrame(code, 'done'));
        client.send(clientFrame('too late'));
        expect(closeCode(await client.rest())).toBe(code);
        await engine.take('closed', id);
        expect(engine.told('message', id)).toBe(0);
      },
    );

    test('does not wait for a client that never answers', async () => {
      const { id, client } = await open([], true);
      await engine.do({ type: 'close', id, code: 4001, reason: '' });
      expect(closeCode([(await client.next())!])).toBe(4001);
      expect(await client.next()).toBeUndefined();
      await engine.take('closed', id);
      client.socket.destroy();
    });

    test('is told once, whoever hangs up', async () => {
      const { id, client } = await open();
      client.socket.resetAndDestroy();
      await engine.take('closed', id);
      for (const type of ['pause', 'resume', 'ping', 'look', 'when-drained'] as const) await engine.do({ type, id });
      await leave(await open());
      expect(engine.told('closed', id)).toBe(0);
    });
  });

  describe('a client that does not read', () => {
    test('is seen by what is buffered, and by when it is drained', async () => {
      const { id, client } = await open();
      client.socket.pause();
      let { bufferedBytes } = await write(id, textFrame('x'.repeat(100_000)), 10);
      let written = 10;
      for (; bufferedBytes < 2_000_000; written += 10)
        ({ bufferedBytes } = await write(id, textFrame('x'.repeat(100_000)), 10));
      await engine.do({ type: 'when-drained', id });
      await leave(await open());
      expect(engine.told('drained', id)).toBe(0);
      client.socket.resume();
      await engine.take('drained', id);
      expect((await engine.do({ type: 'look', id })).bufferedBytes).toBe(0);
      for (let at = 0; at < written; at++) expect((await client.next())?.payload).toHaveLength(100_000);
      await leave({ id, client });
    });

    test('is drained at once where nothing is buffered', async () => {
      const { id, client } = await open();
      await engine.do({ type: 'when-drained', id });
      expect(await engine.take('drained', id)).toBeDefined();
      await leave({ id, client });
    });

    test('is told of no more once it is gone', async () => {
      const { id, client } = await open();
      client.socket.pause();
      let { bufferedBytes } = await write(id, textFrame('x'.repeat(100_000)), 10);
      while (bufferedBytes === 0) ({ bufferedBytes } = await write(id, textFrame('x'.repeat(100_000)), 10));
      await engine.do({ type: 'when-drained', id });
      client.socket.resetAndDestroy();
      await engine.take('closed', id);
      await leave(await open());
      expect(engine.told('drained', id)).toBe(0);
    });

    test('gets all that was written before a close, when it reads again', async () => {
      const { id, client } = await open();
      client.socket.pause();
      const { bufferedBytes } = await write(id, textFrame('x'.repeat(100_000)), 80);
      expect(bufferedBytes).toBeGreaterThan(0);
      await engine.do({ type: 'close', id, code: 4008, reason: '' });
      client.socket.resume();
      const frames = await client.rest();
      expect(frames).toHaveLength(81);
      expect(closeCode(frames)).toBe(4008);
      await engine.take('closed', id);
    });
  });

  describe('whatever comes', () => {
    const cases = Math.ceil(20_000 * Number(process.env['TEST_SCALE'] ?? 1));
    /** Connections at a time. */
    const atOnce = 8;
    /** Held at most by what a campaign leaves behind. */
    const leftBytes = 4 * 2 ** 20;

    test(
      `${cases} hostile clients are answered or sent away, and nothing is left of them`,
      { timeout: 600_000 },
      async () => {
        await engine.do({ type: 'echo', isOn: true });
        // What a first connection of each kind leaves behind for good is none of it.
        await campaign(200, 1);
        engine.forget();
        const before = await engine.do({ type: 'count' });
        await campaign(cases, 2);
        const after = await engine.do({ type: 'count' });
        expect(after.connections).toBe(0);
        expect(after.opened - before.opened).toBe(cases);
        expect(after.ended - before.ended).toBe(cases);
        expect(after.heapBytes - before.heapBytes).toBeLessThan(leftBytes);
        await engine.do({ type: 'echo', isOn: false });
        await leave(await open());
      },
    );

    async function campaign(count: number, seed: number): Promise<void> {
      const random = seededRandom(seed);
      for (let at = 0; at < count; at += atOnce) {
        const batch = Array.from({ length: Math.min(atOnce, count - at) }, () => hostile(random, traits));
        await Promise.all(batch.map((one) => attack(one)));
        for (const _ of batch) await engine.take('closed');
        engine.forget();
      }
    }

    async function attack({ name, bytes, outcome, echo }: Hostile): Promise<void> {
      const client = await RawWebSocket.open(engine.port);
      client.send(bytes);
      if (outcome === 'echo') {
        expect((await textOf(client)) === echo, `${name} is answered`).toBe(true);
        client.send(closeFrame(1000));
      }
      // Whoever is not sent away hangs up, in the middle of whatever it was.
      if (outcome === 'either') client.socket.end();
      const rest = await client.rest();
      if (outcome === 'closed' && traits.saysWhy) expect(closeCode(rest), `${name} is told why`).toBeGreaterThan(1000);
      client.socket.end();
      await client.closed();
    }

    async function textOf(client: RawWebSocket): Promise<string | undefined> {
      for (let frame = await client.next(); frame; frame = await client.next())
        if (frame.first === 0x81) return frame.payload.toString();
      return undefined;
    }
  });
}

interface Hostile {
  readonly name: string;
  readonly bytes: Buffer;
  /** `closed`: the server has to end it; `either`: it may wait for more. */
  readonly outcome: 'closed' | 'echo' | 'either';
  readonly echo?: string;
}

const kinds: readonly ((random: () => number, traits: EngineTraits) => Hostile)[] = [
  (random) => ({ name: 'random bytes', bytes: noise(random, 300), outcome: 'either' }),
  (random) => {
    const whole = clientFrame(noise(random, 2_000), { first: 0x81 });
    return { name: 'a truncated frame', bytes: whole.subarray(0, upTo(random, whole.length)), outcome: 'either' };
  },
  (random) => {
    const length = BigInt(2 * maxPayloadBytes + 1) + BigInt(Math.floor(random() * 2 ** 52)) * 2_000n;
    return { name: 'a huge length', bytes: clientFrame(noise(random, 50), { length }), outcome: 'closed' };
  },
  (random) => {
    const first = [0x08, 0x09, 0x0a][upTo(random, 3)]!;
    return {
      name: 'a control frame in fragments',
      bytes: clientFrame(noise(random, 20), { first }),
      outcome: 'closed',
    };
  },
  (random) => {
    const first = [0x89, 0x8a][upTo(random, 2)]!;
    const bytes = clientFrame(Buffer.alloc(126 + upTo(random, 500)), { first });
    return { name: 'a control frame that is too long', bytes, outcome: 'closed' };
  },
  (random) => {
    const first = 0x81 | [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70][upTo(random, 7)]!;
    return { name: 'reserved bits', bytes: clientFrame(noise(random, 100), { first }), outcome: 'closed' };
  },
  (random) => {
    const first = [0x83, 0x84, 0x85, 0x86, 0x87, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f][upTo(random, 10)]!;
    return { name: 'a reserved opcode', bytes: clientFrame(noise(random, 100), { first }), outcome: 'closed' };
  },
  (random, { wantsMasks }) => {
    const bytes = clientFrame(noise(random, 100), { mask: undefined });
    return { name: 'no mask', bytes, outcome: wantsMasks ? 'closed' : 'either' };
  },
  (random) => {
    const first = [0x00, 0x80][upTo(random, 2)]!;
    return { name: 'a continuation of nothing', bytes: clientFrame(noise(random, 50), { first }), outcome: 'closed' };
  },
  (random) => {
    const parts = [clientFrame('begun', { first: 0x01 }), clientFrame(letters(random, 50), { first: 0x81 })];
    return { name: 'a message within a message', bytes: Buffer.concat(parts), outcome: 'closed' };
  },
  (random) => {
    const bytes = Buffer.concat([Buffer.from(letters(random, 50)), Buffer.from([0xff])]);
    return { name: 'invalid UTF-8 over fragments', bytes: fragments(random, bytes), outcome: 'closed' };
  },
  (random) => {
    const payload = Buffer.from([[0x03], [0x03, 0xec], [0x00, 0x01], [0x03, 0xe8, 0xff]][upTo(random, 4)]!);
    return { name: 'a close that means nothing', bytes: clientFrame(payload, { first: 0x88 }), outcome: 'either' };
  },
  (random) => {
    const echo = letters(random, 3_000);
    return { name: 'a text in fragments', bytes: fragments(random, Buffer.from(echo)), outcome: 'echo', echo };
  },
];

function hostile(random: () => number, traits: EngineTraits): Hostile {
  return kinds[upTo(random, kinds.length)]!(random, traits);
}

/** Cut anywhere, also within a character, with pings and pongs in between. */
function fragments(random: () => number, bytes: Buffer): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + upTo(random, 400));
    frames.push(
      clientFrame(bytes.subarray(at, end), { first: (at === 0 ? 0x01 : 0) | (end === bytes.length ? 0x80 : 0) }),
    );
    if (random() < 0.3) frames.push(clientFrame(noise(random, 125), { first: random() < 0.5 ? 0x89 : 0x8a }));
    at = end;
  }
  return Buffer.concat(frames);
}

function upTo(random: () => number, limit: number): number {
  return Math.floor(random() * limit);
}

function noise(random: () => number, most: number): Buffer {
  return Buffer.from(Array.from({ length: 1 + upTo(random, most) }, () => upTo(random, 256)));
}

function letters(random: () => number, most: number): string {
  const alphabet = ['a', ' ', '"', 'é', '€', '😀', '\0'];
  return Array.from({ length: 1 + upTo(random, most) }, () => alphabet[upTo(random, alphabet.length)]).join('');
}
