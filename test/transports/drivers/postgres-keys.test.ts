/** Keys and what they encrypt on a real server: rotation while others read and write, processes that are killed, keys that are destroyed. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keyToEncrypt, readKeys, UnknownMasterKey } from '../../../transports/drivers/postgres-keys.ts';
import type { MasterKeys } from '../../../transports/drivers/postgres-keys.ts';
import { placeIn, type EncryptedColumn } from '../../../transports/drivers/postgres-keys/column.ts';
import { rotateMaster } from '../../../transports/drivers/postgres-keys/master.ts';
import { rotateKeys } from '../../../transports/drivers/postgres-keys/rotation.ts';
import { shred } from '../../../transports/drivers/postgres-keys/shredding.ts';
import { keyStatus } from '../../../transports/drivers/postgres-keys/status.ts';
import {
  personDetails,
  putPersonDetails,
  readPersonDetails,
  renameSubject,
} from '../../../transports/drivers/postgres-person.ts';
import type { Database } from '../../../transports/drivers/postgres.ts';
import { provisionTenant, registerAccount } from '../../../transports/drivers/provisioning.ts';
import {
  EncryptionKey,
  ForeignPlace,
  keyVersionOf,
  seal,
  Shredded,
  unseal,
  UnknownKeyVersion,
  WrongKey,
} from '../../../transports/envelope.ts';
import { usePostgres } from '../../support/postgres.ts';

const postgres = usePostgres();
const oldMaster = randomBytes(32);
const newMaster = randomBytes(32);
const before: MasterKeys = { current: new EncryptionKey(oldMaster) };
const during: MasterKeys = { current: new EncryptionKey(newMaster), previous: new EncryptionKey(oldMaster) };
const after: MasterKeys = { current: new EncryptionKey(newMaster) };
const columns = [personDetails];

let database: Database;
let a: number;
let b: number;
const others: Database[] = [];
afterEach(async () => {
  await Promise.all([database, ...others.splice(0)].map((one) => one.close()));
});
beforeEach(async () => {
  database = await postgres.platformDatabase();
  ({ tenantId: a } = await provisionTenant(database, { slug: 'a', name: 'A' }));
  ({ tenantId: b } = await provisionTenant(database, { slug: 'b', name: 'B' }));
});

function another(): Database {
  const opened = postgres.another(database);
  others.push(opened);
  return opened;
}

const email = async (tenantId: number, subjectId: string, masters = before): Promise<string | undefined> =>
  (await readPersonDetails(database, masters, { tenantId, subjectId })).get('email');

const put = (tenantId: number, subjectId: string, value = `${subjectId}@canary.example`, masters = before) =>
  putPersonDetails(database, masters, { tenantId, subjectId }, { email: value });

async function putMany(tenantId: number, count: number): Promise<string[]> {
  const subjects = Array.from({ length: count }, (_, index) => `u-${index}`);
  for (const subject of subjects) await put(tenantId, subject);
  return subjects;
}

const refusal = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'nothing was refused',
    (error: unknown) => error,
  );

async function versions(tenantId: number): Promise<readonly number[]> {
  const { rows } = await database.query<{ value: Buffer }>(`select value from t_${tenantId}.person_detail`);
  return rows.map(({ value }) => keyVersionOf(value));
}

/** Everything in the database that is not of the server itself, as text. */
async function dump(): Promise<string> {
  const { rows } = await database.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class
     where relkind = 'r' and (relnamespace::regnamespace::text = 'platform' or relnamespace::regnamespace::text like 't\\_%')`,
  );
  const texts = await Promise.all(rows.map(({ name }) => database.query(`select r::text from ${name} r`)));
  return JSON.stringify(texts.map((text) => text.rows));
}

test('details come back as they were, and are nowhere in the database', async () => {
  await putPersonDetails(
    database,
    before,
    { tenantId: a, subjectId: 'u-1' },
    { email: 'ada@canary.example', name: 'Ada' },
  );
  await put(a, 'u-1', 'ada.l@canary.example');
  await put(0, 'staff-1');
  const details = await readPersonDetails(database, before, { tenantId: a, subjectId: 'u-1' });
  expect(Object.fromEntries(details)).toEqual({ email: 'ada.l@canary.example', name: 'Ada' });
  expect(await email(0, 'staff-1')).toBe('staff-1@canary.example');
  expect(await email(b, 'u-1')).toBeUndefined();
  const all = await dump();
  expect(all).toContain('staff-1');
  expect(all).not.toContain('canary');
  expect(all).not.toContain(Buffer.from('canary').toString('hex'));
});

test('details that are the same are not written again', async () => {
  await put(a, 'u-1');
  const written = () => database.query(`select xmin::text, value from t_${a}.person_detail`);
  const { rows } = await written();
  await put(a, 'u-1');
  expect((await written()).rows).toEqual(rows);
});

test('many first writers of one person make one key', async () => {
  await Promise.all(
    Array.from({ length: 5 }, (_, index) =>
      putPersonDetails(database, before, { tenantId: a, subjectId: 'u-1' }, { [`n${index}`]: `${index}` }),
    ),
  );
  const details = await readPersonDetails(database, before, { tenantId: a, subjectId: 'u-1' });
  expect([...details.values()]).toEqual(['0', '1', '2', '3', '4']);
});

test.each([
  [
    'the value of another person',
    (n: number) => `update t_${n}.person_detail d set value = o.value
     from t_${n}.person_detail o where d.subject_id = 'u-1' and o.subject_id = 'u-2'`,
    WrongKey,
  ],
  [
    'the key of another person',
    (n: number) => `update t_${n}.person_key k set wrapped = o.wrapped
     from t_${n}.person_key o where k.subject_id = 'u-1' and o.subject_id = 'u-2'`,
    ForeignPlace,
  ],
  [
    'another detail of the person',
    (n: number) => `update t_${n}.person_detail d set value = o.value
     from t_${n}.person_detail o where d.subject_id = 'u-1' and d.name = 'email' and o.subject_id = 'u-1' and o.name = 'phone'`,
    ForeignPlace,
  ],
  ['a missing key', (n: number) => `delete from t_${n}.person_key where subject_id = 'u-1'`, UnknownKeyVersion],
])('%s in a row is refused', async (_what, tamper, expected) => {
  await putPersonDetails(
    database,
    before,
    { tenantId: a, subjectId: 'u-1' },
    { email: 'x@canary.example', phone: '1' },
  );
  await put(a, 'u-2');
  await database.query(tamper(a));
  const error = await refusal(email(a, 'u-1'));
  expect(error).toBeInstanceOf(expected);
  expect(inspect(error, { depth: 9 })).not.toMatch(/canary|u-1/);
});

test('rows of one tenant do not open in another, keys and all', async () => {
  await put(a, 'u-1');
  await database.query(`insert into t_${b}.person_key select * from t_${a}.person_key`);
  await database.query(`insert into t_${b}.person_detail select * from t_${a}.person_detail`);
  expect(await refusal(email(b, 'u-1'))).toBeInstanceOf(ForeignPlace);
});

test('another master key opens nothing and is named by its id', async () => {
  await put(a, 'u-1');
  const error = await refusal(email(a, 'u-1', after));
  expect(error).toBeInstanceOf(UnknownMasterKey);
  expect((error as Error).message).toContain(before.current.id);
  expect(await refusal(rotateMaster(database, after))).toBeInstanceOf(UnknownMasterKey);
});

test('rotating the keys of a tenant encrypts all anew and leaves its neighbour alone', async () => {
  const subjects = await putMany(a, 12);
  await put(b, 'u-1');
  const { events, ...rotation } = await rotateKeys(database, before, { tenantId: a }, columns, { batchRows: 5 });
  expect(rotation).toEqual({ isResumed: false, reencrypted: 12, unreadable: 0 });
  expect(events).toEqual([
    { tenantId: a, action: 'rotate:data-key', target: `tenant ${a}`, details: { version: 2 } },
    {
      ...{ tenantId: a, action: 'reencrypt:values', target: `tenant ${a}` },
      details: { reencrypted: 12, unreadable: 0, isResumed: false },
    },
  ]);
  expect(new Set(await versions(a))).toEqual(new Set([2]));
  expect(await versions(b)).toEqual([1]);
  for (const subject of subjects) expect(await email(a, subject)).toBe(`${subject}@canary.example`);
  expect((await keyStatus(database, columns)).owners).toMatchObject([
    { tenantId: a, version: 2, people: 12, shreddedPeople: 0, behind: 0, isShredded: false },
    { tenantId: b, version: 1, people: 1 },
  ]);
});

test('one person can be given a new key', async () => {
  await putMany(a, 3);
  const { reencrypted } = await rotateKeys(database, before, { tenantId: a, subjectId: 'u-1' }, columns);
  expect(reencrypted).toBe(1);
  expect((await versions(a)).toSorted((x, y) => x - y)).toEqual([1, 1, 2]);
  expect(await email(a, 'u-1')).toBe('u-1@canary.example');
  expect(await rotateKeys(database, before, { tenantId: a, subjectId: 'nobody' }, columns)).toMatchObject({
    events: [],
  });
});

test('what an old key encrypted stays readable, and a value that no key opens holds up none of the others', async () => {
  await putMany(a, 6);
  await database.query(
    `update t_${a}.person_detail set value = set_byte(value, 45, get_byte(value, 45) # 1) where subject_id = 'u-3'`,
  );
  const rotation = await rotateKeys(database, before, { tenantId: a }, columns, { batchRows: 2 });
  expect(rotation).toMatchObject({ reencrypted: 5, unreadable: 1 });
  // It stays behind, and the next rotation is a new one all the same.
  expect(await rotateKeys(database, before, { tenantId: a }, columns)).toMatchObject({
    ...{ isResumed: false, reencrypted: 5, unreadable: 1 },
  });
  expect(await email(a, 'u-4')).toBe('u-4@canary.example');
});

