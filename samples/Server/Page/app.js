import { ApiError, listModels, streamChat } from './api.js';
import { preferredLanguage, speak, t } from './i18n.js';
import { render } from './markdown.js';
import { defaults, loadChats, loadKey, loadSettings, saveChats, saveKey, saveSettings } from './store.js';

const $ = (id) => document.getElementById(id);
const create = (name, className, ...children) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
};
const button = (text, action, className) => {
  const element = create('button', className, text);
  element.type = 'button';
  element.addEventListener('click', action);
  return element;
};
const newId = () => crypto.getRandomValues(new Uint32Array(4)).join('-');

const settings = loadSettings();
let key = loadKey();
let chats = loadChats();
let chat = null; // the conversation that is shown; one without messages is in no list yet
let models = [];
const elements = new WeakMap(); // of the messages that are shown
let answering = null; // { chat, message, abort } while an answer is written

// ---- conversations

function open(next) {
  chat = next;
  showList();
  showTalk();
  closeMenu();
}

const startChat = () => {
  open({ id: newId(), title: '', messages: [] });
  focusQuestion();
};

function keep() {
  if (chat.messages.length > 0) {
    chats = [chat, ...chats.filter((other) => other.id !== chat.id)];
  }
  saveChats(chats);
  showList();
}

function remove(id) {
  if (answering?.chat.id === id) answering.abort.abort();
  chats = chats.filter((other) => other.id !== id);
  saveChats(chats);
  if (chat.id === id) startChat();
  else showList();
}

function showList() {
  const list = $('list');
  list.replaceChildren();
  for (const entry of chats) {
    const title = entry.title || t('untitled');
    const row = create('div', entry.id === chat.id ? 'entry current' : 'entry');
    const openIt = button(title, () => open(entry), 'open');
    openIt.title = title;
    if (entry.id === chat.id) openIt.setAttribute('aria-current', 'page');
    const removeIt = button('×', () => remove(entry.id), 'remove');
    removeIt.title = t('remove');
    removeIt.setAttribute('aria-label', `${t('remove')}: ${title}`);
    row.append(openIt, removeIt);
    list.append(row);
  }
  if (chats.length === 0) list.append(create('div', 'none', t('none')));
}

// ---- messages

function showTalk() {
  const talk = $('talk');
  talk.replaceChildren();
  if (chat.messages.length === 0) talk.append(welcome());
  else for (const message of chat.messages) talk.append(show(message));
  document.title = chat.title ? `${chat.title} · ChatGLM` : 'ChatGLM';
  showState();
  toEnd();
}

function welcome() {
  const picture = create('img');
  picture.src = 'icon.svg';
  picture.alt = '';
  const ideas = create('div', 'ideas', ...t('ideas').map((idea) => button(idea, () => send(idea))));
  return create('div', 'welcome', picture, create('h1', '', t('welcome')), create('p', '', t('welcomeText')), ideas);
}

function show(message) {
  const element = create('article', `message ${message.role}`);
  elements.set(message, element);
  if (message.role === 'assistant') {
    const picture = create('img');
    picture.src = 'icon.svg';
    picture.alt = '';
    element.append(create('div', 'who', picture, message.model ?? ''));
  }
  element.append(create('div', 'text'));
  refresh(message);
  return element;
}

/** Shows what a message holds by now. */
function refresh(message) {
  const element = elements.get(message);
  if (!element) return;
  const text = element.querySelector('.text');
  if (message.role === 'user') text.textContent = message.content;
  else render(message.content, text, { copy: t('copy') });
  element.querySelector('.waiting')?.remove();
  element.querySelector('.error')?.remove();
  element.querySelector('.under')?.remove();
  const isWritten = answering?.message === message;
  element.setAttribute('aria-busy', String(isWritten));
  if (isWritten && !message.content) element.append(create('div', 'waiting', create('i'), create('i'), create('i')));
  if (message.error) {
    const box = create('div', 'error', t('errors')[message.error.code] ?? message.error.message);
    box.setAttribute('role', 'alert');
    element.append(box);
  }
  if (!isWritten) element.append(under(message));
}

function under(message) {
  const row = create('div', 'under');
  const facts = [];
  if (message.usage) facts.push(t('tokens')(message.usage.tokens));
  if (message.usage?.rate) facts.push(t('rate')(message.usage.rate));
  if (message.finish === 'length') facts.push(t('length'));
  if (message.finish === 'stopped') facts.push(t('stopped'));
  if (facts.length > 0) row.append(create('span', 'facts', facts.join(' · ')));
  if (message.content) {
    const copyIt = button(t('copy'), () => copy(message.content, copyIt));
    row.append(copyIt);
  }
  if (message.role === 'user') row.append(button(t('edit'), () => edit(message)));
  else if (message === chat.messages.at(-1)) row.append(button(message.error ? t('retry') : t('again'), again));
  return row;
}

