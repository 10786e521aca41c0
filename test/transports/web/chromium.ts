/** A headless Chromium, driven over the DevTools protocol: as much of it as the tests of our pages need. */
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { WebSocket } from 'ws';

const flags = [
  ...[
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
  ],
  ...['--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--remote-debugging-port=0'],
];

/** Undefined: the machine has none. */
export function findChromium(): string | undefined {
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export class Browser {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #connection: Connection;

  private constructor(process: ChildProcess, profile: string, connection: Connection) {
    this.#process = process;
    this.#profile = profile;
    this.#connection = connection;
  }

  static async launch(binary: string): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
    const child = spawn(binary, [...flags, `--user-data-dir=${profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return new Browser(child, profile, await Connection.open(await endpointOf(child)));
  }

  async open(url: string, size: { readonly width: number; readonly height: number }): Promise<Page> {
    const { targetId } = await this.#connection.call('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.#connection.call('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(this.#connection, String(sessionId), String(targetId));
    await page.prepare(size);
    await page.go(url);
    return page;
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    // Its answer and its end race each other.
    this.#connection.call('Browser.close').catch(() => this.#process.kill());
    await ended;
    this.#connection.close();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Chromium says on stderr where it listens. */
function endpointOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`Chromium ended with ${code}: ${said.trim().split('\n').at(-1)}`)));
    child.stderr?.on('data', (text) => {
      said += text;
      const url = /DevTools listening on (ws:\S+)/.exec(said)?.[1];
      if (url !== undefined) resolve(url);
    });
  });
}

type Result = Readonly<Record<string, unknown>>;

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
  readonly params?: Result;
  readonly result?: Result;
  readonly error?: { readonly message: string };
}

class Connection {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, { resolve(result: Result): void; reject(error: Error): void }>();
  readonly #listeners = new Set<(message: Message) => void>();
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => this.#receive(JSON.parse((data as Buffer).toString()) as Message));
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('Chromium has closed the connection'));
    });
  }

  static async open(url: string): Promise<Connection> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return new Connection(socket);
  }

  call(method: string, params: object = {}, sessionId?: string): Promise<Result> {
    this.#lastId += 1;
    const id = this.#lastId;
    this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  onMessage(listener: (message: Message) => void): void {
    this.#listeners.add(listener);
  }

  close(): void {
    this.#socket.terminate();
  }

  #receive(message: Message): void {
    const waiting = this.#waiting.get(message.id ?? 0);
    if (waiting === undefined) return this.#listeners.forEach((listener) => listener(message));
    this.#waiting.delete(message.id ?? 0);
    if (message.error) waiting.reject(new Error(message.error.message));
    else waiting.resolve(message.result ?? {});
  }
}

export class Page {
  readonly #connection: Connection;
  readonly #session: string;
  readonly #target: string;
  /** What the page complained of: exceptions, refused resources, breaches of its security policy. */
  readonly complaints: string[] = [];

  constructor(connection: Connection, session: string, target: string) {
    this.#connection = connection;
    this.#session = session;
    this.#target = target;
    connection.onMessage(({ method, sessionId, params = {} }) => {
      if (sessionId !== session) return;
      if (method === 'Runtime.exceptionThrown' || method === 'Log.entryAdded')
        this.complaints.push(JSON.stringify(params));
    });
  }

  async prepare(size: { readonly width: number; readonly height: number }): Promise<void> {
    await Promise.all([this.#call('Page.enable'), this.#call('Runtime.enable'), this.#call('Log.enable')]);
    await this.#call('Emulation.setDeviceMetricsOverride', { ...size, deviceScaleFactor: 1, mobile: false });
  }

  async go(url: string): Promise<void> {
    await this.#call('Page.navigate', { url });
    await this.until('document.readyState === "complete" && location.href !== "about:blank"');
  }

  async close(): Promise<void> {
    await this.#connection.call('Target.closeTarget', { targetId: this.#target });
  }

  /** The value of an expression in the page, a promise's once it is there. */
  async evaluate<Value>(expression: string): Promise<Value> {
    const { result, exceptionDetails } = (await this.#call('Runtime.evaluate', {
      ...{ expression, awaitPromise: true, returnByValue: true },
    })) as { result: { value: Value }; exceptionDetails?: { text: string; exception?: { description?: string } } };
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits, a frame at a time, until an expression is true. @throws {Error} with the text of the page when it has not come true in 20 s */
  async until(expression: string): Promise<void> {
    const isTrue = await this.evaluate<boolean>(`new Promise((resolve) => {
      const endsAt = performance.now() + 20_000;
      const look = () => {
        if (${expression}) resolve(true);
        else if (performance.now() > endsAt) resolve(false);
        else setTimeout(look, 16);
      };
      look();
    })`);
    if (isTrue) return;
    const shown = await this.evaluate<string>('document.body.innerText');
    throw new Error(`never came true: ${expression}\nthe page shows:\n${shown}`);
  }

  text(selector: string): Promise<string> {
    return this.evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ''`);
  }

  /** Focuses an element and types over what is in it, as a keyboard does. */
  async type(selector: string, text: string): Promise<void> {
    await this.evaluate(`document.querySelector(${JSON.stringify(selector)}).select()`);
    await this.#call('Input.insertText', { text });
  }

  async press(key: 'Enter' | 'Tab' | 'ArrowRight' | 'ArrowDown'): Promise<void> {
    const codes = { Enter: 13, Tab: 9, ArrowRight: 39, ArrowDown: 40 };
    const common = { key, code: key, windowsVirtualKeyCode: codes[key] };
    await this.#call('Input.dispatchKeyEvent', {
      type: 'keyDown',
      ...common,
      ...(key === 'Enter' ? { text: '\r' } : {}),
    });
    await this.#call('Input.dispatchKeyEvent', { type: 'keyUp', ...common });
  }

  async click(selector: string): Promise<void> {
    const { x, y } = await this.evaluate<{ x: number; y: number }>(`(() => {
      const element = document.querySelector(${JSON.stringify(selector)});
      element.scrollIntoView({ block: 'center' });
      const { left, top, width, height } = element.getBoundingClientRect();
      return { x: left + width / 2, y: top + height / 2 };
    })()`);
    const at = { x, y, button: 'left', clickCount: 1 };
    await this.#call('Input.dispatchMouseEvent', { type: 'mousePressed', ...at });
    await this.#call('Input.dispatchMouseEvent', { type: 'mouseReleased', ...at });
  }

  async choose(selector: string, value: string): Promise<void> {
    await this.evaluate(`(() => {
      const select = document.querySelector(${JSON.stringify(selector)});
      select.value = ${JSON.stringify(value)};
      for (const type of ['input', 'change']) select.dispatchEvent(new Event(type, { bubbles: true }));
    })()`);
  }

  async screenshot(path: string): Promise<void> {
    const { data } = await this.#call('Page.captureScreenshot', { format: 'png' });
    writeFileSync(path, Buffer.from(String(data), 'base64'));
  }

  #call(method: string, params: object = {}): Promise<Result> {
    return this.#connection.call(method, params, this.#session);
  }
}
