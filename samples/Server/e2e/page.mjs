// Uses the page in a real browser as a person would. node page.mjs URL [URL of a server that wants the key "sk-e2e-key"] [URL of a server whose answers never end]
// Needs a Chromium: CHROMIUM says where, else /usr/bin/chromium. Pictures go to screenshots/.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [url, lockedUrl, endlessUrl] = process.argv.slice(2);
if (!url) throw new Error('usage: node page.mjs http://127.0.0.1:8080 [locked URL] [endless URL]');
const pictures = new URL('screenshots/', import.meta.url).pathname;
mkdirSync(pictures, { recursive: true });
const profile = mkdtempSync(join(tmpdir(), 'chatglm-e2e-'));
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const browser = await chromium.launchPersistentContext(profile, { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args, viewport: { width: 1280, height: 800 }, locale: 'en-US', deviceScaleFactor: 1 });
let passed = 0;
const problems = [];
const requests = [];

async function open(at, { width = 1280, height = 800 } = {}) {
  const page = await browser.newPage();
  await page.setViewportSize({ width, height });
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(at);
  await page.waitForFunction(() => document.querySelector('#model option'));
  return page;
}

async function check(name, run) {
  await run();
  passed++;
  console.log(`ok ${name}`);
}

const answered = (page, count) => page.waitForFunction((n) => document.querySelectorAll('.assistant[aria-busy="false"]').length === n && document.querySelector('#stop').hidden, count);
const shoot = (page, name) => page.screenshot({ path: `${pictures}${name}.png` });
const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);

const page = await open(url);

await check('it begins with a welcome in the language of the browser', async () => {
  assert.equal(await page.locator('.welcome h1').textContent(), 'What would you like to know?');
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'question');
  assert.ok(await page.locator('#send').isDisabled());
  await shoot(page, 'welcome');
});

await check('Enter sends, Shift+Enter starts a line, and an input method keeps its Enter', async () => {
  await page.keyboard.type('What is the capital of France?');
  await page.evaluate(() => document.querySelector('#question').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true })));
  assert.equal(await page.locator('.message').count(), 0);
  await page.keyboard.press('Shift+Enter');
  assert.match(await page.locator('#question').inputValue(), /\n$/);
  await page.keyboard.press('Backspace');
  await page.keyboard.press('Enter');
  await answered(page, 1);
  assert.equal(await page.locator('.user .text').textContent(), 'What is the capital of France?');
  assert.ok((await page.locator('.assistant .text').textContent()).length > 5);
  assert.match(await page.locator(".assistant .facts").textContent(), /\d+ tokens/);
  assert.equal(await page.locator('#question').inputValue(), '');
});

await check('a conversation goes on, has a title, and outlives a reload', async () => {
  await page.locator('#question').fill('你好');
  await page.locator('#send').click();
  await answered(page, 2);
  assert.match(await page.title(), /What is the capital of France/);
  const before = await page.locator('.assistant .text').allTextContents();
  await page.reload();
  await page.waitForFunction(() => document.querySelector('#model option'));
  await page.locator('.entry .open').first().click();
  assert.deepEqual(await page.locator('.assistant .text').allTextContents(), before);
  await shoot(page, 'desktop');
});

await check('an answer can be had again, a question edited', async () => {
  await page.getByRole('button', { name: 'Answer again' }).click();
  await answered(page, 2);
  await page.locator('.user').last().hover();
  await page.locator('.user').last().getByRole('button', { name: 'Edit' }).click();
  assert.equal(await page.locator('.message').count(), 2);
  assert.equal(await page.locator('#question').inputValue(), '你好');
  await page.locator('#question').fill('你是谁？');
  await page.keyboard.press('Enter');
  await answered(page, 2);
});