test("a tenant's own key encrypts what belongs to no person, and is rotated with the rest", async () => {
  const secrets: EncryptedColumn = { table: 'test_secret', column: 'value', keyColumns: ['id'] };
  await database.query(`create table t_${a}.test_secret (id int primary key, value bytea not null)`);
  for (let id = 1; id <= 7; id++)
    await database.transaction(async (transaction) => {
      const key = await keyToEncrypt(transaction, before, { tenantId: a });
      const sealed = seal(key, placeIn(secrets, a, [id]), Buffer.from(`broker ${id}`));
      await transaction.query(`insert into t_${a}.test_secret values ($1, $2)`, [id, sealed]);
    });
  const { reencrypted } = await rotateKeys(database, before, { tenantId: a }, [secrets], { batchRows: 3 });
  expect(reencrypted).toBe(7);
  const { rows } = await database.query<{ id: number; value: Buffer }>(`select * from t_${a}.test_secret order by id`);
  const { keyOf } = await readKeys(database, before, { tenantId: a });
  expect(rows.map(({ id, value }) => unseal(keyOf, placeIn(secrets, a, [id]), value).toString())).toEqual(
    rows.map(({ id }) => `broker ${id}`),
  );
  expect(rows.every(({ value }) => keyVersionOf(value) === 2)).toBe(true);
});

