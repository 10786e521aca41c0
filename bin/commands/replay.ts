/** `replay <file>`: recorded ticks through the platform's own price stream, accounts and paper broker. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { strategyKinds, strategyLimits, type StrategyConfig, type StrategyKind } from '../../config/strategies.ts';
import type { ReplaySummary } from '../replay.ts';

interface Options {
  readonly symbol: string;
  readonly columns: string;
  readonly date?: string;
  readonly timezone: string;
  readonly speed: number;
  readonly orders?: string;
  readonly resting: number;
  readonly seed: number;
  readonly strategy?: StrategyKind;
  readonly parameters: Readonly<Record<string, string>>;
  readonly interval: StrategyConfig['interval'];
  readonly durable?: true;
  readonly json?: true;
}

export function register(program: Command): void {
  program
    .command('replay')
    .description(
      'run recorded ticks (CSV; also in gzip or zip) through a platform of their own, with an account of USD 100,000',
    )
    .argument('<file>', 'the recording')
    .requiredOption('--symbol <symbol>', 'the instrument that was recorded')
    .option('--columns <list>', 'what the columns hold: milliseconds or time, bid, ask, skip', 'time,bid,ask')
    .option('--date <YYYY-MM-DD>', 'the day that milliseconds count from')
    .option('--timezone <zone>', 'zone of the times: an offset such as -05:00, or an IANA name', 'UTC')
    .addOption(
      new Option('--speed <factor>', 'seconds of the recording a second, or max')
        .argParser(parseSpeed)
        .default(Infinity, 'max'),
    )
    .option('--orders <csv>', 'orders to send: a file with the header time,side,type,quantity,limitPrice,timeInForce')
    .option('--resting <n>', 'seeded limit orders around the first quote', parseCount, 0)
    .option('--seed <n>', 'seed of those orders', parseCount, 1)
    .addOption(
      new Option('--strategy <kind>', 'let a strategy trade: what it would have made of this').choices(strategyKinds),
    )
    .option('--parameters <list>', 'of the strategy, such as fast=20,slow=50,lots=0.1', parseParameters, {})
    .addOption(
      new Option('--interval <interval>', 'candles of the strategy').choices(['1m', '5m', '15m', '1h']).default('1m'),
    )
    .option('--durable', 'journal in a PostgreSQL of its own instead of in memory')
    .option('--json', 'print the summary as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  aitrading replay ticks.csv.gz --symbol EURUSD --columns time,bid,ask --resting 100\n' +
        '  aitrading replay ticks.csv.gz --symbol EURUSD --strategy moving-average-cross --parameters fast=5,slow=20',
    )
    .action(run);
}

async function run(file: string, options: Options): Promise<void> {
  const [
    { ruleOf },
    { replay },
    { tradedInstruments },
    { readTicks },
    { Progress },
    { openReplayJournal },
    { readOrders },
  ] = await Promise.all([
    import('../strategies.ts'),
    import('../replay.ts'),
    import('../instruments.ts'),
    import('../../transports/drivers/tick-file.ts'),
    import('../progress.ts'),
    import('../replay-journal.ts'),
    import('../replay-orders.ts'),
  ]);
  const { symbol, timezone, date, resting, seed, speed, strategy: kind, interval, parameters } = options;
  // A fault in them is told before the file is opened.
  if (kind) ruleOf(kind, parameters);
  const columns = options.columns.split(',') as Parameters<typeof readTicks>[0]['columns'];
  const ticks = readTicks({ path: file, columns, timezone, ...(date === undefined ? {} : { date }) });
  const instruments = tradedInstruments();
  const orders = options.orders === undefined ? [] : readOrders(options.orders, symbol);
  const journal = await openReplayJournal(options.durable ?? false, 1);
  const progress = new Progress(`replaying ${symbol}`, ticks.totalBytes, { unit: 'bytes' });
  try {
    const summary = await replay({
      ...{ instruments, symbol, ticks, orders, resting, seed, speed, ...journal },
      ...(kind && { strategy: { kind, interval, parameters, limits: strategyLimits } }),
      onProgress: () => progress.report(ticks.readBytes),
    });
    progress.finish();
    process.stdout.write(options.json ? `${JSON.stringify(summary)}\n` : table(summary));
  } finally {
    progress.finish();
    await journal.close();
  }
}

function table(summary: ReplaySummary): string {
  const count = (value: number): string => value.toLocaleString('en-US');
  const rows: [string, string][] = [
    ['ticks', count(summary.ticks)],
    ['ticks/s', count(summary.ticksPerSecond)],
    ['gaps', count(summary.gaps)],
    ['crossed quotes', count(summary.crossedQuotes)],
    ['orders', `${count(summary.orders)} (${count(summary.denied)} denied)`],
    ['fills', `${count(summary.fills)} (${count(summary.fillsOnCrossedQuotes)} on crossed quotes)`],
    ...(summary.maxDrawdownPercent === undefined
      ? []
      : ([['max drawdown', `${summary.maxDrawdownPercent} %`]] as [string, string][])),
    ['end balance', summary.endBalance],
    ['end equity', summary.endEquity],
    ['state', summary.stateHash],
  ];
  return rows.map(([name, value]) => `${name.padEnd(16)}${value}\n`).join('');
}

function parseSpeed(text: string): number {
  if (text === 'max') return Infinity;
  const factor = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || factor <= 0)
    throw new InvalidArgumentError('must be max or a number above 0, such as 60');
  return factor;
}

function parseParameters(text: string): Record<string, string> {
  const pairs = text.split(',').map((pair) => /^([A-Za-z]+)=(\S+)$/.exec(pair));
  if (!pairs.every((pair) => pair !== null))
    throw new InvalidArgumentError('must be names with values, such as fast=20,slow=50');
  return Object.fromEntries(pairs.map(([, name, value]) => [name!, value!]));
}

function parseCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('must be a whole number, 0 to 999999');
  return Number(text);
}
