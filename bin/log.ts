/** The logger of a process: JSON lines to stdout; on the terminal of someone who develops, lines for people. */
import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { Config } from '../config/config.ts';

const secretNames = ['authorization', 'apiKey', 'password', 'token', 'accessToken', 'refreshToken', 'secret', 'cookie'];

/** Secrets are hidden where they are most likely to slip in: at the top, and one or two levels down. */
const redact = {
  paths: secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
  censor: '[secret]',
};

/** Without it an error under this name would be printed as `{}`. */
const serializers = { error: pino.stdSerializers.err };

/** Where lines go: stdout, or what stands for it in a test. */
export interface LogTarget {
  readonly isTTY?: boolean;
  write(line: string): unknown;
}

export function createLog(
  { logLevel, isProduction }: Pick<Config, 'logLevel' | 'isProduction'>,
  target: LogTarget = process.stdout,
): Logger {
  const options = { level: logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact, serializers };
  if (target !== process.stdout) return pino(options, target);
  // Both write at once: the last line before an exit is not lost.
  if (target.isTTY && !isProduction) return pino(options, pretty({ sync: true, singleLine: true }));
  return pino(options, pino.destination({ dest: 1, sync: true }));
}
