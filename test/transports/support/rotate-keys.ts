/** A process that rotates keys in small steps and says each, so that a test can kill it in between. */
import { writeSync } from 'node:fs';
import { silentLog } from '../../../runtime/actor.ts';
import { personDetails } from '../../../transports/drivers/postgres-person.ts';
import { rotateMaster } from '../../../transports/drivers/postgres-keys/master.ts';
import { rotateKeys } from '../../../transports/drivers/postgres-keys/rotation.ts';
import { connectDatabase, type ConnectionOptions } from '../../../transports/drivers/postgres.ts';
import { EncryptionKey } from '../../../transports/envelope.ts';

interface Job {
  readonly login: ConnectionOptions;
  readonly what: 'data' | 'master';
  readonly tenantId: number;
  readonly current: string;
  readonly previous: string;
  /** After so many it kills itself. */
  readonly batches?: number;
}

const { login, what, tenantId, current, previous, batches } = JSON.parse(process.argv[2]!) as Job;
const database = connectDatabase({ ...login, log: silentLog });
const masters = {
  current: new EncryptionKey(Buffer.from(current, 'hex')),
  previous: new EncryptionKey(Buffer.from(previous, 'hex')),
};
let count = 0;
function onBatch(): void {
  // At once: what is written otherwise may not be out when the process is gone.
  writeSync(1, 'batch\n');
  if (++count === batches) process.kill(process.pid, 'SIGKILL');
}
const options = { batchRows: 5, onBatch };
await (what === 'data'
  ? rotateKeys(database, masters, { tenantId }, [personDetails], options)
  : rotateMaster(database, masters, options));
writeSync(1, 'done\n');
await database.close();
