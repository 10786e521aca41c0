/** A node with the platform's own journal: writer, driver and event-sourced accounts, each of which counts what it was told. */
import { createHash } from 'node:crypto';
import type { JournalWriterMessage } from '../../actors/journal-writer.ts';
import { journalWriterSpec } from '../../bin/stage.ts';
import { limits } from '../../config/limits.ts';
import { silentLog, type Behavior, type Log } from '../../runtime/actor.ts';
import { slotOf } from '../../runtime/cluster.ts';
import { eventSourced, type CommandResult, type EventSourcedMessage } from '../../runtime/event-sourced.ts';
import { createSystem, type RestartPolicy } from '../../runtime/system.ts';
import { claimAllSlots } from '../../transports/drivers/postgres-ownership.ts';
import { PostgresJournal } from '../../transports/drivers/postgres-journal.ts';
import type { Database } from '../../transports/drivers/postgres.ts';

export type CountResult = CommandResult<number>;

export interface JournalNodeOptions {
  readonly database: Database;
  readonly nodeId: string;
  readonly tenantId: number;
  readonly accounts: readonly number[];
  /** An account has read its journal and takes commands: at its start, and again whenever the journal had refused it or could not be read. */
  onLoaded(account: number): void;
  /** The writer, the driver or an account has something to tell. */
  onTrouble?(message: string, fields: object): void;
}

export interface JournalNode {
  /** @returns the place of the command among all of its account, which is its seq; rejects where the node is stopped */
  submit(account: number, id: string): Promise<CountResult>;
  /** Of the writer: commits whose outcome was not known at first. */
  unknownOutcomes(): number;
  stop(): Promise<void>;
}

type Message = EventSourcedMessage<number, string, number>;

/** A pause is only there to spare a server that is away. */
const pauseMs = 5;
const answerWithinMs = 50_000;
const writerPath = '/storage/journal-writer';
const policy: RestartPolicy = { intensity: 0, periodMs: 1_000, backoff: { firstMs: 0, maxMs: 0, jitter: 0 } };

/** Claims all slots first: whoever had them is fenced when this returns. */
export async function startJournalNode(options: JournalNodeOptions): Promise<JournalNode> {
  const { database, nodeId, tenantId, accounts, onLoaded, onTrouble = () => {} } = options;
  const { epochOf } = await claimAllSlots(database, { nodeId, version: 'test' });
  const log: Log = { ...silentLog, warn: (fields, message) => onTrouble(message, fields) };
  const journal = new PostgresJournal(database, log);
  const system = createSystem({ name: nodeId, log });
  const storage = { id: 'storage', strategy: 'one-for-one', policy } as const;
  const brisk = { ...limits, journal: { ...limits.journal, settleMs: pauseMs } };
  await system.start({
    ...{ id: 'platform', strategy: 'one-for-one', policy },
    children: [{ ...storage, children: [journalWriterSpec({ journal, limits: brisk })] }],
  });
  const writer = system.find<JournalWriterMessage>(writerPath)!;
  for (const account of accounts)
    await system.spawn('/', { id: String(account), kind: 'account', behavior: counter(account) });
  return {
    submit: (account, id) =>
      system.find<Message>(`/${account}`)!.ask({ type: 'command', command: id }, { timeoutMs: answerWithinMs }),
    unknownOutcomes: () => (system.inspectActor(writerPath)!.state as { unknown: number }).unknown,
    async stop() {
      await system.stop();
      await journal.close();
    },
  };

  function counter(account: number): Behavior<unknown, Message> {
    const key = { tenantId, entityId: account };
    const slot = slotOf(key);
    return eventSourced<number, string, 'counted', number>({
      ...{ key, slot, epoch: () => epochOf(slot), initial: 0 },
      decide: (count) => ({ events: ['counted'], reply: count + 1 }),
      evolve: (count) => count + 1,
      commandId: (id) => id,
      digest: digestOf,
      encodeEvent: (event) => JSON.stringify(event),
      encodePayload: ({ reply }) => `{"reply":${reply}}`,
      decodePayload: (payload) => ({ events: ['counted'], ...(JSON.parse(payload) as { reply: number }) }),
      writer,
      read: (entity, afterSeq) => journal.read(entity, afterSeq),
      async lookUpCommand(id, throughSeq) {
        try {
          for await (const { commandId, digest, seq } of journal.read(key, 0)) {
            if (commandId === id && seq <= throughSeq) return { digest, seq, reply: seq };
          }
          return undefined;
        } catch (error) {
          // The account refuses this command alone and goes on, so nothing else would tell when to send it again.
          setImmediate(() => onLoaded(account));
          throw error;
        }
      },
      onDurable: () => {},
      onLoaded: () => onLoaded(account),
      limits: { inFlight: 64, waiting: 1_000, recentCommands: 1_000, reloadMs: pauseMs },
    });
  }
}

export function digestOf(id: string): string {
  return createHash('sha256').update(id).digest('hex');
}
