// What the page remembers, in this browser only.
const settingsKey = 'chatglm.settings';
const chatsKey = 'chatglm.chats';
const secretKey = 'chatglm.key';
const maxChats = 100;

export const defaults = { language: null, theme: 'auto', model: null, system: '', temperature: 0.8, topP: 0.8, maxTokens: null, seed: null };

const parse = (key, otherwise) => {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise; // damaged, or storage is switched off
  }
};

export const loadSettings = () => ({ ...defaults, ...parse(settingsKey, {}) });

export function loadChats() {
  const chats = parse(chatsKey, []);
  return Array.isArray(chats) ? chats.filter((chat) => typeof chat?.id === 'string' && Array.isArray(chat.messages)) : [];
}

export function saveSettings(settings) {
  write(localStorage, settingsKey, JSON.stringify(settings));
}

/** Keeps the latest conversations, as many as there is room for. */
export function saveChats(chats) {
  chats.length = Math.min(chats.length, maxChats);
  for (let count = chats.length; count >= 0; count = count > 1 ? count >> 1 : count - 1) {
    if (write(localStorage, chatsKey, JSON.stringify(chats.slice(0, count)))) return;
  }
}

// The key goes with the window.
export const loadKey = () => {
  try {
    return sessionStorage.getItem(secretKey) ?? '';
  } catch {
    return '';
  }
};
export const saveKey = (key) => write(sessionStorage, secretKey, key);

function write(storage, key, value) {
  try {
    storage.setItem(key, value);
    return true;
  } catch {
    return false; // full, or switched off: the page works on without it
  }
}
