/**
 * Tells for certain that a command id is new, in 4 bytes an id: a Bloom filter that grows.
 * Without it every new command would cost a query among all that came before.
 */

const bytesPerId = 4;
const hashes = 16; // with 32 bits an id about one new id in a million looks like an old one
const firstCapacity = 1_024;
/** Names the hash, the sizes and the text below: whatever changes one of them changes this. */
const format = 'f1';

interface Layer {
  readonly bits: Uint8Array;
  readonly capacity: number;
  count: number;
}

export class CommandFilter {
  readonly #layers: Layer[] = [];
  /** Of the last id: it is asked for and then, being new, added. */
  #hashed = hash('');

  /** @param text of `encode` @throws {TypeError} it is none, or of another version */
  static decode(text: string): CommandFilter {
    const [first, ...layers] = text.split(' ');
    if (first !== format) throw new TypeError(`a command filter must begin with ${format}, was ${first}`);
    const filter = new CommandFilter();
    for (const layer of layers) filter.#layers.push(decodeLayer(layer, filter.#layers.at(-1)));
    return filter;
  }

  /** As text in one line: 5.4 characters for each id that there is room for, which is at most five times as many as there are, and 1,024 at least. */
  encode(): string {
    return [format, ...this.#layers.map(encodeLayer)].join(' ');
  }

  add(id: string): void {
    let layer = this.#layers.at(-1);
    if (!layer || layer.count >= layer.capacity) {
      // A full layer stays as it is and a larger one takes over: ids are never hashed again.
      layer = emptyLayer(layer);
      this.#layers.push(layer);
    }
    const { first, second } = this.#hash(id);
    const size = layer.bits.length * 8;
    for (let i = 0; i < hashes; i++) {
      const bit = mix(first + Math.imul(i, second)) % size;
      layer.bits[bit >>> 3]! |= 1 << (bit & 7);
    }
    layer.count += 1;
  }

  /** False: the id was never added. True: it was, or (very rarely) it only looks so. */
  mayHave(id: string): boolean {
    if (this.#layers.length === 0) return false;
    const { first, second } = this.#hash(id);
    return this.#layers.some(({ bits }) => {
      const size = bits.length * 8;
      for (let i = 0; i < hashes; i++) {
        const bit = mix(first + Math.imul(i, second)) % size;
        if ((bits[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
      }
      return true;
    });
  }

  #hash(id: string): { readonly first: number; readonly second: number } {
    if (this.#hashed.id !== id) this.#hashed = hash(id);
    return this.#hashed;
  }
}

function emptyLayer(before: Layer | undefined): Layer {
  const capacity = before ? before.capacity * 4 : firstCapacity;
  return { bits: new Uint8Array(capacity * bytesPerId), capacity, count: 0 };
}

/** All bits, though those of a layer that has just begun are mostly zero: to pick out the others takes longer than to write all. */
function encodeLayer({ bits, count }: Layer): string {
  return `${count}:${Buffer.from(bits.buffer).toString('base64')}`;
}

function decodeLayer(text: string, before: Layer | undefined): Layer {
  const [count = '', base64 = ''] = text.split(':');
  const layer = emptyLayer(before);
  layer.count = Number(count);
  const bits = Buffer.from(base64, 'base64');
  if (!/^\d+$/.test(count) || layer.count > layer.capacity || bits.length !== layer.bits.length) {
    throw new TypeError('a layer of the command filter is damaged');
  }
  layer.bits.set(bits);
  return layer;
}

/**
 * Two independent 32-bit hashes (FNV-1a and a multiplicative one, both finished by murmur3's mixer); the second is odd.
 * Their sums are mixed once more before they become positions: in a small layer plain sums of two ids coincide far too often.
 */
function hash(id: string): { id: string; first: number; second: number } {
  let first = 0x811c9dc5;
  let second = 0x9e3779b9;
  for (let i = 0; i < id.length; i++) {
    const code = id.charCodeAt(i);
    first = Math.imul(first ^ code, 0x01000193);
    second = Math.imul(second + code, 0x85ebca6b) ^ (second >>> 15);
  }
  return { id, first: mix(first), second: (mix(second) | 1) >>> 0 };
}

function mix(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
