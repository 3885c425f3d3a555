/* Runs in a page under test: what can be operated there, what Tab has reached, and where focus doesn't show. */
((whole) => {
  const root = whole ? document.body : document.querySelector("#main, main");
  const NATIVE = "a[href], button, input, select, textarea, summary, [contenteditable]";
  const FOCUSABLE = NATIVE + ", [tabindex]";
  const still = new CSSStyleSheet();
  still.replaceSync("* { transition: none !important; animation: none !important; }");
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, still];

  const shows = (element) => {
    const box = element.getBoundingClientRect();
    return element.checkVisibility({ visibilityProperty: true }) && box.width > 0 && box.height > 0 && !element.closest("[inert]");
  };
  const look = (element) => {
    const style = getComputedStyle(element);
    const outline = style.outlineStyle === "none" || style.outlineWidth === "0px" ? "" : style.outlineStyle + style.outlineWidth + style.outlineColor;
    return [outline, style.boxShadow, style.borderColor, style.backgroundColor, style.textDecorationLine, style.transform, style.top].join("|");
  };
  /* Clicked by a mouse and by nothing else: no element that takes focus is around, inside or labelled by it. */
  const forMouseOnly = (element) =>
    (element.hasAttribute("x-on:click") || element.hasAttribute("@click") || getComputedStyle(element).cursor === "pointer")
    && !element.closest(FOCUSABLE) && !element.querySelector(FOCUSABLE) && !element.closest("label, svg")
    && getComputedStyle(element.parentElement).cursor !== "pointer";
  const name = (element) => {
    const words = (element.getAttribute("aria-label") || element.textContent || element.name || "").trim().replace(/\s+/g, " ").slice(0, 60);
    return `<${element.localName}${element.id ? " #" + element.id : ""} ${element.className && element.className.slice ? element.className.slice(0, 40) : ""}> ${words}`;
  };

  const groups = new Map();
  const wanted = [...root.querySelectorAll("*")].filter((element) => {
    if (!shows(element)) return false;
    if (element.matches("input[type=radio]")) {
      const group = element.name + (element.form ? element.form.id : "");
      if (groups.has(group) && !element.checked) return false;
      groups.set(group, element);
    }
    if (element.matches(NATIVE)) return !element.disabled && element.type !== "hidden";
    return (element.hasAttribute("tabindex") && element.tabIndex >= 0) || forMouseOnly(element);
  }).filter((element) => !element.matches("input[type=radio]") || groups.get(element.name + (element.form ? element.form.id : "")) === element);

  if (document.activeElement) document.activeElement.blur();
  const before = new Map(wanted.map((element) => [element, look(element)]));
  const reached = new Set(), unseen = new Set();
  let turns = 0, first = null;
  document.addEventListener("focusin", (event) => {
    const element = event.target;
    if (element === root) return;
    if (!root.contains(element)) { turns += first === null ? 0 : 1; return; }
    if (first === null) first = element;
    else if (element === first) turns += 1;
    reached.add(element);
    if (before.has(element) && look(element) === before.get(element)) unseen.add(element);
  });
  if (!whole) root.focus(); // as the skip link does
  window.__keyboard = {
    count: wanted.length,
    turns: () => turns,
    problems: () => [
      ...wanted.filter((element) => !reached.has(element) && document.contains(element) && shows(element)).map((element) => "not reached: " + name(element)),
      ...[...unseen].map((element) => "focus doesn't show: " + name(element)),
    ],
  };
})
