import { nodeLauncher } from '../engines/launcher.ts';
import { startEngine } from '../engines/process.ts';
import { webSocketContract } from './websocket.ts';

webSocketContract(() => startEngine('ws', nodeLauncher()), {
  ...{ compresses: true, saysWhy: true, wantsMasks: true, stopsReading: true },
});
