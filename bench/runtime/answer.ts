/** What a contender answers to a request: one line of text, because Erlang has to write it, too. */

export type Answer =
  | { readonly type: 'values'; readonly values: Readonly<Record<string, number>> }
  /** It has nothing of the kind, and why. */
  | { readonly type: 'lacks'; readonly reason: string }
  | { readonly type: 'failed'; readonly reason: string };

export function printAnswer(answer: Answer): string {
  if (answer.type !== 'values') return `${answer.type} ${answer.reason.replaceAll(/\s+/g, ' ')}`;
  return ['values', ...Object.entries(answer.values).map(([name, value]) => `${name}=${value}`)].join(' ');
}

/** Never throws: whatever is no answer is a failure. */
export function parseAnswer(line: string): Answer {
  const [type, ...words] = line.trim().split(' ');
  if (type === 'lacks' || type === 'failed') return { type, reason: words.join(' ') };
  const values = Object.fromEntries(words.map(parseValue));
  const isWhole = words.length > 0 && Object.values(values).every(Number.isFinite);
  return type === 'values' && isWhole ? { type, values } : { type: 'failed', reason: `it answered ${line.trim()}` };
}

function parseValue(word: string): [string, number] {
  const at = word.indexOf('=');
  const value = word.slice(at + 1);
  return [word.slice(0, at), at > 0 && value !== '' ? Number(value) : NaN];
}
