/**
 * Takes personal data and secrets out of text before it leaves for a provider, and text that people do not see but models read.
 * Only what is sure goes: by a prefix that nothing else has, a shape, or check digits. Prices, quantities, times and symbols stay.
 * Every search looks a bounded distance ahead, so that the work grows with the text and no faster, whatever somebody has sent us.
 */
import * as checksums from './checksums.ts';

export const findingKinds = [
  ...['hidden-text', 'private-key', 'password', 'jwt', 'api-key', 'bearer-token', 'email'],
  ...['iban', 'card-number', 'national-id', 'phone-number'],
] as const;
export type FindingKind = (typeof findingKinds)[number];

/** How much of a kind was there. What it was is told to nobody. */
export interface Finding {
  readonly kind: FindingKind;
  /** One or more; of hidden text, the unbroken pieces. */
  readonly count: number;
}

export interface Redaction {
  /** With `[card-number removed]` and the like in place of what was found; the same text where nothing was. */
  readonly text: string;
  /** In the order of `findingKinds`. */
  readonly found: readonly Finding[];
}

export function redact(text: string): Redaction {
  const counts = new Map<FindingKind, number>();
  let rest = text;
  for (const { kind, mark, find } of rules) {
    if (mark !== undefined && !rest.includes(mark)) continue;
    const spans = find(rest);
    if (spans.length === 0) continue;
    rest = without(rest, spans, kind === 'hidden-text' ? '' : `[${kind} removed]`);
    counts.set(kind, (counts.get(kind) ?? 0) + spans.length);
  }
  const found = findingKinds.flatMap((kind) => (counts.has(kind) ? [{ kind, count: counts.get(kind)! }] : []));
  return { text: rest, found };
}

/** Start and end of what is to go. */
type Span = readonly [start: number, end: number];

/** @param spans ascending, none reaches into another */
function without(text: string, spans: readonly Span[], instead: string): string {
  const kept: string[] = [];
  let from = 0;
  for (const [start, end] of spans) {
    kept.push(text.slice(from, start), instead);
    from = end;
  }
  return kept.join('') + text.slice(from);
}

interface Rule {
  readonly kind: FindingKind;
  /** Without it there is nothing to find. */
  readonly mark?: string;
  find(text: string): Span[];
}

/** How much of a match, from its start, is sure; zero for none of it. */
type Sure = (match: string) => number;

const all: Sure = (match) => match.length;

function whole(isSure: (match: string) => boolean): Sure {
  return (match) => (isSure(match) ? match.length : 0);
}

/** Digits in groups run into those of whatever stands behind them, so the last groups may be none of it. */
function leadingGroups(isSure: (match: string) => boolean): Sure {
  return (match) => {
    let length = match.length;
    while (length > 0 && !isSure(match.slice(0, length))) length = match.slice(0, length).search(/[^\d]+\d*$/);
    return Math.max(0, length);
  };
}

/** @param pattern with flag g; a group named `before` belongs to the match and stays */
function matches(pattern: RegExp, sure: Sure = all): (text: string) => Span[] {
  return (text) => {
    const spans: Span[] = [];
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      const start = match.index + (match.groups?.['before']?.length ?? 0);
      const length = sure(text.slice(start, match.index + match[0].length));
      if (length > 0) spans.push([start, start + length]);
      // What is not sure may hold a later one that is.
      pattern.lastIndex = length > 0 ? start + length : match.index + 1;
    }
    return spans;
  };
}

/** Where a word may begin, also behind the escaped line break of a JSON text. */
const left = String.raw`(?:(?<![\p{L}\p{N}_])|(?<=\\[nrt]))`;
const right = String.raw`(?![\p{L}\p{N}_])`;
const digitSoon = String.raw`(?=[A-Za-z._~+/-]{0,64}\d)`;

function word(pattern: string): RegExp {
  return new RegExp(left + pattern, 'gu');
}

function digitsOf(text: string): string {
  return text.replaceAll(/\D/g, '');
}

const hidden = new RegExp(
  [
    // Soft hyphen, joiners, fillers, spaces without width, invisible operators, marks of annotations.
    String.raw`[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff`,
    // `\u061c` and the two lines above turn the direction of text; below are tags, and selectors that can spell any byte.
    String.raw`\u061c\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]+`,
  ].join(''),
  'gu',
);

/** Most are like nothing else, and need not stand apart. */
const prefixes = [
  ...[String.raw`sk-(?:ant|proj|svcacct|admin|or|lf)-[\w-]{16,}`, `${left}sk-${digitSoon}[A-Za-z0-9]{20,}`],
  ...[String.raw`AIza[\w-]{35}`, String.raw`gh[pousr]_[A-Za-z0-9]{36,}`, String.raw`github_pat_\w{22,}`],
  ...[String.raw`glpat-[\w-]{20,}`, String.raw`xox[abeprs]-[\w-]{10,}`, '(?:AKIA|ASIA)[A-Z0-9]{16}'],
  ...['[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}', 'hf_[A-Za-z0-9]{30,}', 'gsk_[A-Za-z0-9]{40,}', 'xai-[A-Za-z0-9]{40,}'],
  ...['npm_[A-Za-z0-9]{36}', 'pplx-[A-Za-z0-9]{40,}'],
  // Ours, as transports/api-key.ts writes them.
  'at_[a-z]{1,12}_[0-9a-z]{1,12}_[0-9A-Za-z]{30}_[0-9A-Za-z]{6}',
];

