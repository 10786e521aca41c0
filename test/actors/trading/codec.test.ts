import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeEvent,
  decodePayload,
  decodeReply,
  encodeEvent,
  encodePayload,
  encodeReply,
} from '../../../actors/trading/codec.ts';
import { encodeCommand } from '../../../actors/trading/command-codec.ts';
import type { AccountEvent } from '../../../actors/trading/events.ts';
import { accountEvent, accountReply, orderTerms } from './arbitraries.ts';
import { filled, instrument, limitOrder, NOW, opened, order, report, s } from './fixtures.ts';

const CONTROL = /[\u0000-\u001f]/;

test('decoding after encoding is the identity, for every event', () => {
  fc.assert(
    fc.property(accountEvent, (event) => {
      const text = encodeEvent(event, instrument);
      expect(decodeEvent(JSON.parse(text))).toEqual(event);
      expect(text).not.toMatch(CONTROL);
    }),
    { numRuns: 1_000 },
  );
});

test('decoding after encoding is the identity, for every reply', () => {
  fc.assert(
    fc.property(accountReply, (reply) => {
      expect(decodeReply(JSON.parse(encodeReply(reply)))).toEqual(reply);
    }),
  );
});

test('decoding after encoding is the identity, for the payload of a row', () => {
  const optional = fc.option(fc.string({ unit: 'binary' }), { nil: undefined });
  fc.assert(
    fc.property(
      orderTerms,
      fc.array(accountEvent),
      accountReply,
      optional,
      optional,
      (terms, events, reply, traceId, subjectId) => {
        const command = { type: 'submit-order', ...terms } as const;
        const encoded = events.map((event) => encodeEvent(event, instrument));
        const text = encodePayload({ command, events: encoded, reply, traceId, subjectId });
        expect(text).not.toMatch(CONTROL);
        expect(decodePayload(text)).toEqual({
          command: JSON.parse(encodeCommand(command)),
          events,
          reply,
          ...(traceId === undefined ? {} : { traceId }),
          ...(subjectId === undefined ? {} : { subjectId }),
        });
      },
    ),
  );
});

describe('on the wire', () => {
  const ledger = opened();
  ledger.give(limitOrder('1.079'));
  ledger.give(report({ type: 'accepted', orderId: 'o-1-3' }));
  ledger.give(filled('o-1-3', '0.1', '1.079'));
  ledger.give(order({ side: 'sell', clientOrderId: 'say "no"\n' }));
  ledger.give(filled('o-1-6', '0.1', '1.08'));
  ledger.give(order({ quantity: 0n }));
  const texts = ledger.events.map((event) => encodeEvent(event, instrument));
  const time = '"time":"2027-01-15T08:00:00.000000Z"';
  const brokerTime = '"brokerTime":"2027-01-15T07:59:59.999995Z"';

  test.each(
    [
      `{"type":"account-opened","currency":"USD","oms":"netting","leverage":30,"aiMayOrder":false,${time}}`,
      `{"type":"balance-changed","reason":"deposit","amount":"100000.00","balance":"100000.00","currency":"USD",${time}}`,
      `{"type":"order-submitted","orderId":"o-1-3","symbol":"EURUSD","clientOrderId":"c-1","side":"buy","orderType":"limit","quantity":"0.10","limitPrice":"1.07900","timeInForce":"gtc","source":"trader","margin":"360.04","currency":"USD","conversionRate":"1",${time}}`,
      `{"type":"order-accepted","orderId":"o-1-3","symbol":"EURUSD",${brokerTime},${time}}`,
      `{"type":"order-filled","orderId":"o-1-3","symbol":"EURUSD","side":"buy","fillId":"f-paper-o-1-3-1","quantity":"0.10","price":"1.07900","filledQuantity":"0.10",${brokerTime},${time}}`,
      `{"type":"position-opened","positionId":"p-1-5","orderId":"o-1-3","symbol":"EURUSD","fillId":"f-paper-o-1-3-1","side":"buy","quantity":"0.10","cost":"10790.00","averagePrice":"1.07900",${time}}`,
      `{"type":"order-submitted","orderId":"o-1-6","symbol":"EURUSD","clientOrderId":"say \\"no\\"\\n","side":"sell","orderType":"market","quantity":"0.10","timeInForce":"ioc","source":"trader","margin":"360.04","currency":"USD","conversionRate":"1",${time}}`,
      `{"type":"order-filled","orderId":"o-1-6","symbol":"EURUSD","side":"sell","fillId":"f-paper-o-1-6-1","quantity":"0.10","price":"1.08000","filledQuantity":"0.10",${brokerTime},${time}}`,
      `{"type":"position-closed","positionId":"p-1-5","orderId":"o-1-6","symbol":"EURUSD","fillId":"f-paper-o-1-6-1","side":"buy","quantity":"0.00","cost":"0.00","averagePrice":"1.07900",${time}}`,
      `{"type":"balance-changed","reason":"profit","amount":"10.00","balance":"100010.00","currency":"USD","orderId":"o-1-6","fillId":"f-paper-o-1-6-1","quoteAmount":"10","quoteCurrency":"USD","conversionRate":"1",${time}}`,
      `{"type":"order-denied","orderId":"o-1-8","symbol":"EURUSD","clientOrderId":"c-1","side":"buy","orderType":"market","quantity":"0.00","timeInForce":"ioc","source":"trader","denial":{"code":"QUANTITY_BELOW_MINIMUM","figures":{"minimum":"0.01","was":"0.00"}},${time}}`,
    ].map((text, i) => [i, text] as const),
  )('event %i reads as it should', (i, text) => {
    expect(texts[i]).toBe(text);
  });

  test('a symbol that we do not know is written with as few digits as it takes', () => {
    const { events } = opened().give(order({ symbol: 'X', quantity: s('0.10') }));
    expect(encodeEvent(events[0]!, instrument)).toContain('"quantity":"0.1"');
  });
});

