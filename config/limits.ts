/** Every bound of the platform, in one place: mailboxes, queues, buffers, waits and rates. Each has a unit in its name. */
import assert from 'node:assert';

const KiB = 1024;
const MiB = 1024 * KiB;
/** Milliseconds of a day. */
const day = 86_400_000;

export interface Limits {
  readonly http: {
    /** Largest request body; above it 413 `BODY_TOO_LARGE`. */
    readonly bodyBytes: number;
    /** The same for the AI orchestrator, whose prompts are long. */
    readonly aiBodyBytes: number;
    /** How long a list waits for the read model to reach what the account has promised; then 503 `READ_MODEL_BEHIND`. */
    readonly readYourWritesWaitMs: number;
    /** Token bucket of one credential: refill and size. Above it 429. */
    readonly rate: { readonly perSecond: number; readonly burst: number };
    /** Credentials whose requests are counted; the one unused for longest is forgotten first. */
    readonly rateKeys: number;
    /** How long a connection without a request stays open. */
    readonly keepAliveMs: number;
    /** For a whole request to arrive. */
    readonly requestMs: number;
  };
  readonly authentication: {
    /** Credentials whose holder is kept in memory. */
    readonly cachedPrincipals: number;
    /** How long a holder is kept: a revoked key works this much longer. */
    readonly cacheMs: number;
    /** How long it is kept that a credential is nobody's. */
    readonly cacheUnknownMs: number;
    /** Failed attempts of one address. */
    readonly failures: { readonly perSecond: number; readonly burst: number };
    /** Addresses whose failures are counted. */
    readonly addresses: number;
  };
  readonly stream: {
    /** Largest frame from a client; above it close 1009. */
    readonly maxPayloadBytes: number;
    /** Token bucket of a connection: refill and size. Above it 429; a client that goes on is closed with 4029. */
    readonly messagesPerSecond: number;
    readonly messageBurst: number;
    readonly channelsPerConnection: number;
    /** A connection that has not authenticated by then is closed with 4001. */
    readonly authenticateWithinMs: number;
    /** This many malformed messages within the window close with 4009. */
    readonly protocolErrors: number;
    readonly protocolErrorWindowMs: number;
    /** Longest `id` of a client message. */
    readonly messageIdCharacters: number;
    readonly heartbeatMs: number;
    /** Of this process; above it an upgrade is answered with 503. */
    readonly connections: number;
    /** What all connections of a tenant have and do together. */
    readonly tenant: {
      readonly connections: number;
      readonly channels: number;
      readonly messages: { readonly perSecond: number; readonly burst: number };
    };
    /** How long a ticket is good, and how many may be out. */
    readonly ticketMs: number;
    readonly tickets: number;
    /** For how long prices are collected before they are written, by how busy the event loop is (0 to 1), the busiest first; below all of them to the end of the turn. */
    readonly flushWindows: readonly { readonly aboveBusyShare: number; readonly ms: number }[];
    /** Unsent bytes, a round trip, or the age of what is not acknowledged, above any of which a client gets the newest of each market channel alone. */
    readonly slowBytes: number;
    readonly slowRoundTripMs: number;
    readonly slowAcknowledgeMs: number;
    /** Which round trip, kept for how long, ends that. */
    readonly recoverRoundTripMs: number;
    readonly recoverAfterMs: number;
    /** Unsent account events, a round trip, or time spent slow, above any of which the connection is closed with 4008. */
    readonly slowCloseBytes: number;
    readonly slowCloseAfterMs: number;
    readonly degradedCloseAfterMs: number;
    /** What an account keeps at hand for clients that resume: events, and how old they may be. */
    readonly resumeRingEvents: number;
    readonly resumeRingMs: number;
    /** A client further behind than the ring is served from the journal up to this many rows, then told to resync. */
    readonly resumeJournalRows: number;
  };
  /** Messages that may wait for one actor; the next one is refused with `OVERLOADED`. */
  readonly mailbox: {
    readonly account: number;
    readonly brokerSession: number;
    /** Beyond it the oldest ticks are let go: a price stream needs the latest. */
    readonly priceStream: number;
    readonly projector: number;
    readonly standard: number;
  };
  readonly account: {
    /** Decisions of one account that stand on each other while their commits are under way. */
    readonly inFlight: number;
    /** Commands that wait for a place in flight, or for the journal to be read; above it `OVERLOADED`. */
    readonly waiting: number;
    /** How long they may wait; then they are refused when their turn comes, for whoever sent them has been told that they were lost. */
    readonly waitingMs: number;
    /**
     * Latest commands kept in memory to answer a repeated one; older ones are looked up in the database. Not more than clients repeat
     * in practice: what lives that long is moved twice by the garbage collector (4,096 cost a fifth of an order's CPU time).
     */
    readonly recentCommands: number;
    /** Pause before the journal is read again after it could not be reached. */
    readonly reloadMs: number;
  };
  readonly broker: {
    /** How long a broker may take to answer before what it was sent counts as unknown. */
    readonly answerMs: number;
    /** From one comparison of all orders and positions with the broker to the next. */
    readonly reconcileMs: number;
  };
  readonly marginWatch: {
    /** Between two looks at the margin of every account with something open. */
    readonly everyMs: number;
    /** Accounts that are looked at in a row before others have their turn. */
    readonly accountsPerSlice: number;
  };
  readonly killSwitch: {
    /** How long who throws a switch waits to hear that the database has it; it is in force before. */
    readonly answerMs: number;
    readonly retryMs: number;
  };
  readonly snapshots: {
    /** Rows of the journal between two snapshots, and so, more or less, what a start reads. */
    readonly everyRows: number;
    /** How long a snapshot may take to be saved, or to come at a start, which then reads the whole journal. */
    readonly deadlineMs: number;
    /** An account that nobody has told anything for so long leaves the memory, and comes back at the next message. */
    readonly passivateAfterMs: number;
  };
  readonly journal: {
    /** Entries waiting for the writer; above it commands are refused with `OVERLOADED`. */
    readonly queueEntries: number;
    readonly batchEntries: number;
    readonly batchBytes: number;
    /** Pause before the database is asked again what became of a commit. */
    readonly settleMs: number;
  };
  readonly projector: {
    /** Commits in one transaction of the read models. */
    readonly batchCommits: number;
    /** Commits held in memory while the read models are behind; beyond it they are read from the journal later. */
    readonly queueCommits: number;
    readonly retryMs: number;
    /** Share of the time, above 0 and at most 1, in which the projector may keep the database busy. */
    readonly dutyShare: number;
    /** It gathers commits at least this long between two transactions while nobody waits for them. */
    readonly gatherMs: number;
  };
  readonly market: {
    /** A silence of a price stream longer than this counts as a gap. */
    readonly gapMs: number;
    /** How far back the lowest and highest price of a symbol reach that orders are measured against. */
    readonly rangeMs: number;
    /** Of the price: how far two sources of a symbol may lie apart. */
    readonly divergenceShare: number;
    /** For how long without a break they must lie further apart for either to be doubted. */
    readonly divergedAfterMs: number;
  };
  /** Order books. */
  readonly books: {
    /** Levels a side that are shown, from the best on. */
    readonly levels: number;
    /** Levels a side that are kept of a source that tells what changes. */
    readonly keptLevels: number;
    /** Pause between two updates of one book. */
    readonly updateMs: number;
    /** Changes that wait for the whole book while something of it is missing; beyond it the oldest are let go. */
    readonly waitingChanges: number;
    /** When a source is asked again for the whole book that has not come, or did not fit. */
    readonly askAgainMs: number;
  };
  /** Candles in the database. */
  readonly candles: {
    /** That may wait for the database; beyond it the oldest are lost, and counted. */
    readonly pending: number;
    /** In one statement. */
    readonly batch: number;
    /** Pause between two writes, and between two deletes. */
    readonly writeMs: number;
    /** Pause behind a write that failed; it doubles with every failure, up to the second figure. */
    readonly retryFirstMs: number;
    readonly retryMaxMs: number;
    /** How long they are kept, by interval; absent: for ever. */
    readonly retentionMs: Readonly<Record<string, number>>;
    /** From one search for those past their time to the next. */
    readonly pruneMs: number;
    /** In one delete. */
    readonly pruneRows: number;
  };
  readonly ai: {
    /** Requests that one provider answers at once. */
    readonly requestsPerProvider: number;
    /** Candles that a model is shown. */
    readonly candles: number;
    /** A longer answer of a provider is none. */
    readonly answerBytes: number;
    /** From a call to the first content of its answer, and between two pieces of it. */
    readonly firstTokenMs: number;
    readonly idleMs: number;
    /** For a completion, all attempts together, where whoever asks says nothing. */
    readonly deadlineMs: number;
    /** Tokens of an answer, where the caller says nothing, and at the most. */
    readonly usualOutputTokens: number;
    readonly mostOutputTokens: number;
    /** A second provider is asked too, once the first takes longer than this share of its latest calls. */
    readonly hedgeShare: number;
    /** Of each model at each provider with each key. */
    readonly breaker: {
      /** How many of the last calls count, for how long, and how many there have to be. */
      readonly windowCalls: number;
      readonly windowMs: number;
      readonly minimumCalls: number;
      /** Of these calls: so many failures open it. */
      readonly failureShare: number;
      /** How long it stays open at first; it doubles up to the second figure. */
      readonly reopenFirstMs: number;
      readonly reopenMaxMs: number;
      /** When a probe is given up. */
      readonly probeMs: number;
    };
    /** For how long an answer may be given again. */
    readonly cacheMs: number;
  };
  readonly database: {
    readonly pingMs: number;
    /** Pause before the next try to reach the database; it doubles with every failure, up to the second figure. */
    readonly retryFirstMs: number;
    readonly retryMaxMs: number;
    /** Run of one statement for somebody who waits for an answer; work of the platform itself has 30 s. */
    readonly requestMs: number;
    /** From which on a statement is told as slow. */
    readonly slowMs: number;
    /** Somebody has been waiting for a connection for so long: the pool is told as saturated. */
    readonly saturatedMs: number;
    /** For a connection to the read replica to be made. */
    readonly replicaConnectMs: number;
    /** Above it the replica is told as lagging. */
    readonly replicaMaxLagMs: number;
    /** How long a replica that did not answer is left alone. */
    readonly replicaRestMs: number;
  };
  readonly sharedStore: {
    /** Largest value of the cache, and largest message between nodes. */
    readonly valueBytes: number;
    /** What the cache of a node without Redis holds; what was used longest ago goes first. */
    readonly cacheBytes: number;
  };
  readonly redis: {
    /** How long a request waits for Redis; after that its node decides alone. */
    readonly answerMs: number;
    /** Commands that may be without an answer; what comes beyond is done without Redis. */
    readonly inFlight: number;
    /** How often Redis is asked whether it is there. */
    readonly probeMs: number;
    /** For a connection to be made. */
    readonly connectMs: number;
    /** A connection that owes an answer and is silent for longer is given up. */
    readonly silentMs: number;
    /** Pause before the next try to reach it; it doubles with every failure, up to the second figure. */
    readonly retryFirstMs: number;
    readonly retryMaxMs: number;
  };
  readonly backup: {
    /** From one backup to the next. */
    readonly everyMs: number;
    /** The first of a process is due this long after its start at the earliest. */
    readonly firstMs: number;
    /** Pause behind one that failed; it doubles with every failure, up to `everyMs`. */
    readonly retryMs: number;
    /** How often it is looked whether one is due. */
    readonly lookMs: number;
    /** The newest so many stay, however old they are. */
    readonly keepCount: number;
    /** Younger ones stay, however many they are. */
    readonly keepDays: number;
  };
  readonly ask: {
    /** How long a gateway waits for an actor's answer. */
    readonly deadlineMs: number;
  };
  readonly shutdown: {
    /** SIGTERM to exit: requests answered, journal flushed, sockets closed. */
    readonly drainMs: number;
    /** Of bounds that lie within each other the inner one ends this much earlier, so that it is known who was late. */
    readonly marginMs: number;
    // The phases, in order; what is not done by then is left behind.
    /** Nothing is announced as ready any more. */
    readonly beforeStopMs: number;
    /** Open requests are answered, sockets closed with 1012; clients that do not answer the close are cut off 2 s later. */
    readonly drainRequestsMs: number;
    /** The tree stops. */
    readonly stopActorsMs: number;
    /** Connections are closed and a server of our own is shut down; `drainMs` may leave less. */
    readonly stopDatabaseMs: number;
  };
}

