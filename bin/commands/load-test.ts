/** `load-test`: many users at once, over real sockets, against a running platform. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Mix } from '../load-test/plan.ts';

interface Options {
  readonly users: number;
  readonly seconds: number;
  readonly rampSeconds: number;
  readonly mix: Mix;
  readonly ordersPerSecond: number;
  readonly symbols: readonly string[];
  readonly accounts: readonly string[];
  readonly format: 'json' | 'binary' | 'batch';
  readonly url?: string;
  readonly portOffset?: number;
  readonly seed: number;
  readonly report?: string;
  readonly json?: true;
}

const mostUsers = 20_000;
const mostSeconds = 3_600;

export function register(program: Command): void {
  program
    .command('load-test')
    .description('put many users on the streams of a running platform of this machine, and report what they saw')
    .option('--users <n>', 'users, each with a connection of its own', whole(1, mostUsers), 100)
    .option('--seconds <n>', 'how long', whole(1, mostSeconds), 30)
    .option('--ramp-seconds <n>', 'over which they connect', whole(0, mostSeconds), 5)
    .option('--mix <shares>', 'who they are', parseMix, parseMix('subscriber=80,trader=10,slow=5,reconnecting=5'))
    .option('--orders-per-second <n>', 'of all traders together', whole(1, 200), 20)
    .option(
      '--symbols <list>',
      'that they follow; the first is traded',
      parseList,
      parseList('EURUSD,GBPUSD,USDJPY,USDCHF,USDCAD,AUDUSD,XAUUSD,BTCUSD'),
    )
    .option('--accounts <list>', 'that they trade on', parseList, parseList('demo-1,demo-2'))
    .addOption(new Option('--format <format>', 'of the streams').choices(['json', 'binary', 'batch']).default('json'))
    .option('--url <url>', 'of the streams; default: this machine, port 5001 and PORT_OFFSET', parseUrl)
    .option('--port-offset <n>', 'offset of the ports; default: PORT_OFFSET', whole(0, 60_000))
    .option('--seed <n>', 'of who follows what', whole(0, 2 ** 31), 1)
    .option('--report <file>', 'where the report goes as JSON; default: load-test.json in AITRADING_HOME')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      '\nThe key is trader.apiKey of demo-credentials.json in AITRADING_HOME. Exit code 0: no errors; 1: some.\n' +
        '\nExample:\n  aitrading load-test --users 1000 --seconds 60',
    )
    .action(loadTest);
}

async function loadTest(options: Options): Promise<void> {
  const [
    { requireConfig },
    { join },
    { writeFileSync },
    plan,
    { runLoadTest },
    { errorsOf, reportText },
    { randomOf },
  ] = await Promise.all([
    import('../environment.ts'),
    import('node:path'),
    import('node:fs'),
    import('../load-test/plan.ts'),
    import('../load-test/run.ts'),
    import('../load-test/report.ts'),
    import('../random.ts'),
  ]);
  const { portOffset, users, seconds, ordersPerSecond, symbols, accounts, format, mix } = options;
  const config = requireConfig(portOffset === undefined ? {} : { PORT_OFFSET: String(portOffset) });
  const token = await demoKey(config.home);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.once('SIGINT', stop);
  const report = await runLoadTest({
    url: options.url ?? `ws://127.0.0.1:${config.ports['data-bridge']}/stream`,
    ...{ token, seconds, format, symbol: symbols[0]!, signal: stopping.signal },
    plans: plan.planUsers({
      ...{ users, mix, symbols, accounts, ordersPerSecond },
      rampMs: Math.min(options.rampSeconds, seconds / 2) * 1_000,
      random: randomOf(options.seed),
    }),
  });
  process.off('SIGINT', stop);
  const file = options.report ?? join(config.home, 'load-test.json');
  const json = `${JSON.stringify(report, undefined, 2)}\n`;
  writeFileSync(file, json);
  process.stdout.write(options.json ? json : `${reportText(report)}report        ${file}\n`);
  if (errorsOf(report) > 0) process.exitCode = 1;
}

async function demoKey(home: string): Promise<string> {
  const [{ readFileSync }, { join }, { Failure }] = await Promise.all([
    import('node:fs'),
    import('node:path'),
    import('../failure.ts'),
  ]);
  const file = join(home, 'demo-credentials.json');
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { trader: { apiKey: string } }).trader.apiKey;
  } catch (error) {
    throw new Failure(`no key of a trader in ${file}: start the platform once without NODE_ENV=production`, {
      cause: error,
    });
  }
}

function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    return value;
  };
}

function parseList(text: string): readonly string[] {
  const items = text.split(',').map((item) => item.trim());
  if (items.some((item) => item === '')) throw new InvalidArgumentError('It must be names with commas between them.');
  return items;
}

function parseMix(text: string): Mix {
  const mix = { subscriber: 0, trader: 0, slow: 0, reconnecting: 0 };
  for (const part of text.split(',')) {
    const [name = '', share = ''] = part.split('=');
    if (!Object.hasOwn(mix, name) || !/^\d{1,6}$/.test(share))
      throw new InvalidArgumentError(
        `It must be shares such as subscriber=80,trader=20; kinds: ${Object.keys(mix).join(', ')}.`,
      );
    mix[name as keyof Mix] = Number(share);
  }
  if (Object.values(mix).every((share) => share === 0))
    throw new InvalidArgumentError('Some share must be above zero.');
  return mix;
}

/** A load test is for the machine it runs on: it does not go out to others. */
function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isStream = url?.protocol === 'ws:' || url?.protocol === 'wss:';
  if (!url || !isStream || !['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname))
    throw new InvalidArgumentError('It must be a ws:// address of this machine.');
  return text;
}