test('a new master key wraps all keys, and once it does the old one is not needed', async () => {
  await putMany(a, 11);
  await put(b, 'u-1');
  await put(0, 'staff-1');
  const { rewrapped, events } = await rotateMaster(database, during, { batchRows: 4 });
  // Three owners, and thirteen people.
  expect(rewrapped).toBe(16);
  const details = { masterKeyId: after.current.id, rewrapped: 16 };
  expect(events).toEqual([{ tenantId: undefined, action: 'rotate:master-key', target: 'master key', details }]);
  expect(await email(a, 'u-5', after)).toBe('u-5@canary.example');
  expect(await email(0, 'staff-1', after)).toBe('staff-1@canary.example');
  expect(await refusal(email(a, 'u-5', before))).toBeInstanceOf(UnknownMasterKey);
  expect(await rotateMaster(database, during)).toEqual({ events: [], rewrapped: 0 });
  expect((await keyStatus(database, columns)).wrappedBy).toEqual({ [after.current.id]: 16 });
});

test('people are read and written all the while keys and master key are rotated', async () => {
  const subjects = await putMany(a, 20);
  const other = another();
  let isDone = false;
  let rounds = 0;
  const traffic = async (from: number): Promise<void> => {
    for (let round = from; !isDone; round++) {
      const subjectId = subjects[(round * 7) % subjects.length]!;
      const person = { tenantId: a, subjectId };
      await putPersonDetails(other, during, person, { [`n${from}`]: `${round}` });
      const details = await readPersonDetails(other, during, person);
      expect(details.get(`n${from}`)).toBe(`${round}`);
      expect(details.get('email')).toBe(`${subjectId}@canary.example`);
      rounds += 1;
    }
  };
  const running = Promise.all([traffic(0), traffic(1_000)]);
  for (let turn = 0; turn < 4; turn++) {
    await rotateKeys(database, during, { tenantId: a }, columns, { batchRows: 3 });
    await rotateMaster(database, during, { batchRows: 3 });
  }
  isDone = true;
  await running;
  expect(rounds).toBeGreaterThan(3);
  await rotateKeys(database, during, { tenantId: a }, columns);
  for (const subject of subjects) expect(await email(a, subject, after)).toBe(`${subject}@canary.example`);
});

