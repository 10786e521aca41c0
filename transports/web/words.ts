/** What the platform says, in words for people. */
import type { ProblemBody } from './wire.ts';

/** `Margin exceeds free margin: required 1080.14, free 500.00, currency USD (MARGIN_EXCEEDS_FREE)`. */
export function describeProblem({ code, title, detail, figures = {}, errors = [] }: ProblemBody): string {
  const numbers = Object.entries(figures).map(([name, value]) => `${spelled(name)} ${value}`);
  const faults = errors.map((fault) => `${fault.path} ${fault.detail}`);
  const said = title ?? spelled(code);
  const explanation = [...numbers, ...faults].join(', ') || (detail ?? '');
  const text = explanation === '' || explanation === said ? said : `${said.replace(/[.:]$/, '')}: ${explanation}`;
  return `${text} (${code})`;
}

/** `freeMargin` and `FREE_MARGIN` are both `free margin`. */
export function spelled(name: string): string {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replaceAll(/[_-]/g, ' ')
    .toLowerCase();
}

/** Thousands parted by a thin space; exact, since the digits are only moved apart. */
export function grouped(amount: string): string {
  const [whole = '', fraction] = amount.split('.');
  const parted = whole.replaceAll(/\B(?=(\d{3})+$)/g, '\u202F');
  return fraction === undefined ? parted : `${parted}.${fraction}`;
}

/** Ask less bid in points: units of the last digit that either shows. Undefined when one is no decimal. */
export function spreadPoints(bid: string, ask: string): string | undefined {
  const digits = Math.max(fractionDigits(bid), fractionDigits(ask));
  const [low, high] = [scaled(bid, digits), scaled(ask, digits)];
  return low === undefined || high === undefined ? undefined : String(high - low);
}

/** -1, 0 or 1 as `next` is below, at or above `last`; 0 when one is no decimal. */
export function direction(last: string, next: string): -1 | 0 | 1 {
  const digits = Math.max(fractionDigits(last), fractionDigits(next));
  const [from, to] = [scaled(last, digits), scaled(next, digits)];
  if (from === undefined || to === undefined || from === to) return 0;
  return to > from ? 1 : -1;
}

function fractionDigits(decimal: string): number {
  return decimal.split('.')[1]?.length ?? 0;
}

// Prices are decimal text, and a float would show a spread of 1.9999.
function scaled(decimal: string, digits: number): bigint | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(decimal);
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = ''] = match;
  return BigInt(`${sign}${whole}${fraction.padEnd(digits, '0')}`);
}
