import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { silentLog } from '../../../runtime/actor.ts';
import {
  embeddedBinaries,
  linkLibraries,
  type Binaries,
} from '../../../transports/drivers/embedded-postgres/binaries.ts';
import { openCluster } from '../../../transports/drivers/embedded-postgres/cluster.ts';
import { giveTo } from '../../../transports/drivers/embedded-postgres/installation.ts';
import {
  commandLine,
  endServer,
  hasEnded,
  isAlive,
  run,
} from '../../../transports/drivers/embedded-postgres/processes.ts';
import {
  startEmbeddedPostgres,
  startPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from '../../../transports/drivers/embedded-postgres.ts';
import { checkDurability, connectDatabase, type Database } from '../../../transports/drivers/postgres.ts';

let made: string;
let parent: string;
let home: string;
const isRoot = process.getuid?.() === 0;

// Making a cluster is most of a start: it is made once, and most tests begin with a copy.
beforeAll(async () => {
  made = mkdtempSync(join(tmpdir(), 'aitrading-made-'));
  const server = await startEmbeddedPostgres({ home: join(made, 'home'), log: silentLog, onExit: () => {} });
  await server.stop();
});
afterAll(() => rmSync(made, { recursive: true, force: true }));

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'aitrading-embedded-'));
  home = join(parent, 'home');
  chmodSync(parent, 0o755);
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

function copyOfMade(): void {
  cpSync(join(made, 'home'), home, { recursive: true });
  for (const folder of [join(home, 'postgres'), join(home, 'postgres', 'data')]) chmodSync(folder, 0o700);
}

async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ home, log: silentLog, onExit: () => {}, ...options });
  onTestFinished(() => server.stop());
  return server;
}

function connect(server: EmbeddedPostgres): Database {
  const database = connectDatabase({ ...server, log: silentLog });
  onTestFinished(() => database.close());
  return database;
}

test('an empty folder becomes a durable server that only this machine can reach, with a password', async () => {
  const server = await start();
  const database = connect(server);
  await checkDurability(database);
  await database.checkHealth();
  const setting = async (name: string): Promise<unknown> =>
    Object.values((await database.query(`show ${name}`)).rows[0]!)[0];
  expect(await setting('listen_addresses')).toBe('127.0.0.1');
  expect(await setting('unix_socket_directories')).toBe('');
  expect(await setting('password_encryption')).toBe('scram-sha-256');
  expect(await setting('data_checksums')).toBe('on');
  expect(statSync(join(home, 'postgres.password')).mode & 0o777).toBe(0o600);
  expect(existsSync(join(home, 'postgres', 'initdb.password'))).toBe(false);

  const stranger = connectDatabase({ ...server, password: 'guessed', log: silentLog });
  onTestFinished(() => stranger.close());
  await expect(stranger.query('select 1')).rejects.toThrow(/password authentication failed/);
});

test('the data outlives a stop, and the second start creates nothing', async () => {
  copyOfMade();
  const first = await start();
  await connect(first).query('create table kept as select 42 as answer');
  await first.stop();
  await first.stop();
  const created = statSync(join(home, 'postgres', 'data', 'PG_VERSION')).mtimeMs;
  const second = await start();
  expect((await connect(second).query('select answer from kept')).rows).toEqual([{ answer: 42 }]);
  expect(statSync(join(home, 'postgres', 'data', 'PG_VERSION')).mtimeMs).toBe(created);
  expect(second.adopted).toBe(false);
});