await check('settings reach the server and stay', async () => {
  await page.locator('#settings').click();
  await page.locator('#system').fill('Answer in one word.');
  await page.locator('#temperature').fill('0');
  await page.locator('#maxTokens').fill('7');
  await page.locator('#seed').fill('11');
  await shoot(page, 'settings');
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('button', { name: 'New chat' }).click();
  const sent = page.waitForRequest('**/v1/chat/completions');
  await page.locator('#question').fill('Hello');
  await page.keyboard.press('Enter');
  const body = (await sent).postDataJSON();
  assert.deepEqual([body.temperature, body.max_tokens, body.seed, body.stream], [0, 7, 11, true]);
  assert.deepEqual(body.messages, [{ role: 'system', content: 'Answer in one word.' }, { role: 'user', content: 'Hello' }]);
  await answered(page, 1);
  await page.reload();
  await page.waitForFunction(() => document.querySelector('#model option'));
  await page.locator('#settings').click();
  assert.equal(await page.locator('#system').inputValue(), 'Answer in one word.');
  await page.getByRole('button', { name: 'Defaults' }).click();
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => JSON.parse(localStorage.getItem('chatglm.settings')).system === '');
});

await check('markdown becomes nodes, and nothing in it becomes a script, a picture or a link that runs', async () => {
  const result = await page.evaluate(async () => {
    const { render } = await import('/markdown.js');
    const make = (text) => {
      const box = document.createElement('div');
      render(text, box, { copy: 'Copy' });
      return box;
    };
    const html = (text) => make(text).innerHTML;
    const evil = make('<img src=x onerror=alert(1)> <script>alert(1)</script>\n\n[a](javascript:alert(1)) [b](data:text/html,x) ![c](https://evil.example/x.png)\n\n**<b>x</b>** `<i>`\n\n| <u>a</u> | b |\n|---|---|\n| [x](vbscript:y) | z |');
    // One that grows piece by piece must end as the whole does.
    const long = '# T\n\nfirst *one* and `two`\n\n- a\n  - b\n    1. c\n- d\n\n```js\nlet x = "**no**";\n\n# no\n```\n> q\n> r\n\n| a | b |\n|:-:|--:|\n| 1 | 2 |\n\nend **bold** ~~old~~ https://example.org/a_b_c.';
    const grown = document.createElement('div');
    for (let i = 1; i <= long.length; i++) render(long.slice(0, i), grown, { copy: 'Copy' });
    const start = performance.now();
    for (const bad of ['*', '`', '[', '_', '**a', '~~', '![](', '> ', '- ', '|-', 'https://']) make(bad.repeat(20000));
    return {
      evilNames: [...new Set([...evil.querySelectorAll('*')].map((e) => e.nodeName))].sort(), evilLinks: [...evil.querySelectorAll('a')].map((a) => a.href), evilText: evil.textContent,
      same: grown.innerHTML === html(long), long: html(long), seconds: (performance.now() - start) / 1000,
      snake: html('a snake_case_name and 2 * 3 * 4'), nested: html('- a\n- **b**\n\n1. x\n2. y'), hard: html('line one\nline two'),
    };
  });
  assert.deepEqual(result.evilNames, ['A', 'CODE', 'DIV', 'P', 'STRONG', 'TABLE', 'TBODY', 'TD', 'TH', 'THEAD', 'TR']);
  assert.deepEqual(result.evilLinks, ['https://evil.example/x.png']);
  assert.match(result.evilText, /<img src=x onerror=alert\(1\)> <script>alert\(1\)<\/script>/);
  assert.ok(result.same, 'a text that grows ends as the whole');
  for (const part of ['<h1>T</h1>', '<em>one</em>', '<code>two</code>', '<ul><li>a<ul><li>b<ol><li>c</li></ol></li></ul></li><li>d</li></ul>', 'let x = "**no**";\n\n# no', '<blockquote><p>q<br>r</p></blockquote>', '<td class="right">2</td>', '<strong>bold</strong>', '<del>old</del>', 'href="https://example.org/a_b_c"']) {
    assert.ok(result.long.includes(part), `${part} in ${result.long}`);
  }
  assert.equal(result.snake, '<p>a snake_case_name and 2 * 3 * 4</p>');
  assert.equal(result.nested, '<ul><li>a</li><li><strong>b</strong></li></ul><ol><li>x</li><li>y</li></ol>');
  assert.equal(result.hard, '<p>line one<br>line two</p>');
  assert.ok(result.seconds < 20, `hostile texts took ${result.seconds} s`);
});

