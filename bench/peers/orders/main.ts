/** Starts one peer: `PEER_VARIANT` says which. Its tables are made anew at every start. */
import Fastify from 'fastify';
import pg from 'pg';
import { startQuotes } from './quotes.ts';
import { prepareTables } from './schema.ts';
import { acceptStreams } from './stream.ts';
import { plainStore, tunedStore } from './store.ts';

const poolSize = 20;

const variant = setting('PEER_VARIANT');
const schema = setting('PEER_SCHEMA');
const pool = new pg.Pool({
  connectionString: setting('DATABASE_URL'),
  max: poolSize,
  options: `-c search_path=${schema}`,
});
await prepareTables(pool, schema, Number(setting('PEER_ACCOUNTS')));

const app = Fastify();
await app.ready();
acceptStreams(app.server, {
  token: setting('PEER_TOKEN'),
  quotes: startQuotes(),
  store: variant === 'tuned' ? tunedStore(pool) : plainStore(pool),
});
await app.listen({ host: '127.0.0.1', port: 0 });
process.once('disconnect', () => process.exit());
process.send?.({ port: (app.server.address() as { port: number }).port });

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} must be set`);
  return value;
}
