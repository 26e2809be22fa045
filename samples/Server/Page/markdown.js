// Markdown to DOM nodes. Text becomes text nodes and nothing is ever parsed as HTML, so that an answer cannot bring a script, a picture from elsewhere or a link that runs code.

const maxDepth = 12; // of lists and quotations in each other

/** Renders a text into an element and keeps the nodes of the blocks that have not changed, so that a long answer that grows costs only its last block. */
export function render(text, target, labels) {
  const blocks = split(text.replace(/\r\n?/g, '\n').split('\n'));
  const known = target.blocks ?? [];
  let same = 0;
  while (same < known.length && same < blocks.length && known[same] === blocks[same].source) same++;
  while (target.childNodes.length > same) target.lastChild.remove();
  for (const block of blocks.slice(same)) target.append(build(block, labels, 0));
  target.blocks = blocks.map((block) => block.source);
}

/** Cuts lines into blocks. */
function split(lines) {
  const blocks = [];
  let at = 0;
  const take = (kind, end, more = {}) => {
    blocks.push({ kind, lines: lines.slice(at, end), source: kind + '\n' + lines.slice(at, end).join('\n'), ...more });
    at = end;
  };
  while (at < lines.length) {
    const line = lines[at];
    if (!line.trim()) {
      at++;
      continue;
    }
    const fence = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/.exec(line);
    if (fence) {
      let end = at + 1;
      const close = new RegExp(`^ {0,3}${fence[1][0]}{${fence[1].length},}\\s*$`);
      while (end < lines.length && !close.test(lines[end])) end++;
      const code = lines.slice(at + 1, end).join('\n');
      take('code', Math.min(end + 1, lines.length), { code, language: fence[2].trim().split(/\s+/)[0] ?? '' });
    } else if (/^ {0,3}#{1,6}(\s|$)/.test(line)) {
      take('heading', at + 1);
    } else if (/^ {0,3}([-*_])\s*(\1\s*){2,}$/.test(line)) {
      take('rule', at + 1);
    } else if (/^ {0,3}>/.test(line)) {
      let end = at + 1;
      while (end < lines.length && lines[end].trim() && (/^ {0,3}>/.test(lines[end]) || !startsBlock(lines[end]))) end++;
      take('quote', end);
    } else if (marker(line)) {
      take('list', endOfList(lines, at));
    } else if (line.includes('|') && isTableRule(lines[at + 1])) {
      let end = at + 2;
      while (end < lines.length && lines[end].trim() && lines[end].includes('|')) end++;
      take('table', end);
    } else {
      let end = at + 1;
      while (end < lines.length && lines[end].trim() && !startsBlock(lines[end])) end++;
      take('paragraph', end);
    }
  }
  return blocks;
}

