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
  return isBug(error) ? [error.stack ?? error.message] : [ofPath(error) ?? oneLine(error.message || error.name)];
}

const pathFaults: Readonly<Record<string, string>> = {
  ENOENT: 'is not there',
  ENOTDIR: 'lies below something that is no folder',
  EISDIR: 'is a folder, a file is wanted',
  EACCES: 'must not be used by this user',
  EPERM: 'must not be used by this user',
  EEXIST: 'is there already',
  ENOSPC: 'does not fit: the disk is full',
  EROFS: 'lies on a disk that cannot be written',
  ELOOP: 'is a link that leads to itself',
  ENAMETOOLONG: 'has too long a name',
};

/** What a system call says of a path, in words. */
function ofPath(error: Error): string | undefined {
  const { code, path } = error as NodeJS.ErrnoException;
  const fault = code === undefined ? undefined : pathFaults[code];
  return fault === undefined || path === undefined ? undefined : `${path} ${fault}`;
}

function isBug(error: Error): boolean {
  return error instanceof TypeError || error instanceof ReferenceError || error.name === 'AssertionError';
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').trim();
}
