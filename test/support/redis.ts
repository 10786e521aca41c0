/** Real Redis servers for tests: processes of their own on free ports, which can be hung, killed and started again. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { Redis } from 'ioredis';

const upWithinMs = 20_000;

export class RedisServer {
  readonly port: number;
  readonly password: string | undefined;
  #child: ChildProcess | undefined;
  #direct: Redis | undefined;

  private constructor(port: number, password: string | undefined) {
    this.port = port;
    this.password = password;
  }

  /** Keeps nothing on disk. */
  static async start(options: { readonly password?: string } = {}): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), options.password);
    await server.start();
    return server;
  }

  /** On the same port again. */
  async start(): Promise<void> {
    const login = this.password === undefined ? [] : ['--requirepass', this.password];
    const words = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...login];
    const child = spawn('redis-server', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    let output = '';
    child.stdout.on('data', (text) => (output += String(text)));
    const deadline = performance.now() + upWithinMs;
    while (!(await isListening(this.port))) {
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(`redis-server did not start: ${output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** It keeps its connections and answers nothing, until it is resumed. */
  hang(): void {
    this.#child!.kill('SIGSTOP');
  }

  resume(): void {
    this.#child!.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const child = this.#child!;
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** A client beside the one under test. */
  get direct(): Redis {
    const { port, password } = this;
    if (this.#direct) return this.#direct;
    this.#direct = new Redis({ port, host: '127.0.0.1', ...(password === undefined ? {} : { password }) });
    // It is killed on purpose; whoever asks meanwhile waits.
    this.#direct.on('error', () => {});
    return this.#direct;
  }

  /** Lets all that it holds grow older. */
  async age(byMs: number): Promise<void> {
    await this.direct.eval(
      `for _, key in ipairs(redis.call('KEYS', '*')) do
         local at = redis.call('TYPE', key).ok == 'hash' and redis.call('HGET', key, 'at')
         if at then redis.call('HSET', key, 'at', string.format('%.17g', at - ARGV[1])) end
         redis.call('PEXPIRE', key, redis.call('PTTL', key) - ARGV[1])
       end`,
      0,
      byMs,
    );
  }

  async stop(): Promise<void> {
    this.#direct?.disconnect();
    await this.kill();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const answer = await Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'close').then(() => false),
  ]).catch(() => false);
  socket.destroy();
  return answer;
}
