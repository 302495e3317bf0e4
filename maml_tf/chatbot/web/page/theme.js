// Before anything is painted: the theme that this browser chose last.
(() => {
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen) document.documentElement.dataset.theme = chosen;
  } catch {
    // No storage in this browser: the system's theme it is.
  }
})();
