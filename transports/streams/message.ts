/** What streams send: JSON texts that become frames once, however many connections get them. */
import type { PublishedEvent } from '../../actors/trading/events.ts';
import type { ProblemBody } from '../problems.ts';
import { textFrame } from '../websocket/frame.ts';

/** One object of the protocol. Its frame is made when the first connection wants it, and kept for the others. */
export class Message {
  readonly text: string;
  #frame: Buffer | undefined;

  constructor(text: string) {
    this.text = text;
  }

  get frame(): Buffer {
    return (this.#frame ??= textFrame(this.text));
  }
}

export function message(content: object): Message {
  return new Message(JSON.stringify(content));
}

export function reply(id: string | null, result: object): Message {
  return message({ type: 'reply', id, ok: true, result });
}

export function refusal(id: string | null, problem: ProblemBody): Message {
  return message({ type: 'reply', id, ok: false, problem });
}

/** Everything of the channel up to and including `sequence`. */
export function snapshot(channel: string, epoch: string, sequence: number, data: unknown): Message {
  return message({ type: 'snapshot', channel, epoch, sequence, data });
}

/** What the client knows of the channel no longer counts; a snapshot follows. */
export function resync(channel: string, epoch: string, reason: string): Message {
  return message({ type: 'resync', channel, epoch, reason });
}

/** Holds the very text that the journal holds. */
export function event(
  channel: string,
  epoch: string,
  { sequence, json }: Pick<PublishedEvent, 'sequence' | 'json'>,
): Message {
  return new Message(
    `{"type":"event","channel":"${channel}","epoch":${JSON.stringify(epoch)},"sequence":${sequence},"data":${json}}`,
  );
}
