/** Runs benchmarks: `npm run -s bench -- <suite> [--json]`, or all of them in small with `--smoke`. */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { toLine, toRow, type BenchOptions } from './report.ts';

const smokeScale = 0.01;
const smokeSeconds = 60;
const suiteSeconds = 50;

/** Every file beside this one is a suite; what suites share stands in report.ts and in folders. */
const suites = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'main.ts' && file !== 'report.ts')
  .map((file) => file.slice(0, -'.ts'.length))
  .toSorted();

const help = `Usage: npm run -s bench -- <suite> [--json]
       npm run -s bench -- --smoke

Suites: ${suites.join(', ') || 'none'}

  --json             one JSON object a line
  --smoke            every suite at a hundredth of its size, ${smokeSeconds} s in all
  --scale <share>    share of the full size, above 0 and at most 1 (default 1)
  --seconds <count>  time a suite may take (default BENCH_SECONDS, or ${suiteSeconds})
  --help             this text`;

process.exitCode = await main();

async function main(): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        smoke: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        scale: { type: 'string', default: '1' },
        seconds: { type: 'string', default: process.env['BENCH_SECONDS'] ?? String(suiteSeconds) },
      },
    });
  } catch (error) {
    return refuse((error as Error).message);
  }
  const { values, positionals } = parsed;
  if (values.help) {
    console.log(help);
    return 0;
  }
  if (values.smoke) return smokeAll();
  const scale = Number(values.scale);
  const seconds = Number(values.seconds);
  if (!(scale > 0 && scale <= 1)) return refuse(`--scale must be above 0 and at most 1, was ${values.scale}`);
  if (!(seconds > 0)) return refuse(`--seconds must be above 0, was ${values.seconds}`);
  const [suite] = positionals;
  if (suite === undefined || positionals.length > 1) return refuse('name one suite');
  if (!suites.includes(suite)) return refuse(`no suite ${suite}`);
  return runSuite(suite, { scale, seconds, isJson: values.json });
}

function refuse(reason: string): number {
  console.error(`${reason}; suites: ${suites.join(', ') || 'none'}`);
  return 2;
}

async function runSuite(suite: string, options: { scale: number; seconds: number; isJson: boolean }): Promise<number> {
  const { run } = (await import(`./${suite}.ts`)) as { run: (options: BenchOptions) => Promise<void> };
  let count = 0;
  await run({
    scale: options.scale,
    seconds: options.seconds,
    emit: (measurement) => {
      const line = toLine(suite, measurement);
      console.log(options.isJson ? JSON.stringify(line) : toRow(line));
      count += 1;
    },
  });
  if (count > 0) return 0;
  console.error(`${suite} measured nothing`);
  return 1;
}

async function smokeAll(): Promise<number> {
  const deadlineMs = performance.now() + smokeSeconds * 1_000;
  let failed = 0;
  for (const [index, suite] of suites.entries()) {
    const leftMs = deadlineMs - performance.now();
    const seconds = Math.max(1, Math.floor(leftMs / 1_000 / (suites.length - index)));
    const startedMs = performance.now();
    const ending = await smoke(suite, seconds, leftMs);
    console.log(`smoke ${suite}: ${ending} in ${((performance.now() - startedMs) / 1_000).toFixed(1)} s`);
    if (ending !== 'ran') failed += 1;
  }
  return failed > 0 ? 1 : 0;
}

/** A suite runs in a process group of its own, so that one that hangs is ended together with whatever it started. */
function smoke(suite: string, seconds: number, withinMs: number): Promise<string> {
  const words = [
    join(import.meta.dirname, 'main.ts'),
    suite,
    '--json',
    `--scale=${smokeScale}`,
    `--seconds=${seconds}`,
  ];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'inherit'], detached: true });
    const end = (): void => endGroup(child.pid);
    const timer = setTimeout(end, Math.max(0, withinMs));
    process.once('exit', end).once('SIGINT', interrupt).once('SIGTERM', interrupt);
    const settle = (ending: string): void => {
      clearTimeout(timer);
      process.off('exit', end).off('SIGINT', interrupt).off('SIGTERM', interrupt);
      resolve(ending);
    };
    child.once('error', (error) => settle(`could not start: ${error.message}`));
    child.once('exit', (code, signal) => settle(code === 0 ? 'ran' : `failed (${signal ?? `exit ${code}`})`));
  });
}

// Exiting runs the hook that ends the group.
function interrupt(): void {
  process.exit(130);
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended by itself.
  }
}