test('a rotation waits for a writer that holds a row, and encrypts what it has written', async () => {
  await put(a, 'u-1');
  const writer = await database.connect();
  await writer.query('begin');
  await writer.query(`select from t_${a}.person_detail for update`);
  const rotation = rotateKeys(another(), before, { tenantId: a }, columns);
  await delay(100);
  await writer.query('commit');
  expect(await rotation).toMatchObject({ reencrypted: 1, unreadable: 0 });
  await writer.close();
});

test('a rotation of data keys that is killed is gone on with', async () => {
  const subjects = await putMany(a, 40);
  // Eight batches of keys, then eight of values.
  expect(await rotateUntilKilled('data', 3)).toBe(3);
  expect(await email(a, 'u-1', during)).toBe('u-1@canary.example');
  expect(await rotateUntilKilled('data', 8)).toBe(8);
  expect((await keyStatus(database, columns)).owners).toMatchObject([{ version: 2, behind: 25 }]);
  const { isResumed, reencrypted } = await rotateKeys(database, during, { tenantId: a }, columns);
  expect({ isResumed, reencrypted }).toEqual({ isResumed: true, reencrypted: 25 });
  expect(new Set(await versions(a))).toEqual(new Set([2]));
  for (const subject of subjects) expect(await email(a, subject, during)).toBe(`${subject}@canary.example`);
});

test('a rotation of the master key that is killed is gone on with', async () => {
  const subjects = await putMany(a, 40);
  // One key of the tenant, then eight batches of people.
  expect(await rotateUntilKilled('master', 3)).toBe(3);
  for (const subject of subjects) expect(await email(a, subject, during)).toBe(`${subject}@canary.example`);
  expect(await rotateUntilKilled('master', 4)).toBe(4);
  expect((await rotateMaster(database, during)).rewrapped).toBe(10);
  for (const subject of subjects) expect(await email(a, subject, after)).toBe(`${subject}@canary.example`);
});

test('killed at any moment, between commits or within, a rotation loses nothing', async () => {
  const subjects = await putMany(a, 40);
  for (const what of ['data', 'master', 'data', 'master', 'data'] as const) await rotateUntilKilled(what, undefined);
  await rotateKeys(database, during, { tenantId: a }, columns);
  await rotateMaster(database, during);
  expect(new Set(await versions(a)).size).toBe(1);
  for (const subject of subjects) expect(await email(a, subject, after)).toBe(`${subject}@canary.example`);
});

/** By itself after so many commits, or from outside as soon as the first is known. */
async function rotateUntilKilled(what: 'data' | 'master', batches: number | undefined): Promise<number> {
  const { rows } = await database.query<{ name: string }>('select current_database() as name');
  const { host, port, user, password } = postgres.server;
  const login = { host, port, user, password, database: rows[0]!.name };
  const keys = { current: newMaster.toString('hex'), previous: oldMaster.toString('hex') };
  const script = join(import.meta.dirname, '../support/rotate-keys.ts');
  const job = JSON.stringify({ ...{ login, what, tenantId: a, batches }, ...keys });
  const child = spawn(process.execPath, [script, job], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'batch') seen += 1;
    if (batches === undefined) child.kill('SIGKILL');
  }
  await exited;
  return seen;
}