describe('a command in its canonical form', () => {
  test.each([
    [
      { type: 'open-account', currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false } as const,
      '{"aiMayOrder":false,"currency":"USD","leverage":30,"oms":"netting","type":"open-account"}',
    ],
    [
      { type: 'deposit', reference: 'seed', amount: s('100.00') } as const,
      '{"amount":"100","reference":"seed","type":"deposit"}',
    ],
    [
      limitOrder('1.07900'),
      '{"clientOrderId":"c-1","limitPrice":"1.079","orderType":"limit","quantity":"0.1","side":"buy","source":"trader","symbol":"EURUSD","timeInForce":"gtc","type":"submit-order"}',
    ],
    [
      { type: 'cancel-order', orderId: 'o"', requestId: 'r' } as const,
      '{"orderId":"o\\"","requestId":"r","type":"cancel-order"}',
    ],
    [
      filled('o-1-3', '0.10', '1.07900', 'x'),
      '{"report":{"executionId":"x","orderId":"o-1-3","price":"1.079","quantity":"0.1","time":"2027-01-15T07:59:59.999995Z","type":"filled","venue":"paper"},"type":"broker-report"}',
    ],
    [
      report({ type: 'rejected', orderId: 'o-1-3', reason: 'no money' }),
      '{"report":{"orderId":"o-1-3","reason":"no money","time":"2027-01-15T07:59:59.999995Z","type":"rejected","venue":"paper"},"type":"broker-report"}',
    ],
    [
      report({ type: 'expired', orderId: 'o-1-3' }),
      '{"report":{"orderId":"o-1-3","time":"2027-01-15T07:59:59.999995Z","type":"expired","venue":"paper"},"type":"broker-report"}',
    ],
  ])('is the same text for ever (%#)', (command, text) => {
    expect(encodeCommand(command)).toBe(text);
  });

  test('has its keys sorted, at every depth', () => {
    const sorted = (value: unknown): unknown =>
      typeof value === 'object' && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .toSorted(([a], [b]) => (a < b ? -1 : 1))
              .map(([key, inner]) => [key, sorted(inner)]),
          )
        : value;
    fc.assert(
      fc.property(orderTerms, (terms) => {
        const text = encodeCommand({ type: 'submit-order', ...terms });
        expect(text).toBe(JSON.stringify(sorted(JSON.parse(text))));
      }),
    );
  });
});

describe('damage is noticed', () => {
  const good: AccountEvent = { type: 'order-pending-cancel', orderId: 'o', symbol: 'EURUSD', timeMicros: NOW };
  const json = JSON.parse(encodeEvent(good, instrument)) as object;

  test.each<[string, unknown, string]>([
    ['no object', 7, 'event must be an object, was 7'],
    ['an unknown type', { ...json, type: 'order-lost' }, 'event type must be a known one, was order-lost'],
    ['a field that is missing', { ...json, symbol: undefined }, 'symbol must be text, was undefined'],
    ['a time that is none', { ...json, time: 'noon' }, 'time must be a time in UTC with microseconds, was "noon"'],
  ])('where there is %s', (_, value, message) => {
    expect(() => decodeEvent(value)).toThrow(new TypeError(message));
  });

  test('where there is a number and decimal text is due', () => {
    const deposit = { type: 'balance-changed', reason: 'deposit', amount: 1, balance: '1', currency: 'USD' };
    expect(() => decodeEvent({ ...json, ...deposit })).toThrow(
      'amount must be decimal text of at most 8 digits, was 1',
    );
  });

  test.each([
    ['{"v":2}', 'payload version must be 1, was 2'],
    ['{"v":1,"events":{}}', 'events must be a list'],
    ['[]', 'payload must be an object, was []'],
  ])('where the payload is %s', (text, message) => {
    expect(() => decodePayload(text)).toThrow(message);
  });
});
