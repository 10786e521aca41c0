/** `start`: the whole platform in this process, until SIGTERM or SIGINT drains it. */
import type { Command } from 'commander';
import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { Platform } from '../platform.ts';

export function register(program: Command): void {
  program
    .command('start')
    .description(
      'run the platform; without any setting: paper trading, embedded database, simulated prices, demo tenant',
    )
    .action(start);
}

async function start(): Promise<void> {
  const { requireConfig } = await import('../environment.ts');
  const config = requireConfig();
  const [{ createLog }, { startPlatform }, { banner }] = await Promise.all([
    import('../log.ts'),
    import('../platform.ts'),
    import('../banner.ts'),
  ]);
  const log = createLog(config);
  const end = new Ending(config, log);
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'an error that nobody expected');
    process.exit(1);
  });
  process.on('SIGTERM', () => end.onSignal('SIGTERM'));
  process.on('SIGINT', () => end.onSignal('SIGINT'));

  const platform = await startPlatform({ config, log, onFatal: (message) => end.onFatal(message) });
  end.platformIs(platform);
  if (process.stdout.isTTY) process.stdout.write(banner(config, platform.addresses));
  else log.info({ home: config.home, addresses: platform.addresses }, 'listening');
  await platform.ready;
  log.info({ uptimeMs: Math.round(performance.now()) }, 'ready');
}

/** A terminal and npm pass the same wish on twice, at once: only a signal later than this is a second one. */
const sameSignalMs = 500;

/** How the process ends: drained, on a second signal at once, and never later than the limit. */
class Ending {
  readonly #config: Config;
  readonly #log: Logger;
  #platform: Platform | undefined;
  #wanted: { readonly reason: string; readonly exitCode: number; readonly atMs: number } | undefined;

  constructor(config: Config, log: Logger) {
    this.#config = config;
    this.#log = log;
  }

  onSignal(signal: NodeJS.Signals): void {
    if (this.#wanted !== undefined && performance.now() - this.#wanted.atMs < sameSignalMs) return;
    if (this.#wanted !== undefined) process.exit(1);
    this.#log.info({ signal }, 'stopping');
    this.#end(signal, 0);
  }

  onFatal(message: string): void {
    process.stderr.write(`aitrading: ${message}\n`);
    if (this.#wanted === undefined) this.#end(message, 1);
  }

  platformIs(platform: Platform): void {
    this.#platform = platform;
    if (this.#wanted !== undefined) void this.#drain(platform, this.#wanted);
  }

  #end(reason: string, exitCode: number): void {
    this.#wanted = { reason, exitCode, atMs: performance.now() };
    const { drainMs, marginMs } = this.#config.limits.shutdown;
    // A platform bounds its own drain, but may have started too late for that. The process is gone at the limit, not about to go.
    setTimeout(() => {
      this.#log.error({ drainMs }, 'not stopped in time');
      process.exit(1);
    }, drainMs - marginMs).unref();
    // A platform that is still starting is drained as soon as it can be.
    if (this.#platform !== undefined) void this.#drain(this.#platform, this.#wanted);
  }

  async #drain(platform: Platform, wanted: { readonly reason: string; readonly exitCode: number }): Promise<void> {
    const { isClean, tookMs } = await platform.stop(wanted.reason);
    if (isClean) this.#log.info({ tookMs: Math.round(tookMs) }, 'stopped');
    process.exit(isClean ? wanted.exitCode : 1);
  }
}