const startsBlock = (line) => /^ {0,3}(`{3,}|~{3,}|#{1,6}\s|>|([-*_])\s*(\2\s*){2,}$)/.test(line) || marker(line) !== null;

const isTableRule = (line) => line !== undefined && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(line) && line.includes('-') && line.includes('|');

/** The marker of a list's item: its indent, the width up to the text, whether it counts, and from where. */
function marker(line) {
  const match = /^( *)([-*+]|(\d{1,9})[.)])(\s+|$)/.exec(line);
  if (!match) return null;
  return { indent: match[1].length, width: match[1].length + match[2].length + Math.min(Math.max(match[4].length, 1), 4), ordered: match[3] !== undefined, start: Number(match[3] ?? 1) };
}

function endOfList(lines, start) {
  const first = marker(lines[start]);
  let end = start + 1;
  for (; end < lines.length; end++) {
    if (!lines[end].trim()) {
      const next = lines.slice(end).find((line) => line.trim());
      if (next === undefined || !(indentOf(next) > first.indent || sameList(next, first))) break;
      continue;
    }
    const item = marker(lines[end]);
    if (item && item.indent <= first.indent && !sameList(lines[end], first)) break;
    if (!item && indentOf(lines[end]) <= first.indent && (startsBlock(lines[end]) || !lines[end - 1].trim())) break;
  }
  return end;
}

const sameList = (line, first) => marker(line)?.ordered === first.ordered && indentOf(line) <= first.indent + 1;

const indentOf = (line) => line.length - line.trimStart().length;

function build(block, labels, depth) {
  switch (block.kind) {
    case 'code':
      return buildCode(block, labels);
    case 'heading': {
      const [, marks, text] = /^ {0,3}(#{1,6})\s*(.*?)\s*#*\s*$/.exec(block.lines[0]);
      const heading = document.createElement(`h${marks.length}`);
      inline(text, heading);
      return heading;
    }
    case 'rule':
      return document.createElement('hr');
    case 'quote': {
      const quote = document.createElement('blockquote');
      fill(quote, block.lines.map((line) => line.replace(/^ {0,3}> ?/, '')), labels, depth + 1);
      return quote;
    }
    case 'list':
      return buildList(block.lines, labels, depth);
    case 'table':
      return buildTable(block.lines);
    default: {
      const paragraph = document.createElement('p');
      inline(block.lines.map((line) => line.trimStart()).join('\n'), paragraph);
      return paragraph;
    }
  }
}

function fill(parent, lines, labels, depth) {
  if (depth > maxDepth) {
    parent.append(lines.join('\n'));
    return;
  }
  for (const block of split(lines)) parent.append(build(block, labels, depth));
}

function buildCode({ code, language }, labels) {
  const box = document.createElement('div');
  box.className = 'code';
  const head = document.createElement('header');
  const name = document.createElement('span');
  name.textContent = language;
  const copy = document.createElement('button');
  copy.type = 'button';
  copy.textContent = labels.copy;
  copy.dataset.copy = 'code';
  head.append(name, copy);
  const pre = document.createElement('pre');
  pre.tabIndex = 0;
  const inner = document.createElement('code');
  inner.textContent = code;
  pre.append(inner);
  box.append(head, pre);
  return box;
}

function buildList(lines, labels, depth) {
  const first = marker(lines[0]);
  const list = document.createElement(first.ordered ? 'ol' : 'ul');
  if (first.ordered && first.start !== 1) list.start = first.start;
  let item = null;
  const finish = () => {
    if (!item) return;
    const element = document.createElement('li');
    fill(element, item, labels, depth + 1);
    // A single paragraph is the item's own text: no space around it.
    if (element.firstChild?.nodeName === 'P' && !item.some((line, i) => !line.trim() && i < item.length - 1)) element.firstChild.replaceWith(...element.firstChild.childNodes);
    list.append(element);
  };
  for (const line of lines) {
    const mark = marker(line);
    if (mark && mark.indent <= first.indent + 1) {
      finish();
      item = [line.slice(mark.width)];
    } else {
      item.push(line.slice(Math.min(indentOf(line), first.width)));
    }
  }
  finish();
  return list;
}

function buildTable(lines) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, '').split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
  const sides = cells(lines[1]).map((rule) => (rule.startsWith(':') && rule.endsWith(':') ? 'center' : rule.endsWith(':') ? 'right' : ''));
  const box = document.createElement('div');
  box.className = 'table';
  const table = document.createElement('table');
  const width = cells(lines[0]).length;
  const row = (line, kind) => {
    const element = document.createElement('tr');
    const texts = cells(line);
    for (let i = 0; i < width; i++) {
      const cell = document.createElement(kind);
      if (sides[i]) cell.className = sides[i];
      inline(texts[i] ?? '', cell);
      element.append(cell);
    }
    return element;
  };
  const head = document.createElement('thead');
  head.append(row(lines[0], 'th'));
  const body = document.createElement('tbody');
  for (const line of lines.slice(2)) body.append(row(line, 'td'));
  table.append(head, body);
  box.append(table);
  return box;
}

// Each has a bounded reach and no two repetitions that can share characters: no text makes them slow.
const pattern = /(`+)([^`]|[^`][\s\S]{0,2000}?[^`])\1(?!`)|\\([\\`*_{}[\]()#+\-.!|~<>])|!?\[([^[\]\n]{0,500})\]\(([^()\s]{1,2000})\)|(\*\*|__)(?=\S)((?:(?!\6)[\s\S]){1,2000}?\S|\S)\6|(~~)(?=\S)([^~]{1,2000})~~|(\*|_)(?=[^\s*_])((?:(?!\10)[\s\S]){0,2000}?[^\s*_])\10|\b(https?:\/\/[^\s<>"'`，。；！？、）】」』]{1,2000})/g;

function inline(text, parent, depth = 0) {
  let at = 0;
  if (depth <= maxDepth) {
    for (const match of text.matchAll(pattern)) {
      const node = span(match, text, depth);
      if (!node) continue;
      plain(text.slice(at, match.index), parent);
      parent.append(node);
      at = match.index + match[0].length;
      // Punctuation at the end of an address belongs to the sentence.
      if (match[12] !== undefined) at = match.index + node.dataset.length * 1;
    }
  }
  plain(text.slice(at), parent);
}

function span(match, text, depth) {
  const [whole, ticks, code, escaped, label, address, , strong, , struck, mark, emphasis, bare] = match;
  if (ticks !== undefined) {
    const element = document.createElement('code');
    element.textContent = code.trim() || code;
    return element;
  }
  if (escaped !== undefined) return document.createTextNode(escaped);
  if (address !== undefined) return link(address, label || address, depth);
  if (strong !== undefined) return wrap('strong', strong, depth);
  if (struck !== undefined) return wrap('del', struck, depth);
  if (emphasis !== undefined) {
    // snake_case is no emphasis
    if (mark === '_' && (/\w/.test(text[match.index - 1] ?? '') || /\w/.test(text[match.index + whole.length] ?? ''))) return null;
    return wrap('em', emphasis, depth);
  }
  const trimmed = bare.replace(/[.,;:!?)\]]+$/, '');
  const element = link(trimmed, trimmed, depth);
  if (element.dataset) element.dataset.length = String(trimmed.length);
  return element.dataset ? element : null;
}

function wrap(name, text, depth) {
  const element = document.createElement(name);
  inline(text, element, depth + 1);
  return element;
}

/** A link, where its address is one of the web's or of mail; else the text alone. */
function link(address, label, depth) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return document.createTextNode(label);
  }
  if (!['http:', 'https:', 'mailto:'].includes(url.protocol)) return document.createTextNode(label);
  const element = document.createElement('a');
  element.href = url.href;
  element.rel = 'noopener noreferrer nofollow';
  element.target = '_blank';
  if (label === address) element.textContent = label;
  else inline(label, element, depth + 1);
  return element;
}

function plain(text, parent) {
  const lines = text.split('\n');
  lines.forEach((line, i) => {
    if (i > 0) parent.append(document.createElement('br'));
    if (line) parent.append(line);
  });
}
