// Runs before the page is drawn, so that it never flashes in the other colours.
(() => {
  let theme = 'auto';
  try {
    theme = JSON.parse(localStorage.getItem('chatglm.settings') ?? '{}').theme ?? 'auto';
  } catch {
    // settings that cannot be read are as good as none
  }
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = theme === 'auto' ? (dark ? 'dark' : 'light') : theme;
})();
