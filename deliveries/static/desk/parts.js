/* A webhook's page, a part at a time, and the search of its event picker. Without this script everything is shown. */
(() => {
  "use strict";
  const KEPT = "desk-part:" + location.pathname;

  const parts = (nav) => {
    const links = [...nav.querySelectorAll("a")];
    const keys = links.map((link) => link.hash.slice(1));
    const all = () => [...document.querySelectorAll("[data-part]")];
    const withError = () => {
      const error = document.querySelector("[data-part][data-wrong]");
      return error && error.dataset.part;
    };
    const show = (key) => {
      all().forEach((part) => { part.hidden = part.dataset.part !== key; });
      links.forEach((link) => {
        if (link.hash === "#" + key) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      });
      document.body.dataset.shownPart = key;
    };
    const asked = () => {
      const key = location.hash.slice(1);
      return keys.includes(key) ? key : null;
    };
    const target = () => {
      const named = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
      const part = named && named.closest("[data-part]");
      return part && part.dataset.part;
    };
    const kept = sessionStorage.getItem(KEPT);
    sessionStorage.removeItem(KEPT);
    show(withError() || asked() || target() || (keys.includes(kept) ? kept : keys[0]));
    window.addEventListener("hashchange", () => show(asked() || target() || keys[0]));
    document.addEventListener("submit", () => sessionStorage.setItem(KEPT, document.body.dataset.shownPart));
  };

  const picker = (fieldset) => {
    const search = fieldset.querySelector("[data-search]");
    const told = fieldset.querySelector("[data-found]");
    const shelves = [...fieldset.querySelectorAll(".desk-shelf")];
    search.parentElement.hidden = false;
    const cover = () => {
      const everything = fieldset.querySelector("input[value='*']").checked;
      shelves.forEach((shelf) => {
        const all = shelf.querySelector("[data-all]");
        const isCovered = everything || (all && all.checked);
        shelf.classList.toggle("desk-covered", isCovered);
        shelf.querySelectorAll("[data-covered]").forEach((note) => { note.hidden = !isCovered; });
      });
    };
    const look = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      shelves.forEach((shelf) => {
        const boxes = [...shelf.querySelectorAll("[data-box]")];
        boxes.forEach((box) => {
          const text = box.textContent.toLowerCase();
          box.hidden = !words.every((word) => text.includes(word));
        });
        const found = boxes.filter((box) => !box.hidden).length;
        shelf.hidden = !found;
        count += found;
      });
      told.textContent = words.length ? count + (count === 1 ? " event found" : " events found") : "";
    };
    search.addEventListener("input", look);
    search.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
    fieldset.addEventListener("change", cover);
    cover();
  };

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-parts]").forEach(parts);
    document.querySelectorAll(".desk-events").forEach(picker);
  });
})();
