/**
 * Who is sent what of a request, how long they say they keep it, and which of them a tenant allows. What vendors state was read on pages
 * of theirs or copies, and is unverified until somebody has looked at the contract.
 */
import type { CompletionRequest } from './provider.ts';

export const recipients = ['openai', 'anthropic', 'google', 'host', 'local'] as const;
/** Who reads what is sent: a vendor at its own address, whoever runs another host (Ollama's too), or this process. */
export type Recipient = (typeof recipients)[number];

/** The hosts at which a vendor itself answers. */
const vendorHosts: ReadonlyMap<string, Recipient> = new Map([
  ['api.openai.com', 'openai'],
  ['api.anthropic.com', 'anthropic'],
  ['generativelanguage.googleapis.com', 'google'],
]);

export interface DataFlow {
  readonly who: string;
  /** Parts of a request that never reach them. */
  readonly notSent: readonly (keyof CompletionRequest)[];
  /** Beside the request. */
  readonly alsoSent: readonly string[];
  readonly retention: VendorStatement;
  readonly training: VendorStatement;
}

export interface VendorStatement {
  readonly text: string;
  /** Absent where nobody outside is involved. */
  readonly source?: string;
  /** When the page was written or copied, `YYYY-MM`. */
  readonly asOf?: string;
  readonly isVerified: boolean;
}

const overHttp = [
  'the API key of the platform or of the tenant',
  'our IP address',
  "the SDK's name, Node's version and platform",
];
const openai = 'https://developers.openai.com/api/docs/guides/your-data';
const anthropicRetention = 'https://privacy.claude.com (How long do you store my organization’s data?)';
const gemini = 'https://ai.google.dev/gemini-api/docs/usage-policies';

/** Everything of a request goes to each of them as redacted text, except for `notSent`. */
export const dataMap: Readonly<Record<Recipient, DataFlow>> = {
  openai: {
    who: 'OpenAI, at api.openai.com',
    ...{ notSent: [], alsoSent: overHttp },
    retention: unverified(
      'up to 30 days in logs against abuse, longer where the law wants it; none by approval',
      openai,
      '2026-04',
    ),
    training: unverified('none, unless the organization opts in', openai, '2026-04'),
  },
  anthropic: {
    who: 'Anthropic, at api.anthropic.com',
    ...{ notSent: ['seed'], alsoSent: overHttp },
    retention: unverified(
      '7 days for most of the API; longer what is flagged; none by agreement',
      anthropicRetention,
      '2025-09',
    ),
    training: unverified('none', 'https://privacy.claude.com/en/articles/7996875', '2025-11'),
  },
  google: {
    who: 'Google, at generativelanguage.googleapis.com',
    ...{ notSent: [], alsoSent: overHttp },
    retention: unverified('55 days against abuse', gemini, '2025-11'),
    training: unverified(
      'none for projects with billing; without it prompts and answers are used, and read by people',
      ...(['https://ai.google.dev/gemini-api/terms', '2025-05'] as const),
    ),
  },
  host: {
    who: 'whoever runs the host: an OpenAI-compatible one, or Ollama, whose models may be of its own cloud',
    ...{ notSent: [], alsoSent: overHttp },
    retention: { text: 'for its operator to say', isVerified: false },
    training: { text: 'for its operator to say', isVerified: false },
  },
  local: {
    who: 'nobody: the model is computed in this process',
    ...{ notSent: [], alsoSent: [] },
    retention: { text: 'none', isVerified: true },
    training: { text: 'none', isVerified: true },
  },
};

function unverified(text: string, source: string, asOf: string): VendorStatement {
  return { text, source, asOf, isVerified: false };
}

/**
 * Who it is that a provider's messages go to.
 *
 * @param hostname of its base URL; undefined for the local model
 * @returns a vendor's protocol at another address is a `host`
 */
export function recipientOf(hostname: string | undefined): Recipient {
  return hostname === undefined ? 'local' : (vendorHosts.get(plainHost(hostname)) ?? 'host');
}

/**
 * Whether a tenant lets its requests go there. Nothing is allowed that is not named, except for the model in this process.
 *
 * @param allowed `openai`, `anthropic` and `google`, or `host/` and a name for any other: of one host alone, whatever its port
 * @param hostname of the provider's base URL; undefined for the local model
 */
export function isProviderAllowed(allowed: readonly string[], hostname: string | undefined): boolean {
  if (hostname === undefined) return true;
  const recipient = recipientOf(hostname);
  const wanted = recipient === 'host' ? `host/${plainHost(hostname)}` : recipient;
  return allowed.some((entry) => (entry.startsWith('host/') ? `host/${plainHost(entry.slice(5))}` : entry) === wanted);
}

/** Names are the same in capitals, and with the dot of the root. */
function plainHost(hostname: string): string {
  const lower = hostname.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}
