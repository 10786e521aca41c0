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
  return /^[A-Za-z_$][\w$-]{0,31}$/.test(field) ? field : unshown;
}

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

/** An error goes from hand to hand, and whoever describes it later does not know what must not be seen in it. */
const hiddenBefore = new WeakMap<Error, ReadonlySet<string>>();

/**
 * Never throws, although anything may have been thrown.
 * @param hide texts that must not be seen in it, now or when it is described again
 */
export function describeError(error: unknown, hide: ReadonlySet<string> = noTexts): ErrorInfo {
  try {
    // Whatever was thrown in place of an error may be a message, or a part of one.
    if (!(error instanceof Error))
      return { name: typeof error, message: `was thrown: ${JSON.stringify(shapeOf(error))}` };
    const { cause } = error;
    const unseen = new Set([...hide, ...(hiddenBefore.get(error) ?? [])]);
    if (unseen.size > 0) hiddenBefore.set(error, unseen);
    const because = cause === undefined ? undefined : describeError(cause, unseen);
    const message = because ? `${error.message}; because of ${because.name}: ${because.message}` : error.message;
    const info = { name: hidden(error.name, unseen), message: hidden(message, unseen) };
    return typeof error.stack === 'string' ? { ...info, stack: hidden(error.stack, unseen) } : info;
  } catch {
    return { name: typeof error, message: 'has no text' };
  }
}

const noTexts: ReadonlySet<string> = new Set();
/** Shorter ones are words, numbers, symbols: they would be found everywhere. */
const shortestSecret = 8;
const mostTexts = 2_000;

/**
 * The texts in a message that it is not known to be fit to be seen with: an error that quotes them must not give them away.
 * @param shown what may be seen of the message
 */
export function unseenTexts(message: unknown, shown: unknown): ReadonlySet<string> {
  const unseen = new Set<string>();
  try {
    gatherTexts(message, unseen, 0);
    if (unseen.size === 0) return unseen;
    unseen.delete(typeOf(message));
    const seen = new Set<string>();
    gatherTexts(shown, seen, 0);
    for (const text of seen) unseen.delete(text);
  } catch {
    // A message that cannot even be read: whatever was found of it stays hidden.
  }
  return unseen;
}

function gatherTexts(value: unknown, texts: Set<string>, depth: number): void {
  if (texts.size >= mostTexts || depth > deepest * 2) return;
  if (typeof value === 'string') {
    if (value.length >= shortestSecret) texts.add(value);
  } else if (value instanceof Map || value instanceof Set) {
    for (const item of value instanceof Map ? value.values() : value) gatherTexts(item, texts, depth + 1);
  } else if (value instanceof Error) {
    gatherTexts(value.message, texts, depth + 1);
    gatherTexts(value.cause, texts, depth + 1);
  } else if (typeof value === 'object' && value !== null) {
    for (const field of Object.values(value)) gatherTexts(field, texts, depth + 1);
  }
}

function hidden(text: string, hide: ReadonlySet<string>): string {
  let result = text;
  // The longest first: one may be a part of another.
  for (const secret of [...hide].toSorted((a, b) => b.length - a.length))
    result = result.replaceAll(secret, '[hidden]');
  return result;
}
