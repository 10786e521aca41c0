/** The platform as a process of its own, as `npm start` runs it, in a new home and with room for a benchmark's message rates. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createLog } from '../../bin/log.ts';
import { startPlatform } from '../../bin/platform.ts';
import { credentialsPath } from '../../bin/seed.ts';
import { readConfig } from '../../config/config.ts';
import { limits } from '../../config/limits.ts';
import { portsAt } from '../../config/ports.ts';

export interface PlatformReady {
  /** Of the data bridge. */
  readonly port: number;
  /** The trader's key. */
  readonly token: string;
}

const messagesPerSecond = 1_000_000;
const lowestOffset = 10_000;
/** Below the ports that the system gives to outgoing connections, which come and go. */
const highestOffset = 23_600;

const home = process.env['BENCH_HOME']!;
const offset = await freeOffset();
// Nothing of the surroundings counts: the default configuration is what is measured.
const read = readConfig({ AITRADING_HOME: home, PORT_OFFSET: String(offset), LOG_LEVEL: 'error' });
if (!read.ok) throw new Error(read.faults.join('; '));
const { config } = read;
const platform = await startPlatform({
  config,
  log: createLog(config),
  limits: { stream: { ...limits.stream, messagesPerSecond, messageBurst: messagesPerSecond } },
  risk: { maxOrdersPerSecond: messagesPerSecond, maxMessagesPerSecond: messagesPerSecond },
  seedAccounts: Number(process.env['BENCH_ACCOUNTS']),
  onFatal: (message) => {
    console.error(message);
    process.exit(1);
  },
});
process.once('SIGTERM', end).once('disconnect', end);
await platform.ready;
const { trader } = JSON.parse(readFileSync(credentialsPath(home), 'utf8')) as { trader: { apiKey: string } };
const ready: PlatformReady = { port: portsAt(offset)['data-bridge'], token: trader.apiKey };
process.send?.(ready);

function end(): void {
  platform.stop().then(
    () => process.exit(0),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
}

/** An offset at which all ports of the platform are free just now. */
async function freeOffset(): Promise<number> {
  for (;;) {
    const offset = lowestOffset + Math.floor(Math.random() * (highestOffset - lowestOffset));
    const free = await Promise.all(Object.values(portsAt(offset)).map(isFree));
    if (free.every(Boolean)) return offset;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
