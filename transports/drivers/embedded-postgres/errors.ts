import { Retryable, Terminal } from '../../../runtime/errors.ts';

/** PostgreSQL cannot run on this machine as it is. */
export class PostgresUnusable extends Terminal {
  constructor(reason: string, cause?: unknown) {
    super(`the embedded PostgreSQL cannot run here: ${reason}; set DB_HOST to use a PostgreSQL of your own`, { cause });
  }
}

/** The server ended, or did not answer, before it was ready. */
export class PostgresNotStarted extends Retryable {
  /** @param lines what the server said last */
  constructor(reason: string, lines: readonly string[], cause?: unknown) {
    super([`PostgreSQL did not start: ${reason}`, ...lines].join('\n  '), { retryAfterMs: 1_000, cause });
  }
}
