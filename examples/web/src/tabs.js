/**
 * Tabs by mouse and by arrow keys, as https://www.w3.org/WAI/ARIA/apg/patterns/tabs/ describes them.
 * @param {HTMLElement} list of role tablist
 * @param {(id: string) => void} onOpen the id of the tab that was opened
 */
export function listenToTabs(list, onOpen) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const open = (tab) => {
    for (const other of tabs) {
      other.setAttribute("aria-selected", String(other === tab));
      other.tabIndex = other === tab ? 0 : -1;
    }
    onOpen(tab.id);
  };
  list.addEventListener("click", ({ target }) => tabs.includes(target) && open(target));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    next.focus();
    open(next);
  });
}
