/**
 * The journal when PostgreSQL itself dies or its disk is full, several commands of each account under way: whatever was acknowledged is
 * there, once, in its place, and nothing else is.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { silentLog } from '../../runtime/actor.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../transports/drivers/embedded-postgres.ts';
import { migrate } from '../../transports/drivers/migrations.ts';
import { connectDatabase, type Database } from '../../transports/drivers/postgres.ts';
import { provisionTenant } from '../../transports/drivers/provisioning.ts';
import { Clients, countExactly } from '../support/journal-clients.ts';
import { startJournalNode, type JournalNode } from '../support/journal-node.ts';

// These counts do not shrink with TEST_SCALE, see journal-crash.test.ts.
const deaths = 4;
const betweenDeaths = 450;
const fills = 3;
const betweenFills = 300;
const least = deaths * betweenDeaths + fills * betweenFills;

const accounts = [1, 2, 3, 4];
let proved = 0;
afterAll(() => console.info(`${proved} acknowledged appends, none lost, doubled or out of place`));

const refused = /the server refused an append/;
const broken = /the outcome of a commit is unknown|the connection of the journal was lost/;

interface Trouble {
  readonly message: string;
  readonly error?: unknown;
}

/** A server that comes back after its death, at another port, and a node that is not told. */
class Rig {
  readonly clients = new Clients(accounts);
  readonly #home: string;
  #server!: EmbeddedPostgres;
  #pool!: Database;
  #exited!: Promise<void>;
  #onTrouble = (_trouble: Trouble): void => {};
  #node!: JournalNode;
  tenantId!: number;
  /** When the server has ended, by itself or because we killed it. */
  onServerExit = (): void => {};

  private constructor(home: string) {
    this.#home = home;
  }

  static async start(home: string): Promise<Rig> {
    const rig = new Rig(home);
    onTestFinished(() => rig.#stop());
    await rig.startServer();
    await migrate(rig.#pool);
    ({ tenantId: rig.tenantId } = await provisionTenant(rig.#pool, { slug: 'demo', name: 'Demo' }));
    rig.#node = await startJournalNode({
      ...{ database: rig.#current(), nodeId: 'node', tenantId: rig.tenantId, accounts },
      onLoaded: (account) => rig.clients.onLoaded(account),
      onTrouble: (message, fields) => rig.#onTrouble({ message, ...fields }),
    });
    rig.clients.use(rig.#node);
    return rig;
  }

  /** The database as it is now. */
  get database(): Database {
    return this.#pool;
  }

  async startServer(): Promise<void> {
    const exited = Promise.withResolvers<void>();
    this.#exited = exited.promise;
    this.#server = await startEmbeddedPostgres({
      ...{ home: this.#home, log: silentLog },
      onExit: () => {
        exited.resolve();
        this.onServerExit();
      },
    });
    const { host, port, user, password, database } = this.#server;
    await this.#pool?.close();
    this.#pool = connectDatabase({ host, port, user, password, database, log: silentLog, poolSize: 6 });
  }

  /** As `pg_ctl stop -m immediate` does: no farewell, no checkpoint. */
  async stopServerAtOnce(): Promise<void> {
    process.kill(this.#server.pid, 'SIGQUIT');
    await this.#exited;
  }

  /** kill -9 of the process that writes the journal, upon which the server ends all others and recovers. */
  async killWriterProcess(): Promise<void> {
    const { rows } = await this.#pool.query<{ pid: number }>(
      `select pid from pg_stat_activity where application_name = 'aitrading journal'`,
    );
    const trouble = this.nextTrouble(broken);
    process.kill(rows[0]!.pid, 'SIGKILL');
    await trouble;
  }

  /** Resolves when the node tells of this. */
  nextTrouble(kind: RegExp): Promise<Trouble> {
    return new Promise((resolve) => {
      this.#onTrouble = (trouble) => {
        if (kind.test(trouble.message)) resolve(trouble);
      };
    });
  }

  /** Has the server begin new files of its log until there is trouble. */
  async switchingLogs(trouble: Promise<Trouble>): Promise<Trouble> {
    let isOver = false;
    void trouble.then(() => (isOver = true));
    while (!isOver) await this.#pool.query('select pg_switch_wal()').catch(() => {});
    return trouble;
  }

  async #stop(): Promise<void> {
    await this.#node?.stop();
    await this.#pool?.close();
    await this.#server?.stop();
  }

  #current(): Database {
    return {
      query: (text, values) => this.#pool.query(text, values),
      transaction: (work, options) => this.#pool.transaction(work, options),
      stats: () => this.#pool.stats(),
      slowStatements: () => this.#pool.slowStatements(),
      checkHealth: () => this.#pool.checkHealth(),
      connect: (options) => this.#pool.connect(options),
      close: async () => {},
    };
  }
}

function temporaryHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'aitrading-test-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

test('PostgreSQL is stopped at once, or its writing process killed, in the midst of appends, and every acknowledged one is there once', async () => {
  const rig = await Rig.start(temporaryHome());
  for (let death = 0; death < deaths; death++) {
    await rig.clients.more(betweenDeaths / 2 + Math.floor(Math.random() * betweenDeaths));
    if (death % 2 === 0) {
      await rig.stopServerAtOnce();
      await rig.startServer();
    } else await rig.killWriterProcess();
  }
  await rig.clients.more(Math.max(betweenDeaths, deaths * betweenDeaths - rig.clients.acknowledged.size));
  await rig.clients.end();
  expect(await countExactly(rig.database, rig.tenantId, rig.clients)).toBe(rig.clients.acknowledged.size);
  proved += rig.clients.acknowledged.size;
}, 120_000);

const diskMiB = 256;
/** What is left by what shall not find room: a file of the log takes 16 MiB at once. */
const spareBytes = { 'the tables': 64 * 1024, 'the log': 8 * 1024 * 1024 };
const canMount = spawnSync('mount', ['--version']).status === 0 && process.getuid?.() === 0 && triesToMount();
if (!canMount) console.info('skipped: a small disk to fill cannot be mounted here; that takes root and mount(8)');

test.runIf(canMount)(
  'the disk under the data is full in the midst of appends, and every acknowledged one is there once',
  async () => {
    const home = temporaryHome();
    mount(home);
    const rig = await Rig.start(home);
    const ballast = join(home, 'ballast');
    let room = Promise.resolve();
    // Where the log itself finds no room the server gives up, and cannot even recover before there is some.
    rig.onServerExit = () => void room.then(() => rig.startServer());
    for (const what of ['the tables', 'the log', 'the tables'] as const) {
      await rig.clients.more(betweenFills);
      const freed = Promise.withResolvers<void>();
      room = freed.promise;
      const trouble = rig.nextTrouble(what === 'the tables' ? refused : broken);
      const { bavail, bsize } = statfsSync(home);
      writeFileSync(ballast, Buffer.alloc(bavail * bsize - spareBytes[what]));
      const { error } = await (what === 'the log' ? rig.switchingLogs(trouble) : trouble);
      if (what === 'the tables') expect(error).toMatchObject({ code: '53100' });
      rmSync(ballast);
      freed.resolve();
    }
    await rig.clients.more(betweenFills);
    await rig.clients.end();
    expect(await countExactly(rig.database, rig.tenantId, rig.clients)).toBe(rig.clients.acknowledged.size);
    proved += rig.clients.acknowledged.size;
  },
  120_000,
);

function triesToMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'aitrading-test-'));
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status === 0;
  if (isMounted) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true, force: true });
  return isMounted;
}

function mount(folder: string): void {
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${diskMiB}m,mode=711`, 'tmpfs', folder]);
  if (status !== 0) throw new Error(`mount failed: ${String(stderr)}`);
  onTestFinished(() => void spawnSync('umount', ['--lazy', folder]));
}

test('all of this was seen on enough appends', () => {
  expect(proved).toBeGreaterThanOrEqual(canMount ? least : deaths * betweenDeaths);
});
