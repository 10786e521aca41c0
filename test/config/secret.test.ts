// oxlint-disable typescript/restrict-template-expressions, typescript/no-misused-spread -- printing a secret by mistake is the subject
import { format, inspect } from 'node:util';
import { expect, test } from 'vitest';
import { Secret } from '../../config/secret.ts';

const value = 'hunter2-6f1e';
const secret = new Secret(value);

test.each([
  ['a template string', `${secret}`],
  ['string concatenation', 'x'.concat(String(secret))],
  ['JSON', JSON.stringify({ password: secret })],
  ['util.inspect', inspect({ nested: { secret } }, { depth: 5, showHidden: true })],
  ['util.inspect without custom inspection', inspect(secret, { customInspect: false, showHidden: true })],
  ['console.log, which formats', format('%s %o %O %j', secret, secret, secret, secret)],
  ['the message of an error', String(new Error(`login with ${secret} failed`))],
  ['a spread copy', JSON.stringify({ ...secret })],
  ['a structured clone', inspect(structuredClone(secret))],
])('a secret is not in %s', (_where, printed) => {
  expect(printed).not.toContain(value);
});

test('a secret prints as [secret]', () => {
  expect([`${secret}`, JSON.stringify(secret), inspect(secret)]).toEqual(['[secret]', '"[secret]"', '[secret]']);
});

test('a secret gives its value to who asks for it by name', () => {
  expect(secret.reveal()).toBe(value);
});
