/**
 * What is measured, the same for every contender in JavaScript; bench/peers/runtime/contender.erl does the same in Erlang.
 * No collection is forced before a rate: V8 would go on with the smallest nursery, and a short window would measure little else.
 */
import assert from 'node:assert/strict';
import { percentile } from '../../report.ts';
import type { Contender, Crowd } from './crowd.ts';
import { inTurns, Meter, nextTurn, within } from './meter.ts';

export type Values = Readonly<Record<string, number>>;

const patienceMs = 10_000;
/** So many messages wait for the flooded actor at each turn. */
const flood = 20_000;
const warmUpRestarts = 20;

export class Steps {
  readonly #contender: Contender;
  #meter = new Meter();
  #crowd: Crowd | undefined;
  #actors = 0;

  constructor(contender: Contender) {
    this.#contender = contender;
  }

  /** The crowd of all other steps. The one before it is stopped. */
  async spawn(actors: number): Promise<Values> {
    await this.#crowd?.stop();
    this.#crowd = undefined;
    this.#meter = new Meter();
    this.#actors = actors;
    const before = await memory();
    const fromMs = performance.now();
    this.#crowd = await this.#contender.spawn(actors, this.#meter);
    const seconds = (performance.now() - fromMs) / 1_000;
    const after = await memory();
    return {
      seconds,
      // Few actors may fit into memory that was there already.
      heapBytes: Math.max(1, (after.heapUsed - before.heapUsed) / actors),
      rssBytes: Math.max(1, (after.rss - before.rss) / actors),
    };
  }

  /** Tells every actor in turn, until `messages` have been told and handled. */
  async tells(messages: number): Promise<Values> {
    const crowd = this.#present();
    const meter = this.#meter;
    const last = this.#actors - 1;
    let at = 0;
    const handled = meter.until(meter.handled + messages, patienceMs);
    const fromMs = performance.now();
    await inTurns(messages, () => {
      crowd.tell(at);
      at = at === last ? 0 : at + 1;
    });
    await handled;
    return { perSecond: perSecond(messages, fromMs) };
  }

  /** Asks the first actor, each asker when its last question has been answered. */
  async asks(questions: number, askers: number): Promise<Values> {
    const crowd = this.#present();
    const each = Math.ceil(questions / askers);
    const asker = async (): Promise<void> => {
      for (let left = each; left > 0; left--) await crowd.ask(0);
    };
    const fromMs = performance.now();
    await within(
      Promise.all(Array.from({ length: askers }, asker)),
      patienceMs,
      () => 'not every question was answered',
    );
    return { perSecond: perSecond(each * askers, fromMs) };
  }

  /** From the message that crashes the first actor to the start of its next incarnation. */
  async restarts(times: number): Promise<Values> {
    const { crash, ask } = this.#present();
    assert(crash, 'a contender that lacks no restarts can crash');
    const latencies: number[] = [];
    for (let time = -Math.min(warmUpRestarts, times); time < times; time++) {
      const started = this.#meter.nextStart();
      const fromMs = performance.now();
      crash(0);
      const atMs = await within(started, patienceMs, () => 'a crashed actor was not restarted');
      if (time >= 0) latencies.push(atMs - fromMs);
      await within(ask(0), patienceMs, () => 'a restarted actor did not answer');
      await nextTurn();
    }
    return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
  }

  async snapshots(times: number): Promise<Values> {
    const { snapshot } = this.#present();
    assert(snapshot, 'a contender that lacks no snapshots can take one');
    const tookMs: number[] = [];
    for (let time = -1; time < times; time++) {
      const fromMs = performance.now();
      const seen = snapshot();
      if (time >= 0) tookMs.push(performance.now() - fromMs);
      assert(seen >= this.#actors, `a snapshot must show ${this.#actors} actors, was ${seen}`);
      await nextTurn();
    }
    return { p50: percentile(tookMs, 0.5) };
  }

  /** How long a message waits for the second actor, while at every turn `flood` messages wait for the first. */
  async fairness(lastsMs: number): Promise<Values> {
    const crowd = this.#present();
    assert(crowd.probe, 'a contender that lacks no fairness can be probed');
    const meter = this.#meter;
    meter.waits = [];
    let told = meter.handled;
    let probes = 0;
    for (const endMs = performance.now() + lastsMs; performance.now() < endMs; probes++) {
      for (; told - meter.handled < flood; told++) crowd.tell(0);
      crowd.probe(1, performance.now());
      await nextTurn();
    }
    await meter.until(told, patienceMs);
    assert.equal(meter.waits.length, probes, 'every probe is handled');
    return { p50: percentile(meter.waits, 0.5), p99: percentile(meter.waits, 0.99) };
  }

  #present(): Crowd {
    assert(this.#crowd, 'actors are spawned before anything is measured');
    return this.#crowd;
  }
}

function perSecond(count: number, fromMs: number): number {
  return (count * 1_000) / (performance.now() - fromMs);
}

/** What is alive after a forced collection; the second one takes what the first one's finalizers left. */
async function memory(): Promise<NodeJS.MemoryUsage> {
  gc!();
  await nextTurn();
  gc!();
  return process.memoryUsage();
}
