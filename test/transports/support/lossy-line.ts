/** A proxy in front of a WebSocket server that loses, doubles and swaps whole frames on their way to the client, and cuts connections. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { frameAt } from '../../../transports/websocket/frame.ts';

/** What happens to one frame. */
export type Fate = 'pass' | 'drop' | 'double' | 'swap' | 'cut' | 'cut-within';

export interface LossyLine {
  readonly port: number;
  /** Frames that came by, and what became of them. */
  readonly counts: Record<Fate, number>;
  cutAll(): void;
}

const endOfHead = '\r\n\r\n';
const firstControlOpcode = 0x8;

/** @param fateOf asked for each data frame, in order, with its text; control frames always pass */
export async function openLossyLine(port: number, fateOf: (text: string) => Fate): Promise<LossyLine> {
  const sockets = new Set<Socket>();
  const counts: LossyLine['counts'] = { pass: 0, drop: 0, double: 0, swap: 0, cut: 0, 'cut-within': 0 };
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port, host: '127.0.0.1', noDelay: true });
    const cut = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', cut);
      socket.on('close', () => {
        sockets.delete(socket);
        cut();
      });
    }
    client.on('data', (chunk) => upstream.write(chunk));
    /** Waits for the next frame, which overtakes it. */
    let swapped: Buffer | undefined;
    const split = splitter((frame, text) => {
      if (client.destroyed) return;
      const fate = text === undefined ? 'pass' : fateOf(text);
      counts[fate] += 1;
      const behind = swapped;
      swapped = undefined;
      if (fate === 'cut-within') client.write(frame.subarray(0, frame.length >> 1));
      if (fate === 'cut' || fate === 'cut-within') return cut();
      if (fate === 'swap' && !behind) {
        swapped = frame;
        return undefined;
      }
      if (fate !== 'drop') client.write(frame);
      if (fate === 'double') client.write(frame);
      if (behind) client.write(behind);
      return undefined;
    });
    upstream.on('data', (chunk: Buffer) => {
      const head = split(chunk);
      if (head) client.write(head);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = {
    port: (server.address() as AddressInfo).port,
    counts,
    cutAll: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
  onTestFinished(() => {
    proxy.cutAll();
    server.close();
  });
  return proxy;
}

/** @returns takes what the server sends, and gives back what of it belongs to the handshake */
function splitter(onFrame: (frame: Buffer, text: string | undefined) => void): (chunk: Buffer) => Buffer | undefined {
  let unread: Buffer = Buffer.alloc(0);
  let isOpen = false;
  return (chunk) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
    let head: Buffer | undefined;
    if (!isOpen) {
      const end = unread.indexOf(endOfHead);
      if (end < 0) return undefined;
      isOpen = true;
      head = unread.subarray(0, end + endOfHead.length);
      unread = unread.subarray(head.length);
      // The head goes out before the frames that came with it.
      setImmediate(() => read());
      return head;
    }
    read();
    return head;
  };

  function read(): void {
    let at = 0;
    for (;;) {
      const place = frameAt(unread, at);
      if (!place) break;
      const isControl = place.opcode >= firstControlOpcode;
      const text = isControl ? undefined : unread.toString('utf8', place.start, place.end);
      onFrame(unread.subarray(at, place.end), text);
      at = place.end;
    }
    unread = unread.subarray(at);
  }
}
