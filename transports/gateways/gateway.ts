/** What a gateway is made of: an HTTP port, routes on it, and streams where it has them. */
import { AccountCommands } from '../account-commands.ts';
import { createAuthenticate, type Authenticate, type AuthenticationLimits } from '../authenticate.ts';
import { createHttp, type App, type Http, type HttpLimits } from '../http.ts';
import type { Action, Role, ServiceName, Services } from '../services.ts';
import { StreamServer } from '../streams/server.ts';
import { acceptWebSockets } from '../websocket/ws.ts';
import type { StreamLimits } from '../streams/session.ts';

export interface GatewayLimits {
  readonly http: HttpLimits & {
    /** Largest body at the AI orchestrator. */
    readonly aiBodyBytes: number;
  };
  readonly stream: StreamLimits;
  readonly authentication: AuthenticationLimits;
  readonly ask: { readonly deadlineMs: number };
  readonly ai: {
    /** For a completion, all attempts together. */
    readonly deadlineMs: number;
    /** Tokens of an answer, where the caller says nothing, and at the most. */
    readonly usualOutputTokens: number;
    readonly mostOutputTokens: number;
  };
}

export interface GatewayOptions {
  readonly services: Services;
  isAllowed(role: Role, action: Action): boolean;
  readonly limits: GatewayLimits;
  /** Folders that the public port serves. */
  readonly folders: { readonly web: string; readonly client: string; readonly errorPages: string };
  /** Whether a service shows its inside without a credential: where it listens on loopback alone. */
  exposesInternals(service: ServiceName): boolean;
  /** Of port 5001; absent is ws. */
  readonly webSockets?: WebSocketChoice;
}

export interface WebSocketChoice {
  /** `auto`: uWebSockets.js where it loads, otherwise ws. */
  readonly engine: 'auto' | 'ws' | 'uws';
  /** Told once it is known, with the reason where there was another wish. */
  onChosen(engine: 'ws' | 'uWebSockets.js', reason?: string): void;
}

/** Shared by all gateways of a process. */
export interface GatewayContext extends GatewayOptions {
  readonly authenticate: Authenticate;
  readonly commands: AccountCommands;
  /** One for all ports that have streams, so that a price is encoded once whoever listens. */
  readonly streams: StreamServer;
}

export interface Gateway {
  readonly service: ServiceName;
  /** Resolves to the port. @throws PortUnavailable */
  listen(host: string, port: number): Promise<number>;
  /** Sends clients away, answers what is under way, closes. */
  drain(): Promise<void>;
}

export function gatewayContext(options: GatewayOptions): GatewayContext {
  const { services, limits } = options;
  const authenticate = createAuthenticate(services, limits.authentication);
  const commands = new AccountCommands(services, limits.ask.deadlineMs);
  const streams = new StreamServer({ ...options, authenticate, commands, limits: limits.stream });
  return { ...options, authenticate, commands, streams };
}

export interface GatewayParts {
  readonly service: ServiceName;
  readonly hasStreams?: boolean;
  readonly bodyBytes?: number;
  routes(app: App): void;
}

/** What every port answers; nothing listens yet. */
export function gatewayHttp(context: GatewayContext, service: ServiceName, bodyBytes?: number): Promise<Http> {
  const { services, authenticate, limits } = context;
  return createHttp({
    ...{ service, services, authenticate, exposeInternals: context.exposesInternals(service) },
    isAllowed: (role, action) => context.isAllowed(role, action),
    limits: { ...limits.http, bodyBytes: bodyBytes ?? limits.http.bodyBytes },
  });
}

export async function createGateway(context: GatewayContext, parts: GatewayParts): Promise<Gateway> {
  const { service } = parts;
  const { limits, services } = context;
  const http = await gatewayHttp(context, service, parts.bodyBytes);
  parts.routes(http.app);
  const entrance = parts.hasStreams ? context.streams.entrance() : undefined;
  if (entrance) acceptWebSockets(http.app.server, services.clock, entrance);
  return {
    ...{ service, listen: http.listen },
    drain: async () => {
      entrance?.drain();
      // By then an order is answered, and there is time left to stop what is behind the ports.
      await http.drain(limits.ask.deadlineMs);
    },
  };
}