await check('a rich answer looks like one', async () => {
  await page.evaluate(() => {
    const content = '## 快速排序 Quicksort\n\n它把数组分成 **小于** 和 *大于* 基准的两部分，平均复杂度是 `O(n log n)`。\n\n1. 选一个基准\n2. 分区\n   - 左边更小\n   - 右边更大\n3. 递归\n\n```python\ndef quicksort(a):\n    if len(a) < 2:\n        return a\n    pivot, *rest = a\n    return quicksort([x for x in rest if x < pivot]) + [pivot] + quicksort([x for x in rest if x >= pivot])\n```\n\n| 情况 | 复杂度 | 说明 |\n|---|:-:|---|\n| 平均 | `n log n` | 随机基准 |\n| 最坏 | `n²` | 已排序的输入 |\n\n> 参见 [Wikipedia](https://en.wikipedia.org/wiki/Quicksort)。';
    const chats = JSON.parse(localStorage.getItem('chatglm.chats'));
    chats.unshift({ id: 'rich', title: '快速排序是什么？', messages: [{ role: 'user', content: '快速排序是什么？\n请给出代码。' }, { role: 'assistant', model: 'chatglm-demo', content, finish: 'stop', usage: { tokens: 211, rate: 48.2 } }] });
    localStorage.setItem('chatglm.chats', JSON.stringify(chats));
  });
  await page.reload();
  await page.waitForFunction(() => document.querySelector('#model option'));
  await page.locator('.entry .open').first().click();
  await page.locator('.code button').click();
  await page.locator('.code button', { hasText: 'Copied' }).waitFor();
  await shoot(page, 'rich');
});

await check('it speaks Chinese and has dark colours, and remembers both', async () => {
  await page.locator('#language').click();
  await page.locator('#theme').click(); // light
  await page.locator('#theme').click(); // dark
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN');
  assert.equal(await page.locator('#new').textContent(), '＋新对话');
  await page.reload();
  await page.waitForFunction(() => document.querySelector('#model option'));
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.locator('.entry .open').first().click();
  await shoot(page, 'dark-chinese');
  await page.locator('#new').click();
  await shoot(page, 'dark-welcome');
  await page.locator('#settings').click();
  await shoot(page, 'dark-settings');
  await page.keyboard.press('Escape');
});

await check('every button and field says what it is, and the keyboard reaches them', async () => {
  const nameless = await page.evaluate(() => [...document.querySelectorAll('button, input, select, textarea')].filter((e) => {
    const label = e.getAttribute('aria-label') ?? (e.labels?.[0]?.textContent || e.textContent);
    return !label?.trim();
  }).map((e) => e.outerHTML));
  assert.deepEqual(nameless, []);
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'question');
  const reached = new Set();
  for (let i = 0; i < 30; i++) {
    await page.keyboard.press('Tab');
    reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.className));
  }
  for (const name of ['new', 'open', 'remove', 'language', 'theme', 'model', 'settings']) assert.ok(reached.has(name), `${name} in ${[...reached]}`);
  await page.keyboard.press('Control+Shift+O');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'question');
});

await check('conversations can be deleted', async () => {
  const before = await page.locator('.entry').count();
  await page.locator('.entry').last().hover();
  await page.locator('.entry').last().locator('.remove').click();
  assert.equal(await page.locator('.entry').count(), before - 1);
});

