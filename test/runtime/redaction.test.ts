import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { copied, describeError, shapeOf, showMessage, typeOf, unseenTexts } from '../../runtime/redaction.ts';
import { trapRejections } from '../support/rejections.ts';

trapRejections();

const boom = (): never => {
  throw new Error('boom');
};
const traps = new Proxy(
  {},
  { get: boom, has: boom, ownKeys: boom, getPrototypeOf: boom, getOwnPropertyDescriptor: boom },
);
class Order {
  readonly key = 'secret key';
}

test.each([
  ['a text', 'secret', 'string'],
  ['a type', { type: 'login', key: 'secret' }, 'login'],
  ['a type that is no text', { type: 7 }, 'object'],
  ['nothing', null, 'object'],
  [
    'a type that throws',
    {
      get type() {
        return boom();
      },
    },
    'unreadable',
  ],
  ['what can be read nowhere', traps, 'unreadable'],
])('the type of %s is known without its content', (_what, message, type) => {
  expect(typeOf(message)).toBe(type);
});

test.each([
  ['a text', 'secret', 'string(6)'],
  [
    'numbers and the like',
    { n: 7, b: true, u: undefined, z: null, i: 7n },
    { n: 'number', b: 'boolean', u: 'undefined', z: 'null', i: 'bigint' },
  ],
  ['a list', { list: ['secret', 'key'] }, { list: 'array(2)' }],
  ['an instance', { order: new Order(), map: new Map() }, { order: 'Order', map: 'Map' }],
  ['depth', { a: { b: { c: { d: 'secret' } } } }, { a: { b: { c: 'object' } } }],
  ['what has no prototype', Object.create(null), {}],
  [
    'a table by tokens',
    { byToken: { 'sk-live-4242': 1, AKIAIOSFODNN7EXAMPLE: 1, 'ada@example.com': 1 }, camelCase2: 1, $ref: 1 },
    { byToken: { '[unshown]': 'number' }, camelCase2: 'number', $ref: 'number' },
  ],
  ['what can be read nowhere', traps, '[unshown]'],
])('the shape of %s shows no value', (_what, value, shape) => {
  expect(shapeOf(value)).toEqual(shape);
});

test('a shape shows twenty fields at most, and ends in a loop', () => {
  const wide = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`f${at}`, 'secret']));
  expect(Object.keys(shapeOf(wide) as object)).toHaveLength(20);
  const loop: Record<string, unknown> = {};
  loop['loop'] = loop;
  expect(shapeOf(loop)).toEqual({ loop: { loop: { loop: 'object' } } });
});

test('no text of a value, wherever it is, is in its shape', () => {
  const secret = fc.string({ minLength: 8, maxLength: 30, unit: fc.constantFrom(...Array.from('ABCDEFGH23456789')) });
  fc.assert(
    fc.property(
      fc.object({ values: [secret, fc.integer()], key: fc.constantFrom('a', 'b', 'c'), maxDepth: 5 }),
      (value) => {
        expect(JSON.stringify(shapeOf(value))).not.toMatch(/[A-H2-9]{8}/);
      },
    ),
  );
});

describe('a message', () => {
  test.each([
    ['its shape, where its spec is silent', undefined, { key: 'string(6)' }],
    [
      'what its spec shows',
      ({ key }: { key: string }) => ({ length: key.length, amount: 7n }),
      { length: 6, amount: '7' },
    ],
    ['nothing, where that fails', boom, '[unshown]'],
    ['nothing, where that gives what is no data', () => boom, '[unshown]'],
    ['nothing, where that gives what cannot be copied', () => ({ toJSON: boom }), '[unshown]'],
  ])('is seen as %s', (_what, show, seen) => {
    expect(showMessage({ key: 'secret' }, show as never)).toEqual(seen);
  });

  test('is copied, so that what was seen stays as it was', () => {
    const source = { list: [1] };
    const copy = copied(source);
    source.list.push(2);
    expect(copy).toEqual({ list: [1] });
    expect(copied(undefined)).toBeUndefined();
    expect(copied(new Date(0))).toBe('1970-01-01T00:00:00.000Z');
  });
});

describe('an error', () => {
  const hide = (...texts: string[]): ReadonlySet<string> => new Set(texts);

  test.each<[string, unknown, object]>([
    ['an error', new RangeError('too much'), { name: 'RangeError', message: 'too much' }],
    ['a text', 'a secret', { name: 'string', message: 'was thrown: "string(8)"' }],
    ['nothing', undefined, { name: 'undefined', message: 'was thrown: "undefined"' }],
    ['what has no text', Object.create(null), { name: 'object', message: 'was thrown: {}' }],
    ['what can be read nowhere', traps, { name: 'object', message: 'has no text' }],
    [
      'its cause',
      new Error('outer', { cause: new TypeError('inner') }),
      { message: 'outer; because of TypeError: inner' },
    ],
    [
      'the shape alone of a cause that is no error',
      new Error('outer', { cause: 'secret' }),
      { message: 'outer; because of string: was thrown: "string(6)"' },
    ],
  ])('is described whatever was thrown: %s', (_what, error, described) => {
    expect(describeError(error)).toMatchObject(described);
  });

  test('hides texts in its name, its message, its stack and its cause', () => {
    const error = new Error('no login with s3cretkey', { cause: new Error('s3cretkey was refused') });
    error.name = 's3cretkey';
    const described = describeError(error, hide('s3cretkey'));
    expect(described.message).toBe('no login with [hidden]; because of Error: [hidden] was refused');
    expect(JSON.stringify(described)).not.toContain('s3cretkey');
  });

  test.each([[['account-7', 'account-7-password']], [['account-7-password', 'account-7']]])(
    'hides texts that contain one another whole: %j',
    (texts) => {
      const described = describeError(new Error('no login with account-7-password'), hide(...texts));
      expect(described.message).toBe('no login with [hidden]');
    },
  );

  test('hides a text that would be a pattern as it is', () => {
    expect(describeError(new Error('key $&.*+?^ refused'), hide('$&.*+?^ refused')).message).toBe('key [hidden]');
  });
});

