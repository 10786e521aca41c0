/** Recorded ticks: CSV as it is, gzipped, or as the first entry of a zip archive; streamed, so a file may be larger than memory. */
import { createReadStream, statSync } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';

import { Unzip, UnzipInflate } from 'fflate';

import { Terminal } from '../../runtime/errors.ts';
import { TickLineFault, type TickColumn, TickParser, type Tick } from './tick-line.ts';

export interface TickFileOptions {
  /** Ends in `.gz`, `.zip` or anything else for plain text. */
  readonly path: string;
  /** What each column of a line holds; columns behind the last one are ignored. */
  readonly columns: readonly TickColumn[];
  /** The day that `milliseconds` count from, YYYY-MM-DD. */
  readonly date?: string;
  /** Zone of the times in the file: a fixed offset such as -05:00, or an IANA name. */
  readonly timezone?: string;
}

/** Iterates once over batches of 1 to 1,000 ticks in the file's order. */
export interface TickFile extends AsyncIterable<readonly Tick[]> {
  /** Size of the file as it lies on the disk, and how much of it is read: together a progress bar. */
  readonly totalBytes: number;
  readonly readBytes: number;
}

/** The file cannot be read, or a line of it is not a tick. */
export class TickFileError extends Terminal {
  readonly path: string;
  /** Counted from 1; undefined when the fault is not one of a line. */
  readonly line: number | undefined;

  constructor(path: string, found: string, options: { line?: number; cause?: unknown } = {}) {
    super(`${path}${options.line === undefined ? '' : `:${options.line}`}: ${found}`, { cause: options.cause });
    this.path = path;
    this.line = options.line;
  }
}

const ticksPerBatch = 1_000;
const chunkBytes = 64 * 1024;
/** A line is a few dozen bytes; a megabyte without a line break is no tick file. */
const maxLineBytes = 4_096;

/**
 * Opens a file of ticks. The first line may be a header; empty lines are skipped.
 *
 * @throws {TickFileError} no such file; while iterating: a line that is no tick, no tick at all, or an archive that is damaged or cut off
 * @throws {RangeError} a column that is not known; columns without bid, ask and a time; `milliseconds` without a date; an unknown time zone
 */
export function readTicks(options: TickFileOptions): TickFile {
  const parser = new TickParser(options);
  const totalBytes = sizeOf(options.path);
  const progress = { readBytes: 0 };
  return {
    totalBytes,
    get readBytes() {
      return progress.readBytes;
    },
    [Symbol.asyncIterator]: () => batches(options.path, parser, progress),
  };
}

async function* batches(path: string, parser: TickParser, progress: { readBytes: number }): AsyncGenerator<Tick[]> {
  let batch: Tick[] = [];
  let line = 0;
  let hasTicks = false;
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const piece of content(path, progress)) {
      const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
      let start = 0;
      for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
        line += 1;
        const tick = parser.parse(bytes, start, end, line === 1);
        start = end + 1;
        if (tick && batch.push(tick) === ticksPerBatch) {
          yield batch;
          hasTicks = true;
          batch = [];
        }
      }
      rest = bytes.subarray(start);
      if (rest.length > maxLineBytes) throw new TickLineFault(`a line must have at most ${maxLineBytes} bytes`);
    }
    line += 1;
    const last = parser.parse(rest, 0, rest.length, line === 1);
    if (last) batch.push(last);
  } catch (error) {
    if (error instanceof TickFileError) throw error;
    if (error instanceof TickLineFault) throw new TickFileError(path, error.message, { line });
    throw new TickFileError(path, `cannot be read: ${(error as Error).message}`, { cause: error });
  }
  if (batch.length > 0) yield batch;
  else if (!hasTicks) throw new TickFileError(path, 'must hold ticks, found none');
}

const newline = 0x0a;

function content(path: string, progress: { readBytes: number }): AsyncIterable<Buffer> {
  const raw = counted(createReadStream(path, { highWaterMark: chunkBytes }), progress);
  if (path.endsWith('.zip')) return firstEntry(path, raw);
  if (path.endsWith('.gz')) return gunzipped(raw);
  return raw;
}

async function* counted(chunks: AsyncIterable<Buffer>, progress: { readBytes: number }): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    progress.readBytes += chunk.length;
    yield chunk;
  }
}

/** A failure of either stream ends the other and is thrown to whoever iterates. */
function gunzipped(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  return pipeline(chunks, createGunzip(), () => {});
}

async function* firstEntry(path: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const unpacked: Buffer[] = [];
  let hasEntry = false;
  let isComplete = false;
  const unzip = new Unzip((entry) => {
    if (hasEntry || entry.name.endsWith('/')) return;
    hasEntry = true;
    entry.ondata = (error, data, final) => {
      if (error) throw error;
      unpacked.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
      isComplete = final;
    };
    entry.start();
  });
  unzip.register(UnzipInflate);
  for await (const chunk of chunks) {
    unzip.push(chunk);
    yield* unpacked.splice(0);
    if (isComplete) return;
  }
  throw new TickFileError(path, hasEntry ? 'the archive is cut off' : 'must be a zip archive with a file in it');
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    throw new TickFileError(path, 'cannot be opened', { cause: error });
  }
}
