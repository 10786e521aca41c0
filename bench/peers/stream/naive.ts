/** ws as it is usually used: a send for each client and tick. */
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import { serve, tickText } from '../../stream/publishing.ts';

const server = createServer();
const sockets: Socket[] = [];
server.on('connection', (socket) => sockets.push(socket));
const engine = new WebSocketServer({ server, perMessageDeflate: false });
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
serve({
  port: (server.address() as AddressInfo).port,
  publish(tick) {
    const text = tickText(tick);
    for (const client of engine.clients) client.send(text);
  },
  backlogBytes: () => Math.max(0, ...sockets.slice(0, 40).map(({ writableLength }) => writableLength)),
});
