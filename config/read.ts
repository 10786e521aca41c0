/** Typed readers over the environment. A reader never throws: it notes the fault and goes on, so that all of them are told at once. */
import { readFileSync, statSync } from 'node:fs';
import { masterKeyFault } from './master-key.ts';
import { Secret } from './secret.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const durationUnitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * Every reader gives undefined, or the fallback, for a variable that is unset, empty or at fault.
 * `NAME_FILE` names a file whose content stands for `NAME`; a line break at its end is not part of it.
 */
export class Reader {
  readonly faults: string[] = [];
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  text(name: string): string | undefined;
  text(name: string, fallback: string): string;
  text(name: string, fallback?: string): string | undefined {
    return this.#read(name) ?? fallback;
  }

  secret(name: string): Secret | undefined {
    const found = this.#read(name);
    return found === undefined ? undefined : new Secret(found);
  }

  /** 32 random bytes as base64 or hex; a file with them must be closed to other users. */
  masterKey(name: string): Secret | undefined {
    const before = this.faults.length;
    const found = this.#read(name);
    const path = this.#value(`${name}_FILE`);
    if (this.faults.length > before) return undefined;
    if (path !== undefined && found === undefined) this.fault(`${name}_FILE`, 'a file with a key', `${path} (empty)`);
    if (path !== undefined && isOpenToOthers(path))
      this.fault(`${name}_FILE`, 'a file that no other user can read or change', path);
    const weakness = found === undefined ? undefined : masterKeyFault(found);
    if (weakness !== undefined) this.fault(name, '32 random bytes as base64 or hex', weakness);
    return found === undefined ? undefined : new Secret(found);
  }

  /** A whole number within `min` and `max`, both included. */
  integer(name: string, range: { min: number; max: number }): number | undefined;
  integer(name: string, range: { min: number; max: number }, fallback: number): number;
  integer(name: string, { min, max }: { min: number; max: number }, fallback?: number): number | undefined {
    const found = this.#read(name);
    if (found === undefined) return fallback;
    const value = Number(found);
    if (/^-?\d+$/.test(found) && value >= min && value <= max) return value;
    this.fault(name, `${min} to ${max}`, found);
    return fallback;
  }

  port(name: string, fallback: number): number {
    return this.integer(name, { min: 1, max: 65_535 }, fallback);
  }

  choice<const Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined;
  choice<const Choice extends string>(name: string, choices: readonly Choice[], fallback: NoInfer<Choice>): Choice;
  choice<const Choice extends string>(name: string, choices: readonly Choice[], fallback?: Choice): Choice | undefined {
    const found = this.#read(name);
    if (found === undefined) return fallback;
    const choice = choices.find((one) => one === found);
    if (choice === undefined) this.fault(name, choices.join(', ').replace(/, ([^,]*)$/, ' or $1'), found);
    return choice ?? fallback;
  }

  boolean(name: string, fallback: boolean): boolean {
    return this.choice(name, ['true', 'false'], fallback ? 'true' : 'false') === 'true';
  }

  /** A number with its unit, `250ms`, `1.5s`, `2m` or `1h`, in milliseconds. */
  durationMs(name: string, fallback: number): number {
    const found = this.#read(name);
    if (found === undefined) return fallback;
    const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(found) ?? [];
    const scale = durationUnitsMs[unit];
    if (scale !== undefined) return Number(digits) * scale;
    this.fault(name, 'a number with ms, s, m or h', found);
    return fallback;
  }

  /** An address to listen on or connect to: a name or an IP, nothing around it. */
  host(name: string): string | undefined;
  host(name: string, fallback: string): string;
  host(name: string, fallback?: string): string | undefined {
    const found = this.#read(name);
    if (found === undefined) return fallback;
    if (/^[A-Za-z0-9.:_-]+$/.test(found)) return found;
    this.fault(name, 'a host name or IP address', found);
    return fallback;
  }

  /**
   * A URL with one of `protocols` (`https:`), as text without a slash at its end.
   * A fault repeats nothing of what was found: a URL may carry a password, and a password may look like a URL.
   */
  url(name: string, protocols: readonly string[]): string | undefined {
    const found = this.#read(name);
    if (found === undefined) return undefined;
    const wanted = `a URL with ${protocols.join(' or ')}`;
    const url = URL.parse(found);
    if (url === null) this.fault(name, wanted, 'no URL');
    else if (!protocols.includes(url.protocol)) this.fault(name, wanted, 'a URL of another kind');
    else return found.replace(/\/+$/, '');
    return undefined;
  }

  /** Whether the variable is set, itself or as a file. */
  has(name: string): boolean {
    return this.#value(name) !== undefined || this.#value(`${name}_FILE`) !== undefined;
  }

  /** Notes that `name` was `found` and should have been `wanted`. */
  fault(name: string, wanted: string, found: string): void {
    this.faults.push(`${name} must be ${wanted}, was ${found}`);
  }

  #read(name: string): string | undefined {
    const value = this.#value(name);
    const path = this.#value(`${name}_FILE`);
    if (path === undefined) return value;
    if (value !== undefined) {
      this.faults.push(`${name} and ${name}_FILE are both set: one of them must go`);
      return undefined;
    }
    try {
      return readFileSync(path, 'utf8').replace(/\r?\n$/, '') || undefined;
    } catch (error) {
      this.fault(`${name}_FILE`, 'a file that can be read', `${path} (${(error as NodeJS.ErrnoException).code})`);
      return undefined;
    }
  }

  // `NAME=` in a .env file means that the variable is left out.
  #value(name: string): string | undefined {
    return this.#environment[name] || undefined;
  }
}

/** A group may read it, as where an orchestrator mounts secrets; nobody but the owner may write it. */
function isOpenToOthers(path: string): boolean {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  return process.platform !== 'win32' && (mode & 0o027) !== 0;
}