async function copy(text, from) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = create('textarea'); // where the clipboard is only for https
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  from.textContent = t('copied');
  setTimeout(() => (from.textContent = t('copy')), 1500);
}

function edit(message) {
  stop();
  chat.messages.splice(chat.messages.indexOf(message));
  $('question').value = message.content;
  keep();
  showTalk();
  grow();
  focusQuestion();
}

function again() {
  if (answering || chat.messages.at(-1)?.role !== 'assistant') return;
  chat.messages.pop();
  showTalk();
  answer();
}

// ---- asking and answering

function send(text) {
  if (answering || !text.trim()) return;
  chat.messages.push({ role: 'user', content: text.trim() });
  chat.title ||= text.trim().replace(/\s+/g, ' ').slice(0, 60);
  keep();
  showTalk();
  answer();
}

function request(talk) {
  const messages = talk.messages.slice(0, -1).filter((m) => m.content && !(m.role === 'assistant' && m.error)).map(({ role, content }) => ({ role, content }));
  if (settings.system.trim()) messages.unshift({ role: 'system', content: settings.system.trim() });
  const body = { model: $('model').value, messages, temperature: settings.temperature, top_p: settings.topP };
  if (settings.maxTokens) body.max_tokens = settings.maxTokens;
  if (settings.seed !== null) body.seed = settings.seed;
  return body;
}

async function answer() {
  const talk = chat;
  const message = { role: 'assistant', content: '', model: $('model').value };
  talk.messages.push(message);
  const turn = { chat: talk, message, abort: new AbortController() };
  answering = turn;
  $('talk').append(show(message));
  for (const before of talk.messages.slice(-3, -1)) refresh(before);
  showState();
  toEnd();
  let first = 0;
  try {
    for await (const part of streamChat(request(talk), key, turn.abort.signal)) {
      if (part.text) {
        first ||= performance.now();
        message.content += part.text;
        refreshSoon(message);
      } else if (part.tool) {
        message.content ||= t('toolCall');
      } else if (part.finish) {
        message.finish = part.finish;
      } else if (part.usage) {
        const tokens = part.usage.completion_tokens;
        const seconds = (performance.now() - first) / 1000;
        message.usage = { tokens, rate: first && seconds > 0.25 ? Number(((tokens - 1) / seconds).toPrecision(3)) : null }; // of less, a rate says nothing
      }
    }
  } catch (error) {
    if (error.name === 'AbortError') message.finish = 'stopped';
    else message.error = { code: error instanceof ApiError ? error.code : null, message: error.message };
  }
  answering = null;
  // An answer that was stopped before its first word leaves nothing behind.
  if (message.finish === 'stopped' && !message.content) talk.messages.splice(talk.messages.indexOf(message), 1);
  if (chats.some((other) => other.id === talk.id)) saveChats(chats.map((other) => (other.id === talk.id ? talk : other)));
  if (chat === talk) {
    const isAtEnd = atEnd();
    if (talk.messages.at(-1) === message) refresh(message);
    else elements.get(message)?.remove();
    if (isAtEnd) toEnd();
  }
  showState();
  if (message.error?.code === 'invalid_api_key') openSettings($('key'));
  else if (matchMedia('(hover: hover)').matches) focusQuestion();
}

let isRefreshing = false;

/** Draws at most once a frame, however fast the words come. */
function refreshSoon(message) {
  if (isRefreshing) return;
  isRefreshing = true;
  requestAnimationFrame(() => {
    isRefreshing = false;
    if (answering?.message !== message || answering.chat !== chat) return;
    const isAtEnd = atEnd();
    refresh(message);
    if (isAtEnd) toEnd();
  });
}

const stop = () => answering?.abort.abort();

function showState() {
  const isHere = answering !== null;
  $('send').hidden = isHere;
  $('stop').hidden = !isHere;
  $('send').disabled = !$('question').value.trim() || models.length === 0;
}

// ---- scrolling and typing

const atEnd = () => $('scroll').scrollHeight - $('scroll').scrollTop - $('scroll').clientHeight < 60;
const toEnd = () => {
  $('scroll').scrollTop = $('scroll').scrollHeight;
  $('down').hidden = true;
};

function grow() {
  const question = $('question');
  question.style.height = 'auto';
  question.style.height = `${question.scrollHeight}px`;
  showState();
}

const focusQuestion = () => $('question').focus({ preventScroll: true });

function ask() {
  const text = $('question').value;
  if (answering || !text.trim() || models.length === 0) return;
  $('question').value = '';
  grow();
  send(text);
}

// ---- settings

