/** uWebSockets.js with its own publish. */
import { serve, tickText } from '../../stream/publishing.ts';

interface Client {
  subscribe(topic: string): void;
  getBufferedAmount(): number;
}
interface App {
  ws(path: string, behavior: object): App;
  publish(topic: string, message: string, isBinary: boolean): void;
  listen(host: string, port: number, done: (token: unknown) => void): App;
}
interface Package {
  App(): App;
  us_socket_local_port(token: unknown): number;
}

const name = 'uWebSockets.js';
const loaded = (await import(name)) as Package & { default?: Package };
const uws = loaded.default ?? loaded;
const clients: Client[] = [];
const app = uws.App().ws('/*', {
  // Nothing may be dropped in silence here.
  maxBackpressure: 64 * 1024 * 1024,
  idleTimeout: 0,
  sendPingsAutomatically: false,
  open(client: Client) {
    client.subscribe('ticks');
    if (clients.length < 40) clients.push(client);
  },
  close(client: Client) {
    const at = clients.indexOf(client);
    if (at >= 0) clients.splice(at, 1);
  },
});
const token = await new Promise<unknown>((resolve) => app.listen('127.0.0.1', 0, resolve));
serve({
  port: uws.us_socket_local_port(token),
  publish: (tick) => app.publish('ticks', tickText(tick), false),
  backlogBytes: () => Math.max(0, ...clients.map((client) => client.getBufferedAmount())),
});
