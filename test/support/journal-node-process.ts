/** A journal node as a process of its own, to be killed: commands come and answers go over the channel to whoever forked it. */
import { silentLog } from '../../runtime/actor.ts';
import { connectDatabase, type ConnectionOptions } from '../../transports/drivers/postgres.ts';
import { startJournalNode, type CountResult } from './journal-node.ts';

export interface NodeTask {
  readonly login: ConnectionOptions;
  readonly tenantId: number;
  readonly accounts: readonly number[];
}

export interface NodeCommand {
  readonly account: number;
  readonly id: string;
}

export type NodeMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'loaded'; readonly account: number }
  | ({ readonly type: 'answer'; readonly result: CountResult } & NodeCommand);

const { login, ...task } = JSON.parse(process.env['JOURNAL_NODE']!) as NodeTask;
const say = (message: NodeMessage): void => void process.send!(message);
process.once('disconnect', () => process.exit(1));
const node = await startJournalNode({
  ...task,
  ...{ database: connectDatabase({ ...login, log: silentLog, poolSize: 4 }), nodeId: 'killed' },
  onLoaded: (account) => say({ type: 'loaded', account }),
});
process.on('message', ({ account, id }: NodeCommand) => {
  void node.submit(account, id).then((result) => say({ type: 'answer', account, id, result }));
});
say({ type: 'ready' });
