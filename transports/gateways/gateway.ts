/** What a gateway is made of: an HTTP port, routes on it, and streams where it has them. */
import { AccountCommands } from '../account-commands.ts';
import { createAuthenticate, type Authenticate, type AuthenticationLimits } from '../authenticate.ts';
import { createHttp, type App, type HttpLimits } from '../http.ts';
import type { Action, Role, ServiceName, Services } from '../services.ts';
import { StreamServer } from '../stream-server.ts';
import type { StreamLimits } from '../stream-session.ts';

export interface GatewayLimits {
  readonly http: HttpLimits & {
    /** Largest body at the AI orchestrator. */
    readonly aiBodyBytes: number;
  };
  readonly stream: StreamLimits;
  readonly authentication: AuthenticationLimits;
  readonly ask: { readonly deadlineMs: number };
}

export interface GatewayOptions {
  readonly services: Services;
  isAllowed(role: Role, action: Action): boolean;
  readonly limits: GatewayLimits;
  /** Folders that the public port serves. */
  readonly folders: { readonly web: string; readonly errorPages: string };
  /** Whether a service shows its inside without a credential: where it listens on loopback alone. */
  exposesInternals(service: ServiceName): boolean;
}

/** Shared by all gateways of a process. */
export interface GatewayContext extends GatewayOptions {
  readonly authenticate: Authenticate;
  readonly commands: AccountCommands;
}

export interface Gateway {
  readonly service: ServiceName;
  /** Resolves to the port. @throws PortUnavailable */
  listen(host: string, port: number): Promise<number>;
  /** Sends clients away, answers what is under way, closes. */
  drain(): Promise<void>;
  /** Of the streams, where the gateway has them. */
  readonly streams: StreamServer | undefined;
}

export function gatewayContext(options: GatewayOptions): GatewayContext {
  const { services, limits } = options;
  return {
    ...options,
    authenticate: createAuthenticate(services, limits.authentication),
    commands: new AccountCommands(services, limits.ask.deadlineMs),
  };
}

export interface GatewayParts {
  readonly service: ServiceName;
  readonly hasStreams?: boolean;
  readonly bodyBytes?: number;
  routes(app: App): void;
}

export async function createGateway(context: GatewayContext, parts: GatewayParts): Promise<Gateway> {
  const { service } = parts;
  const { limits, services } = context;
  const http = await createHttp({
    ...{ service, services, authenticate: context.authenticate, exposeInternals: context.exposesInternals(service) },
    isAllowed: (role, action) => context.isAllowed(role, action),
    limits: { ...limits.http, bodyBytes: parts.bodyBytes ?? limits.http.bodyBytes },
  });
  parts.routes(http.app);
  const streams = parts.hasStreams ? new StreamServer({ ...context, limits: limits.stream }) : undefined;
  streams?.attach(http.app.server);
  return {
    ...{ service, streams, listen: http.listen },
    drain: async () => {
      streams?.drain();
      // By then an order is answered, and there is time left to stop what is behind the ports.
      await http.drain(limits.ask.deadlineMs);
    },
  };
}
