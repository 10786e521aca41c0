import type { LookupAddress, LookupOptions } from 'node:dns';
import { once } from 'node:events';
import { Agent, createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  guardHost,
  HostNotAllowed,
  isPublicAddress,
  type GuardedHost,
  type HostPolicy,
  type Resolve,
} from '../../../transports/drivers/host-guard.ts';

const strict: HostPolicy = { allowsLoopback: false };
const withLoopback: HostPolicy = { allowsLoopback: true };

test.each([
  ['93.184.216.34', true],
  ['1.1.1.1', true],
  ['9.255.255.255', true],
  ['11.0.0.0', true],
  ['100.63.255.255', true],
  ['100.128.0.0', true],
  ['172.15.255.255', true],
  ['172.32.0.0', true],
  ['223.255.255.255', true],
  ['2606:2800:220:1:248:1893:25c8:1946', true],
  ['2a00:1450:4001::200e', true],
  ['0.0.0.0', false],
  ['0.1.2.3', false],
  ['10.0.0.0', false],
  ['10.255.255.255', false],
  ['100.64.0.0', false],
  ['100.100.100.200', false],
  ['100.127.255.255', false],
  ['127.0.0.1', false],
  ['127.255.255.255', false],
  ['168.63.129.16', false],
  ['169.254.169.254', false],
  ['172.16.0.0', false],
  ['172.31.255.255', false],
  ['192.0.0.192', false],
  ['192.168.1.1', false],
  ['198.19.255.255', false],
  ['203.0.113.7', false],
  ['224.0.0.1', false],
  ['239.255.255.255', false],
  ['240.0.0.1', false],
  ['255.255.255.255', false],
  ['::', false],
  ['::1', false],
  ['0:0:0:0:0:0:0:1', false],
  ['::127.0.0.1', false],
  ['::ffff:127.0.0.1', false],
  ['::ffff:7f00:1', false],
  ['::ffff:93.184.216.34', false],
  ['64:ff9b::a9fe:a9fe', false],
  ['64:ff9b:1::1', false],
  ['100::1', false],
  ['2001::1', false],
  ['2001:db8::1', false],
  ['2002:7f00:1::', false],
  ['2002:a9fe:a9fe::1', false],
  ['3fff::1', false],
  ['fc00::1', false],
  ['fd00:ec2::254', false],
  ['fe80::1', false],
  ['fe80::1%eth0', false],
  ['2606:2800::1%1', false],
  ['fec0::1', false],
  ['ff02::1', false],
  ['localhost', false],
  ['', false],
  ['127.1', false],
  ['1.1.1.1.', false],
])('%s is public: %s', (address, expected) => {
  expect(isPublicAddress(address)).toBe(expected);
});

test('an IPv4 address that is not public is none in any IPv6 address that holds it', () => {
  const octets = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
  fc.assert(
    fc.property(octets, ([a, b, c, d]) => {
      const [high, low] = [((a << 8) | b).toString(16), ((c << 8) | d).toString(16)];
      for (const holder of [`::${high}:${low}`, `::ffff:${high}:${low}`, `::ffff:${a}.${b}.${c}.${d}`])
        expect(isPublicAddress(holder)).toBe(false);
      for (const holder of [`64:ff9b::${high}:${low}`, `2002:${high}:${low}::1`, `2001:0:${high}:${low}::1`])
        expect(isPublicAddress(holder)).toBe(false);
    }),
  );
});

test.each([
  ...[
    '127.0.0.1',
    '127.1',
    '127.0.1',
    '0',
    '2130706433',
    '0x7f000001',
    '0X7F.1',
    '0x7f.0.0.1',
    '017700000001',
    '0177.0.0.1',
  ],
  ...[
    '127.0.0.1.',
    '00000177.1',
    '%31%32%37.0.0.1',
    '１２７.0.0.1',
    '127。0。0。1',
    '0xa9fea9fe',
    '2852039166',
    '169.254.43518',
  ],
  ...[
    '0251.0376.0251.0376',
    '10.1',
    '0xA.1',
    '192.168.257',
    '3232235777',
    '0300.0250.1.1',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
  ],
  ...[
    '[::ffff:127.0.0.1]',
    '[::ffff:a9fe:a9fe]',
    '[64:ff9b::169.254.169.254]',
    '[2002:a9fe:a9fe::]',
    '[fd00:ec2::254]',
    '[::]',
  ],
])('https://%s/v1 is an address that is not public', (host) => {
  expect(guardHost(`https://${host}/v1`, strict)).toEqual({ ok: false, fault: 'address-not-public' });
});

