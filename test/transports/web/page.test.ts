/** The page as a trader has it: in a real browser, with keyboard and mouse, against a platform that speaks the protocol. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Browser, findChromium, type Page } from './chromium.ts';
import { adminKey, FakePlatform, traderKey } from './fake-platform.ts';

const chromium = findChromium();
if (chromium === undefined) process.stdout.write('the tests of the page are left out: there is no Chromium\n');

const desktop = { width: 1280, height: 800 };
const isOnline = 'document.querySelector("#connection").dataset.state === "online"';
const cellOf = (table: string, key: string, column: number) =>
  `document.querySelector('#${table} tr[data-key="${key}"]')?.cells[${column}].textContent`;

describe.runIf(chromium !== undefined)('the page', () => {
  let browser: Browser;
  let platform: FakePlatform;
  let page: Page;

  beforeAll(async () => {
    browser = await Browser.launch(chromium ?? '');
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    platform = await FakePlatform.start();
    page = await browser.open(platform.url, desktop);
  });
  afterEach(async () => {
    await page.close();
    await platform.stop();
  });

  async function signIn(key: string): Promise<void> {
    await page.type('#key', key);
    await page.press('Enter');
    await page.until(isOnline);
  }

  test('a key that is not accepted is told so, and nothing is shown', async () => {
    await page.type('#key', 'at_wrong');
    await page.press('Enter');
    await page.until('document.querySelector("#key-reply").textContent === "This key is not accepted."');
    expect(await page.evaluate('document.querySelector("#terminal").hidden')).toBe(true);
  });

  test('the key is kept in no storage, no address and no field', async () => {
    await signIn(traderKey);
    const places = await page.evaluate<string>(
      'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, document.querySelector("#key").value, document.body.outerHTML])',
    );
    expect(places).not.toContain(traderKey);
  });

  test('quotes move, and say which way', async () => {
    await signIn(traderKey);
    platform.quote('EURUSD', '1.08012', '1.08014');
    await page.until(`${cellOf('quotes', 'EURUSD', 1)} === '1.08012'`);
    platform.quote('EURUSD', '1.08015', '1.08018');
    await page.until(`${cellOf('quotes', 'EURUSD', 1)} === '1.08015'`);
    expect(await page.evaluate(cellOf('quotes', 'EURUSD', 3))).toBe('3');
    const classes = await page.evaluate<string>(`document.querySelector('#quotes tr[data-key="EURUSD"]').className`);
    expect(classes.split(' ')).toEqual(['up']);
    expect(await page.text('#buy-price')).toBe('1.08018');
  });

  test('what has no quote, or none since the connection was lost, is marked as stale', async () => {
    const stale = (symbol: string) => `document.querySelector('#quotes tr[data-key="${symbol}"]').matches('.is-stale')`;
    await signIn(traderKey);
    platform.quote('EURUSD', '1.08012', '1.08014');
    await page.until(`!${stale('EURUSD')}`);
    expect(await page.evaluate(stale('GBPUSD'))).toBe(true);
    await platform.stop();
    await page.until(stale('EURUSD'));
  });

  test('a market order is answered, and its fill, position and figures follow', async () => {
    await signIn(traderKey);
    platform.quote('EURUSD', '1.08012', '1.08014');
    await page.click('#send');
    await page.until('document.querySelector("#ticket-reply").textContent.includes("o-1-1")');
    expect(await page.text('#ticket-reply')).toBe('Order o-1-1: buy 0.10 EURUSD is submitted.');
    await page.until(`${cellOf('positions', 'p-o-1-1', 3)} === '1.08014'`);
    await page.until(`${cellOf('fills', 'f-o-1-1', 4)} === '1.08014'`);
    expect(platform.received).toEqual([
      {
        ...{
          clientOrderId: expect.stringMatching(/^web-[0-9a-f]{24}$/),
          symbol: 'EURUSD',
          side: 'buy',
          type: 'market',
        },
        ...{ quantity: '0.10', timeInForce: 'ioc' },
      },
    ]);
    expect(await page.text('#figure-balance')).toBe('100\u202F000.00 USD');
  });

  test('a denial is told in words, with its figures', async () => {
    await signIn(traderKey);
    await page.type('#quantity', '500');
    await page.press('Enter');
    await page.until('document.querySelector("#ticket-reply").dataset.outcome === "refused"');
    expect(await page.text('#ticket-reply')).toBe(
      'The margin exceeds what is free: required 360000.00, free 100000.00, currency USD (MARGIN_EXCEEDS_FREE)',
    );
  });

  test('a limit order works until it is canceled', async () => {
    await signIn(traderKey);
    await page.click('.sides .sell');
    await page.choose('#type', 'limit');
    await page.type('#limit-price', '1.09000');
    await page.click('#send');
    await page.until(`${cellOf('orders', 'o-1-1', 6)} === 'accepted'`);
    expect(platform.received).toMatchObject([
      { side: 'sell', type: 'limit', limitPrice: '1.09000', timeInForce: 'gtc' },
    ]);
    await page.click('#orders button');
    await page.until('document.querySelector("#orders tr") === null');
    expect(await page.text('#orders-reply')).toBe('Cancel of o-1-1 is on its way.');
  });

  test('an order whose answer is lost is sent again under the same id', async () => {
    await signIn(traderKey);
    platform.answerNoOrder(true);
    await page.click('#send');
    await page.until('document.querySelector("#ticket-reply").textContent.includes("cannot be placed twice")');
    platform.answerNoOrder(false);
    await page.click('#send');
    await page.until('document.querySelector("#ticket-reply").textContent.includes("it had arrived the first time")');
    const [first, second] = platform.received;
    expect(second).toEqual(first);
  });

  test('a connection that is lost comes back and goes on where it was', async () => {
    await signIn(traderKey);
    platform.place({ ...limitOrder, orderId: 'o-1-7' });
    await page.until(`${cellOf('orders', 'o-1-7', 6)} === 'accepted'`);
    platform.cut();
    await page.until(`!(${isOnline})`);
    await page.until(isOnline);
    platform.place({ ...limitOrder, orderId: 'o-1-8' });
    await page.until(`${cellOf('orders', 'o-1-8', 6)} === 'accepted'`);
    expect(platform.resumed).toContainEqual(expect.objectContaining({ 'orders:demo-1': { epoch: 'e1', sequence: 2 } }));
  });

  test('an event that got lost is made up for', async () => {
    await signIn(traderKey);
    platform.place({ ...limitOrder, orderId: 'o-1-7' });
    await page.until(`${cellOf('orders', 'o-1-7', 6)} === 'accepted'`);
    platform.loseEvent('orders:demo-1');
    platform.place({ ...limitOrder, orderId: 'o-1-8' });
    await page.until(`${cellOf('orders', 'o-1-8', 6)} === 'accepted'`);
    expect(platform.resumed).toContainEqual({ 'orders:demo-1': { epoch: 'e1', sequence: 2 } });
  });

  test('the tree of actors is there for whoever may see it, and for nobody else', async () => {
    await signIn(adminKey);
    await page.until(`${cellOf('actors', '/storage/journal-writer', 2)} === '3'`);
    expect(await page.evaluate(cellOf('actors', '/market/EURUSD', 4))).toBe('Error: feed went silent');
    await page.close();
    page = await browser.open(platform.url, desktop);
    await signIn(traderKey);
    await page.until('performance.getEntriesByType("resource").some(({ name }) => name.endsWith("/api/v1/actors"))');
    expect(await page.evaluate('document.querySelector("#actors-panel").hidden')).toBe(true);
  });

  test('what comes over the wire is never markup', async () => {
    await signIn(traderKey);
    platform.place({ ...limitOrder, orderId: 'o-1-7', symbol: '<img src=x onerror=alert(1)>' });
    await page.until(`${cellOf('orders', 'o-1-7', 0)} === '<img src=x onerror=alert(1)>'`);
    expect(await page.evaluate('document.images.length')).toBe(0);
  });

  test('the page breaks no rule of its policy, asks for no file that is not there, and every field has a name', async () => {
    await signIn(adminKey);
    platform.quote('EURUSD', '1.08012', '1.08014');
    await page.until(`${cellOf('quotes', 'EURUSD', 1)} === '1.08012'`);
    expect(page.complaints).toEqual([]);
    expect(platform.missed).toEqual([]);
    const unnamed = await page.evaluate(
      `[...document.querySelectorAll('input, select, button')].filter((field) => !(field.labels?.length || field.textContent.trim() || field.ariaLabel)).map((field) => field.outerHTML)`,
    );
    expect(unnamed).toEqual([]);
  });

  test.each([desktop, { width: 390, height: 844 }])(
    'at $width pixels nothing has to be scrolled sideways',
    async (size) => {
      await page.close();
      page = await browser.open(platform.url, size);
      await signIn(adminKey);
      platform.place({ ...limitOrder, orderId: 'o-1-7' });
      await page.until(`${cellOf('orders', 'o-1-7', 6)} === 'accepted'`);
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    },
  );
});

const limitOrder = {
  ...{ clientOrderId: 'c-7', symbol: 'EURUSD', side: 'buy', type: 'limit' },
  ...{ quantity: '0.10', limitPrice: '1.07900' },
};