export const limits: Limits = {
  http: {
    bodyBytes: 64 * KiB,
    aiBodyBytes: MiB,
    readYourWritesWaitMs: 1_000,
    rate: { perSecond: 100, burst: 200 },
    rateKeys: 10_000,
    keepAliveMs: 72_000,
    requestMs: 15_000,
  },
  authentication: {
    cachedPrincipals: 10_000,
    cacheMs: 30_000,
    cacheUnknownMs: 2_000,
    failures: { perSecond: 1, burst: 20 },
    addresses: 10_000,
  },
  stream: {
    maxPayloadBytes: 64 * KiB,
    messagesPerSecond: 200,
    messageBurst: 400,
    channelsPerConnection: 200,
    authenticateWithinMs: 5_000,
    protocolErrors: 10,
    protocolErrorWindowMs: 10_000,
    messageIdCharacters: 64,
    heartbeatMs: 5_000,
    connections: 20_000,
    tenant: { connections: 5_000, channels: 100_000, messages: { perSecond: 10_000, burst: 20_000 } },
    ticketMs: 30_000,
    tickets: 10_000,
    flushWindows: [
      { aboveBusyShare: 0.8, ms: 10 },
      { aboveBusyShare: 0.5, ms: 5 },
    ],
    slowBytes: 64 * KiB,
    slowRoundTripMs: 1_500,
    slowAcknowledgeMs: 5_000,
    recoverRoundTripMs: 500,
    recoverAfterMs: 10_000,
    slowCloseBytes: 256 * KiB,
    slowCloseAfterMs: 15_000,
    degradedCloseAfterMs: 120_000,
    resumeRingEvents: 1_000,
    resumeRingMs: 300_000,
    resumeJournalRows: 10_000,
  },
  mailbox: { account: 1_024, brokerSession: 4_096, priceStream: 4_096, projector: 20_000, standard: 1_000 },
  account: { inFlight: 64, waiting: 1_024, waitingMs: 5_000, recentCommands: 256, reloadMs: 500 },
  broker: { answerMs: 2_000, reconcileMs: 30_000 },
  marginWatch: { everyMs: 250, accountsPerSlice: 200 },
  killSwitch: { answerMs: 1_000, retryMs: 1_000 },
  snapshots: { everyRows: 1_000, deadlineMs: 2_000, passivateAfterMs: 900_000 },
  journal: { queueEntries: 20_000, batchEntries: 1_024, batchBytes: MiB, settleMs: 250 },
  projector: { batchCommits: 1_000, queueCommits: 20_000, retryMs: 1_000, dutyShare: 0.3, gatherMs: 100 },
  market: { gapMs: 10_000, rangeMs: 60_000, divergenceShare: 0.005, divergedAfterMs: 2_000 },
  books: { levels: 50, keptLevels: 5_000, updateMs: 100, waitingChanges: 1_000, askAgainMs: 2_000 },
  candles: {
    ...{ pending: 50_000, batch: 5_000, writeMs: 1_000, retryFirstMs: 1_000, retryMaxMs: 30_000 },
    retentionMs: { '1s': day / 4, '5s': day, '1m': 90 * day, '5m': 365 * day },
    ...{ pruneMs: 3_600_000, pruneRows: 2_000 },
  },
  ai: {
    ...{ requestsPerProvider: 256, candles: 120, answerBytes: 8 * MiB },
    ...{ firstTokenMs: 10_000, idleMs: 10_000, deadlineMs: 60_000, hedgeShare: 0.95 },
    ...{ usualOutputTokens: 4_096, mostOutputTokens: 131_072 },
    breaker: {
      ...{ windowCalls: 50, windowMs: 30_000, minimumCalls: 5, failureShare: 0.5 },
      ...{ reopenFirstMs: 1_000, reopenMaxMs: 4_000, probeMs: 30_000 },
    },
    cacheMs: 300_000,
  },
  database: {
    ...{ pingMs: 1_000, retryFirstMs: 100, retryMaxMs: 5_000, requestMs: 4_000, slowMs: 500, saturatedMs: 2_000 },
    ...{ replicaConnectMs: 500, replicaMaxLagMs: 10_000, replicaRestMs: 5_000 },
  },
  sharedStore: { valueBytes: 64 * KiB, cacheBytes: 16 * MiB },
  redis: {
    ...{ answerMs: 50, inFlight: 256, probeMs: 1_000, connectMs: 2_000, silentMs: 5_000 },
    ...{ retryFirstMs: 100, retryMaxMs: 5_000 },
  },
  backup: {
    ...{ everyMs: 86_400_000, firstMs: 600_000, retryMs: 900_000, lookMs: 60_000 },
    ...{ keepCount: 7, keepDays: 30 },
  },
  ask: { deadlineMs: 5_000 },
  shutdown: {
    ...{ drainMs: 10_000, marginMs: 250 },
    ...{ beforeStopMs: 100, drainRequestsMs: 7_400, stopActorsMs: 1_250, stopDatabaseMs: 9_400 },
  },
};