test.each([
  ['', 'malformed'],
  ['api.example.com/v1', 'malformed'],
  ['https://', 'malformed'],
  ['https://api.example.com/v1\n', 'malformed'],
  ['ht\ttps://api.example.com', 'malformed'],
  ['https:\\\\api.example.com', 'malformed'],
  ['https://256.256.256.256', 'malformed'],
  ['https://[::1', 'malformed'],
  [`https://api.example.com/${'a'.repeat(2_048)}`, 'malformed'],
  ['http://api.example.com/v1', 'not-https'],
  ['http://localhost:11434', 'not-https'],
  ['ftp://api.example.com', 'not-https'],
  ['file:///etc/passwd', 'not-https'],
  ['gopher://127.0.0.1:6379/_x', 'not-https'],
  ['unix:/run/docker.sock', 'not-https'],
  ['https://user@api.example.com', 'holds-credentials'],
  ['https://:key@api.example.com', 'holds-credentials'],
  ['https://api.example.com#@127.0.0.1', 'holds-query'],
  ['https://api.example.com/v1?to=', 'holds-query'],
  ['https://api.example.com/v1?to=x', 'holds-query'],
  ['https://api.example.com/v1?', 'holds-query'],
] as const)('%j is refused as %s', (url, fault) => {
  expect(guardHost(url, strict)).toEqual({ ok: false, fault });
});

test.each([
  ['http://localhost:11434', true],
  ['http://model.localhost', true],
  ['http://127.0.0.2:8080/v1', true],
  ['http://[::1]:8080', true],
  ['https://127.0.0.1', true],
  ['http://api.example.com', false],
  ['http://localhost.example.com', false],
  ['http://notlocalhost', false],
  ['http://10.0.0.1', false],
  ['https://10.0.0.1', false],
  ['http://0.0.0.0', false],
  ['http://[::ffff:10.0.0.1]', false],
])('where the operator allows loopback, %s is allowed: %s', (url, expected) => {
  expect(guardHost(url, withLoopback).ok).toBe(expected);
});

