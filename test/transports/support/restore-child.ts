/** Restores a backup and is killed on the way: `restore-child.ts <login as JSON> <file> <key as hex> <step> <n>`, at the n-th report of the step. */
import { silentLog } from '../../../runtime/actor.ts';
import { restoreBackup } from '../../../transports/drivers/backup/restore.ts';
import { connectDatabase, type ConnectionOptions } from '../../../transports/drivers/postgres.ts';
import { EncryptionKey } from '../../../transports/envelope.ts';

const [login, path, key, step, count] = process.argv.slice(2) as [string, string, string, string, string];
const database = connectDatabase({ ...(JSON.parse(login) as ConnectionOptions), log: silentLog });
let seen = 0;
await restoreBackup(database, {
  ...{ path, keys: [new EncryptionKey(Buffer.from(key, 'hex'))] },
  onProgress(current) {
    if (current === step && ++seen === Number(count)) process.kill(process.pid, 'SIGKILL');
  },
});
await database.close();
