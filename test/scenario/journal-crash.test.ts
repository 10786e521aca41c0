/**
 * The journal when nodes are killed, connections cut and slots taken over, several commands of each account under way:
 * whatever was acknowledged is there, once, in its place, and nothing else is.
 */
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { silentLog } from '../../runtime/actor.ts';
import { connectDatabase, type ConnectionOptions, type Database } from '../../transports/drivers/postgres.ts';
import { provisionTenant } from '../../transports/drivers/provisioning.ts';
import { Clients, countExactly, forkJournalNode } from '../support/journal-clients.ts';
import { startJournalNode, type JournalNode } from '../support/journal-node.ts';
import { usePostgres } from '../support/postgres.ts';
import { openProxy } from '../support/proxy.ts';

// These counts do not shrink with TEST_SCALE: together with those of journal-crash-server.test.ts they are the least that is proved.
const kills = 6;
const betweenKills = 600;
const cuts = 24;
const betweenCuts = 150;
const takeovers = 20;
const betweenTakeovers = 100;
const least = kills * betweenKills + cuts * betweenCuts + takeovers * betweenTakeovers;

const accounts = [1, 2, 3, 4];
const postgres = usePostgres();
let database: Database;
let login: ConnectionOptions;
let tenantId: number;
let tenants = 0;
let proved = 0;

beforeAll(async () => {
  database = await postgres.platformDatabase();
  const { rows } = await database.query<{ name: string }>('select current_database() as name');
  const { host, port, user, password } = postgres.server;
  login = { host, port, user, password, database: rows[0]!.name };
});
beforeEach(async () => {
  const slug = `tenant-${++tenants}`;
  ({ tenantId } = await provisionTenant(database, { slug, name: slug }));
});
afterAll(() => console.info(`${proved} acknowledged appends, none lost, doubled or out of place`));

/** At a moment of chance, but never at once. */
function someMore(clients: Clients, most: number): Promise<void> {
  return clients.more(most / 2 + Math.floor(Math.random() * most));
}

test('a node is killed again and again in the midst of its appends, and every acknowledged one is there once', async () => {
  const clients = new Clients(accounts);
  const start = () => forkJournalNode({ login, tenantId, accounts }, (account) => clients.onLoaded(account));
  let node = await start();
  for (let kill = 0; kill < kills; kill++) {
    clients.use(node);
    await clients.more(betweenKills + Math.floor(Math.random() * betweenKills));
    await node.kill();
    node = await start();
  }
  clients.use(node);
  await clients.end();
  await node.kill();
  expect(await countExactly(database, tenantId, clients)).toBe(clients.acknowledged.size);
  proved += clients.acknowledged.size;
}, 120_000);

test('a connection is cut in the midst of commits, before and after they happened, and every acknowledged append is there once', async () => {
  const proxy = await openProxy(login.host, login.port);
  const through = connectDatabase({ ...login, host: '127.0.0.1', port: proxy.port, log: silentLog });
  onTestFinished(() => through.close());
  const clients = new Clients(accounts);
  let trouble = Promise.withResolvers<void>();
  const node = await startJournalNode({
    ...{ database: through, nodeId: 'cut', tenantId, accounts },
    onLoaded: (account) => clients.onLoaded(account),
    onTrouble: () => trouble.resolve(),
  });
  onTestFinished(() => node.stop());
  clients.use(node);
  for (let cut = 0; cut < cuts; cut++) {
    await someMore(clients, betweenCuts);
    trouble = Promise.withResolvers();
    const way = cut % 3;
    if (way === 0) proxy.cut();
    else proxy.mode = way === 1 ? 'lose-reply' : 'lose-request';
    await trouble.promise;
    proxy.mode = 'pass';
  }
  await clients.more(Math.max(0, cuts * betweenCuts - clients.acknowledged.size));
  await clients.end();
  // A lost word breaks a commit more often than a reading, and each such commit is in doubt at first.
  expect(node.unknownOutcomes()).toBeGreaterThan(0);
  expect(await countExactly(database, tenantId, clients)).toBe(clients.acknowledged.size);
  proved += clients.acknowledged.size;
}, 120_000);

test('of two writers of the same accounts the stale one is fenced every time, and what it had acknowledged stays', async () => {
  const clients = new Clients(accounts);
  const start = async (turn: number): Promise<JournalNode> => {
    const pool = connectDatabase({ ...login, log: silentLog, poolSize: 4 });
    const node = await startJournalNode({
      ...{ database: pool, nodeId: `node-${turn}`, tenantId, accounts },
      onLoaded: (account) => clients.onLoaded(account),
    });
    return { ...node, stop: () => node.stop().then(() => pool.close()) };
  };
  let owner = await start(0);
  clients.use(owner);
  let refused = 0;
  for (let takeover = 1; takeover <= takeovers; takeover++) {
    await someMore(clients, betweenTakeovers);
    const stale = owner;
    owner = await start(takeover);
    const late = Array.from({ length: 8 }, (_, index) =>
      accounts.map((account) => stale.submit(account, `late-${takeover}-${account}-${index}`)),
    ).flat();
    clients.use(owner);
    for (const answer of await Promise.all(late)) {
      expect(answer).toMatchObject({ type: 'unavailable', code: 'NOT_READY' });
      refused += 1;
    }
    await stale.stop();
  }
  await clients.more(Math.max(0, takeovers * betweenTakeovers - clients.acknowledged.size));
  await clients.end();
  await owner.stop();
  expect(refused).toBe(takeovers * accounts.length * 8);
  expect(await countExactly(database, tenantId, clients)).toBe(clients.acknowledged.size);
  proved += clients.acknowledged.size;
}, 120_000);

test('all of this was seen on enough appends', () => {
  expect(proved).toBeGreaterThanOrEqual(least);
});
