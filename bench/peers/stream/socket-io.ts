/** Socket.IO: an event for all, over WebSockets alone. */
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Server } from 'socket.io';
import { serve, tickText } from '../../stream/publishing.ts';

const server = createServer();
const sockets: Socket[] = [];
server.on('connection', (socket) => sockets.push(socket));
const io = new Server(server, { transports: ['websocket'], pingInterval: 300_000, pingTimeout: 300_000 });
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
serve({
  port: (server.address() as AddressInfo).port,
  publish: (tick) => io.emit('tick', JSON.parse(tickText(tick)) as object),
  backlogBytes: () => Math.max(0, ...sockets.slice(0, 40).map(({ writableLength }) => writableLength)),
});