function openSettings(focus) {
  for (const name of ['system', 'temperature', 'topP']) $(name).value = settings[name];
  for (const name of ['maxTokens', 'seed']) $(name).value = settings[name] ?? '';
  $('key').value = key;
  showValues();
  if (!$('dialog').open) $('dialog').showModal();
  (focus ?? $('system')).focus();
}

function showValues() {
  for (const name of ['temperature', 'topP']) $(`${name}Value`).textContent = Number($(name).value).toFixed(2);
}

async function takeSettings() {
  settings.system = $('system').value;
  for (const name of ['temperature', 'topP']) settings[name] = Number($(name).value);
  for (const name of ['maxTokens', 'seed']) settings[name] = $(name).value === '' || !$(name).checkValidity() ? null : Number($(name).value);
  saveSettings(settings);
  if (key === $('key').value.trim()) return;
  key = $('key').value.trim();
  saveKey(key);
  await showModels();
}

async function showModels() {
  try {
    models = await listModels(key);
  } catch (error) {
    models = [];
    if (error.code === 'invalid_api_key') openSettings($('key'));
    else setTimeout(showModels, 3000); // the server may be on its way
  }
  const select = $('model');
  select.replaceChildren(...models.map((model) => {
    const option = create('option', '', model.parent ? `${model.id} (${t('adapterOf')(model.parent)})` : model.id);
    option.value = model.id;
    return option;
  }));
  if (models.some((model) => model.id === settings.model)) select.value = settings.model;
  select.disabled = models.length === 0;
  showState();
}

function showTheme() {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = settings.theme === 'auto' ? (dark ? 'dark' : 'light') : settings.theme;
  $('theme').textContent = `◐ ${t('themes')[settings.theme]}`;
  $('theme').setAttribute('aria-label', t('themeLabel')(t('themes')[settings.theme]));
}

function showLanguage() {
  speak(settings.language);
  $('language').textContent = t('language');
  $('language').setAttribute('aria-label', t('languageLabel'));
  showTheme();
  showList();
  showTalk();
  if (models.length > 0) void showModels();
}

function openMenu() {
  $('shell').classList.add('menu');
  $('menu').setAttribute('aria-expanded', 'true');
  $('new').focus();
}

function closeMenu() {
  $('shell').classList.remove('menu');
  $('menu').setAttribute('aria-expanded', 'false');
}

// ---- wiring

$('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  ask();
});
$('question').addEventListener('input', grow);
$('question').addEventListener('keydown', (event) => {
  // While an input method composes, Enter chooses a character and does not send.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  ask();
});
document.addEventListener('keydown', (event) => {
  if ($('dialog').open) return;
  if (event.key === 'Escape') {
    if ($('shell').classList.contains('menu')) closeMenu();
    else stop();
  } else if ((event.ctrlKey || event.metaKey) && event.shiftKey && event.key.toLowerCase() === 'o') {
    event.preventDefault();
    startChat();
  } else if (event.key === '/' && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? '')) {
    event.preventDefault();
    focusQuestion();
  }
});
$('talk').addEventListener('click', (event) => {
  const from = event.target.closest('button[data-copy]');
  if (from) void copy(from.closest('.code').querySelector('pre').textContent, from);
});
$('scroll').addEventListener('scroll', () => ($('down').hidden = atEnd()), { passive: true });
$('down').addEventListener('click', toEnd);
$('stop').addEventListener('click', stop);
$('new').addEventListener('click', startChat);
$('menu').addEventListener('click', openMenu);
$('veil').addEventListener('click', closeMenu);
$('model').addEventListener('change', () => {
  settings.model = $('model').value;
  saveSettings(settings);
});
$('language').addEventListener('click', () => {
  settings.language = settings.language === 'zh' ? 'en' : 'zh';
  saveSettings(settings);
  showLanguage();
});
$('theme').addEventListener('click', () => {
  settings.theme = { auto: 'light', light: 'dark', dark: 'auto' }[settings.theme] ?? 'auto';
  saveSettings(settings);
  showTheme();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', showTheme);
$('settings').addEventListener('click', () => openSettings());
for (const name of ['temperature', 'topP']) $(name).addEventListener('input', showValues);
$('dialog').addEventListener('close', () => void takeSettings());
$('reset').addEventListener('click', () => {
  for (const name of ['system', 'temperature', 'topP', 'maxTokens', 'seed']) $(name).value = defaults[name] ?? '';
  showValues();
});
$('clear').addEventListener('click', () => {
  if (!confirm(t('clearAllSure'))) return;
  stop();
  chats = [];
  saveChats(chats);
  $('dialog').close();
  startChat();
});

settings.language = preferredLanguage(settings.language);
chat = { id: newId(), title: '', messages: [] };
showLanguage();
void showModels();
focusQuestion();
