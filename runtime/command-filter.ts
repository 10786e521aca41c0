/**
 * Tells for certain that a command id is new, in 4 bytes an id: a Bloom filter that grows.
 * Without it every new command would cost a query among all that came before.
 */

const bitsPerId = 32;
const hashes = 16; // with 32 bits an id about one new id in a million looks like an old one
const firstCapacity = 1_024;

export class CommandFilter {
  readonly #layers: { readonly bits: Uint32Array; readonly capacity: number; count: number }[] = [];
  /** Of the last id: it is asked for and then, being new, added. */
  #hashed = hash('');

  add(id: string): void {
    let layer = this.#layers.at(-1);
    if (!layer || layer.count >= layer.capacity) {
      // A full layer stays as it is and a larger one takes over: ids are never hashed again.
      const capacity = layer ? layer.capacity * 4 : firstCapacity;
      layer = { bits: new Uint32Array((capacity * bitsPerId) / 32), capacity, count: 0 };
      this.#layers.push(layer);
    }
    const { first, second } = this.#hash(id);
    const size = layer.bits.length * 32;
    for (let i = 0; i < hashes; i++) {
      const bit = mix(first + Math.imul(i, second)) % size;
      layer.bits[bit >>> 5]! |= 1 << (bit & 31);
    }
    layer.count += 1;
  }

  /** False: the id was never added. True: it was, or (very rarely) it only looks so. */
  mayHave(id: string): boolean {
    if (this.#layers.length === 0) return false;
    const { first, second } = this.#hash(id);
    return this.#layers.some(({ bits }) => {
      const size = bits.length * 32;
      for (let i = 0; i < hashes; i++) {
        const bit = mix(first + Math.imul(i, second)) % size;
        if ((bits[bit >>> 5]! & (1 << (bit & 31))) === 0) return false;
      }
      return true;
    });
  }

  #hash(id: string): { readonly first: number; readonly second: number } {
    if (this.#hashed.id !== id) this.#hashed = hash(id);
    return this.#hashed;
  }
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
