/** What goes wrong with a command, told on stderr in lines that a person can act on. */

/** The work could not be done, for reasons that the lines say. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly lines: readonly string[];

  constructor(lines: string | readonly string[], options?: ErrorOptions) {
    const all = typeof lines === 'string' ? [lines] : lines;
    super(all.join('; '), options);
    this.lines = all;
  }
}

/** A broken invariant shows where it broke; whatever else goes wrong is a line. */
export function describeFailure(error: unknown): readonly string[] {
  if (error instanceof Failure) return error.lines;
  if (!(error instanceof Error)) return [String(error)];
  return isBug(error) ? [error.stack ?? error.message] : [oneLine(error.message || error.name)];
}

function isBug(error: Error): boolean {
  return error instanceof TypeError || error instanceof ReferenceError || error.name === 'AssertionError';
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').trim();
}
