import { expect, test } from 'vitest';
import { assertLimits, limits, type Limits } from '../../config/limits.ts';

/** The limits with one group changed. */
function changed<Group extends keyof Limits>(group: Group, members: Partial<Limits[Group]>): Limits {
  return { ...limits, [group]: { ...limits[group], ...members } };
}

function boundsOf(group: object): [string, number][] {
  return Object.entries(group).flatMap(([name, value]: [string, number | object]) =>
    typeof value === 'object' ? boundsOf(value) : [[name, value] as [string, number]],
  );
}

test('the limits as they stand relate as they must', () => {
  expect(() => assertLimits(limits)).not.toThrow();
});

test('every limit but a share is a whole number above zero', () => {
  const bounds = boundsOf(limits);
  const odd = bounds.filter(([name, bound]) => !(Number.isSafeInteger(bound) && bound > 0) && !name.endsWith('Share'));
  expect(odd).toEqual([]);
});

test.each<[string, Limits]>([
  ['an AI body may be at least as large', changed('http', { aiBodyBytes: limits.http.bodyBytes - 1 })],
  ['a list stops waiting', changed('http', { readYourWritesWaitMs: limits.ask.deadlineMs })],
  ['a burst holds at least one second', changed('stream', { messageBurst: limits.stream.messagesPerSecond - 1 })],
  ['a client is slow before it is closed', changed('stream', { slowBytes: limits.stream.slowCloseBytes })],
  ['a slow client is given time', changed('stream', { slowCloseAfterMs: limits.stream.slowRoundTripMs })],
  ['a silent client is asked', changed('stream', { heartbeatMs: limits.stream.slowCloseAfterMs })],
  ['the largest reply fits', changed('stream', { maxPayloadBytes: limits.stream.slowCloseBytes })],
  ['the journal reaches further back', changed('stream', { resumeJournalRows: limits.stream.resumeRingEvents - 1 })],
  [
    'a broker session holds the orders of a full account',
    changed('mailbox', { brokerSession: limits.account.waiting }),
  ],
  ['a full flight that comes back finds a place', changed('account', { waiting: limits.account.inFlight - 1 })],
  ['a command that is under way is recognised', changed('account', { recentCommands: limits.account.inFlight - 1 })],
  ['a request outlives a snapshot', changed('snapshots', { deadlineMs: limits.ask.deadlineMs })],
  ['an account does not rest', changed('snapshots', { passivateAfterMs: limits.account.waitingMs })],
  ['a request outlives one pause before the journal is read', changed('account', { reloadMs: limits.ask.deadlineMs })],
  [
    'a full batch fits into the queue of the writer',
    changed('journal', { queueEntries: limits.journal.batchEntries - 1 }),
  ],
  ['a full flight fits into a batch', changed('journal', { batchEntries: limits.account.inFlight - 1 })],
  ['the largest command fits into a batch', changed('journal', { batchBytes: limits.http.bodyBytes - 1 })],
  [
    'a request outlives one pause before a commit is asked about',
    changed('journal', { settleMs: limits.ask.deadlineMs }),
  ],
  [
    'a full batch fits into the queue of the projector',
    changed('projector', { queueCommits: limits.projector.batchCommits - 1 }),
  ],
  [
    'a committed batch fits into the queue of the projector',
    changed('projector', { queueCommits: 2, batchCommits: 1 }),
  ],
  ['the projector works for a share of the time', changed('projector', { dutyShare: 0 })],
  [
    'pauses before the database is tried again only grow',
    changed('database', { retryMaxMs: limits.database.retryFirstMs - 1 }),
  ],
  ['two sources may differ by a share of the price', changed('market', { divergenceShare: 1 })],
  ['a book has at most ten updates a second', changed('books', { updateMs: 99 })],
  ['a book shows no more levels than are kept', changed('books', { keptLevels: limits.books.levels - 1 })],
  ['candles wait while others are written', changed('candles', { batch: limits.candles.pending })],
  ['candles are written at most once a second', changed('candles', { writeMs: 999 })],
  [
    'pauses before candles are written again only grow',
    changed('candles', { retryMaxMs: limits.candles.retryFirstMs - 1 }),
  ],
  ['the largest value fits into the cache', changed('sharedStore', { cacheBytes: 2 * limits.sharedStore.valueBytes })],
  ['one probe of Redis is over', changed('redis', { answerMs: limits.redis.probeMs })],
  ['a silent Redis is asked again', changed('redis', { silentMs: limits.redis.probeMs })],
  ['waiting for Redis is a small part', changed('redis', { answerMs: limits.ask.deadlineMs / 10 + 1 })],
  ['pauses before Redis is tried again only grow', changed('redis', { retryMaxMs: limits.redis.retryFirstMs - 1 })],
  ['the newest backup stays', changed('backup', { keepCount: 0 })],
  ['a backup that failed is tried again', changed('backup', { retryMs: limits.backup.everyMs + 1 })],
  ['a backup is made soon after it is due', changed('backup', { lookMs: limits.backup.retryMs + 1 })],
  [
    'an open request is answered before the drain ends',
    changed('shutdown', { drainRequestsMs: limits.ask.deadlineMs + limits.shutdown.marginMs }),
  ],
  [
    'a command takes effect only while somebody waits for it',
    changed('account', { waitingMs: limits.ask.deadlineMs + 1 }),
  ],
  ['the actors are given time to stop', changed('shutdown', { stopActorsMs: limits.shutdown.marginMs })],
  [
    'what stops before the database leaves it time',
    changed('shutdown', { drainRequestsMs: limits.shutdown.drainMs - 2 * limits.shutdown.marginMs }),
  ],
])('limits are refused unless %s', (relation, broken) => {
  expect(() => assertLimits(broken)).toThrow(relation);
});