await check('it fits a phone', async () => {
  const phone = await open(url, { width: 390, height: 780 });
  assert.ok(await fits(phone));
  assert.ok(!(await phone.locator('#side').isVisible()));
  await phone.locator('#menu').click();
  await phone.waitForTimeout(300);
  await shoot(phone, 'phone-menu');
  await phone.locator('.entry .open').first().click();
  await phone.waitForTimeout(300);
  assert.ok(!(await phone.locator('#side').isVisible()));
  assert.ok(await fits(phone));
  await shoot(phone, 'phone');
  await phone.locator('#settings').click();
  await shoot(phone, 'phone-settings');
  await phone.keyboard.press('Escape');
  for (const width of [320, 360, 761, 1920]) {
    await phone.setViewportSize({ width, height: 700 });
    assert.ok(await fits(phone), `${width}`);
  }
  await phone.close();
});

await check('what goes wrong is said in words', async () => {
  const errors = await open(url);
  await errors.route('**/v1/chat/completions', (route) => route.fulfill({ status: 429, contentType: 'application/json', body: '{"error": {"message": "m", "code": "queue_full"}}' }));
  await errors.locator('#question').fill('Hello');
  await errors.keyboard.press('Enter');
  await errors.locator('.error').waitFor();
  assert.match(await errors.locator('.error').textContent(), /服务器繁忙/);
  await shoot(errors, 'error');
  await errors.unroute('**/v1/chat/completions');
  await errors.getByRole('button', { name: '重试' }).click();
  await answered(errors, 1);
  assert.equal(await errors.locator('.error').count(), 0);
  await errors.route('**/v1/chat/completions', (route) => route.abort());
  await errors.locator('#question').fill('Hello');
  await errors.keyboard.press('Enter');
  await errors.locator('.error').waitFor();
  assert.match(await errors.locator('.error').textContent(), /无法连接/);
  await errors.close();
});
problems.splice(0, problems.length, ...problems.filter((p) => !/429|ERR_FAILED/.test(p))); // those that the test itself made

if (lockedUrl) {
  await check('a server with a key asks for it', async () => {
    const locked = await browser.newPage();
    await locked.goto(lockedUrl);
    await locked.locator('#dialog[open]').waitFor();
    assert.equal(await locked.evaluate(() => document.activeElement.id), 'key');
    await locked.locator('#key').fill('sk-e2e-key');
    await locked.keyboard.press('Enter');
    await locked.waitForFunction(() => document.querySelector('#model option'));
    await locked.locator('#question').fill('Hello');
    await locked.keyboard.press('Enter');
    await answered(locked, 1);
    assert.equal(await locked.evaluate(() => localStorage.getItem('chatglm.key')), null, 'the key goes with the window');
    await locked.close();
  });
}

if (endlessUrl) {
  await check('an answer can be stopped, by button and by key, and what was said stays', async () => {
    const endless = await open(endlessUrl);
    await endless.locator('#question').fill('Hello');
    await endless.keyboard.press('Enter');
    await endless.waitForFunction(() => document.querySelector('.assistant .text')?.textContent.length > 10);
    assert.equal(await endless.locator('.assistant').getAttribute('aria-busy'), 'true');
    assert.ok(await endless.locator('#send').isHidden());
    await shoot(endless, 'answering');
    await endless.locator('#stop').click();
    await answered(endless, 1);
    const text = await endless.locator('.assistant .text').textContent();
    assert.ok(text.length > 10);
    await endless.locator('#question').fill('again');
    await endless.keyboard.press('Enter');
    await endless.waitForFunction(() => document.querySelectorAll('.assistant .text')[1]?.textContent.length > 10);
    await endless.keyboard.press('Escape');
    await answered(endless, 2);
    assert.equal(await endless.locator('.assistant .text').first().textContent(), text);
    const health = await endless.evaluate(async () => (await fetch('/health')).json());
    assert.equal(health.waiting, 0);
    await endless.close();
  });
}

await check('nothing was asked of anybody else, and the browser had nothing to complain of', async () => {
  const own = [url, lockedUrl, endlessUrl].filter(Boolean).map((u) => new URL(u).origin);
  assert.deepEqual(requests.filter((r) => !own.includes(new URL(r).origin) && !r.startsWith('data:')), []);
  assert.deepEqual(problems, []);
});

await browser.close();
rmSync(profile, { recursive: true, force: true });
console.log(`${passed} passed, 0 failed`);
