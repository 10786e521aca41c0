/** One connection on uWebSockets.js. Its socket throws at every use after its end, so it is let go of there. */
import type { Clock } from '../../runtime/clock.ts';
import type { Connection, ConnectionHandler } from './connection.ts';
import { frameAt, opcode } from './frame.ts';
import { RoundTrip } from './round-trip.ts';
import { sent, type UwsSocket } from './uws.ts';

/**
 * uWebSockets.js reads on, whatever becomes of the messages. So those that come while reading is paused are held, up to so many
 * bytes: well above what a client may send at once. One that sends more is closed with 4029.
 */
export const heldBytes = 2 ** 20;

/** What a held message costs besides its text. */
const bytesPerMessage = 64;

export class UwsConnection implements Connection {
  readonly remoteAddress: string;
  readonly #maxPayloadBytes: number;
  readonly #roundTrip: RoundTrip;
  /** Undefined once it has ended. */
  #socket: UwsSocket<unknown> | undefined;
  #handler: ConnectionHandler | undefined;
  #waiting: (() => void)[] = [];
  #isPaused = false;
  #held: string[] = [];
  #heldBytes = 0;
  #isHandingOn = false;

  constructor(socket: UwsSocket<unknown>, remoteAddress: string, maxPayloadBytes: number, clock: Clock) {
    this.#socket = socket;
    this.remoteAddress = remoteAddress;
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#roundTrip = new RoundTrip(clock);
  }

  handle(handler: ConnectionHandler): void {
    this.#handler = handler;
    if (!this.#socket) this.#tellClosed();
  }

  write(frames: Buffer): void {
    const socket = this.#socket;
    if (!socket) return;
    let isDropped = false;
    socket.cork(() => {
      for (let at = 0; at < frames.length && !isDropped;) {
        const frame = frameAt(frames, at)!;
        const isBinary = frame.opcode === opcode.binary;
        isDropped = socket.send(frames.subarray(frame.start, frame.end), isBinary, false) === sent.dropped;
        at = frame.end;
      }
    });
    // Whoever missed something has to notice: a connection that goes on would hide it.
    if (isDropped) this.#socket?.close();
  }

  get bufferedBytes(): number {
    return this.#socket?.getBufferedAmount() ?? 0;
  }

  whenDrained(run: () => void): void {
    if (!this.#socket) return;
    this.#waiting.push(run);
    if (this.bufferedBytes === 0) setImmediate(() => this.drained());
  }

  ping(): void {
    if (this.#socket && this.#roundTrip.start()) this.#socket.ping();
  }

  get roundTripMs(): number {
    return this.#roundTrip.ms;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    setImmediate(() => this.#handOn());
  }

  close(code: number, reason: string): void {
    this.#letGo();
    this.#socket?.end(code, reason);
  }

  /** @param message good until this returns */
  received(message: ArrayBuffer, isBinary: boolean): void {
    if (isBinary) return this.close(4009, 'binary frames were not agreed');
    if (message.byteLength > this.#maxPayloadBytes) return this.close(1009, 'the message is too long');
    const text = Buffer.from(message).toString();
    if (!this.#isPaused && this.#held.length === 0) return this.#handler?.message(text);
    this.#held.push(text);
    this.#heldBytes += message.byteLength + bytesPerMessage;
    if (this.#heldBytes > heldBytes) this.close(4029, 'too many messages while others are handled');
  }

  answered(): void {
    this.#roundTrip.answered();
  }

  drained(): void {
    if (!this.#socket || this.bufferedBytes > 0) return;
    for (const run of this.#waiting.splice(0)) run();
  }

  ended(): void {
    this.#socket = undefined;
    this.#waiting = [];
    if (this.#held.length === 0) this.#tellClosed();
  }

  /** As a socket that is read would: in order, what came before the end of the connection too. */
  #handOn(): void {
    if (this.#isHandingOn) return;
    this.#isHandingOn = true;
    let count = 0;
    while (!this.#isPaused && count < this.#held.length) this.#handler?.message(this.#held[count++]!);
    this.#isHandingOn = false;
    for (const text of this.#held.splice(0, count)) this.#heldBytes -= Buffer.byteLength(text) + bytesPerMessage;
    if (this.#held.length === 0 && count > 0 && !this.#socket) this.#tellClosed();
  }

  #letGo(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }

  /** In a turn of its own: nobody is told of the end while they are ending it. */
  #tellClosed(): void {
    const handler = this.#handler;
    if (!handler) return;
    this.#handler = undefined;
    setImmediate(() => handler.closed());
  }
}
