/** COPY over a connection of one's own: rows stream from and to the server, and the slower side sets the pace. */
import type { Duplex } from 'node:stream';
import type pg from 'pg';

/** Rows are handed over in blocks of about this size; a longer row is a block of its own. */
const blockBytes = 64 * 1024;

/**
 * Runs `COPY … TO STDOUT`.
 *
 * @param onBlock whole rows as the server writes them; while the promise that it may give is open, nothing more is read from the server
 * @throws the server's error
 */
export function copyOut(
  client: pg.Client,
  text: string,
  onBlock: (block: Buffer) => Promise<void> | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let block = Buffer.allocUnsafe(blockBytes);
    let filled = 0;
    let isFailed = false;
    const waits = new Set<Promise<void>>();
    let paused: Duplex | undefined;

    function fail(error: Error): void {
      if (isFailed) return;
      isFailed = true;
      reject(error);
    }

    function handOver(rows: Buffer, stream: Duplex | undefined): void {
      if (isFailed || rows.length === 0) return;
      let wait: Promise<void> | undefined;
      try {
        wait = onBlock(rows);
      } catch (error) {
        return fail(error as Error);
      }
      if (!wait) return;
      // Behind the last block there is nothing to hold up, but others may use the connection: it must not stay paused.
      paused ??= stream;
      paused?.pause();
      const settled = wait.catch(fail).finally(() => {
        waits.delete(settled);
        if (waits.size > 0) return;
        paused?.resume();
        paused = undefined;
      });
      waits.add(settled);
    }

    run(client, text, {
      onData(chunk, { stream }) {
        if (filled + chunk.length > blockBytes) {
          handOver(block.subarray(0, filled), stream);
          [block, filled] = [Buffer.allocUnsafe(Math.max(blockBytes, chunk.length)), 0];
        }
        // The driver uses its memory again.
        filled += chunk.copy(block, filled);
      },
      onEnd() {
        handOver(block.subarray(0, filled), undefined);
        void Promise.all(waits).then(() => resolve());
      },
      onError: fail,
    });
  });
}

/**
 * Runs `COPY … FROM STDIN` with what the source gives; pieces need not be whole rows.
 * @throws the server's error, or the source's, in which case nothing of it stays
 */
export function copyIn(client: pg.Client, text: string, source: AsyncIterable<Buffer>): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: { error: Error } | undefined;

    async function send(connection: CopyConnection): Promise<void> {
      try {
        for await (const chunk of source) {
          if (failure) return;
          connection.sendCopyFromChunk(chunk);
          if (connection.stream.writableNeedDrain) await drained(connection.stream);
        }
        if (!failure) connection.endCopyFrom();
      } catch (error) {
        failure ??= { error: error as Error };
        connection.sendCopyFail('its source failed');
      }
    }

    run(client, text, {
      onCopyIn: (connection) => void send(connection),
      onEnd: () => resolve(),
      onError(error) {
        failure ??= { error };
        reject(failure.error);
      },
    });
  });
}

/** Resolves also when the connection ends: the query hears of that by itself. */
function drained(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('close', done);
      resolve();
    };
    stream.on('drain', done).on('close', done);
  });
}

/** What pg gives to a query of one's own, beyond what its types tell. */
interface CopyConnection {
  readonly stream: Duplex;
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
}

interface Handlers {
  onData?(chunk: Buffer, connection: CopyConnection): void;
  onCopyIn?(connection: CopyConnection): void;
  onEnd(): void;
  onError(error: Error): void;
}

function run(client: pg.Client, text: string, handlers: Handlers): void {
  const submittable = {
    // Set by the client, to stop the clock of its query timeout.
    callback: undefined as ((error: unknown) => void) | undefined,
    submit: (connection: CopyConnection) => connection.query(text),
    handleCopyData: ({ chunk }: { chunk: Buffer }, connection: CopyConnection) => handlers.onData?.(chunk, connection),
    handleCopyInResponse: (connection: CopyConnection) => handlers.onCopyIn?.(connection),
    handleCommandComplete: () => {},
    handleReadyForQuery() {
      this.callback?.(undefined);
      handlers.onEnd();
    },
    handleError(error: Error) {
      this.callback?.(error);
      handlers.onError(error);
    },
  };
  client.query(submittable as unknown as pg.Submittable);
}
