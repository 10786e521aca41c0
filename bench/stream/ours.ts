/** Our streams as a contender: the real server on ws, and behind a port for ticks the real price stream. */
import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { LatestBoard } from '../../actors/market/latest.ts';
import { QuoteBoard } from '../../actors/market/quote.ts';
import { priceStream, type PriceStreamMessage, type Tick } from '../../actors/price-stream.ts';
import type { Instrument } from '../../actors/trading/instrument.ts';
import type { PlatformTopics } from '../../actors/trading/topics.ts';
import { tradedInstruments } from '../../bin/instruments.ts';
import { limits } from '../../config/limits.ts';
import { silentLog } from '../../runtime/actor.ts';
import { systemClock } from '../../runtime/clock.ts';
import { EventBus } from '../../runtime/event-bus.ts';
import { createSystem } from '../../runtime/system.ts';
import { marketData } from '../../supervisors/market-data.ts';
import type { AccountCommands } from '../../transports/account-commands.ts';
import { StreamServer, type StreamServerOptions } from '../../transports/streams/server.ts';
import { acceptWebSockets } from '../../transports/websocket/ws.ts';
import { serve } from './publishing.ts';

const clock = systemClock;
const bus = new EventBus<PlatformTopics>((error) => {
  throw error;
});
const quotes = new QuoteBoard();
const eurusd: Instrument = tradedInstruments().get('EURUSD')!;
// More symbols than there are, for clients that all follow something else.
const others = Array.from({ length: 1_000 }, (_, n): Instrument => ({ ...eurusd, symbol: `OTHER${n}` }));
const instruments = new Map([eurusd, ...others].map((instrument) => [instrument.symbol, instrument]));

const services = {
  ...{ bus, clock, quotes, instruments, log: silentLog },
  ...{ candles: new LatestBoard(), books: new LatestBoard(), marketEpoch: () => 'bench' },
  directory: {
    find: () => undefined,
    list: () => [],
    named: () => undefined,
    names: () => [],
    onNames: () => () => {},
  },
  ...{ findAccount: () => undefined, glance: () => undefined, deadMan: { set: async () => undefined } },
  async *journalled() {},
} as unknown as StreamServerOptions['services'];
const streams = new StreamServer({
  services,
  // Nobody trades here.
  commands: undefined as unknown as AccountCommands,
  authenticate: async () => ({
    ok: true,
    result: { subjectId: 'bench', role: 'trader', tenantId: 1, tenant: 'bench' },
  }),
  isAllowed: () => true,
  limits: {
    ...limits.stream,
    // A shorter one finds a client that does not read within the time that there is.
    heartbeatMs: 1_000,
    // A tick a turn means just that: nothing is collected for longer.
    flushWindows: process.env['BENCH_WINDOWS'] === '1' ? limits.stream.flushWindows : [],
  },
});

const sockets: Socket[] = [];
const server = createServer();
server.on('connection', (socket) => sockets.push(socket));
acceptWebSockets(server, clock, streams.entrance());
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

const system = createSystem({ name: 'bench', clock, log: silentLog });
await system.start(
  marketData([
    {
      ...{ id: 'EURUSD', kind: 'price-stream' },
      behavior: priceStream({ symbol: 'EURUSD', board: quotes, bus, gapMs: 10_000 }),
    },
  ]),
);
const stream = system.find<PriceStreamMessage>(system.list('/').find((path) => path.endsWith('EURUSD')) ?? '/EURUSD');
const ticks = createTcpServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {});
  createInterface({ input: socket }).on('line', (line) => {
    stream?.tell({ type: 'ticks', ticks: [JSON.parse(line) as Tick] });
  });
});
await new Promise<void>((resolve) => ticks.listen(0, '127.0.0.1', resolve));

serve({
  port: (server.address() as AddressInfo).port,
  tickPort: (ticks.address() as AddressInfo).port,
  publish({ bid, ask, timeMicros, sequence }) {
    const quote = { symbol: 'EURUSD', bid, ask, timeMicros: Math.round(timeMicros), sequence };
    quotes.set(quote);
    bus.publish('quotes:EURUSD', quote);
  },
  backlogBytes: () => Math.max(0, ...sockets.slice(0, 40).map(({ writableLength }) => writableLength)),
  figures() {
    const held = streams.connections().map(({ bufferedBytes, queuedBytes }) => bufferedBytes + queuedBytes);
    const { deliveries, degraded, skipped, writes } = streams.counts;
    const slow = streams.connections().filter(({ isSlow }) => isSlow).length;
    return { mostHeldBytes: Math.max(0, ...held), slow, deliveries, degraded, skipped, writes };
  },
});
