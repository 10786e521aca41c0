/** The layer rule: which folder may import which. Each row is planted in a tree of its own and read by the project's lint. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const project = join(import.meta.dirname, '..');

const forbidden = [
  ['runtime/mailbox.ts', `import '../actors/trading/order.ts';`],
  ['runtime/journal.ts', `import 'pg';`],
  ['runtime/cell.ts', `import 'nact';`],
  ['runtime/clock.ts', `import '../config/limits.ts';`],
  ['actors/trading/money.ts', `import 'node:fs';`],
  ['actors/trading/order.ts', `import '../../runtime/mailbox.ts';`],
  ['actors/trading/margin.ts', `import '../trading-account.ts';`],
  ['actors/market/quote.ts', `import 'lodash';`],
  ['actors/ai/signal.ts', `export { x } from '../../transports/codec.ts';`],
  ['actors/trading-account.ts', `import '../transports/codec.ts';`],
  ['actors/price-stream.ts', `import '../config/limits.ts';`],
  ['actors/journal-writer.ts', `import 'pg';`],
  ['actors/tenant.ts', `import { identity } from './identity.ts';`],
  ['supervisors/storage.ts', `import '../transports/drivers/postgres.ts';`],
  ['supervisors/platform.ts', `import '../config/config.ts';`],
  ['supervisors/gateways.ts', `import 'node:net';`],
  ['transports/http.ts', `import '../supervisors/health.ts';`],
  ['transports/rate-limit.ts', `import type { Limits } from '../config/limits.ts';`],
  ['transports/gateways/trading.ts', `import { account } from '../../actors/trading-account.ts';`],
  ['transports/drivers/redis.ts', `import '../../bin/platform.ts';`],
  ['config/limits.ts', `import '../runtime/clock.ts';`],
  ['config/ports.ts', `import '../actors/trading/instrument.ts';`],
  ['config/read.ts', `import 'zod';`],
] as const;

const allowed = [
  ['actors/ai/route.ts', `import '../../runtime/breaker.ts';`],
  ['runtime/nact.ts', `import 'nact';`],
  ['runtime/system.ts', `import './cell.ts'; import 'node:assert/strict';`],
  [
    'actors/trading/risk.ts',
    `import './money.ts'; import '../market/quote.ts'; import 'decimal.js'; import 'temporal-polyfill'; import 'node:crypto';`,
  ],
  [
    'actors/projector.ts',
    `import './trading/order.ts'; import '../runtime/journal.ts'; import type { A } from './audit-log.ts'; export type B = A;`,
  ],
  [
    'supervisors/trading.ts',
    `import '../actors/broker-session.ts'; import '../actors/trading/order.ts'; import '../runtime/supervisor.ts'; import './policies.ts';`,
  ],
  [
    'transports/gateways/api.ts',
    `import '../http.ts'; import 'zod'; import 'node:http'; import '../../runtime/ref.ts'; import '../../actors/trading/codec.ts'; import type { M } from '../../actors/tenant.ts'; export type N = M;`,
  ],
  ['config/config.ts', `import './read.ts'; import 'node:fs'; import 'node:assert';`],
  [
    'bin/cli.ts',
    `import '../config/config.ts'; import '../supervisors/platform.ts'; import '../transports/http.ts'; import 'commander';`,
  ],
  ['test/scenario/order.test.ts', `import '../../bin/platform.ts'; import '../../transports/http.ts';`],
  ['bench/orders.ts', `import '../bin/platform.ts'; import '../config/config.ts'; import 'pg';`],
] as const;

let tree = '';
let refused: ReadonlySet<string> = new Set();

beforeAll(() => {
  tree = mkdtempSync(join(tmpdir(), 'layers-'));
  // Overrides are read relative to the file they stand in, so the rules are copied to where the tree is.
  copyFileSync(join(project, '.oxlintrc.json'), join(tree, '.oxlintrc.json'));
  for (const [file, source] of [...forbidden, ...allowed]) {
    mkdirSync(dirname(join(tree, file)), { recursive: true });
    writeFileSync(join(tree, file), `${source}\n`);
  }
  const lint = spawnSync(join(project, 'node_modules/.bin/oxlint'), ['-f', 'json'], {
    cwd: tree,
    encoding: 'utf8',
  });
  const { diagnostics } = JSON.parse(lint.stdout) as { diagnostics: { code: string; filename: string }[] };
  refused = new Set(
    diagnostics.filter(({ code }) => code.includes('no-restricted-imports')).map(({ filename }) => filename),
  );
});

afterAll(() => rmSync(tree, { recursive: true, force: true }));

test.each(forbidden)('%s may not say: %s', (file) => {
  expect(refused).toContain(file);
});

test.each(allowed)('%s may say: %s', (file) => {
  expect(refused).not.toContain(file);
});
