/**
 * Guards hosts that tenants name, so that nobody reaches through us what only we can reach: this machine, the network it stands in, the
 * metadata of its cloud. A name is judged by the addresses it has when a connection is made, and these are the ones connected to.
 */
import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Terminal } from '../../runtime/errors.ts';

export interface HostPolicy {
  /** Whether the operator lets tenants use servers on this machine, also without TLS. */
  readonly allowsLoopback: boolean;
}

export interface GuardedHost {
  /** Without a query; paths are put behind its own. */
  readonly url: URL;
  /**
   * For the agent that connects to it, and for no other host. Fails with `HostNotAllowed` where the name has any address that is not to be
   * reached. Redirects must not be followed: an address in place of a name is never looked up.
   */
  readonly lookup: LookupFunction;
}

export type HostOutcome =
  | { readonly ok: true; readonly host: GuardedHost }
  | { readonly ok: false; readonly fault: HostFault };

export type HostFault =
  /** Not an absolute URL, or longer than `longestUrl`, or with blanks in it. */
  | 'malformed'
  /** Another protocol than https, or http where that is not allowed. */
  | 'not-https'
  | 'holds-credentials'
  | 'holds-query'
  | 'address-not-public';

/** A name has an address that is not to be reached. Says nothing of the address, which may be a secret of our network. */
export class HostNotAllowed extends Terminal {
  constructor(hostname: string) {
    super(`${hostname} has addresses that are not to be reached`);
  }
}

/** All addresses of a name; `node:dns` has it as `lookup`. */
export type Resolve = (
  hostname: string,
  options: LookupOptions & { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

const longestUrl = 2_048;

/** Resolves nothing yet. */
export function guardHost(baseUrl: string, policy: HostPolicy, resolve: Resolve = systemLookup): HostOutcome {
  const refuse = (fault: HostFault) => ({ ok: false, fault }) as const;
  // The parser of URLs drops some blanks, and turns others into something else.
  if (baseUrl.length > longestUrl || /[\s\p{Cc}\\]/u.test(baseUrl) || !URL.canParse(baseUrl))
    return refuse('malformed');
  const url = new URL(baseUrl);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && policy.allowsLoopback && isLoopbackName(url)))
    return refuse('not-https');
  if (url.username !== '' || url.password !== '') return refuse('holds-credentials');
  if (/[?#]/.test(baseUrl)) return refuse('holds-query');
  // Numbers in any spelling, such as 0x7f.1 or 2130706433, are addresses by now.
  const literal = literalOf(url);
  if (isIP(literal) > 0 && !isReachable(literal, policy)) return refuse('address-not-public');
  // What goes without TLS stays on this machine.
  const isAllowed = url.protocol === 'http:' ? isLoopback : (address: string) => isReachable(address, policy);
  return { ok: true, host: { url, lookup: guardedLookup(url.hostname, isAllowed, resolve) } };
}

function literalOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

function isLoopbackName(url: URL): boolean {
  return /^(?:.+\.)?localhost\.?$/.test(url.hostname) || isLoopback(literalOf(url));
}

function guardedLookup(name: string, isAllowed: (address: string) => boolean, resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    const fail = (error: Error) => callback(error, '', 0);
    if (hostname !== name) return fail(new HostNotAllowed(hostname));
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return fail(error);
      const [first] = addresses;
      // One address of ours among others is no mistake of theirs, so the others are not tried either.
      if (first === undefined || !addresses.every(({ address }) => isAllowed(address)))
        return fail(new HostNotAllowed(hostname));
      return options.all ? callback(null, addresses) : callback(null, first.address, first.family);
    });
  };
}

function isReachable(address: string, policy: HostPolicy): boolean {
  return isPublicAddress(address) || (policy.allowsLoopback && isLoopback(address));
}

function isLoopback(address: string): boolean {
  const family = isIP(address);
  return family === 4 ? loopback.check(address, 'ipv4') : family === 6 && loopback.check(address, 'ipv6');
}

/** Whether an address, as sockets write it, belongs to the internet and to nobody's own network. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !special4.check(address, 'ipv4');
    case 6:
      // An address with a zone is of one link.
      return !address.includes('%') && global6.check(address, 'ipv6') && !special6.check(address, 'ipv6');
    default:
      return false;
  }
}

function blockList(family: 'ipv4' | 'ipv6', ranges: readonly (readonly [net: string, prefix: number])[]): BlockList {
  const list = new BlockList();
  for (const [net, prefix] of ranges) list.addSubnet(net, prefix, family);
  return list;
}

const loopback = blockList('ipv4', [['127.0.0.0', 8]]);
loopback.addAddress('::1', 'ipv6');

/** IANA's registry of special addresses, multicast, what is reserved, and the one public address that clouds use for themselves. */
const special4 = blockList('ipv4', [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  // Shared by the customers of a carrier; Alibaba's metadata.
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // Link-local; the metadata of most clouds.
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  // Protocols; Oracle's metadata.
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  // Azure's.
  ['168.63.129.16', 32],
]);

/** All that is given out. Local, mapped, compatible and NAT64 addresses lie outside. */
const global6 = blockList('ipv6', [['2000::', 3]]);

const special6 = blockList('ipv6', [
  // Protocols, Teredo among them.
  ['2001::', 23],
  ['2001:db8::', 32],
  // 6to4: an IPv4 address, whichever, is inside.
  ['2002::', 16],
  ['2620:4f:8000::', 48],
  ['3fff::', 20],
]);
