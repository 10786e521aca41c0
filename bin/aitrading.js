#!/usr/bin/env node
/** Finds a Node that runs TypeScript as it is, and hands over to cli.ts. Plain JavaScript that Node 20 can run. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const wantedMajor = 24;

if (Number.parseInt(process.versions.node, 10) >= wantedMajor) {
  module.enableCompileCache();
  await import('./cli.ts');
} else {
  handOver();
}

function handOver() {
  const binary = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));
  if (!existsSync(binary)) fail(`needs Node ${wantedMajor}, this is ${process.version}: run npm ci, which brings it`);
  const child = spawn(binary, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  child.on('error', (error) => fail(`cannot run ${binary} (${error.message}): run npm ci`));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal ?? 'SIGKILL'];
  });
  // Ctrl+C reaches the child by itself, as it does the whole foreground of a terminal; a supervisor's signal reaches only us.
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGHUP', 'SIGINT'])) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
}

/** @param {string} reason */
function fail(reason) {
  process.stderr.write(`aitrading: ${reason}\n`);
  process.exit(1);
}
