import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Message } from '../../../actors/ai/provider.ts';
import { redactRequest } from '../../../actors/ai/redact-request.ts';
import { findingKinds, redact, type FindingKind } from '../../../actors/ai/redaction.ts';
import { signalRequest } from '../../../actors/ai/signal.ts';
import { candleIntervals } from '../../../actors/market/candle.ts';
import { newApiKey } from '../../../transports/api-key.ts';
import { eurusd } from '../../support/instruments.ts';

// Put together here, so that no scanner of this repository takes them for leaked ones.
const secret = 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0';
const jwt = ['eyJhbGciOiJIUzI1NiJ9', 'eyJzdWIiOiIxMjM0NTY3ODkwIn0', 'dozjgNryP4J3jVmNHl0w5N'].join('.');
const key = (label: string, body = 'MIIEvQIBADANBgkq\nhkiG9w0BAQ==\n') =>
  `-----BEGIN ${label}PRIVATE KEY-----\n${body}-----END ${label}PRIVATE KEY-----`;

const sure: readonly (readonly [FindingKind, string])[] = [
  ['email', 'ann@example.com'],
  ['email', "o'neil+fx_desk.2@mail.example-bank.co.uk"],
  ['email', 'jürgen@bücher.example'],
  ['phone-number', '+49 151 23456789'],
  ['phone-number', '+4915123456789'],
  ['phone-number', '+49 (0)151 2345-6789'],
  ['phone-number', '+1 (415) 555-0132'],
  ['phone-number', '+1.415.555.0132'],
  ['phone-number', '0044 20 7946 0958'],
  ['phone-number', '+39 06 6982 1234'],
  ['phone-number', '+84 912 345 678'],
  ['iban', 'DE89 3704 0044 0532 0130 00'],
  ['iban', 'GB82WEST12345698765432'],
  ['iban', 'nl91abna0417164300'],
  ['iban', 'MT84 MALT 0110 0001 2345 MTLC AST0 01S'],
  ['card-number', '4111111111111111'],
  ['card-number', '4111 1111 1111 1111'],
  ['card-number', '5555-5555-5555-4444'],
  ['card-number', '378282246310005'],
  ['card-number', '3782 822463 10005'],
  ['card-number', '6011000990139424'],
  ['api-key', `sk-${secret}`],
  ['api-key', `sk-proj-${secret}`],
  ['api-key', `sk-ant-api03-${secret}`],
  ['api-key', `AIza${secret.slice(0, 35)}`],
  ['api-key', `ghp_${secret}`],
  ['api-key', `AKIA${secret.slice(0, 16).toUpperCase()}`],
  ['api-key', newApiKey('paper', 7)],
  ['jwt', jwt],
  ['private-key', key('')],
  ['private-key', key('RSA ', `Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\nMIIE\n`)],
  ['national-id', 'RSSMRA85T10A562S'],
  ['national-id', '11010519491231002X'],
  ['national-id', '2 55 08 14 168 025 38'],
  ['national-id', '529.982.247-25'],
  ['national-id', '85.07.30-033.28'],
  ['national-id', '131052-308T'],
];

test.each(sure)('%s: %s goes, wherever it stands', (kind, found) => {
  const instead = `[${kind} removed]`;
  for (const [before, after] of [
    ...[
      ['', ''],
      ['Mine is ', '.'],
      ['(', ')'],
      ['"', '",'],
      ['a\n', '\nb'],
      ['a\\n', '\\nb'],
      ['x: ', ' or so'],
    ],
  ] as const)
    expect(redact(`${before}${found}${after}`)).toEqual({
      text: `${before}${instead}${after}`,
      found: [{ kind, count: 1 }],
    });
});

test.each([
  ['postgres://app:s3cr3t@db.internal:5432/x', 'postgres://[password removed]@db.internal:5432/x', 'password'],
  ['redis://:p@ss@cache/0', 'redis://[password removed]@cache/0', 'password'],
  ['Server=db;Pwd=s3cr3t!x;Timeout=5', 'Server=db;Pwd=[password removed];Timeout=5', 'password'],
  ['{"password": "s3cr3t!x"}', '{"password": "[password removed]"}', 'password'],
  [`Authorization: Bearer ${secret}`, 'Authorization: Bearer [bearer-token removed]', 'bearer-token'],
  ['Authorization: Basic YWxhZGRpbjpvcGVuIHNlc2FtZTE=', 'Authorization: Basic [bearer-token removed]', 'bearer-token'],
])('of %s what is secret goes and the rest stays', (text, clean, kind) => {
  expect(redact(text)).toEqual({ text: clean, found: [{ kind, count: 1 }] });
});