const nationalIds: readonly (readonly [shape: string, isSure: (match: string) => boolean])[] = [
  [String.raw`[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]`, checksums.isCodiceFiscale],
  [String.raw`\d{17}[\dXx]`, checksums.isResidentIdentity],
  [
    String.raw`[12] ?\d{2} ?(?:0[1-9]|[1-9]\d) ?\d{2} ?\d{3} ?\d{3} ?\d{2}`,
    (match) => checksums.isNir(digitsOf(match)),
  ],
  [String.raw`\d{3}\.\d{3}\.\d{3}-\d{2}`, (match) => checksums.isCpf(digitsOf(match))],
  [String.raw`\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}`, (match) => checksums.isBelgianRegister(digitsOf(match))],
  [String.raw`\d{6}[-+A]\d{3}[0-9A-Y]`, checksums.isHetu],
];

const card = String.raw`(?<!\d\.)(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|3\d{3}([ -])\d{6}\2\d{4,5})${right}(?!\.\d)`;
const phone = String.raw`(?:\+|00)[1-9](?:[ \u00a0()/-]{0,2}\d){6,14}(?!\d|\.\d)|${left}\+\d{1,3}(?:\.\d{2,4}){2,5}(?!\d|\.\d)`;
const isCard = (match: string) => checksums.isCardNumber(digitsOf(match));
const isPhone = (match: string) => checksums.isPhoneNumber(digitsOf(match.replace('(0)', '')).replace(/^00/, ''));

/** Of what lies within another the outer comes first. */
const rules: readonly Rule[] = [
  { kind: 'hidden-text', find: matches(hidden) },
  { kind: 'private-key', mark: '-----BEGIN ', find: findPrivateKeys },
  { kind: 'password', mark: '://', find: matches(/(?<before>:\/\/)[^\s/?#"'<>@:]{0,128}:[^\s/"'<>]{1,256}(?=@)/g) },
  {
    kind: 'password',
    find: matches(
      /(?<before>(?:password|passwd|pwd)\\?["']?[ \t]{0,4}[=:][ \t]{0,4}\\?["']?)(?!\[[a-z-]{1,20} removed\])[^\s"',;&\\]{4,256}/gi,
    ),
  },
  { kind: 'jwt', mark: 'eyJ', find: matches(word(String.raw`eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*`)) },
  { kind: 'api-key', find: matches(new RegExp(prefixes.join('|'), 'gu')) },
  {
    kind: 'bearer-token',
    find: matches(new RegExp(`(?<before>(?:bearer|basic)[ \\t]{1,8})${digitSoon}[\\w.~+/-]{16,}=*`, 'gi')),
  },
  { kind: 'email', mark: '@', find: findEmails },
  { kind: 'iban', find: findIbans },
  { kind: 'card-number', find: matches(word(card), leadingGroups(isCard)) },
  ...nationalIds.map(([shape, isSure]): Rule => ({
    kind: 'national-id',
    find: matches(word(shape + right), whole(isSure)),
  })),
  { kind: 'phone-number', find: matches(word(phone), leadingGroups(isPhone)) },
];

/** From the first line to the last; one that is cut off ends where its lines do. */
function findPrivateKeys(text: string): Span[] {
  const head = /-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----/g;
  const lines = /[A-Za-z0-9+/=\s\\]*/y;
  const spans: Span[] = [];
  const lastFoot = text.lastIndexOf('-----END ');
  for (let match = head.exec(text); match !== null; match = head.exec(text)) {
    const body = head.lastIndex;
    if (body <= lastFoot) {
      const foot = text.indexOf('-----END ', body) + '-----END '.length;
      const tail = /^[A-Z0-9 ]{0,48}-----/.exec(text.slice(foot, foot + 64));
      head.lastIndex = foot + (tail?.[0].length ?? 0);
    } else {
      lines.lastIndex = body;
      head.lastIndex = body + lines.exec(text)![0].length;
    }
    spans.push([match.index, head.lastIndex]);
  }
  return spans;
}

const longestLocalPart = 64;

function findEmails(text: string): Span[] {
  const local = /[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]/u;
  const domain = /(?:[\p{L}\p{N}][\p{L}\p{N}-]{0,62}\.){1,8}\p{L}{2,24}/uy;
  const spans: Span[] = [];
  let free = 0;
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    let start = at;
    while (start > free && at - start < longestLocalPart && local.test(text[start - 1]!)) start -= 1;
    // The letters of an escape of JSON are none of the address.
    if (text[start - 1] === '\\') start += /^(?:u[0-9a-f]{4}|[bfnrt])?/i.exec(text.slice(start, start + 5))![0].length;
    domain.lastIndex = at + 1;
    if (start >= at || !domain.test(text)) continue;
    free = domain.lastIndex;
    spans.push([start, free]);
  }
  return spans;
}

/** As printed, in groups, or in one piece. */
function findIbans(text: string): Span[] {
  const head = word(String.raw`[A-Za-z]{2}\d{2}`);
  const spans: Span[] = [];
  for (let match = head.exec(text); match !== null; match = head.exec(text)) {
    const length = checksums.ibanLength(match[0].slice(0, 2).toUpperCase());
    const end = length === undefined ? undefined : endOfIban(text, match.index, length);
    if (end === undefined) continue;
    spans.push([match.index, end]);
    head.lastIndex = end;
  }
  return spans;
}

function endOfIban(text: string, start: number, length: number): number | undefined {
  let [found, at] = ['', start];
  for (; found.length < length; at++) {
    const character = text[at] ?? '';
    if (isAlphanumeric(character)) found += character.toUpperCase();
    else if (!/^[ \u00a0-]$/.test(character) || found.length % 4 !== 0 || !isAlphanumeric(text[at + 1]))
      return undefined;
  }
  return isAlphanumeric(text[at]) || !checksums.isIban(found) ? undefined : at;
}

function isAlphanumeric(character: string | undefined): boolean {
  return character !== undefined && /^[A-Za-z0-9]$/.test(character);
}
