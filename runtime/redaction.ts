/**
 * What may be shown of a message, a state or an error. Fails closed: nobody can know which text is a secret,
 * so that only the shape of a value is shown until the actor's spec says what else may be.
 */

/** The `type` of a message, as far as it has one. */
export function typeOf(message: unknown): string {
  try {
    if (typeof message === 'object' && message !== null && 'type' in message && typeof message.type === 'string') {
      return message.type;
    }
  } catch {
    return 'unreadable';
  }
  // A text may be anything, a word of a protocol or a password.
  return typeof message;
}

/** What a function of a spec answered: a promise among it is nonsense, and must not end the process when it rejects. */
export function harmless<T>(answer: T): T {
  if (answer instanceof Promise) answer.catch(() => {});
  return answer;
}

const deepest = 3;
const mostFields = 20;
const unshown = '[unshown]';

/** Names of fields and kinds of values, to a depth of three; never a value. */
export function shapeOf(value: unknown, depth = 0): unknown {
  try {
    if (typeof value === 'string') return `string(${value.length})`;
    if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
    if (Array.isArray(value)) return `array(${value.length})`;
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) return value.constructor.name;
    if (depth >= deepest) return 'object';
    const fields = Object.entries(value).slice(0, mostFields);
    return Object.fromEntries(fields.map(([name, field]) => [nameOf(name), shapeOf(field, depth + 1)]));
  } catch {
    return unshown;
  }
}

/** Names of fields are part of a shape; keys of a table, such as addresses or tokens, are not. */
function nameOf(field: string): string {
  return isFieldName(field) ? field : unshown;
}

/** Words run together, as programmers name fields; digits stand at the end, where a token has them anywhere. */
function isFieldName(key: string): boolean {
  return key.length <= longestFieldName && /^[_$]?[A-Za-z][a-z]*(?:[A-Z][a-z]*|_[a-z]+)*\d{0,3}$/.test(key);
}

const longestFieldName = 32;

/** A message as its spec lets it be seen; its shape where the spec is silent, nothing where the spec fails. */
export function showMessage(message: unknown, show: ((message: never) => unknown) | undefined): unknown {
  if (show === undefined) return shapeOf(message);
  try {
    return copied(harmless(show(message as never)));
  } catch {
    return unshown;
  }
}

/**
 * A copy that holds data only, so that what was shown does not change when its source does, and holds nothing that prints itself.
 * @throws when it cannot be copied
 */
export function copied(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value, bigIntsAsText)) as unknown);
}