test.each([
  ['zero width', 'bu\u200by', 'buy'],
  ['direction', 'pay \u202ehcum\u202c', 'pay hcum'],
  [
    'tags',
    `hold${Array.from('buy')
      .map((letter) => String.fromCodePoint(0xe0000 + letter.codePointAt(0)!))
      .join('')}`,
    'hold',
  ],
  ['selectors', 'a\u{e0101}\u{e0143}\ufe0f', 'a'],
  ['fillers', 'a\u3164b\u00adc', 'abc'],
])('hidden text of %s goes', (_, text, clean) => {
  expect(redact(text).text).toBe(clean);
  expect(redact(text).found[0]!.kind).toBe('hidden-text');
});

test('a private key that is cut off goes as far as its lines do', () => {
  const cut = key('OPENSSH ').slice(0, 60);
  expect(redact(`${cut}, he said`).text).toBe('[private-key removed], he said');
  expect(redact(`-----END PRIVATE KEY----- ${cut}`).text).toBe('-----END PRIVATE KEY----- [private-key removed]');
});

test.each([
  ['+49 151 23456789 2026-11-24', '[phone-number removed] 2026-11-24'],
  ['+1 (415) 555-0132 0044 20 7946 0958', '[phone-number removed] [phone-number removed]'],
  ['4111 1111 1111 1111 123', '[card-number removed] 123'],
])('of %s the digits that belong to it go', (text, clean) => {
  expect(redact(text).text).toBe(clean);
});

test('a key that something is stuck to goes too', () => {
  expect(redact(`token8sk-ant-api03-${secret}`).text).toBe('token8[api-key removed]');
});

test('a secret that hidden characters take apart is found', () => {
  expect(redact('sk-\u200bant-api03-a1B2c3D4e5F6g7H8').found.map(({ kind }) => kind)).toEqual([
    'hidden-text',
    'api-key',
  ]);
});

test.each([
  ...['EURUSD 1.08005/1.08012', 'profit +1.08005 1.08010', 'net +100 000 000 EUR', '+2.55512 2.55601', '+0.00150'],
  ...[
    '10800 10801 10802',
    '2026-11-24T10:00:00.000000Z',
    '1764151200000000',
    '1764151200000000000',
    '20261124T101500Z',
  ],
  ...['demo-1', 'US0378331005', 'AAPL240119C00190000', 'BTC-USD', 'risk-adjusted-returns-of-the-portfolio-2026'],
  ...['4111111111111112', 'DE89 3704 0044 0532 0130 01', 'RSSMRA85T10A562T', '529.982.247-26', '0.4111111111111111'],
  ...[
    '550e8400-e29b-41d4-a716-446655440000',
    'a@b',
    '@',
    'see https://example.com:8080/a@b',
    'bearer acknowledgements',
  ],
  ...['sk-learn', 'the bearer of this', 'XX12 3456 7890 1234 5678', '[email removed]', 'Größe 5 % naïve 日本 😀 עברית'],
])('%s stays as it is', (text) => {
  expect(redact(text)).toEqual({ text, found: [] });
});

test('what is found is told by kind and count, and never itself', () => {
  const text = sure.map(([, found]) => found).join('\n');
  const { found, text: clean } = redact(text);
  const counts = Map.groupBy(sure, ([kind]) => kind);
  expect(found).toEqual(
    findingKinds.flatMap((kind) => (counts.has(kind) ? [{ kind, count: counts.get(kind)!.length }] : [])),
  );
  for (const [, one] of sure) expect(clean + JSON.stringify(found)).not.toContain(one);
});

test('nothing that is sure survives among others, however they are parted', () => {
  const several = fc.array(fc.constantFrom(...sure), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(several, fc.constantFrom('; ', '\n', '\\n', '","', ' | ', ') ('), (chosen, between) => {
      const { text, found } = redact(chosen.map(([, one]) => one).join(between));
      expect(text).toBe(chosen.map(([kind]) => `[${kind} removed]`).join(between));
      expect(found.reduce((sum, { count }) => sum + count, 0)).toBe(chosen.length);
    }),
  );
});

