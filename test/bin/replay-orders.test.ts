import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readOrders } from '../../bin/replay-orders.ts';
import { Failure } from '../../bin/failure.ts';
import { s } from '../actors/trading/fixtures.ts';

let folder = '';
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'orders-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const header = 'time,side,type,quantity,limitPrice,timeInForce';

function file(text: string): string {
  const path = join(folder, 'orders.csv');
  writeFileSync(path, text);
  return path;
}

function faultsOf(...lines: string[]): readonly string[] {
  const path = file([header, ...lines].join('\n'));
  try {
    readOrders(path, 'EURUSD');
  } catch (error) {
    expect(error).toBeInstanceOf(Failure);
    return (error as Failure).lines.map((line) => line.replace(path, 'orders.csv'));
  }
  return [];
}

test('each line becomes an order at its time, named after the line', () => {
  const path = file(
    [
      header,
      '2014-05-08T05:00:00.000001Z,buy,market,0.10,,ioc',
      '',
      '2014-05-08T00:00:01-05:00,sell,limit,1.5,1.39148,gtc',
      '',
    ].join('\r\n'),
  );
  const at = Date.UTC(2014, 4, 8, 5) * 1_000;
  const common = { symbol: 'EURUSD', source: 'trader' };
  expect(readOrders(path, 'EURUSD')).toEqual([
    {
      timeMicros: at + 1,
      terms: {
        ...{ ...common, clientOrderId: 'line-2', side: 'buy', orderType: 'market', timeInForce: 'ioc' },
        quantity: s('0.1'),
      },
    },
    {
      timeMicros: at + 1_000_000,
      terms: {
        ...{ ...common, clientOrderId: 'line-4', side: 'sell', orderType: 'limit', timeInForce: 'gtc' },
        ...{ quantity: s('1.5'), limitPrice: s('1.39148') },
      },
    },
  ]);
});

test('a file with nothing but its header holds no orders', () => {
  expect(readOrders(file(`${header}\n`), 'EURUSD')).toEqual([]);
});

const time = '2014-05-08T05:00:00Z';
test.each([
  ['2014-05-08,buy,market,1,,ioc', 'time must be RFC 3339 with a zone, was 2014-05-08'],
  ['2014-05-08T05:00:00,buy,market,1,,ioc', 'time must be RFC 3339 with a zone, was 2014-05-08T05:00:00'],
  ['2014-02-30T05:00:00Z,buy,market,1,,ioc', 'time must be RFC 3339 with a zone, was 2014-02-30T05:00:00Z'],
  [`${time},hold,market,1,,ioc`, 'side must be buy or sell, was hold'],
  [`${time},buy,stop,1,,ioc`, 'type must be market or limit, was stop'],
  [`${time},buy,market,0,,ioc`, 'quantity must be a decimal above 0, was 0'],
  [`${time},buy,market,-1,,ioc`, 'quantity must be a decimal above 0, was -1'],
  [`${time},buy,market,1e3,,ioc`, 'quantity must be a decimal above 0, was 1e3'],
  [`${time},buy,limit,1,0,gtc`, 'limitPrice must be a decimal above 0, was 0'],
  [`${time},buy,limit,1,x,gtc`, 'limitPrice must be a decimal above 0, was x'],
  [`${time},buy,market,1,,day`, 'timeInForce must be gtc, ioc or fok, was day'],
  [`${time},buy,market,1,`, 'timeInForce must be gtc, ioc or fok, was '],
  [`${time},buy,market,1,,ioc,more`, 'there must be six columns'],
])('%s is no order', (line, fault) => {
  expect(faultsOf(line)).toEqual([`orders.csv:2: ${fault}`]);
});

test('all faulty lines are told at once, by their numbers', () => {
  expect(faultsOf('x', `${time},buy,market,1,,ioc`, '', `${time},buy,market,,,ioc`)).toEqual([
    'orders.csv:2: time must be RFC 3339 with a zone, was x',
    'orders.csv:5: quantity must be a decimal above 0, was ',
  ]);
});

test('a file with another header, or none, is refused', () => {
  for (const text of ['', 'time,side\n', `${time},buy,market,1,,ioc`]) {
    expect(() => readOrders(file(text), 'EURUSD')).toThrow(`:1: the first line must be ${header}`);
  }
});

test('a file that is not there is said to be unreadable', () => {
  expect(() => readOrders(join(folder, 'nothing.csv'), 'EURUSD')).toThrow(/nothing\.csv cannot be read: ENOENT/);
});
