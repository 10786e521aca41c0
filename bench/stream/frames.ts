/** WebSocket frames in a stream of bytes, as cheaply as they can be counted: unlike `frameAt` it makes nothing for each. */

/** Calls for each whole frame with where its payload lies; gives back what is left over. */
export function walkFrames(data: Buffer, onFrame: (firstByte: number, start: number, end: number) => void): Buffer {
  let at = 0;
  while (data.length >= at + 2) {
    const short = data[at + 1]! & 0x7f;
    let start = at + 2;
    let length = short;
    if (short === 126) {
      if (data.length < at + 4) break;
      length = data.readUInt16BE(at + 2);
      start += 2;
    } else if (short === 127) {
      if (data.length < at + 10) break;
      length = Number(data.readBigUInt64BE(at + 2));
      start += 8;
    }
    const end = start + length;
    if (end > data.length) break;
    onFrame(data[at]!, start, end);
    at = end;
  }
  return at === 0 ? data : data.subarray(at);
}