test('questions about the market pass unchanged', () => {
  const scaled = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  const question = fc.record({
    digits: fc.integer({ min: 0, max: 8 }),
    symbol: fc.string({
      unit: fc.constantFrom(...Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._#-')),
      ...{ minLength: 1, maxLength: 32 },
    }),
    quote: fc.record({ bid: scaled, ask: scaled }),
    interval: fc.constantFrom(...candleIntervals),
    candles: fc.array(
      fc.record({
        openMicros: fc.integer({ min: 0, max: 4_102_444_800 }).map((seconds) => seconds * 1e6),
        ...{ open: scaled, high: scaled, low: scaled, close: scaled },
        ...{ ticks: fc.integer({ min: 1, max: 1_000_000 }), isComplete: fc.boolean() },
      }),
      { maxLength: 20 },
    ),
  });
  fc.assert(
    fc.property(question, ({ digits, symbol, quote, interval, candles }) => {
      const request = signalRequest({
        ...{ interval, candles },
        instrument: { ...eurusd, digits, symbol },
        quote: { symbol, ...quote, timeMicros: 1_764_151_200_000_000, sequence: 1 },
      });
      const redacted = redactRequest(request);
      expect(redacted.found).toEqual([]);
      expect(redacted.request).toBe(request);
    }),
    { numRuns: 1_000 },
  );
});

const piece = fc.oneof(
  fc.constantFrom(...sure.map(([, found]) => found)),
  fc.constantFrom(
    ' ',
    '\n',
    '"',
    '\\n',
    '@',
    '+',
    '://',
    ':',
    '-----BEGIN ',
    'eyJ',
    '.',
    'password=',
    'Bearer ',
    '\u200b',
    '00',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.stringMatching(/^[0-9 +-]{1,24}$/),
);

test('what was redacted stays as it is, whatever the pieces are that a text is made of', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const { text } = redact(pieces.join(' '));
      expect(redact(text)).toEqual({ text, found: [] });
    }),
    { numRuns: 2_000 },
  );
});

test('every text of a request is looked at, and its JSON stays JSON', () => {
  const mail = 'ann@example.com';
  const schema = { type: 'object', description: `Ask ${mail}`, properties: { max: { const: 5 } } };
  const { request, found } = redactRequest({
    messages: [
      { role: 'system', content: mail },
      { role: 'user', content: mail },
      {
        ...{ role: 'assistant', content: mail },
        toolCalls: [
          { id: 'a', name: 'pay', arguments: `{"card": 4111111111111111, "${mail}": ["${mail}", 1.5]}` },
          { id: 'b', name: 'pay', arguments: `{ "max":1.50 }` },
          { id: 'c', name: 'pay', arguments: `{"to":"${mail}` },
          { id: 'd', name: 'pay', arguments: `${'['.repeat(5_000)}"${mail}"${']'.repeat(5_000)}` },
        ],
      },
      { role: 'tool', toolCallId: 'a', content: mail },
    ],
    output: { type: 'json-schema', name: 'advice', schema },
    tools: [{ name: 'pay', description: mail, parameters: schema }],
    maxOutputTokens: 5,
  });
  expect(JSON.stringify(request)).not.toMatch(/@|4111/);
  expect(found.map(({ kind }) => kind)).toEqual(['email', 'card-number']);
  const [first, second] = (request.messages[2] as Extract<Message, { role: 'assistant' }>).toolCalls!;
  expect(JSON.parse(first!.arguments)).toEqual({
    card: '[card-number removed]',
    '[email removed]': ['[email removed]', 1.5],
  });
  expect(second!.arguments).toBe('{ "max":1.50 }');
  expect(request.output).toMatchObject({
    schema: { description: 'Ask [email removed]', properties: { max: { const: 5 } } },
  });
});

/** Each is the worst that a search of one kind could be given: beginnings without an end. */
test.each([
  ...[
    '@',
    'a@',
    'a.',
    '@a.',
    '@a-',
    'a',
    '1',
    '1 ',
    '+1',
    '+1 ',
    '00 1',
    '4111 ',
    'A1',
    'DE89',
    'DE89 ',
    'eyJ',
    'eyJa.',
  ],
  ...['eyJaaaaaaaaaa.', 'sk-', 'sk-ant-', 'sk-a', 'at_a_', 'ghp_', '://', '://a:', 'password', 'password=', 'pwd: '],
  ...['bearer ', 'bearer a', '-----BEGIN ', '-----BEGIN PRIVATE KEY-----', '-----BEGIN PRIVATE KEY----------END '],
  ...['\\', '\\n', '\u200b', '\u200ba', '12.34.', '1.', 'ABCDEF12', '😀', '[', ' '],
])('the work for %j over and over grows with the length and no faster', (unit) => {
  const cpuOf = (length: number) => {
    const text = unit.repeat(Math.ceil(length / unit.length));
    return Math.min(
      ...[1, 2, 3].map(() => {
        const start = process.cpuUsage().user;
        redact(text);
        return process.cpuUsage().user - start;
      }),
    );
  };
  // Four times the text a step. Work by the square would be sixteen times as much; the machine has other work, and small times are coarse.
  const steps = [16_384, 65_536, 262_144, 1_048_576];
  let before = cpuOf(steps[0]!);
  for (const length of steps.slice(1)) {
    const now = cpuOf(length);
    expect({ length, isLinear: now < 12 * Math.max(before, 2_000) }).toEqual({ length, isLinear: true });
    before = now;
  }
});
