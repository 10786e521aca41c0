/** One face over a WebSocket engine: whole frames out, text messages in. What streams know of WebSockets is here. */

/**
 * How a client wants its frames, agreed by sub-protocol. `json`: an object a text frame. `binary`: the same, and quotes as records
 * in binary frames. `batch`: text frames hold arrays of objects, all of one turn together, compressed where the client can take it.
 */
export type StreamFormat = 'json' | 'binary' | 'batch';

export const subProtocols: Readonly<Record<StreamFormat, string>> = {
  json: 'aitrading.v1.json',
  binary: 'aitrading.v1.binary',
  batch: 'aitrading.v1.batch',
};

/** Offered as a sub-protocol by clients that can set no header; what follows is a ticket. */
export const ticketPrefix = 'ticket.';

/** What a client said when it connected. */
export interface Handshake {
  /** Of the Authorization header, as it came. */
  readonly authorization: string | undefined;
  readonly ticket: string | undefined;
  readonly format: StreamFormat;
  /** Text frames may be compressed, each on its own. */
  readonly isCompressed: boolean;
}

/** A connection as streams see it, whatever the engine. */
export interface Connection {
  readonly remoteAddress: string;
  /** Writes whole frames with one system call. Does nothing once the connection is closing. */
  write(frames: Buffer): void;
  /** Bytes written that the kernel has not taken. */
  readonly bufferedBytes: number;
  /** Calls once when nothing is buffered any more; not at all if the connection ends before. */
  whenDrained(run: () => void): void;
  ping(): void;
  /** Of the last answered ping, or the age of one that is due and took longer; zero before the first. */
  readonly roundTripMs: number;
  /** Reads no further messages until `resume`; those already read still come. */
  pause(): void;
  resume(): void;
  /** Once all that was written is sent. A client that does not answer in time is cut off. */
  close(code: number, reason: string): void;
}

export interface ConnectionHandler {
  /** One text message, valid UTF-8. */
  message(text: string): void;
  /** Called once, whoever closed. */
  closed(): void;
}

export interface UpgradeOptions {
  readonly path: string;
  /** Larger messages close with 1009, or cut the connection off. */
  readonly maxPayloadBytes: number;
  /** Undefined while connections are taken; otherwise why not: answered with 503. */
  refuses(): string | undefined;
  accept(connection: Connection, handshake: Handshake): ConnectionHandler;
}

/** A client that does not answer a close by then is cut off. */
export const closeWithinMs = 2_000;

/** The sub-protocol to answer with, and what the client's list of them says. @param offered as of the header, in the client's order */
export function negotiate(offered: readonly string[]): {
  readonly chosen: string | undefined;
  readonly format: StreamFormat;
  readonly ticket: string | undefined;
} {
  const found = (['json', 'binary', 'batch'] as const).filter((format) => offered.includes(subProtocols[format]));
  const ordered = found.toSorted((a, b) => offered.indexOf(subProtocols[a]) - offered.indexOf(subProtocols[b]));
  const ticketed = offered.find((name) => name.startsWith(ticketPrefix));
  const [format] = ordered;
  return {
    // Browsers give up a connection whose server agrees to none of what they offered; the ticket is spent by then.
    chosen: format ? subProtocols[format] : ticketed,
    format: format ?? 'json',
    ticket: ticketed?.slice(ticketPrefix.length),
  };
}