test('a creation that was cut short is begun again', async () => {
  mkdirSync(join(home, 'postgres', 'data.new', 'base'), { recursive: true });
  writeFileSync(join(home, 'postgres', 'data.new', 'PG_VERSION'), '18');
  const server = await start();
  expect((await connect(server).query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  expect(existsSync(join(home, 'postgres', 'data.new'))).toBe(false);
});

test('an initdb that outlived its starter and fails takes nothing from the one that came after', async () => {
  const bin = join(home, 'bin');
  mkdirSync(bin, { recursive: true });
  const initdb = join(bin, 'initdb');
  // The first waits until the second has done its work, and empties its folder as a failing initdb does.
  const script = `#!/bin/sh
if mkdir "$0.first" 2>/dev/null; then
  until [ -e "$0.made" ]; do sleep 0.05; done
  rm -rf "$2"/*
  touch "$0.emptied"
  exit 1
fi
echo 18 > "$2/PG_VERSION"
touch "$0.made"
until [ -e "$0.emptied" ]; do sleep 0.05; done`;
  writeFileSync(initdb, script, { mode: 0o755 });
  const installation = { prefix: [], uid: undefined, folder: home, bin, env: { PATH: process.env['PATH']! } };
  const orphan = openCluster(home, installation).catch((error: unknown) => error);
  await vi.waitFor(() => expect(existsSync(`${initdb}.first`)).toBe(true));
  const { data } = await openCluster(home, installation);
  expect(readFileSync(join(data, 'PG_VERSION'), 'utf8')).toBe('18\n');
  expect(await orphan).toBeInstanceOf(Error);
});

test('a server that ends by itself is told once, with what it said last', async () => {
  copyOfMade();
  const onExit = vi.fn<(lines: readonly string[]) => void>();
  const server = await start({ onExit });
  process.kill(server.pid, 'SIGINT');
  await vi.waitFor(() => expect(onExit).toHaveBeenCalledTimes(1));
  expect(onExit.mock.calls[0]![0].join('\n')).toContain('database system is shut down');
});

test('a server that is stopped is not reported as ended', async () => {
  copyOfMade();
  const onExit = vi.fn<(lines: readonly string[]) => void>();
  const server = await start({ onExit });
  await server.stop();
  expect(isAlive(server.pid)).toBe(false);
  expect(onExit).not.toHaveBeenCalled();
});

test('what the server says is in the error when it cannot start', async () => {
  copyOfMade();
  const server = await start();
  await server.stop();
  writeFileSync(join(home, 'postgres', 'data', 'postgresql.auto.conf'), 'shared_buffers = nonsense\n');
  await expect(start()).rejects.toThrow(/did not start[^]*invalid value for parameter "shared_buffers"/);
});

test('data without its password is refused with the name of the file', async () => {
  copyOfMade();
  const server = await start();
  await server.stop();
  rmSync(join(home, 'postgres.password'));
  await expect(start()).rejects.toThrow(/postgres\.password is missing; set DB_HOST/);
});

test('links that npm did not make are made, and making them again changes nothing', async () => {
  const binaries = unlinkedBinaries(join(parent, 'package'));
  expect((await run([join(binaries.root, 'bin', 'postgres'), '--version'])).ok).toBe(false);
  expect(linkLibraries(binaries, join(parent, 'spare'))).toEqual({});
  expect(linkLibraries(binaries, join(parent, 'spare'))).toEqual({});
  expect((await run([join(binaries.root, 'bin', 'postgres'), '--version'])).ok).toBe(true);
  expect(existsSync(join(parent, 'spare'))).toBe(false);
});

test.runIf(isRoot)('where the package is read-only the links stand in a folder of ours', async () => {
  const binaries = unlinkedBinaries(join(parent, 'package'));
  chmodSync(parent, 0o777);
  const env = as(65_534, () => linkLibraries(binaries, join(parent, 'spare')));
  expect(env).toEqual({ LD_LIBRARY_PATH: join(parent, 'spare') });
  expect((await run([join(binaries.root, 'bin', 'postgres'), '--version'], env)).ok).toBe(true);
});

/** The embedded binaries as npm unpacks them, without links. */
function unlinkedBinaries(folder: string): Binaries {
  const { root, links } = embeddedBinaries();
  const isLink = (path: string): boolean => lstatSync(path).isSymbolicLink();
  cpSync(root, folder, { recursive: true, filter: (path) => !path.endsWith('share') && !isLink(path) });
  return { root: folder, links };
}

function as<T>(uid: number, work: () => T): T {
  process.seteuid!(uid);
  try {
    return work();
  } finally {
    process.seteuid!(0);
  }
}

describe('a crash of the platform', () => {
  test('kill -9 ends the server too, and the next start finds what was committed', async () => {
    copyOfMade();
    const { child, server } = await startInChild();
    const database = connectDatabase({ ...server, log: silentLog });
    await database.query('create table kept (answer int)');
    await database.query('insert into kept values (42)');
    await database.close();
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await hasEnded(server.pid, 10_000)).toBe(true);
    const next = await start();
    expect((await connect(next).query('select answer from kept')).rows).toEqual([{ answer: 42 }]);
  });

  test('after kill -9 of everything at once the next start waits for what is left and recovers', async () => {
    copyOfMade();
    const { child, server } = await startInChild();
    const database = connectDatabase({ ...server, log: silentLog });
    await database.query('create table kept as select 42 as answer');
    child.kill('SIGKILL');
    process.kill(server.pid, 'SIGKILL');
    const next = await start();
    await database.close();
    expect((await connect(next).query('select answer from kept')).rows).toEqual([{ answer: 42 }]);
  });

  test('a server that a dead platform left running is adopted, and stopped in the end', async () => {
    copyOfMade();
    const orphan = await start();
    await connect(orphan).query('create table kept as select 42 as answer');
    const onExit = vi.fn<(lines: readonly string[]) => void>();
    const adopted = await start({ onExit });
    expect(adopted).toMatchObject({ adopted: true, pid: orphan.pid, port: orphan.port });
    expect((await connect(adopted).query('select answer from kept')).rows).toEqual([{ answer: 42 }]);
    await adopted.stop();
    expect(isAlive(orphan.pid)).toBe(false);
    expect(onExit).not.toHaveBeenCalled();
  });

  test('the end of an adopted server is told', async () => {
    copyOfMade();
    const orphan = await start();
    const onExit = vi.fn<(lines: readonly string[]) => void>();
    await start({ onExit });
    await endServer(orphan.pid);
    await vi.waitFor(() => expect(onExit).toHaveBeenCalledTimes(1), { timeout: 5_000 });
  });

  test('a server on our data that does not know our password is ended and started anew', async () => {
    copyOfMade();
    const orphan = await start();
    writeFileSync(join(home, 'postgres.password'), 'another\n');
    await expect(start()).rejects.toThrow(/did not start: it does not answer/);
    expect(isAlive(orphan.pid)).toBe(false);
  });

  test('a stale postmaster.pid with the pid of a stranger keeps nobody out and is not deleted by us', async () => {
    copyOfMade();
    const server = await start();
    await server.stop();
    const stale = `${process.pid}\n${join(home, 'postgres', 'data')}\n1\n5432\n\n127.0.0.1\n`;
    writeFileSync(join(home, 'postgres', 'data', 'postmaster.pid'), stale);
    const next = await start();
    expect(next.adopted).toBe(false);
    expect(readFileSync(join(home, 'postgres', 'data', 'postmaster.pid'), 'utf8')).toMatch(
      new RegExp(`^${next.pid}\n`),
    );
  });

  test('the server is not in the process group of the platform, so Ctrl-C in a terminal does not reach it', async () => {
    copyOfMade();
    const server = await start();
    const stat = readFileSync(`/proc/${server.pid}/stat`, 'latin1');
    expect(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]).toBe(String(server.pid));
  });

  async function startInChild(): Promise<{ child: ChildProcess; server: EmbeddedPostgres }> {
    const module = new URL('../../../transports/drivers/embedded-postgres.ts', import.meta.url).href;
    const code = `import(${JSON.stringify(module)}).then(async ({ startEmbeddedPostgres }) => {
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      console.log(JSON.stringify(await startEmbeddedPostgres({ home: ${JSON.stringify(home)}, log, onExit() {} })));
    })`;
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    return { child, server: JSON.parse(line) as EmbeddedPostgres };
  }
});

