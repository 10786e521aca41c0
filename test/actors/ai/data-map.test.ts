import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dataMap, isProviderAllowed, recipientOf, recipients } from '../../../actors/ai/data-map.ts';

test.each([
  [undefined, 'local'],
  ['api.openai.com', 'openai'],
  ['API.OpenAI.com.', 'openai'],
  ['api.anthropic.com', 'anthropic'],
  ['generativelanguage.googleapis.com', 'google'],
  ['localhost', 'host'],
  ['api.openai.com.example.net', 'host'],
  ['eu.api.openai.com', 'host'],
  ['openai', 'host'],
  ['', 'host'],
] as const)('what goes to %s is read by: %s', (hostname, expected) => {
  expect(recipientOf(hostname)).toBe(expected);
});

test.each([
  [[], undefined, true],
  [[], 'api.openai.com', false],
  [[], 'localhost', false],
  [['openai'], 'api.openai.com', true],
  [['openai'], 'api.anthropic.com', false],
  // A vendor's protocol spoken by somebody else.
  [['openai'], 'proxy.example.com', false],
  [['anthropic', 'google'], 'generativelanguage.googleapis.com', true],
  [['host/proxy.example.com'], 'Proxy.Example.com.', true],
  [['host/PROXY.example.com.'], 'proxy.example.com', true],
  [['host/proxy.example.com'], 'other.example.com', false],
  [['host/example.com'], 'proxy.example.com', false],
  [['host/'], 'proxy.example.com', false],
  [['proxy.example.com'], 'proxy.example.com', false],
  [['host', '*', 'host/*', 'local'], 'proxy.example.com', false],
  // A vendor is allowed by its name alone, so that a list reads the same for all.
  [['host/api.openai.com'], 'api.openai.com', false],
] as const)('a tenant that allows %j lets requests go to %s: %s', (allowed, hostname, expected) => {
  expect(isProviderAllowed(allowed, hostname)).toBe(expected);
});

const anyHost = fc.oneof(fc.domain(), fc.constantFrom('api.openai.com', 'api.anthropic.com', 'localhost', '10.0.0.1'));

test('a host that no entry names is never allowed, whatever else is', () => {
  fc.assert(
    fc.property(fc.uniqueArray(anyHost, { minLength: 1 }), fc.array(fc.string()), ([hostname, ...others], words) => {
      const named = others.map((other) => (recipientOf(other) === 'host' ? `host/${other}` : recipientOf(other)));
      expect(isProviderAllowed([...named, ...words], hostname)).toBe(false);
      expect(isProviderAllowed([...named, `host/${hostname}`, recipientOf(hostname)], hostname)).toBe(true);
    }),
  );
});

test('no statement of a vendor passes for verified, and each says where and when it was read', () => {
  for (const recipient of ['openai', 'anthropic', 'google'] as const) {
    for (const { isVerified, source, asOf } of [dataMap[recipient].retention, dataMap[recipient].training]) {
      expect(isVerified).toBe(false);
      expect(source).toMatch(/^https:/);
      expect(asOf).toMatch(/^20\d\d-\d\d$/);
    }
  }
});

test('the page says of each what the map says', () => {
  const page = readFileSync(new URL('../../../docs/ai-data.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z]+)` \| (.+) \| (.+) \| (.+) \| (.+) \|$/gm)].map(([, ...row]) => row);
  expect(rows).toEqual(
    recipients.map((recipient) => {
      const { who, notSent, retention, training } = dataMap[recipient];
      const stated = ({ text, asOf, isVerified }: typeof retention) =>
        `${text}${asOf === undefined ? '' : ` (${asOf})`}${isVerified ? '' : ' – unverified'}`;
      const without =
        recipient === 'local' ? 'nothing leaves' : notSent.length === 0 ? 'all' : `all but ${notSent.join(', ')}`;
      return [recipient, who, without, stated(retention), stated(training)];
    }),
  );
});
