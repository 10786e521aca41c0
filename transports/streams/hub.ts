/** Fan-out: what is published goes once to each cohort, and from there in one write a turn to each connection. */
import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import type { Clock, Timer } from '../../runtime/clock.ts';
import type { Connection } from '../websocket/connection.ts';
import { Cohort, type CohortFormat } from './cohort.ts';
import { Outlet, type OutletHub, type OutletListener, type SlowLimits } from './outlet.ts';
import { Topic, type OpenSource } from './topic.ts';

export interface HubLimits extends SlowLimits {
  /**
   * For how long prices are collected, by how busy the event loop is (0 to 1, over the last quarter of a second), the busiest first.
   * Below all of them they leave at the end of the turn. Account events never wait.
   */
  readonly flushWindows: readonly { readonly aboveBusyShare: number; readonly ms: number }[];
}

/** Totals since the start, for metrics. */
export interface HubCounts {
  /** Updates of market channels, once a connection that got them. */
  readonly deliveries: number;
  readonly writes: number;
  /** Times a client became slow. */
  readonly degraded: number;
  /** Updates that slow clients never got. */
  readonly skipped: number;
}

export const pulseMs = 250;
/** A round of pulses is spread over its time, so that many slow clients do not hold up those who keep up all at once. */
const pulseParts = 10;

/** Beyond either the loop turns, so that orders and heartbeats are not stuck behind thousands of writes. */
const writesBeforeYield = 512;
const writingMsBeforeYield = 4;
/** The clock is looked at after so many writes: a look costs as much as a small part of one. */
const writesBetweenLooks = 32;
/** Binary records have room for so many topics. */
const maxTopicNumber = 0xffff;

export class StreamHub implements OutletHub {
  readonly limits: HubLimits;
  readonly #clock: Clock;
  readonly #topics = new Map<string, { readonly topic: Topic; users: number }>();
  readonly #cohorts = new Map<string, Cohort>();
  readonly #outlets = new Set<Outlet>();
  readonly #counts = { deliveries: 0, writes: 0, degraded: 0, skipped: 0 };
  #dirtyCohorts: Cohort[] = [];
  #waiting: Outlet[] = [];
  #isTurnScheduled = false;
  #isWindowOpen = false;
  #isDistributionDue = false;
  #lastTopicNumber = 0;
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();
  #windowMs = 0;
  #pulse: Timer | undefined;
  #parts = 0;
  /** Those whose turn comes in this round. */
  #round: Iterator<Outlet> | undefined;

  constructor(clock: Clock, limits: HubLimits) {
    this.#clock = clock;
    this.limits = limits;
  }

  get counts(): HubCounts {
    return this.#counts;
  }

  open(connection: Connection, form: CohortFormat, listener: OutletListener): Outlet {
    const outlet = new Outlet(connection, form, this, {
      slow: (bufferedBytes) => {
        this.#counts.degraded += 1;
        listener.slow(bufferedBytes);
      },
      tooSlow: (why) => listener.tooSlow(why),
    });
    this.#outlets.add(outlet);
    this.#pulse ??= this.#clock.every(pulseMs / pulseParts, () => this.#beat());
    return outlet;
  }

  close(outlet: Outlet): void {
    outlet.end();
    this.#outlets.delete(outlet);
    if (this.#outlets.size > 0) return;
    this.#pulse?.cancel();
    this.#pulse = undefined;
  }

  /** The topic of that key, opened by its first user. @param key tells what several tenants call the same apart */
  openTopic(key: string, channel: string, open: OpenSource): Topic {
    const found = this.#topics.get(key);
    if (found) {
      found.users += 1;
      return found.topic;
    }
    this.#lastTopicNumber = (this.#lastTopicNumber % maxTopicNumber) + 1;
    const topic = new Topic(channel, this.#lastTopicNumber, open);
    this.#topics.set(key, { topic, users: 1 });
    return topic;
  }

  /** Ends one use. */
  closeTopic(key: string): void {
    const found = this.#topics.get(key);
    if (!found || --found.users > 0) return;
    this.#topics.delete(key);
    found.topic.source.close();
  }

  cohortOf(topics: Iterable<Topic>, form: CohortFormat): Cohort {
    const ordered = [...topics].toSorted((a, b) => a.number - b.number);
    const key = `${form.format}${form.isCompressed ? '+' : ''}:${ordered.map(({ number }) => number).join(',')}`;
    const found = this.#cohorts.get(key);
    if (found) return found;
    const cohort = new Cohort(ordered, form, {
      dirty: () => {
        this.#dirtyCohorts.push(cohort);
        this.#distributeSoon();
      },
      empty: () => this.#cohorts.delete(key),
    });
    this.#cohorts.set(key, cohort);
    return cohort;
  }

  writeSoon(outlet: Outlet): void {
    if (outlet.isWaiting) return;
    outlet.isWaiting = true;
    this.#waiting.push(outlet);
    this.#scheduleTurn();
  }

  nowMs(): number {
    return this.#clock.monotonicMs();
  }

  onSkipped(updates: number): void {
    this.#counts.skipped += updates;
  }

  #distributeSoon(): void {
    if (this.#isWindowOpen || this.#isDistributionDue) return;
    if (this.#windowMs === 0) {
      this.#isDistributionDue = true;
      return this.#scheduleTurn();
    }
    this.#isWindowOpen = true;
    setTimeout(() => {
      this.#isWindowOpen = false;
      this.#isDistributionDue = true;
      this.#turn();
    }, this.#windowMs);
  }

  #scheduleTurn(): void {
    if (this.#isTurnScheduled) return;
    this.#isTurnScheduled = true;
    setImmediate(() => {
      this.#isTurnScheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    if (this.#isDistributionDue) this.#distribute();
    this.#write();
  }

  #distribute(): void {
    this.#isDistributionDue = false;
    const cohorts = this.#dirtyCohorts;
    this.#dirtyCohorts = [];
    for (const cohort of cohorts) {
      cohort.distribute((member, batch) => {
        if (!member.take(batch)) return;
        this.#counts.deliveries += batch.updates.length;
        if (member.isWaiting) return;
        member.isWaiting = true;
        this.#waiting.push(member);
      });
    }
  }

  #write(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    let written = 0;
    const startedMs = performance.now();
    for (const outlet of waiting) {
      outlet.isWaiting = false;
      outlet.write();
      written += 1;
      if (written % writesBetweenLooks > 0) continue;
      if (written >= writesBeforeYield || performance.now() - startedMs > writingMsBeforeYield) break;
    }
    this.#counts.writes += written;
    if (written === waiting.length) return;
    // Those that are left come before whatever the next turn brings.
    this.#waiting = [...waiting.slice(written), ...this.#waiting];
    this.#scheduleTurn();
  }

  #beat(): void {
    this.#parts += 1;
    if (this.#parts % pulseParts === 0) this.#beginRound();
    for (let left = Math.ceil(this.#outlets.size / pulseParts); left > 0 && this.#round; left--) {
      const { value, done } = this.#round.next();
      if (done) this.#round = undefined;
      else value.pulse();
    }
  }

  #beginRound(): void {
    const utilization = performance.eventLoopUtilization();
    const share = performance.eventLoopUtilization(utilization, this.#utilization).utilization;
    this.#utilization = utilization;
    this.#windowMs = this.limits.flushWindows.find(({ aboveBusyShare }) => share > aboveBusyShare)?.ms ?? 0;
    const nowMs = this.nowMs();
    for (const { topic } of this.#topics.values()) topic.mark(nowMs, this.limits.slowCloseAfterMs);
    this.#round = this.#outlets.values();
  }
}
