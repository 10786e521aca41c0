/** The port map: eight services, one port each. */
import assert from 'node:assert';

export const services = {
  api: { port: 3001, reach: 'public' },
  database: { port: 8008, reach: 'internal' },
  'data-bridge': { port: 5001, reach: 'public' },
  hub: { port: 7000, reach: 'internal' },
  ai: { port: 8020, reach: 'internal' },
  trading: { port: 9000, reach: 'internal' },
  billing: { port: 9001, reach: 'internal' },
  analytics: { port: 9100, reach: 'internal' },
} as const satisfies Readonly<Record<string, { port: number; reach: 'public' | 'internal' }>>;

export type ServiceName = keyof typeof services;

export const serviceNames = Object.keys(services) as readonly ServiceName[];

export type Ports = Readonly<Record<ServiceName, number>>;

export const highestPort = 65_535;

/** Added to every port, so that several nodes fit on one machine. */
export const maxPortOffset = 50_000;

/**
 * The port of each service on a node.
 *
 * @param offset 0 to 50,000
 * @throws {RangeError} a port would pass 65,535
 */
export function portsAt(offset: number): Ports {
  const ports = serviceNames.map((name): [ServiceName, number] => [name, services[name].port + offset]);
  for (const [name, port] of ports) {
    if (port > highestPort) throw new RangeError(`port of ${name} must be at most ${highestPort}, was ${port}`);
  }
  return Object.freeze(Object.fromEntries(ports) as Record<ServiceName, number>);
}

// Whatever offset is accepted gives ports that exist.
assert(portsAt(maxPortOffset));
