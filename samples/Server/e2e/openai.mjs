// Drives the server with OpenAI's own client. node openai.mjs URL [URL of a server whose model calls tools] [key]
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const [url, toolUrl, key = 'none'] = process.argv.slice(2);
if (!url) throw new Error('usage: node openai.mjs http://127.0.0.1:8080 [URL of a server whose model calls tools] [key]');
const connect = (base) => new OpenAI({ baseURL: `${base}/v1`, apiKey: key, maxRetries: 0 });
const client = connect(url);
const done = [];
const check = async (name, run) => {
  await run();
  done.push(name);
  console.log(`ok ${name}`);
};

const models = (await client.models.list()).data;
const model = models[0].id;
const messages = [{ role: 'user', content: '你好' }];

await check('models', async () => {
  assert.equal(models[0].object, 'model');
  assert.equal((await client.models.retrieve(model)).id, model);
  await assert.rejects(client.models.retrieve('nobody/nothing'), (e) => e instanceof OpenAI.NotFoundError && e.code === 'model_not_found');
});

await check('chat', async () => {
  const answer = await client.chat.completions.create({ model, messages, temperature: 0 });
  assert.equal(answer.choices[0].finish_reason, 'stop');
  assert.ok(answer.choices[0].message.content.length > 0);
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  const short = await client.chat.completions.create({ model, messages, temperature: 0, max_completion_tokens: 2 });
  assert.equal(short.choices[0].finish_reason, 'length');
  assert.equal(short.usage.completion_tokens, 2);
});

await check('streaming', async () => {
  const whole = await client.chat.completions.create({ model, messages, seed: 5 });
  let text = '';
  let pieces = 0;
  let usage = null;
  let finish = null;
  for await (const chunk of await client.chat.completions.create({ model, messages, seed: 5, stream: true, stream_options: { include_usage: true } })) {
    const piece = chunk.choices[0]?.delta?.content ?? '';
    text += piece;
    pieces += piece ? 1 : 0;
    finish = chunk.choices[0]?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(finish, whole.choices[0].finish_reason);
  assert.deepEqual(usage, whole.usage);
  assert.ok(pieces > 3, 'it comes in pieces');
});

await check('streaming helper', async () => {
  const stream = client.chat.completions.stream({ model, messages, seed: 5 });
  let seen = '';
  stream.on('content', (delta) => (seen += delta));
  assert.equal((await stream.finalChatCompletion()).choices[0].message.content, seen);
});

await check('a stream that is left early', async () => {
  const stream = await client.chat.completions.create({ model, messages, seed: 6, stream: true });
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content) break;
  }
  assert.ok((await client.chat.completions.create({ model, messages, max_tokens: 2 })).id);
});

await check('completions', async () => {
  const answer = await client.completions.create({ model, prompt: ['The capital of France', '你好'], max_tokens: 6, seed: 1 });
  assert.deepEqual(answer.choices.map((c) => c.index), [0, 1]);
  let text = '';
  for await (const chunk of await client.completions.create({ model, prompt: 'The capital of France', max_tokens: 6, seed: 1, stream: true })) text += chunk.choices[0].text;
  assert.equal(text, answer.choices[0].text);
});

await check('embeddings', async () => {
  const input = ['你好', 'What is the capital of France?'];
  const packed = await client.embeddings.create({ model, input }); // the client asks for base64 and unpacks it
  const plain = await client.embeddings.create({ model, input, encoding_format: 'float' });
  assert.equal(packed.data.length, 2);
  packed.data.forEach((d, i) => d.embedding.forEach((v, j) => assert.ok(Math.abs(v - plain.data[i].embedding[j]) < 1e-6)));
  assert.ok(Math.abs(Math.hypot(...packed.data[0].embedding) - 1) < 1e-5);
});

await check('errors', async () => {
  await assert.rejects(client.chat.completions.create({ model, messages, temperature: 3 }), (e) => e instanceof OpenAI.BadRequestError && e.param === 'temperature');
  await assert.rejects(client.chat.completions.create({ model, messages, n: 2 }), (e) => e instanceof OpenAI.BadRequestError && e.code === 'unsupported_parameter');
  await assert.rejects(client.chat.completions.create({ model, messages: [{ role: 'user', content: '你好 '.repeat(5000) }], stream: true }), (e) => e.code === 'context_length_exceeded');
  await assert.rejects(client.chat.completions.create({ model: 'gpt-4o', messages }), (e) => e instanceof OpenAI.NotFoundError);
});

if (toolUrl) {
  const tooled = connect(toolUrl);
  const toolModel = (await tooled.models.list()).data[0].id;
  const tools = [{
    type: 'function',
    function: { name: 'get_weather', description: '查询天气', parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } }, required: ['city'] } },
  }];
  const question = { role: 'user', content: '北京天气' };

  await check('tools', async () => {
    const first = await tooled.chat.completions.create({ model: toolModel, messages: [question], tools });
    assert.equal(first.choices[0].finish_reason, 'tool_calls');
    const call = first.choices[0].message.tool_calls[0];
    assert.deepEqual([call.function.name, JSON.parse(call.function.arguments)], ['get_weather', { city: '北京', days: 3 }]);
    const second = await tooled.chat.completions.create({
      model: toolModel, tools, messages: [question, first.choices[0].message, { role: 'tool', tool_call_id: call.id, content: '晴' }],
    });
    assert.equal(second.choices[0].finish_reason, 'stop');
    assert.equal(second.choices[0].message.content, '北京: 3 天晴');
  });

  await check('tools in a stream', async () => {
    const stream = tooled.chat.completions.stream({ model: toolModel, messages: [question], tools });
    const answer = await stream.finalChatCompletion();
    assert.equal(answer.choices[0].finish_reason, 'tool_calls');
    assert.deepEqual(JSON.parse(answer.choices[0].message.tool_calls[0].function.arguments), { city: '北京', days: 3 });
  });

  await check('a tool that the client runs by itself', async () => {
    const runner = tooled.chat.completions.runTools({
      model: toolModel,
      messages: [question],
      tools: [{ type: 'function', function: { ...tools[0].function, parse: JSON.parse, function: async ({ city }) => `${city}: 晴` } }],
    });
    assert.equal(await runner.finalContent(), '北京: 3 天晴');
  });
}

console.log(`${done.length} passed, 0 failed`);
