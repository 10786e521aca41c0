/** A TCP connection that breaks on request, in front of a real server. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Proxy {
  readonly port: number;
  /**
   * `lose-reply`: the server's next word breaks the connection and does not arrive.
   * `lose-request`: the client's next word does. `refuse`: nobody is let in. `silent`: everybody is, and gets no answer.
   */
  mode: 'pass' | 'lose-reply' | 'lose-request' | 'refuse' | 'silent';
  /** Breaks all connections on the client's side; the server is told nothing and goes on with what it does. */
  cut(): void;
  close(): void;
}

/** One that ends with the test. */
export async function openProxy(host: string, port: number): Promise<Proxy> {
  const proxy = await startProxy(host, port);
  onTestFinished(() => proxy.close());
  return proxy;
}

export async function startProxy(host: string, port: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    if (proxy.mode === 'refuse') return void client.destroy();
    const upstream = connect(port, host);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
    }
    clients.add(client);
    const breakBoth = (): void => {
      client.destroy();
      upstream.destroy();
    };
    client.on('data', (data) => (proxy.mode === 'lose-request' ? breakBoth() : upstream.write(data)));
    upstream.on('data', (data) => {
      if (proxy.mode === 'lose-reply') breakBoth();
      else if (proxy.mode !== 'silent') client.write(data);
    });
    client.on('end', () => upstream.end());
    upstream.on('end', () => client.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: Proxy = {
    port: (server.address() as AddressInfo).port,
    mode: 'pass',
    cut: () => {
      for (const client of clients) client.destroy();
      clients.clear();
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  return proxy;
}