/** Answers each question with the next of the answers. */
function scripted(...answers: readonly (readonly string[] | NodeJS.ErrnoException)[]) {
  const asked: string[] = [];
  const resolve: Resolve = (hostname, _options, callback) => {
    const answer = answers[asked.length];
    asked.push(hostname);
    if (answer === undefined) throw new Error('asked once too often');
    if (answer instanceof Error) return callback(answer, []);
    callback(
      null,
      answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  return { asked, resolve };
}

function guarded(url: string, policy: HostPolicy, resolve: Resolve): GuardedHost {
  const outcome = guardHost(url, policy, resolve);
  if (!outcome.ok) throw new Error(outcome.fault);
  return outcome.host;
}

function look(host: GuardedHost, options: LookupOptions = {}, name = host.url.hostname) {
  const { promise, resolve } = Promise.withResolvers<{ error: Error | null; found: string | LookupAddress[] }>();
  host.lookup(name, options, (error, found) => resolve({ error, found }));
  return promise;
}

const v4 = '93.184.216.34';
const v6 = '2606:2800:220:1:248:1893:25c8:1946';

test('a name with public addresses has them, one or all, as it is asked for', async () => {
  const { resolve } = scripted([v6, v4], [v6, v4]);
  const host = guarded('https://api.example.com/v1', strict, resolve);
  expect(host.url.href).toBe('https://api.example.com/v1');
  expect(await look(host)).toEqual({ error: null, found: v6 });
  expect(await look(host, { all: true })).toEqual({
    error: null,
    found: [
      { address: v6, family: 6 },
      { address: v4, family: 4 },
    ],
  });
});

test.each([[['127.0.0.1']], [['::1']], [[v4, '10.0.0.1']], [[v6, '::ffff:169.254.169.254']], [[]]])(
  'a name with the addresses %j is refused, and the error does not tell them',
  async (addresses) => {
    const { resolve } = scripted(addresses, addresses);
    const host = guarded('https://api.example.com', strict, resolve);
    for (const options of [{}, { all: true }]) {
      const { error } = await look(host, options);
      expect(error).toBeInstanceOf(HostNotAllowed);
      expect(error!.message).toBe('api.example.com has addresses that are not to be reached');
    }
  },
);

test('where loopback is allowed names may be of this machine or public, and of this machine alone without TLS', async () => {
  const answers = [['127.0.0.1', '::1'], [v4], ['10.0.0.1']];
  for (const [url, expected] of [
    ['https://model.example.com', [true, true, false]],
    ['http://model.localhost', [true, false, false]],
  ] as const) {
    const host = guarded(url, withLoopback, scripted(...answers).resolve);
    const looks = [await look(host), await look(host), await look(host)];
    expect(looks.map(({ error }) => error === null)).toEqual(expected);
  }
});

test('a name that is not found fails as names do, and a name that was not checked is not even looked up', async () => {
  const notFound = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
  const { resolve, asked } = scripted(notFound);
  const host = guarded('https://api.example.com', strict, resolve);
  expect((await look(host)).error).toBe(notFound);
  expect((await look(host, {}, 'other.example.com')).error).toBeInstanceOf(HostNotAllowed);
  expect(asked).toEqual(['api.example.com']);
});

async function serve(answer: { readonly status: number; readonly location?: string }) {
  let requests = 0;
  const server = createServer((_request, response) => {
    requests += 1;
    const { status, location } = answer;
    response.writeHead(status, location === undefined ? {} : { location }).end('ok');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

async function statusOf(host: GuardedHost, agent: Agent): Promise<number | undefined> {
  const [response] = (await once(get(host.url, { agent }), 'response')) as [IncomingMessage];
  await response.resume().toArray();
  return response.statusCode;
}

test('a name whose address changes between two connections is judged by what each connects to', async () => {
  await using server = await serve({ status: 200 });
  const { resolve, asked } = scripted(['127.0.0.1'], ['10.0.0.1'], ['0.0.0.0']);
  const host = guarded(`http://model.localhost:${server.port}/v1`, withLoopback, resolve);
  const agent = new Agent({ lookup: host.lookup });
  // The answer behind the first is never asked for: what was checked is what is connected to.
  expect(await statusOf(host, agent)).toBe(200);
  expect(asked).toHaveLength(1);
  await expect(statusOf(host, agent)).rejects.toBeInstanceOf(HostNotAllowed);
  await expect(statusOf(host, agent)).rejects.toBeInstanceOf(HostNotAllowed);
  expect(server.requests()).toBe(1);
});

test('a public name that has come to point at this machine reaches nothing on it', async () => {
  await using server = await serve({ status: 200 });
  const { resolve } = scripted([v4], ['127.0.0.1']);
  const host = guarded(`https://rebind.example.com:${server.port}`, strict, resolve);
  expect((await look(host)).error).toBeNull();
  const request = get({ host: host.url.hostname, port: server.port, agent: new Agent({ lookup: host.lookup }) });
  const [error] = (await once(request, 'error')) as [Error];
  expect(error).toBeInstanceOf(HostNotAllowed);
  expect(server.requests()).toBe(0);
});

test('a redirect is an answer, and goes nowhere', async () => {
  await using inner = await serve({ status: 200 });
  await using server = await serve({ status: 307, location: `http://127.0.0.1:${inner.port}/` });
  const { resolve } = scripted(['127.0.0.1']);
  const host = guarded(`http://model.localhost:${server.port}`, withLoopback, resolve);
  expect(await statusOf(host, new Agent({ lookup: host.lookup }))).toBe(307);
  expect(inner.requests()).toBe(0);
});