describe.runIf(isRoot)('as root', () => {
  const owner = (path: string): number => statSync(path).uid;

  test('the server runs in a user namespace and its files stay those of root', async () => {
    copyOfMade();
    const server = await start({ only: 'unshare' });
    expect(owner(join(home, 'postgres', 'data'))).toBe(0);
    expect(await commandLine(server.pid)).toContain('postgres');
  });

  test('without user namespaces it runs as nobody, who owns the data', async () => {
    copyOfMade();
    const server = await start({ only: 'setpriv' });
    expect(owner(join(home, 'postgres', 'data'))).toBe(65_534);
    expect(owner(`/proc/${server.pid}`)).toBe(65_534);
  });

  test('data made one way is taken over when only the other is left', async () => {
    copyOfMade();
    const first = await start({ only: 'unshare' });
    await connect(first).query('create table kept as select 42 as answer');
    await first.stop();
    const second = await start({ only: 'setpriv' });
    expect((await connect(second).query('select answer from kept')).rows).toEqual([{ answer: 42 }]);
    await second.stop();
    const third = await start({ only: 'unshare' });
    expect((await connect(third).query('select answer from kept')).rows).toEqual([{ answer: 42 }]);
  });

  test('below a folder that is closed to others the data goes elsewhere, and the home remembers where', async () => {
    chmodSync(parent, 0o700);
    const spareParent = mkdtempSync(join(tmpdir(), 'aitrading-spare-'));
    chmodSync(spareParent, 0o755);
    onTestFinished(() => rmSync(spareParent, { recursive: true, force: true }));
    const first = await start({ only: 'setpriv', spareParent });
    const place = readFileSync(join(home, 'postgres.location'), 'utf8').trim();
    expect(place.startsWith(join(spareParent, 'aitrading-'))).toBe(true);
    expect(existsSync(join(place, 'data', 'PG_VERSION'))).toBe(true);
    await connect(first).query('create table kept as select 42 as answer');
    await first.stop();
    const second = await start({ spareParent: join(parent, 'not used') });
    expect((await connect(second).query('select answer from kept')).rows).toEqual([{ answer: 42 }]);
  });

  test('binaries that nobody else can read are copied to where they can be', async () => {
    copyOfMade();
    const closed = join(parent, 'closed');
    const binaries = embeddedBinaries();
    linkLibraries(binaries, join(parent, 'lib'));
    cpSync(binaries.root, join(closed, 'native'), { recursive: true, verbatimSymlinks: true });
    chmodSync(closed, 0o700);
    const hidden = { root: join(closed, 'native'), links: binaries.links };
    const server = await startPostgres(hidden, { home, log: silentLog, onExit: () => {}, only: 'setpriv' });
    onTestFinished(() => server.stop());
    expect(await commandLine(server.pid)).toContain(join(home, 'postgres', 'native', 'bin', 'postgres'));
  });

  test('where no way is open the message says why, and what to do instead', async () => {
    chmodSync(parent, 0o700);
    const spareParent = join(parent, 'file');
    writeFileSync(spareParent, '');
    await expect(start({ only: 'setpriv', spareParent })).rejects.toThrow(
      /cannot reach .*; set DB_HOST to use a PostgreSQL of your own$/,
    );
  });

  test('handing a folder over includes all that is in it and can be repeated', () => {
    mkdirSync(join(home, 'a', 'b'), { recursive: true });
    writeFileSync(join(home, 'a', 'b', 'c'), '');
    giveTo(home, 65_534);
    giveTo(home, 65_534);
    expect([home, join(home, 'a'), join(home, 'a', 'b', 'c')].map(owner)).toEqual([65_534, 65_534, 65_534]);
    chownSync(home, 0, 0);
    giveTo(home, 65_534);
    expect(owner(home)).toBe(65_534);
  });
});
