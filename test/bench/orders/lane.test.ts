import { expect, test } from 'vitest';
import { Lane } from '../../../bench/orders/lane.ts';
import { mask } from '../../../bench/orders/web-socket.ts';
import { orderBody } from '../../../transports/codec.ts';

interface Message {
  readonly id: string;
  readonly account: string;
  readonly order: { readonly clientOrderId: string; readonly side: string };
}

/** What a server reads from a masked frame with a 16-bit length. */
function unmask(frame: Buffer): Message {
  return JSON.parse(
    frame
      .subarray(8)
      .map((byte, index) => byte ^ mask[index & 3]!)
      .toString(),
  ) as Message;
}

test('the orders of a lane are orders of the protocol, with an id of their own each, on both sides in turn', () => {
  const lane = new Lane('run1-bench-7', 'bench-7', 3);
  const sent = Array.from({ length: 1_100 }, () => {
    const message = unmask(lane.next(0));
    expect(message.order.clientOrderId).toBe(lane.clientOrderId);
    return message;
  });
  expect(new Set(sent.map(({ order }) => order.clientOrderId)).size).toBe(sent.length);
  expect(new Set(sent.map(({ id, account }) => `${account} ${id}`))).toEqual(new Set(['bench-7 3']));
  expect(sent.every(({ order }) => orderBody.safeParse(order).success)).toBe(true);
  expect(sent.every(({ order }, index) => index === 0 || order.side !== sent[index - 1]!.order.side)).toBe(true);
});

test('neighbouring lanes begin on different sides, so that an account with many stays near flat', () => {
  const sides = [0, 1].map((number) => unmask(new Lane('run1-bench-1', 'bench-1', number).next(0)).order.side);
  expect(new Set(sides)).toEqual(new Set(['buy', 'sell']));
});
