/** Whether a platform is at work on a database: asked by what may not run beside one. */
import { Terminal } from '../../runtime/errors.ts';
import type { Database } from './postgres.ts';

export class PlatformServing extends Terminal {
  constructor(address: string | null, connections: number) {
    super(
      `a platform is at work on this database (${connections} connections, from ${address ?? 'this machine'}): stop it first`,
    );
  }
}

/**
 * To be asked before connections beyond this one are opened: ours have the name that is looked for.
 * @throws PlatformServing
 */
export async function refuseWhileServing(database: Database): Promise<void> {
  const connection = await database.connect();
  try {
    const { rows } = await connection.query<{ connections: number; address: string | null }>(
      `select count(*)::int as connections, min(host(client_addr)) as address from pg_stat_activity
       where datname = current_database() and application_name = 'aitrading' and pid <> pg_backend_pid()`,
    );
    const { connections, address } = rows[0]!;
    if (connections > 0) throw new PlatformServing(address, connections);
  } finally {
    await connection.close();
  }
}
