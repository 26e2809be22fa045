// Chats without pause and checks every answer. node load.mjs URL [seconds] [chats at once] [id of the server's process, whose memory is then watched]
import { readFileSync } from 'node:fs';

const [url, seconds = '120', count = '16', pid] = process.argv.slice(2);
if (!url) throw new Error('usage: node load.mjs http://127.0.0.1:8080 [seconds] [chats at once] [process id]');
const key = process.env.CHATGLM_API_KEY;
const headers = { 'Content-Type': 'application/json', ...(key ? { Authorization: `Bearer ${key}` } : {}) };
const { data: models } = await (await fetch(`${url}/v1/models`, { headers })).json();
const questions = ['你好', '你是谁？', 'Hello', 'What is the capital of France?', '中国的首都是哪里？', 'Who are you?'];
const body = (i, stream) => JSON.stringify({
  model: models[i % models.length].id, seed: i, temperature: 1.2, max_tokens: 40, stream, messages: [{ role: 'user', content: questions[i % questions.length] }],
});

async function ask(i, stream) {
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body: body(i, stream) });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  if (!stream) return (await response.json()).choices[0].message.content;
  const events = (await response.text()).split('\n\n').filter((e) => e.startsWith('data: ')).map((e) => e.slice(6));
  if (events.at(-1) !== '[DONE]') throw new Error(`a stream broke off: ${events.at(-1)}`);
  return events.slice(0, -1).map((e) => JSON.parse(e).choices[0].delta.content ?? '').join('');
}

/** Asks and leaves. */
async function leave(i) {
  const leaving = new AbortController();
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body: body(i, true), signal: leaving.signal });
  await response.body.getReader().read();
  leaving.abort();
}

const memory = () => (pid ? Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024 : 0);

// What each says alone, one at a time.
const kinds = 24;
const alone = [];
for (let i = 0; i < kinds; i++) alone.push(await ask(i, false));
console.log(`${kinds} kinds of chat, ${new Set(alone).size} different answers, ${models.length} models`);

const end = Date.now() + Number(seconds) * 1000;
const counts = { answered: 0, left: 0, wrong: 0, failed: 0 };
const samples = [];
const watch = setInterval(() => {
  samples.push(memory());
  console.log(`${Math.round((end - Date.now()) / 1000)} s left: ${JSON.stringify(counts)}${pid ? `, ${samples.at(-1).toFixed(1)} MB` : ''}`);
}, 10_000);
await Promise.all(Array.from({ length: Number(count) }, async (_, worker) => {
  for (let turn = worker; Date.now() < end; turn += 7) {
    const i = turn % kinds;
    try {
      if (turn % 31 === 0) {
        await leave(i);
        counts.left++;
      } else if ((await ask(i, turn % 2 === 0)) === alone[i]) {
        counts.answered++;
      } else {
        counts.wrong++;
      }
    } catch (error) {
      counts.failed++;
      console.log(String(error));
    }
  }
}));
clearInterval(watch);
const health = await (await fetch(`${url}/health`)).json();
console.log(JSON.stringify({ ...counts, health, perSecond: Number((counts.answered / Number(seconds)).toFixed(1)), megabytes: samples.map((s) => Math.round(s)) }));
process.exit(counts.wrong + counts.failed === 0 && health.waiting === 0 ? 0 : 1);
