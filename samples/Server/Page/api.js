// The server's API, as far as the page needs it.

/** An error that the server has named, or `network`, or `broken`. */
export class ApiError extends Error {
  constructor(message, code, status) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

const headers = (key) => ({ 'Content-Type': 'application/json', ...(key ? { Authorization: `Bearer ${key}` } : {}) });

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(error.message, 'network', 0);
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  throw new ApiError(body?.error?.message ?? `${response.status} ${response.statusText}`, body?.error?.code ?? null, response.status);
}

/** The models that the server has. */
export async function listModels(key) {
  const response = await ask('v1/models', { headers: headers(key) });
  return (await response.json()).data;
}

/** Streams an answer: `{ text }`, `{ finish }`, `{ usage }`, `{ tool }`. */
export async function* streamChat(request, key, signal) {
  const body = JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } });
  const response = await ask('v1/chat/completions', { method: 'POST', headers: headers(key), body, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new ApiError('', 'broken', response.status);
      rest += value;
      const events = rest.split('\n\n');
      rest = events.pop();
      for (const event of events) {
        if (!event.startsWith('data: ')) continue; // a comment that keeps the stream alive
        const data = event.slice(6);
        if (data === '[DONE]') return;
        yield* read(JSON.parse(data));
      }
    }
  } catch (error) {
    if (error instanceof ApiError || error.name === 'AbortError') throw error;
    throw new ApiError(error.message, 'broken', response.status);
  } finally {
    reader.cancel().catch(() => {}); // it may be gone already
  }
}

function* read(chunk) {
  if (chunk.error) throw new ApiError(chunk.error.message, chunk.error.code, 200);
  const choice = chunk.choices[0];
  if (choice?.delta.content) yield { text: choice.delta.content };
  if (choice?.delta.tool_calls) yield { tool: choice.delta.tool_calls };
  if (choice?.finish_reason) yield { finish: choice.finish_reason };
  if (chunk.usage) yield { usage: chunk.usage };
}
