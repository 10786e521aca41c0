/** The eight ports as actors: each listens when it starts and drains when it stops. */
import { fileURLToPath } from 'node:url';
import type { Behavior } from '../runtime/actor.ts';
import type { Config } from '../config/config.ts';
import type { Limits } from '../config/limits.ts';
import { serviceNames, services as portMap, type ServiceName } from '../config/ports.ts';
import { isAllowed } from '../config/roles.ts';
import type { Readiness } from '../runtime/readiness.ts';
import type { AnyWorkerSpec } from '../runtime/spec.ts';
import { aiGateway } from '../transports/gateways/ai.ts';
import { analyticsGateway } from '../transports/gateways/analytics.ts';
import { apiGateway } from '../transports/gateways/api.ts';
import { billingGateway } from '../transports/gateways/billing.ts';
import { dataBridgeGateway } from '../transports/gateways/data-bridge.ts';
import { databaseGateway } from '../transports/gateways/database.ts';
import { gatewayContext, type Gateway, type GatewayContext } from '../transports/gateways/gateway.ts';
import { hubGateway } from '../transports/gateways/hub.ts';
import { tradingGateway } from '../transports/gateways/trading.ts';
import type { Services } from '../transports/services.ts';
import type { StreamServer } from '../transports/streams/server.ts';
import { stopBounds } from './shutdown.ts';

export interface GatewayAddress {
  readonly service: ServiceName;
  readonly url: string;
}

const create: Readonly<Record<ServiceName, (context: GatewayContext) => Promise<Gateway>>> = {
  api: apiGateway,
  database: databaseGateway,
  'data-bridge': dataBridgeGateway,
  hub: hubGateway,
  ai: aiGateway,
  trading: tradingGateway,
  billing: billingGateway,
  analytics: analyticsGateway,
};

export function gatewaySpecs(options: {
  config: Config;
  limits: Limits;
  services: Services;
  /** Told which engine has the WebSockets. */
  readiness?: Pick<Readiness, 'set' | 'whenReady'>;
}): {
  specs: readonly AnyWorkerSpec[];
  addresses: readonly GatewayAddress[];
  streams: StreamServer;
} {
  const { config, limits, services, readiness } = options;
  const hostOf = (service: ServiceName): string =>
    portMap[service].reach === 'public' ? config.publicHost : config.internalHost;
  const context = gatewayContext({
    ...{ services, isAllowed, limits },
    folders: {
      web: folder('../transports/web/'),
      client: folder('../transports/client/'),
      errorPages: folder('../docs/errors/'),
    },
    exposesInternals: (service) => isLoopback(hostOf(service)),
    webSockets: {
      engine: config.wsEngine,
      onChosen(engine, reason) {
        const told = { engine, ...(reason === undefined ? {} : { reason }) };
        readiness?.set('websockets', 'ready', reason === undefined ? engine : `${engine}: ${reason}`);
        // Not before: a start that fails says why it failed, and nothing else.
        const port = config.ports['data-bridge'];
        void readiness?.whenReady().then(() => services.log.info(told, `port ${port} streams on ${engine}`));
      },
    },
  });
  const specs = serviceNames.map((service): AnyWorkerSpec => {
    const behavior: Behavior<Gateway, never> = {
      async start() {
        const gateway = await create[service](context);
        await gateway.listen(hostOf(service), config.ports[service]);
        return gateway;
      },
      receive: (gateway) => gateway,
      stop: (gateway) => gateway.drain(),
    };
    return { id: service, kind: 'gateway', behavior, shutdownMs: stopBounds(limits.shutdown).gatewayMs };
  });
  const addresses = serviceNames.map((service) => {
    const scheme = service === 'data-bridge' ? 'ws' : 'http';
    return {
      service,
      url: `${scheme}://${hostOf(service)}:${config.ports[service]}${service === 'data-bridge' ? '/stream' : ''}`,
    };
  });
  return { specs, addresses, streams: context.streams };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

function folder(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
