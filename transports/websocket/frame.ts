/** WebSocket frames as servers send them: final and not masked, so one buffer is good for every client (RFC 6455, section 5.2). */

export const opcode = { text: 0x1, binary: 0x2 } as const;

const FINAL = 0x80;
/** Compressed, where permessage-deflate was agreed (RFC 7692, section 6). */
const RSV1 = 0x40;

export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const frame = framed(FINAL | opcode.text, length);
  frame.write(text, frame.length - length, 'utf8');
  return frame;
}

export function binaryFrame(payload: Uint8Array): Buffer {
  const frame = framed(FINAL | opcode.binary, payload.length);
  frame.set(payload, frame.length - payload.length);
  return frame;
}

/** @param deflated raw DEFLATE of the text, without the four bytes that a flush ends in */
export function compressedTextFrame(deflated: Uint8Array): Buffer {
  const frame = framed(FINAL | RSV1 | opcode.text, deflated.length);
  frame.set(deflated, frame.length - deflated.length);
  return frame;
}

/** Where a frame lies among others, and its payload within it. */
export interface FramePlace {
  readonly opcode: number;
  readonly start: number;
  readonly end: number;
}

/** The frame that begins at a place, as servers send them; undefined while it has not arrived whole. */
export function frameAt(data: Buffer, at: number): FramePlace | undefined {
  if (data.length < at + 2) return undefined;
  const short = data[at + 1]! & 0x7f;
  const start = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
  if (data.length < start) return undefined;
  const length = short < 126 ? short : short === 126 ? data.readUInt16BE(at + 2) : Number(data.readBigUInt64BE(at + 2));
  return data.length < start + length ? undefined : { opcode: data[at]! & 0x0f, start, end: start + length };
}

function framed(firstByte: number, length: number): Buffer {
  const start = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(start + length);
  frame[0] = firstByte;
  if (start === 2) frame[1] = length;
  else if (start === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  return frame;
}