test('a person who is forgotten cannot be read, nor written again, and everybody else can', async () => {
  await putMany(a, 2);
  await put(b, 'u-1');
  const forgotten = { tenantId: a, subjectId: 'u-1' };
  expect(await shred(database, forgotten)).toEqual({
    events: [{ tenantId: a, action: 'shred:data-key', target: 'u-1', details: { destroyed: 1 } }],
    destroyed: 1,
  });
  expect(await refusal(email(a, 'u-1'))).toBeInstanceOf(Shredded);
  expect(await refusal(put(a, 'u-1'))).toBeInstanceOf(Shredded);
  expect(await refusal(rotateKeys(database, before, forgotten, columns))).toBeInstanceOf(Shredded);
  expect(await shred(database, forgotten)).toEqual({ events: [], destroyed: 0 });
  expect(await email(a, 'u-0')).toBe('u-0@canary.example');
  expect(await email(b, 'u-1')).toBe('u-1@canary.example');
  await rotateKeys(database, before, { tenantId: a }, columns);
  await rotateMaster(database, during);
  expect(await email(a, 'u-0', after)).toBe('u-0@canary.example');
  expect((await keyStatus(database, columns)).owners[0]).toMatchObject({ people: 2, shreddedPeople: 1, behind: 0 });
});

test('whoever was never known can be forgotten beforehand', async () => {
  expect(await shred(database, { tenantId: a, subjectId: 'u-9' })).toMatchObject({ destroyed: 0 });
  expect(await refusal(put(a, 'u-9'))).toBeInstanceOf(Shredded);
});

test('a tenant whose keys are destroyed takes its people along, and nobody else', async () => {
  await putMany(a, 3);
  await put(b, 'u-1');
  const { destroyed, events } = await shred(database, { tenantId: a });
  expect(destroyed).toBe(4);
  expect(events).toMatchObject([{ tenantId: undefined, target: `tenant ${a}` }]);
  for (const subject of ['u-0', 'u-1', 'u-2']) expect(await refusal(email(a, subject))).toBeInstanceOf(Shredded);
  expect(await refusal(put(a, 'u-8'))).toBeInstanceOf(Shredded);
  expect(await refusal(rotateKeys(database, before, { tenantId: a }, columns))).toBeInstanceOf(Shredded);
  expect(await email(b, 'u-1')).toBe('u-1@canary.example');
  expect((await keyStatus(database, columns)).owners[0]).toMatchObject({ tenantId: a, isShredded: true });
});

test('no wrapped key of a forgotten person is left in the tables', async () => {
  await put(a, 'u-1');
  const { rows } = await database.query<{ wrapped: Buffer }>(`select wrapped from t_${a}.person_key`);
  await shred(database, { tenantId: a, subjectId: 'u-1' });
  expect(await dump()).not.toContain(rows[0]!.wrapped.toString('hex'));
  const { rows: dead } = await database.query(
    `select n_dead_tup from pg_stat_all_tables where relid = 't_${a}.person_key'::regclass and n_dead_tup > 0`,
  );
  expect(dead).toEqual([]);
});

test('forgetting somebody whose key is just being rotated destroys the new version too', async () => {
  for (let round = 0; round < 10; round++) {
    const person = { tenantId: a, subjectId: `r-${round}` };
    await put(a, person.subjectId);
    await Promise.all([
      rotateKeys(another(), before, person, columns).catch((error: unknown) => expect(error).toBeInstanceOf(Shredded)),
      putPersonDetails(another(), before, person, { phone: '1' }).catch((error: unknown) =>
        expect(error).toBeInstanceOf(Shredded),
      ),
      shred(database, person),
    ]);
    const { rows } = await database.query(
      `select from t_${a}.person_key where subject_id = $1 and wrapped is not null`,
      [person.subjectId],
    );
    expect(rows).toEqual([]);
  }
});

test('a subject id that says who somebody is can be replaced', async () => {
  const terms = { currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false } as const;
  await registerAccount(database, a, { slug: 'one', owner: 'ada@canary.example', ...terms });
  await registerAccount(database, b, { slug: 'one', owner: 'ada@canary.example', ...terms });
  for (let twice = 0; twice < 2; twice++)
    await renameSubject(database, { tenantId: a, subjectId: 'ada@canary.example' }, 'u-1');
  const owners = await database.query(`select owner from t_${a}.account union all select owner from t_${b}.account`);
  expect(owners.rows).toEqual([{ owner: 'u-1' }, { owner: 'ada@canary.example' }]);
});
