/** Whether a platform is at work on a database: asked by what may not run beside one. */
import { Terminal } from '../../runtime/errors.ts';
import type { Database, Queryable } from './postgres.ts';

export class PlatformServing extends Terminal {
  constructor(address: string | null, connections: number) {
    super(
      `a platform is at work on this database (${connections} connections, from ${address ?? 'this machine'}): stop it first`,
    );
  }
}

/**
 * Our connections have the name that is looked for.
 * @param besides connections of the caller; others of its own would be taken for a platform's
 * @throws PlatformServing
 */
export async function refuseWhileServing(database: Database, besides: readonly Queryable[] = []): Promise<void> {
  const connection = await database.connect();
  try {
    const callers = await Promise.all([connection, ...besides].map(pidOf));
    const { rows } = await connection.query<{ connections: number; address: string | null }>(
      `select count(*)::int as connections, min(host(client_addr)) as address from pg_stat_activity
       where datname = current_database() and application_name like 'aitrading%' and pid <> all ($1::int[])`,
      [callers],
    );
    const { connections, address } = rows[0]!;
    if (connections > 0) throw new PlatformServing(address, connections);
  } finally {
    await connection.close();
  }
}

async function pidOf(connection: Queryable): Promise<number> {
  const { rows } = await connection.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]!.pid;
}
