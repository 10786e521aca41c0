/** A market channel as its subscribers share it: a state of which the newest counts. */
import type { Cohort } from './cohort.ts';
import { Message } from './message.ts';

/** One step of a market channel, written only in the forms that somebody wants. */
export interface Step {
  readonly sequence: number;
  /** The whole frame as JSON. */
  text(): string;
  /** The same in the binary format, where the channel has one. */
  record?(topicNumber: number): Buffer;
}

/** A step on its way to those who follow: each form of it is made once. */
export class Update {
  readonly topic: Topic;
  readonly #step: Step;
  #message: Message | undefined;
  #record: Buffer | undefined;

  constructor(topic: Topic, step: Step) {
    this.topic = topic;
    this.#step = step;
  }

  get sequence(): number {
    return this.#step.sequence;
  }

  get message(): Message {
    return (this.#message ??= new Message(this.#step.text()));
  }

  get record(): Buffer | undefined {
    return (this.#record ??= this.#step.record?.(this.topic.number));
  }
}

/** Where a topic gets its state from, and how that is shown. */
export interface TopicSource {
  /** New when the numbers begin anew. */
  readonly epoch: string;
  /** Of the newest step; zero before the first. */
  readonly sequence: number;
  /** What a subscriber is told at first: everything up to `sequence`. Null while there is nothing. */
  snapshot(): unknown;
  /** The newest step, there being one, for a client that missed the `skipped` ones before it. */
  newest(skipped: number): Step;
  /** What a client must know to read records of the channel. */
  readonly recordTerms?: Readonly<Record<string, unknown>>;
  /** Before it, a snapshot would be emptier than it need be. Does not reject. */
  readonly ready?: Promise<void> | undefined;
  close(): void;
}

/** @param publish to be called with each step, numbered one above the last */
export type OpenSource = (publish: (step: Step) => void) => TopicSource;

export class Topic {
  /** As clients call it. */
  readonly channel: string;
  /** Its number in binary records. */
  readonly number: number;
  readonly source: TopicSource;
  /** Those whose members follow it, among other things. */
  readonly cohorts = new Set<Cohort>();
  /** When the newest numbers were published, oldest first: what tells how old an acknowledgement is. */
  readonly #marks: { readonly sequence: number; readonly atMs: number }[] = [];

  constructor(channel: string, number: number, open: OpenSource) {
    this.channel = channel;
    this.number = number;
    this.source = open((step) => {
      if (this.cohorts.size === 0) return;
      const update = new Update(this, step);
      for (const cohort of this.cohorts) cohort.add(update);
    });
  }

  /** To be called every now and then. @param keepMs older marks than that are forgotten, but for one */
  mark(nowMs: number, keepMs: number): void {
    const { sequence } = this.source;
    if (sequence !== this.#marks.at(-1)?.sequence) this.#marks.push({ sequence, atMs: nowMs });
    while (this.#marks.length > 1 && nowMs - this.#marks[1]!.atMs > keepMs) this.#marks.shift();
  }

  /** For how long there has been something newer than a number; zero while there is nothing. */
  ageOf(sequence: number, nowMs: number): number {
    const newer = this.#marks.find((mark) => mark.sequence > sequence);
    return newer ? nowMs - newer.atMs : 0;
  }
}
