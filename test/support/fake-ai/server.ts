/** An AI provider on loopback that speaks a vendor's wire format, and misbehaves as it is told. */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { answering } from './answers.ts';
import type { Asked, Dialect } from './dialect.ts';
import { Reply, requestReader, sized, type HttpRequest } from './http.ts';

/** A request as its script sees it. */
export interface Call {
  readonly dialect: Dialect;
  readonly request: HttpRequest;
  readonly asked: Asked;
  readonly reply: Reply;
  /** Resolves once the caller has ended the connection. */
  readonly gone: Promise<void>;
}

/** What is done about one request. The connection stays with the server unless the script ends it. */
export type Script = (call: Call) => void | Promise<void>;

/** The requests that a script is for; all that are named must hold. */
export interface Only {
  readonly model?: string;
  readonly key?: string;
  readonly isStreamed?: boolean;
}

export interface FakeAi {
  readonly dialect: Dialect;
  /** As its SDK wants it. */
  readonly baseUrl: string;
  readonly port: number;
  /** Those that came, oldest first; the latest thousand. */
  readonly calls: readonly Call[];
  /** All that came. */
  readonly requestCount: number;
  /** All that were opened. */
  readonly connectionCount: number;
  readonly openConnections: number;
  /** Queues a script for one request. */
  next(script: Script, only?: Only): void;
  /** For requests that nothing is queued for; at first it answers them. */
  otherwise(script: Script): void;
  /** Lets requests wait until the function that it gives is called. */
  hold(): () => void;
  /** Resolves once so many requests have come, in all. */
  asked(count: number): Promise<void>;
  /** Resolves once no connection is open. */
  idle(): Promise<void>;
  /** Breaks all connections, and refuses new ones until it comes back. */
  goDown(): Promise<void>;
  comeBack(): Promise<void>;
  /** May be called twice. */
  close(): Promise<void>;
}

const rememberedCalls = 1000;

/** @param port zero takes a free one */
export async function startFakeAi(dialect: Dialect, port = 0): Promise<FakeAi> {
  const sockets = new Set<Socket>();
  const calls: Call[] = [];
  const queue: { readonly script: Script; readonly only: Only }[] = [];
  const counted = { requests: 0, connections: 0 };
  const waiting = new Set<() => void>();
  let fallback = answering();
  let held: Promise<void> | undefined;

  const changed = (): void => {
    for (const check of waiting) check();
  };
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (!holds()) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });

  const onRequest = async (request: HttpRequest, reply: Reply, gone: Promise<void>): Promise<void> => {
    const asked = dialect.asked(request);
    counted.requests += 1;
    if (!asked) return reply.raw(sized(404, {}, ''));
    const call: Call = { dialect, request, asked, reply, gone };
    calls.push(call);
    if (calls.length > rememberedCalls) calls.shift();
    const at = queue.findIndex(({ only }) => isFor(only, asked));
    const script = at < 0 ? fallback : queue.splice(at, 1)[0]!.script;
    changed();
    if (held) await held;
    await script(call);
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    counted.connections += 1;
    sockets.add(socket);
    const reply = new Reply(socket);
    const gone = new Promise<void>((resolve) => {
      socket.on('end', () => {
        resolve();
        socket.end();
      });
      socket.on('close', () => {
        resolve();
        sockets.delete(socket);
        changed();
      });
    });
    socket.on('error', () => {});
    socket.on(
      'data',
      requestReader((request) => void onRequest(request, reply, gone)),
    );
  });
  const listen = (at: number): Promise<void> => new Promise((resolve) => server.listen(at, '127.0.0.1', resolve));
  await listen(port);
  const taken = (server.address() as AddressInfo).port;

  const goDown = async (): Promise<void> => {
    const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await stopped;
  };

  return {
    dialect,
    baseUrl: `http://127.0.0.1:${taken}${dialect.basePath}`,
    port: taken,
    calls,
    get requestCount() {
      return counted.requests;
    },
    get connectionCount() {
      return counted.connections;
    },
    get openConnections() {
      return sockets.size;
    },
    next: (script, only = {}) => void queue.push({ script, only }),
    otherwise: (script) => void (fallback = script),
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return () => {
        held = undefined;
        resolve();
      };
    },
    asked: (count) => until(() => counted.requests >= count),
    idle: () => until(() => sockets.size === 0),
    goDown,
    comeBack: () => listen(taken),
    close: goDown,
  };
}

function isFor({ model, key, isStreamed }: Only, asked: Asked): boolean {
  const hasModel = model === undefined || model === asked.model;
  const hasKey = key === undefined || key === asked.key;
  return hasModel && hasKey && (isStreamed === undefined || isStreamed === asked.isStreamed);
}
