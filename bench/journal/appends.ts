/** The journal's writer and those who append through it, each with one append under way. */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { JournalWriterMessage } from '../../actors/journal-writer.ts';
import { journalWriterSpec } from '../../bin/stage.ts';
import { limits } from '../../config/limits.ts';
import type { Behavior } from '../../runtime/actor.ts';
import { slotOf } from '../../runtime/cluster.ts';
import type { JournalNotice } from '../../runtime/event-sourced.ts';
import type { EntityKey, Journal, JournalEntry } from '../../runtime/journal.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import { createSystem, type ActorSystem, type RestartPolicy } from '../../runtime/system.ts';
import { percentile } from '../report.ts';
import { examplePayload } from './payload.ts';

export interface AppendResult {
  readonly rowsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Rows of one commit. */
  readonly meanBatch: number;
}

/** Whoever crashes has found a fault of the benchmark. */
const policy: RestartPolicy = { intensity: 0, periodMs: 1_000, backoff: { firstMs: 0, maxMs: 0, jitter: 0 } };
const writerPath = '/storage/journal-writer';

export class Appends {
  readonly #system: ActorSystem;
  readonly #writer: ActorRef<JournalWriterMessage>;
  readonly #epochOf: (slot: number) => number;
  /** Lives over all crowds: whoever appends for an entity goes on where it stands. */
  readonly #lanes = new Map<string, Lane>();
  #crowds = 0;

  private constructor(system: ActorSystem, writer: ActorRef<JournalWriterMessage>, epochOf: (slot: number) => number) {
    this.#system = system;
    this.#writer = writer;
    this.#epochOf = epochOf;
  }

  static async start(journal: Journal, epochOf: (slot: number) => number): Promise<Appends> {
    const system = createSystem({ name: 'bench' });
    const storage = { id: 'storage', strategy: 'one-for-one', policy } as const;
    await system.start({
      ...{ id: 'platform', strategy: 'one-for-one', policy },
      children: [{ ...storage, children: [journalWriterSpec({ journal, limits })] }],
    });
    return new Appends(system, system.find<JournalWriterMessage>(writerPath)!, epochOf);
  }

  stop(): Promise<void> {
    return this.#system.stop();
  }

  /**
   * A producer for each list of entities, for which it appends in turn.
   * @throws {Error} an append was refused
   */
  async run(
    entities: readonly (readonly EntityKey[])[],
    { warmUpMs, windowMs }: { readonly warmUpMs: number; readonly windowMs: number },
  ): Promise<AppendResult> {
    const crowd = new Crowd(entities.length);
    const id = `crowd-${++this.#crowds}`;
    await this.#system.spawn('/', {
      ...{ id, strategy: 'one-for-one', policy },
      children: entities.map((keys, index) => ({
        ...{ id: `producer-${index}`, kind: 'producer' },
        behavior: producer(
          crowd,
          this.#writer,
          keys.map((key) => this.#laneOf(key)),
        ),
      })),
    });
    try {
      await Promise.race([delay(warmUpMs), crowd.failed]);
      const [before, fromMs] = [this.#counts(), performance.now()];
      crowd.samples = [];
      await Promise.race([delay(windowMs), crowd.failed]);
      const [after, samples, tookMs] = [this.#counts(), crowd.samples, performance.now() - fromMs];
      crowd.isOver = true;
      await Promise.race([crowd.idle, crowd.failed]);
      return {
        rowsPerSecond: (samples.length * 1_000) / tookMs,
        ...{ p50Ms: percentile(samples, 0.5), p99Ms: percentile(samples, 0.99) },
        meanBatch: (after.entries - before.entries) / (after.commits - before.commits),
      };
    } finally {
      await this.#system.stopChild(`/${id}`);
    }
  }

  /** The last acknowledged seq of every entity so far. */
  *acknowledged(): Iterable<readonly [EntityKey, number]> {
    for (const { key, seq } of this.#lanes.values()) yield [key, seq];
  }

  #laneOf(key: EntityKey): Lane {
    const name = `${key.tenantId}/${key.entityId}`;
    const known = this.#lanes.get(name);
    if (known) return known;
    const slot = slotOf(key);
    const digest = createHash('sha256').update(name).digest('hex');
    const lane = { key, seq: 0, common: { ...key, slot, epoch: this.#epochOf(slot), digest, payload: examplePayload } };
    this.#lanes.set(name, lane);
    return lane;
  }

  #counts(): { readonly commits: number; readonly entries: number } {
    return this.#system.inspectActor(writerPath)!.state as { commits: number; entries: number };
  }
}

/** One entity's journal, as far as it was acknowledged. */
interface Lane {
  readonly key: EntityKey;
  seq: number;
  readonly common: Omit<JournalEntry, 'seq' | 'commandId'>;
}

/** What all producers of one run have in common. */
class Crowd {
  /** How long each append took, in milliseconds. */
  samples: number[] = [];
  isOver = false;
  readonly idle: Promise<void>;
  readonly failed: Promise<never>;
  readonly fail: (error: Error) => void;
  readonly #becomeIdle: () => void;
  #working: number;

  constructor(size: number) {
    const idle = Promise.withResolvers<void>();
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    this.#working = size;
    ({ promise: this.idle, resolve: this.#becomeIdle } = idle);
    ({ promise: this.failed, reject: this.fail } = failed);
  }

  leave(): void {
    this.#working -= 1;
    if (this.#working === 0) this.#becomeIdle();
  }
}

function producer(
  crowd: Crowd,
  writer: ActorRef<JournalWriterMessage>,
  lanes: readonly Lane[],
): Behavior<undefined, JournalNotice> {
  let turn = 0;
  let sentMs = 0;
  const send = (owner: ActorRef<JournalNotice>): void => {
    const { common, seq } = lanes[turn % lanes.length]!;
    const entry = { ...common, seq: seq + 1, commandId: `order:bench-${seq + 1}` };
    sentMs = performance.now();
    const outcome = writer.tell({ type: 'append', entry, generation: 1, owner });
    if (outcome !== 'queued') crowd.fail(new Error(`the writer's mailbox did not take an append: ${outcome}`));
  };
  return {
    start({ self }) {
      send(self);
      return undefined;
    },
    receive(_state, notice, { self }) {
      const lane = lanes[turn % lanes.length]!;
      if (notice.type === 'journal-refused' || notice.throughSeq !== lane.seq + 1) {
        crowd.fail(new Error(`after seq ${lane.seq} an append came to ${JSON.stringify(notice)}`));
        return undefined;
      }
      crowd.samples.push(performance.now() - sentMs);
      lane.seq += 1;
      turn += 1;
      if (crowd.isOver) crowd.leave();
      else send(self);
      return undefined;
    },
  };
}