/**
 * Checks how the bounds relate: those that hold for each number alone are left to the types.
 * @throws {AssertionError} names the relation that does not hold
 */
export function assertLimits({
  http,
  stream,
  mailbox,
  account,
  broker,
  killSwitch,
  snapshots,
  journal,
  projector,
  market,
  books,
  candles,
  database,
  sharedStore,
  redis,
  backup,
  ask,
  shutdown,
}: Limits): void {
  assert(http.aiBodyBytes >= http.bodyBytes, 'an AI body may be at least as large as any other');
  assert(http.readYourWritesWaitMs < ask.deadlineMs, 'a list stops waiting for the read model before its request does');
  assert(stream.messageBurst >= stream.messagesPerSecond, 'a burst holds at least one second of messages');
  assert(stream.slowCloseBytes > stream.slowBytes, 'a client is slow before it is closed for being slow');
  assert(stream.slowCloseAfterMs > stream.slowRoundTripMs, 'a slow client is given time before it is closed');
  assert(stream.slowCloseAfterMs > stream.heartbeatMs, 'a silent client is asked at least once before it is closed');
  assert(stream.degradedCloseAfterMs > stream.recoverAfterMs, 'a slow client has time to recover before it is closed');
  assert(stream.recoverRoundTripMs < stream.slowRoundTripMs, 'a client that has recovered is not slow again at once');
  assert(stream.connections >= stream.tenant.connections, 'one tenant has no more connections than there may be');
  assert(stream.tenant.channels >= stream.channelsPerConnection, 'one connection may have all its channels');
  assert(stream.slowCloseBytes > stream.maxPayloadBytes, 'the largest reply fits before a client is closed as slow');
  assert(stream.resumeJournalRows >= stream.resumeRingEvents, 'the journal reaches further back than the ring');
  assert(
    mailbox.brokerSession >= account.waiting + account.inFlight,
    'a broker session holds the orders of a full account',
  );
  assert(account.waiting >= account.inFlight, 'a full flight that comes back finds a place to wait');
  assert(account.recentCommands >= account.inFlight, 'a command that is under way is recognised when it is repeated');
  assert(broker.answerMs < broker.reconcileMs, 'a question is answered or lost before the next');
  assert(killSwitch.answerMs < ask.deadlineMs, 'who throws a switch is answered before the request ends');
  assert(snapshots.deadlineMs < ask.deadlineMs, 'a request outlives a snapshot that does not come');
  assert(snapshots.passivateAfterMs > account.waitingMs, 'an account does not rest while somebody waits for it');
  assert(account.reloadMs < ask.deadlineMs, 'a request outlives one pause before the journal is read again');
  assert(journal.queueEntries >= journal.batchEntries, 'a full batch fits into the queue of the writer');
  assert(journal.batchEntries >= account.inFlight, 'a full flight fits into a batch');
  assert(journal.batchBytes >= http.bodyBytes, 'the largest command fits into a batch');
  assert(journal.settleMs < ask.deadlineMs, 'a request outlives one pause before a commit is asked about');
  assert(projector.queueCommits >= projector.batchCommits, 'a full batch fits into the queue of the projector');
  assert(projector.queueCommits >= journal.batchEntries, 'a committed batch fits into the queue of the projector');
  assert(projector.gatherMs < http.readYourWritesWaitMs, 'a list that asks in the meantime is answered in time');
  assert(projector.dutyShare > 0 && projector.dutyShare <= 1, 'the projector works for a share of the time');
  assert(market.divergenceShare > 0 && market.divergenceShare < 1, 'two sources may differ by a share of the price');
  assert(books.updateMs >= 100, 'a book has at most ten updates a second');
  assert(books.levels <= books.keptLevels, 'a book shows no more levels than are kept');
  assert(candles.batch < candles.pending, 'candles wait while others are written');
  assert(candles.writeMs >= 1_000, 'candles are written at most once a second');
  assert(candles.retryFirstMs <= candles.retryMaxMs, 'pauses before candles are written again only grow');
  assert(database.retryFirstMs <= database.retryMaxMs, 'pauses before the database is tried again only grow');
  assert(database.requestMs < ask.deadlineMs, 'a statement is given up before whoever waits for it');
  assert(database.slowMs < database.requestMs, 'a statement is slow before it is given up');
  assert(
    database.replicaConnectMs + database.requestMs < ask.deadlineMs,
    'a replica that hangs leaves its request time to end',
  );
  assert(sharedStore.cacheBytes > 2 * sharedStore.valueBytes, 'the largest value fits into the cache with its key');
  assert(redis.answerMs < redis.probeMs, 'one probe of Redis is over before the next');
  assert(redis.silentMs > redis.probeMs, 'a silent Redis is asked again before its connection is given up');
  assert(redis.answerMs * 10 <= ask.deadlineMs, 'waiting for Redis is a small part of the time that a request has');
  assert(redis.retryFirstMs <= redis.retryMaxMs, 'pauses before Redis is tried again only grow');
  assert(backup.keepCount >= 1, 'the newest backup stays');
  assert(backup.retryMs <= backup.everyMs, 'a backup that failed is tried again before the next is due');
  assert(backup.lookMs <= backup.retryMs, 'a backup is made soon after it is due');
  const { drainMs, marginMs, beforeStopMs, drainRequestsMs, stopActorsMs } = shutdown;
  assert(account.waitingMs <= ask.deadlineMs, 'a command takes effect only while somebody waits for it');
  assert(drainRequestsMs - marginMs > ask.deadlineMs, 'an open request is answered before the drain ends');
  assert(stopActorsMs > marginMs, 'the actors are given time to stop');
  assert(
    beforeStopMs + drainRequestsMs + stopActorsMs < drainMs - 2 * marginMs,
    'what stops before the database leaves it time to stop',
  );
}

