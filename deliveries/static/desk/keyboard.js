/* What the theme made for the mouse, for the keyboard and for readers, too. */
(() => {
  "use strict";
  const NATIVE = "a[href], button, input, select, textarea, summary, label, [contenteditable]";
  /* What is clicked → what it does, for who doesn't see it. Nothing: Escape does it, too. */
  const LABELS = [
    ["td", "Show or hide the details of this row"],
    ["#changelist-filter-close, .backdrop-blur-xs", ""],
    ["[x-on\\:click*='sidebarDesktopOpen'], [x-on\\:click*='sidebarMobileOpen']", "Show or hide the menu"],
    ["[x-ref*='relatedWidget']", "More about this choice"],
  ];
  const NAMES = [["#searchbar-submit", "Search"], ["a[href='/admin/']", "Dashboard"], ["a[href$='/add/']", "Add"]];

  const quiet = (text) => {
    const span = document.createElement("span");
    span.className = "desk-hidden";
    span.textContent = text;
    return span;
  };

  /* An element keeps its role, such as a cell's or a heading's; what it holds becomes the button. */
  const inside = (element) => {
    const holder = document.createElement("span");
    const icon = element.matches("td") && element.querySelector(".material-symbols-outlined");
    if (icon) {
      icon.replaceWith(holder);
      holder.append(icon);
    } else {
      holder.append(...element.childNodes);
      holder.className = "desk-row-flex";
      element.append(holder);
    }
    return holder;
  };

  /* What an icon is called, as words: "dark_mode" is the best that is known of a control that holds nothing else. */
  const wordsOf = (control) => {
    const icon = control.querySelector(".material-symbols-outlined");
    const words = icon ? icon.textContent.trim().replaceAll("_", " ") : "";
    return control.title || (words ? words[0].toUpperCase() + words.slice(1) : "More");
  };

  const reachable = (root) => {
    root.querySelectorAll("[x-on\\:click]").forEach((element) => {
      if (element.matches(NATIVE) || element.dataset.reachable) return;
      element.dataset.reachable = "1";
      const [, label] = LABELS.find(([selector]) => element.matches(selector)) || [null, null];
      if (label === "") return;
      const target = element.matches("td, th, h1, h2, h3, h4, li, p") ? inside(element) : element;
      target.tabIndex = 0;
      target.classList.add("desk-reachable");
      if (!target.hasAttribute("role")) target.setAttribute("role", "button");
      if (label) target.setAttribute("aria-label", label);
    });
    root.querySelectorAll(".material-symbols-outlined:not([aria-hidden])").forEach((icon) => {
      if (!icon.matches("[role=button]")) icon.setAttribute("aria-hidden", "true"); // its name is no word
    });
    root.querySelectorAll("a[href], button, [role=button]").forEach((control) => {
      const copy = control.cloneNode(true);
      copy.querySelectorAll("[aria-hidden]").forEach((icon) => icon.remove());
      if (copy.textContent.trim() || control.hasAttribute("aria-label") || control.querySelector("img[alt]")) return;
      const [, name] = NAMES.find(([selector]) => control.matches(selector)) || [null, wordsOf(control)];
      control.setAttribute("aria-label", name);
    });
    root.querySelectorAll("th").forEach((head) => { if (!head.textContent.trim() && !head.querySelector("input")) head.append(quiet("Details")); });
  };

  const landmarks = () => {
    const main = document.querySelector("#main") || document.querySelector("#page");
    if (!main) return;
    main.setAttribute("role", "main");
    main.tabIndex = -1;
    const skip = document.createElement("a");
    skip.href = "#" + main.id;
    skip.className = "desk-skip";
    skip.textContent = "Skip to the content";
    skip.addEventListener("click", () => main.focus());
    document.body.prepend(skip);
  };

  /* The theme's scrolling boxes come with one name for all. */
  const boxes = () => {
    document.querySelectorAll(".simplebar-content-wrapper").forEach((box, index) => {
      const what = box.querySelector("#result_list") ? "Rows of the list" : box.closest("#changelist-filter") ? "Filters" : box.closest("#nav-sidebar-apps, nav, aside") ? "Menu" : "Part " + (index + 1);
      box.setAttribute("aria-label", what);
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    landmarks();
    reachable(document);
    document.addEventListener("desk:changed", (event) => reachable(event.detail));
    /* One listener for all: rows that come later are copies, and copies have no listeners of their own. */
    document.addEventListener("keydown", (event) => {
      if ((event.key !== "Enter" && event.key !== " ") || !event.target.matches(".desk-reachable")) return;
      event.preventDefault();
      event.target.click();
    });
  });
  window.addEventListener("load", boxes);
})();
