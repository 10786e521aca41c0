import fc from 'fast-check';
import { expect, test } from 'vitest';
import { highestPort, maxPortOffset, portsAt, services } from '../../config/ports.ts';

test('the eight services have the ports of the port map', () => {
  expect(portsAt(0)).toEqual({
    api: 3001,
    database: 8008,
    'data-bridge': 5001,
    hub: 7000,
    ai: 8020,
    trading: 9000,
    billing: 9001,
    analytics: 9100,
  });
});

test('only the API and the data bridge are public', () => {
  const open = Object.entries(services).filter(([, { reach }]) => reach === 'public');
  expect(open.map(([name]) => name)).toEqual(['api', 'data-bridge']);
});

test('an offset moves every port by the same and keeps them apart', () => {
  fc.assert(
    fc.property(fc.nat(maxPortOffset), (offset) => {
      const ports = Object.values(portsAt(offset));
      expect(ports.map((port) => port - offset)).toEqual(Object.values(portsAt(0)));
      expect(new Set(ports).size).toBe(8);
      expect(Math.max(...ports)).toBeLessThanOrEqual(highestPort);
    }),
  );
});

test('a port beyond the last one is refused', () => {
  expect(() => portsAt(highestPort - 9100)).not.toThrow();
  expect(() => portsAt(highestPort - 9100 + 1)).toThrow('port of analytics must be at most 65535, was 65536');
});