assertLimits(limits);

/** What the platform lets an account risk; tenants and accounts may only be tighter. Absent bounds are none. */
export interface RiskLimits {
  /** Value of one order in account currency, scaled by 10^8; above it `MAX_ORDER_VALUE`. */
  readonly maxOrderValue: bigint;
  /** Orders of one account that are not ended; above it `MAX_WORKING_ORDERS`. */
  readonly maxWorkingOrders: number;
  /** How far through the market a limit may reach, as a share of its price, scaled by 10^8; beyond it `PRICE_COLLAR`. */
  readonly priceCollar: bigint;
  /** The same beyond the lowest and highest price of `market.rangeMs`; `PRICE_COLLAR_ROLLING`. */
  readonly rollingPriceCollar: bigint;
  /** Of one account; what is over them is `THROTTLED`, a cancel never. */
  readonly maxOrdersPerSecond: number;
  readonly maxAmendsPerSecond: number;
  readonly maxMessagesPerSecond: number;
}

export const riskLimits: RiskLimits = {
  maxOrderValue: 1_000_000n * 10n ** 8n,
  maxWorkingOrders: 1_000,
  ...{ priceCollar: 50_000_000n, rollingPriceCollar: 50_000_000n },
  ...{ maxOrdersPerSecond: 200, maxAmendsPerSecond: 200, maxMessagesPerSecond: 400 },
};
