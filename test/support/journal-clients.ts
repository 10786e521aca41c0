/** Clients of journal nodes: each account always has several commands open, and each is sent again until it is acknowledged. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { Database } from '../../transports/drivers/postgres.ts';
import { digestOf, type CountResult } from './journal-node.ts';
import type { NodeCommand, NodeMessage, NodeTask } from './journal-node-process.ts';

/** Where clients send: what a node takes, whether it lives here or in another process. */
export interface Entrance {
  /** The answer may never come. */
  submit(account: number, id: string): Promise<CountResult>;
}

/** Commands of one account that are under way at once. */
const openPerAccount = 16;

export class Clients {
  /** By command id. */
  readonly acknowledged = new Map<string, { readonly account: number; readonly seq: number }>();
  readonly #accounts: ReadonlyMap<number, Open>;
  readonly #waiters = new Set<{ readonly isDone: () => boolean; readonly resolve: () => void }>();
  #entrance: Entrance | undefined;
  #isEnding = false;
  #counter = 0;
  #fault: Error | undefined;

  constructor(accounts: readonly number[]) {
    this.#accounts = new Map(accounts.map((account) => [account, { ids: new Set(), parked: new Set(), loads: 0 }]));
  }

  /** From now on commands go there, all that are open first. */
  use(entrance: Entrance): void {
    this.#entrance = entrance;
    for (const [account, open] of this.#accounts) {
      open.parked.clear();
      while (open.ids.size < openPerAccount && !this.#isEnding) open.ids.add(`${account}-${++this.#counter}`);
      for (const id of open.ids) this.#send(account, id);
    }
  }

  /** An account takes commands again: to be told by the node. */
  onLoaded(account: number): void {
    const open = this.#accounts.get(account)!;
    open.loads += 1;
    const ids = [...open.parked];
    open.parked.clear();
    for (const id of ids) this.#send(account, id);
  }

  /** Resolves once so many commands more have been acknowledged. */
  more(count: number): Promise<void> {
    const wanted = this.acknowledged.size + count;
    return this.#until(() => this.acknowledged.size >= wanted);
  }

  /** Sends nothing new, and resolves once all that is open has been acknowledged. */
  end(): Promise<void> {
    this.#isEnding = true;
    return this.#until(() => [...this.#accounts.values()].every(({ ids }) => ids.size === 0));
  }

  #send(account: number, id: string): void {
    const open = this.#accounts.get(account)!;
    const entrance = this.#entrance!;
    const { loads } = open;
    entrance.submit(account, id).then(
      (result) => {
        if (result.type === 'done') this.#onDone(account, id, result.seq);
        else if (entrance !== this.#entrance || !open.ids.has(id)) return;
        else if (result.type === 'reused') this.#fail(new Error(`${id} is said to be another command`));
        // It has been refused before the account was read again, so there is nothing to wait for.
        else if (open.loads > loads) this.#send(account, id);
        else open.parked.add(id);
      },
      (error: unknown) => {
        if (entrance === this.#entrance) this.#fail(error as Error);
      },
    );
  }

  /** Counts wherever it comes from: a node that is dead by now has said it. */
  #onDone(account: number, id: string, seq: number): void {
    const open = this.#accounts.get(account)!;
    const before = this.acknowledged.get(id);
    if (before && before.seq !== seq)
      this.#fail(new Error(`${id} was acknowledged as row ${before.seq} and as ${seq}`));
    this.acknowledged.set(id, { account, seq });
    open.parked.delete(id);
    if (open.ids.delete(id) && !this.#isEnding) {
      const next = `${account}-${++this.#counter}`;
      open.ids.add(next);
      this.#send(account, next);
    }
    this.#look();
  }

  async #until(isDone: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiters.add({ isDone, resolve });
      this.#look();
    });
    if (this.#fault !== undefined) throw this.#fault;
  }

  #look(): void {
    for (const waiter of this.#waiters) {
      if (this.#fault === undefined && !waiter.isDone()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  #fail(error: Error): void {
    this.#fault ??= error;
    this.#look();
  }
}

interface Open {
  /** Sent, and not acknowledged yet. */
  readonly ids: Set<string>;
  /** Of these: refused, and to be sent again when the account has been read. */
  readonly parked: Set<string>;
  /** How often the account has been read. */
  loads: number;
}

/** Nothing acknowledged is lost or stands elsewhere, nothing is there twice or uncalled for, no account has a hole. @returns how many rows */
export async function countExactly(database: Database, tenantId: number, clients: Clients): Promise<number> {
  const { rows } = await database.query<{ account: number; seq: number; epoch: number; id: string; digest: string }>(
    `select account_id as account, seq, epoch, command_id as id, encode(digest, 'hex') as digest
     from t_${tenantId}.journal order by account_id, seq`,
  );
  const wanted = [...clients.acknowledged]
    .map(([id, { account, seq }]) => ({ account, seq, id, digest: digestOf(id) }))
    .toSorted((a, b) => a.account - b.account || a.seq - b.seq);
  expect(rows.map(({ account, seq, id, digest }) => ({ account, seq, id, digest }))).toEqual(wanted);
  for (const [index, { account, seq, epoch }] of rows.entries()) {
    const before = rows[index - 1];
    const isFirst = before?.account !== account;
    expect(seq).toBe(isFirst ? 1 : before.seq + 1);
    if (!isFirst) expect(epoch).toBeGreaterThanOrEqual(before.epoch);
  }
  return rows.length;
}

export interface NodeProcess extends Entrance {
  /** kill -9; resolves once it has ended and all that it had said has been heard. */
  kill(): Promise<void>;
}

const program = fileURLToPath(new URL('./journal-node-process.ts', import.meta.url));

/** A node in a process of its own. Resolves once it takes commands. */
export async function forkJournalNode(task: NodeTask, onLoaded: (account: number) => void): Promise<NodeProcess> {
  const child = fork(program, [], {
    env: { ...process.env, NODE_OPTIONS: '', JOURNAL_NODE: JSON.stringify(task) },
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = Promise.all([once(child, 'exit'), once(child, 'disconnect')]);
  const answers = new Map<string, (result: CountResult) => void>();
  const ready = new Promise<void>((resolve, reject) => {
    child.once('exit', (code, signal) => reject(new Error(`the node ended with ${signal ?? code}`)));
    child.on('message', (message: NodeMessage) => {
      if (message.type === 'ready') resolve();
      else if (message.type === 'loaded') onLoaded(message.account);
      else answers.get(message.id)?.(message.result);
    });
  });
  await ready;
  return {
    submit: (account, id) =>
      new Promise((resolve) => {
        answers.set(id, resolve);
        child.send({ account, id } satisfies NodeCommand, () => {});
      }),
    async kill() {
      process.kill(child.pid!, 'SIGKILL');
      await ended;
    },
  };
}