function bigIntsAsText(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

export interface ErrorInfo {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
}

/** Texts that must not be seen in an error; `everything` where they are too many to be known. */
export type Unseen = ReadonlySet<string> | 'everything';

/** An error goes from hand to hand, and whoever describes it later does not know what must not be seen in it. */
const hiddenBefore = new WeakMap<Error, Unseen>();
const mostCauses = 10;

/**
 * Never throws, although anything may have been thrown.
 * @param hide what must not be seen in it, now or when it is described again; of `everything` there is left the kind of the error
 *   and where it came from
 */
export function describeError(error: unknown, hide: Unseen = noTexts): ErrorInfo {
  return describe(error, hide, mostCauses);
}

function describe(error: unknown, hide: Unseen, causes: number): ErrorInfo {
  try {
    // Whatever was thrown in place of an error may be a message, or a part of one.
    if (!(error instanceof Error))
      return { name: typeof error, message: `was thrown: ${JSON.stringify(shapeOf(error))}` };
    const unseen = together(hide, hiddenBefore.get(error) ?? noTexts);
    if (unseen === 'everything' || unseen.size > 0) hiddenBefore.set(error, unseen);
    const { cause, stack } = error;
    const because = cause === undefined || causes === 0 ? undefined : describe(cause, unseen, causes - 1);
    const reason = because ? `; because of ${because.name}: ${because.message}` : '';
    const info =
      unseen === 'everything'
        ? { name: isFieldName(error.name) ? error.name : 'Error', message: `[hidden]${reason}` }
        : { name: hidden(error.name, unseen), message: hidden(error.message + reason, unseen) };
    if (typeof stack !== 'string') return info;
    return { ...info, stack: unseen === 'everything' ? framesOf(stack, error.message) : hidden(stack, unseen) };
  } catch {
    return { name: typeof error, message: 'has no text' };
  }
}

const noTexts: ReadonlySet<string> = new Set();

function together(one: Unseen, other: Unseen): Unseen {
  return one === 'everything' || other === 'everything' ? 'everything' : new Set([...one, ...other]);
}

/** A stack without the message at its head, which may look like anything. */
function framesOf(stack: string, message: string): string {
  const behind = stack.slice(message === '' ? 0 : Math.max(0, stack.indexOf(message)) + message.length);
  return behind
    .split('\n')
    .filter((line) => /^ {4}at /.test(line))
    .join('\n');
}

/**
 * The texts in a message that it is not known to be fit to be seen with: an error that quotes them must not give them away.
 * @param shown what may be seen of the message
 * @returns `everything` when the message is too large to be looked through, or cannot be read
 */
export function unseenTexts(message: unknown, shown: unknown): Unseen {
  const unseen = new Texts();
  try {
    if (!unseen.gather(message)) return 'everything';
    unseen.found.delete(typeOf(message));
    const seen = new Texts();
    if (unseen.found.size > 0) seen.gather(shown);
    for (const text of seen.found) unseen.found.delete(text);
    return unseen.found;
  } catch {
    return 'everything';
  }
}

/** Shorter ones are words, numbers, symbols: they would be found everywhere. */
const shortestSecret = 8;
/** Each text is looked for in each error, and all that is under way waits meanwhile. */
const mostTexts = 2_000;
const mostValues = 100_000;

class Texts {
  readonly found = new Set<string>();
  readonly #seen = new WeakSet<object>();
  #valuesLeft = mostValues;

  /** However deep they are. @returns false when there are too many */
  gather(root: unknown): boolean {
    // A list and no recursion: a message may be deeper than the call stack.
    const queue: unknown[] = [root];
    while (queue.length > 0) {
      const value = queue.pop();
      if (typeof value === 'string') this.#add(value);
      else if (typeof value === 'object' && value !== null && !this.#seen.has(value)) {
        this.#seen.add(value);
        for (const part of this.#partsOf(value)) {
          if (this.#valuesLeft-- <= 0) return false;
          if (typeof part === 'string' || typeof part === 'object') queue.push(part);
        }
      }
      if (this.found.size > mostTexts) return false;
    }
    return true;
  }

  #partsOf(value: object): Iterable<unknown> {
    if (Array.isArray(value) || value instanceof Set) return value;
    if (value instanceof Map) return [...value].flat();
    // Bytes, not texts.
    if (ArrayBuffer.isView(value)) return [];
    // Names of fields stay readable: an error that speaks of one gives nothing away that the shape of its message does not.
    const keys = Object.keys(value).filter((key) => !isFieldName(key));
    const parts = [...keys, ...Object.values(value)];
    return value instanceof Error ? [...parts, value.message, value.cause] : parts;
  }

  /** As it is, as JSON has it, and each of its lines: a key of many lines is seldom quoted whole. */
  #add(text: string): void {
    if (text.length < shortestSecret) return;
    this.#addForms(text);
    if (!/[\r\n]/.test(text)) return;
    for (const line of text.split(/[\r\n]+/)) {
      if (this.found.size > mostTexts) return;
      this.#addForms(line.trim());
    }
  }

  #addForms(text: string): void {
    if (text.length < shortestSecret) return;
    this.found.add(text);
    const escaped = JSON.stringify(text).slice(1, -1);
    if (escaped !== text) this.found.add(escaped);
  }
}

function hidden(text: string, hide: ReadonlySet<string>): string {
  let result = text;
  // The longest first: one may be a part of another.
  for (const secret of [...hide].toSorted((a, b) => b.length - a.length))
    result = result.replaceAll(secret, '[hidden]');
  return result;
}
