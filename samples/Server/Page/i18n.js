// What the page says, in Chinese and in English.
const texts = {
  en: {
    skip: 'Skip to the question', newChat: 'New chat', conversations: 'Conversations', conversation: 'Conversation', model: 'Model', settings: 'Settings', toEnd: 'To the end',
    placeholder: 'Ask something', send: 'Send', stop: 'Stop', hint: 'Enter sends · Shift+Enter starts a line · Esc stops · answers may be wrong',
    system: 'System prompt', systemHint: 'Who the model is to be, and how it is to answer', temperature: 'Temperature', temperatureHint: 'Higher is more varied; 0 always takes the likeliest word.',
    topP: 'Top-p', topPHint: 'Draws only from the likeliest words that together have this probability.', maxTokens: 'Longest answer (tokens)', noLimit: 'the model’s own', seed: 'Seed', noSeed: 'a new one each time',
    key: 'Key of the server', keyHint: 'only where the server asks for one', reset: 'Defaults', done: 'Done', clearAll: 'Delete all chats', clearAllSure: 'Delete all conversations on this device?',
    none: 'Nothing here yet', remove: 'Delete', copy: 'Copy', copied: 'Copied', again: 'Answer again', edit: 'Edit', retry: 'Try again', you: 'You', untitled: 'New chat',
    welcome: 'What would you like to know?', welcomeText: 'The model runs on this server. Conversations are kept in this browser only.',
    ideas: ['Hello! Who are you?', 'What is the capital of France?', '你好，介绍一下你自己', 'What can you do?'],
    tokens: (n) => `${n} ${n === 1 ? 'token' : 'tokens'}`, rate: (r) => `${r} tokens/s`, stopped: 'stopped', length: 'cut at the longest length', toolCall: 'The model called a tool, which this page has none of.',
    themes: { auto: 'Auto', light: 'Light', dark: 'Dark' }, themeLabel: (t) => `Colours: ${t}`, languageLabel: '切换到中文', language: '中文', adapterOf: (m) => `on ${m}`,
    errors: {
      network: 'The server cannot be reached. Is it running?', broken: 'The answer broke off before its end.', invalid_api_key: 'The server wants a key, or another one. Type it into the settings.',
      queue_full: 'The server is busy: too many wait already. Try again in a moment.', timeout: 'The answer took too long and was ended.', stopping: 'The server is stopping. Try again when it is back.',
      context_length_exceeded: 'This conversation is too long for the model. Start a new one.',
    },
  },
  zh: {
    skip: '跳到输入框', newChat: '新对话', conversations: '对话列表', conversation: '对话', model: '模型', settings: '设置', toEnd: '回到底部',
    placeholder: '输入你的问题', send: '发送', stop: '停止', hint: 'Enter 发送 · Shift+Enter 换行 · Esc 停止 · 回答可能有误',
    system: '系统提示词', systemHint: '设定模型的身份和回答方式', temperature: '温度', temperatureHint: '越高回答越多样；0 表示总是选最可能的词。',
    topP: 'Top-p', topPHint: '只从累计概率达到该值的最可能的词中抽取。', maxTokens: '最长回答（token 数）', noLimit: '由模型决定', seed: '随机种子', noSeed: '每次不同',
    key: '服务器密钥', keyHint: '仅在服务器要求时填写', reset: '恢复默认', done: '完成', clearAll: '删除全部对话', clearAllSure: '删除此设备上的全部对话？',
    none: '还没有对话', remove: '删除', copy: '复制', copied: '已复制', again: '重新回答', edit: '编辑', retry: '重试', you: '你', untitled: '新对话',
    welcome: '想聊点什么？', welcomeText: '模型运行在这台服务器上，对话只保存在你的浏览器里。',
    ideas: ['你好，你是谁？', '中国的首都是哪里？', 'Hello! Who are you?', '你能做什么？'],
    tokens: (n) => `${n} 个 token`, rate: (r) => `每秒 ${r} 个`, stopped: '已停止', length: '已达到最长长度', toolCall: '模型调用了工具，但此页面没有工具。',
    themes: { auto: '自动', light: '浅色', dark: '深色' }, themeLabel: (t) => `配色：${t}`, languageLabel: 'Switch to English', language: 'English', adapterOf: (m) => `基于 ${m}`,
    errors: {
      network: '无法连接服务器，它在运行吗？', broken: '回答没有结束就中断了。', invalid_api_key: '服务器需要密钥，或密钥不正确。请在设置中填写。',
      queue_full: '服务器繁忙，排队的人太多，请稍后再试。', timeout: '回答用时太长，已被结束。', stopping: '服务器正在停止，请稍后再试。',
      context_length_exceeded: '这个对话对模型来说太长了，请开始新对话。',
    },
  },
};

let language = 'en';

/** The language to begin with: the one chosen before, else the browser's. */
export function preferredLanguage(chosen) {
  return chosen === 'zh' || chosen === 'en' ? chosen : navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

export const t = (key) => texts[language][key];

/** Puts every text of the page into a language. */
export function speak(name) {
  language = name;
  document.documentElement.lang = name === 'zh' ? 'zh-CN' : 'en';
  for (const element of document.querySelectorAll('[data-i18n]')) element.textContent = t(element.dataset.i18n);
  for (const element of document.querySelectorAll('[data-i18n-placeholder]')) element.placeholder = t(element.dataset.i18nPlaceholder);
  for (const element of document.querySelectorAll('[data-i18n-label]')) {
    element.setAttribute('aria-label', t(element.dataset.i18nLabel));
    if (element.tagName === 'BUTTON') element.title = t(element.dataset.i18nLabel);
  }
}
