/** A provider as a process of its own, for what measures processes: `node main.ts openai 9101` answers until it is killed. */
import { dialects } from './dialects.ts';
import { startFakeAi } from './server.ts';

const [name = 'openai', port = '0'] = process.argv.slice(2);
const dialect = dialects[name as keyof typeof dialects];
if (!dialect) throw new Error(`the dialect must be one of ${Object.keys(dialects).join(', ')}, was ${name}`);
const fake = await startFakeAi(dialect, Number(port));
process.stdout.write(`${fake.baseUrl}\n`);
