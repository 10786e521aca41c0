/** What a client missed of an account, from the account's journal. */
import type { AccountChannel } from '../../actors/trading/events.ts';
import type { AccountEntry, Services } from '../services.ts';
import type { Sequences } from './account-feed.ts';
import { event, type Message } from './message.ts';

export interface Missed {
  readonly channel: AccountChannel;
  readonly sequence: number;
  readonly message: Message;
}

/** How far back is looked at first; then farther, since rows are read forward and their numbers counted from the end. */
const firstRows = 256;
const widening = 8;

/**
 * The events behind the given numbers, in order; undefined where they reach back farther than `maxRows`.
 *
 * @param durable what was read of the account: its last row, and the numbers of its channels there
 * @param after the last number that the client has of each channel it wants
 * @throws a Retryable while the journal cannot be read
 */
export async function missedEvents(
  journalled: Services['journalled'],
  entry: AccountEntry,
  durable: { readonly seq: number; readonly sequences: Sequences },
  after: ReadonlyMap<AccountChannel, number>,
  maxRows: number,
): Promise<readonly Missed[] | undefined> {
  for (let rows = Math.min(firstRows, maxRows); ; rows = Math.min(rows * widening, maxRows)) {
    const fromSeq = Math.max(0, durable.seq - rows);
    const events = await eventsBetween(journalled, entry, fromSeq, durable.seq);
    const counted = { orders: 0, positions: 0, account: 0 };
    for (const { channel } of events) counted[channel] += 1;
    const isEnough = [...after].every(([channel, last]) => durable.sequences[channel] - counted[channel] <= last);
    if (isEnough) return numbered(entry, events, durable.sequences, counted, after);
    if (fromSeq === 0 || rows === maxRows) return undefined;
  }
}

async function eventsBetween(
  journalled: Services['journalled'],
  entry: AccountEntry,
  afterSeq: number,
  lastSeq: number,
) {
  const events: { readonly channel: AccountChannel; readonly json: string }[] = [];
  for await (const row of journalled(entry, afterSeq)) {
    if (row.seq > lastSeq) break;
    events.push(...row.events);
  }
  return events;
}

function numbered(
  entry: AccountEntry,
  events: readonly { readonly channel: AccountChannel; readonly json: string }[],
  last: Sequences,
  counted: Sequences,
  after: ReadonlyMap<AccountChannel, number>,
): readonly Missed[] {
  const next = {
    orders: last.orders - counted.orders,
    positions: last.positions - counted.positions,
    account: last.account - counted.account,
  };
  return events.flatMap(({ channel, json }) => {
    next[channel] += 1;
    const sequence = next[channel];
    if (sequence <= (after.get(channel) ?? Infinity)) return [];
    return [
      { channel, sequence, message: event(`${channel}:${entry.account}`, entry.streamEpoch, { sequence, json }) },
    ];
  });
}