describe('texts that an error must not quote', () => {
  test.each<[string, unknown, string[]]>([
    ['a message that is one', 'secret key', ['secret key']],
    [
      'fields and lists',
      { a: 'secret one', b: ['secret two'], c: { d: 'secret three' } },
      ['secret one', 'secret two', 'secret three'],
    ],
    ['maps and sets', { m: new Map([['k', 'secret one']]), s: new Set(['secret two']) }, ['secret one', 'secret two']],
    ['no short words', { a: 'short', b: '1234567' }, []],
    ['not its type', { type: 'submit-order', key: 'secret key' }, ['secret key']],
  ])('are found in %s', (_what, message, texts) => {
    expect(unseenTexts(message, undefined)).toEqual(new Set(texts));
  });

  test('are not those that the spec shows', () => {
    const message = { symbol: 'EURUSD-LONG', key: 'secret key' };
    expect(unseenTexts(message, { symbol: 'EURUSD-LONG' })).toEqual(new Set(['secret key']));
  });

  const token = 'sk-live-0123456789';
  const pem = 'BEGIN "KEY"\nMIIEvQIBADAN\r\n  BgkqhkiG9w0B\nend';
  const deep = (depth: number): unknown => (depth === 0 ? token : { below: deep(depth - 1) });

  test.each<[string, unknown, string, string]>([
    ['a key of an object', { byToken: { [token]: 1 } }, `no ${token}`, 'no [hidden]'],
    ['a key of a map', new Map([[token, 1]]), `no ${token}`, 'no [hidden]'],
    ['a text as JSON has it', { pem }, `bad ${JSON.stringify({ pem })}`, 'bad {"pem":"[hidden]"}'],
    ['each long line of a text', { pem }, 'bad MIIEvQIBADAN, BgkqhkiG9w0B', 'bad [hidden], [hidden]'],
    ['a text that is deep down', deep(100), `bad ${token}`, 'bad [hidden]'],
    ['a text of an error', { error: Object.assign(new Error(token), { token: 'another secret' }) }, token, '[hidden]'],
    ['but no name of a field', { takeProfit: 1, marginRate: 1 }, 'takeProfit is missing', 'takeProfit is missing'],
  ])('are hidden: %s', (_what, message, quoting, shown) => {
    const described = describeError(new Error(quoting), unseenTexts(message, undefined));
    expect(described.message).toBe(shown);
    expect(described.stack).toContain(shown);
  });

  test.each<[string, unknown]>([
    ['has more texts than are looked for', Array.from({ length: 2_001 }, (_, at) => `secret number ${at}`)],
    ['has more values than are looked at', Array.from({ length: 100_001 }, (_, at) => at)],
    ['has more lines than are looked for', Array.from({ length: 2_001 }, (_, at) => `secret line ${at}`).join('\n')],
    [
      'cannot be read',
      {
        key: 'secret key',
        get bad() {
          return boom();
        },
      },
    ],
    ['can be read nowhere', traps],
  ])('are hidden with all else, now and later, of a message that %s', (_what, message) => {
    const error = new RangeError('quotes\n    at secret key', { cause: new TypeError('secret key') });
    const described = describeError(error, unseenTexts(message, undefined));
    expect(described).toMatchObject({ name: 'RangeError', message: '[hidden]; because of TypeError: [hidden]' });
    expect(described.stack).toMatch(/^ {4}at .*redaction\.test\.ts/);
    expect(JSON.stringify(described)).not.toContain('secret');
    expect(describeError(error)).toEqual(described);
  });

  test('are not looked for twice in what is referred to twice', () => {
    const owner: Record<string, unknown> = { key: 'secret key' };
    let reads = 0;
    const state = new Proxy(owner, {
      ownKeys: (target) => {
        reads++;
        return Reflect.ownKeys(target);
      },
    });
    owner['list'] = Array.from({ length: 5_000 }, (_, at) => ({ state, at }));
    expect(unseenTexts(state, undefined)).toEqual(new Set(['secret key']));
    expect(reads).toBeLessThanOrEqual(2);
  });
});

test('causes that go in a circle are described to a bound', () => {
  const error = new Error('round');
  error.cause = error;
  expect(describeError(error).message.match(/round/g)).toHaveLength(11);
});
