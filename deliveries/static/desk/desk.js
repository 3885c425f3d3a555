/* The desk's own behaviour: times in words, copying, confirming, bulk progress. No dependencies. */
(() => {
  "use strict";
  const yours = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

  const inWords = (seconds) => {
    const [unit, size] = UNITS.find(([, each]) => Math.abs(seconds) >= each) || UNITS[3];
    return relative.format(Math.trunc(seconds / size), unit);
  };
  const countdown = (seconds) => {
    if (seconds <= 0) return "due now";
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.ceil(seconds) % 60];
    return "in " + (parts[0] ? parts[0] + " h " : "") + (parts[0] || parts[1] ? parts[1] + " min " : "") + parts[2] + " s";
  };
  const tell = (element) => {
    const when = new Date(element.getAttribute("datetime"));
    if (Number.isNaN(when.getTime())) return;
    const seconds = (when - Date.now()) / 1000;
    const style = element.dataset.desk;
    if (style === "ago") element.textContent = inWords(seconds);
    if (style === "countdown") element.textContent = countdown(seconds);
    // The page itself speaks of one zone, UTC, in which its filters and sentences are, too; pointing at a time tells the viewer's.
    element.title = (style === "moment" ? "" : when.toISOString() + ", ") + "for you " + yours.format(when);
  };
  const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });
  const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" });
  const label = (element) => {
    const at = new Date(element.dataset.at);
    element.textContent = (["1h", "24h"].includes(element.dataset.window) ? hour : day).format(at);
  };
  const tellAll = (root) => {
    root.querySelectorAll("time[data-desk]").forEach(tell);
    root.querySelectorAll("text[data-at]").forEach(label);
  };
  const tick = () => document.querySelectorAll('time[data-desk="countdown"]').forEach(tell);

  const copy = async (button) => {
    const source = document.querySelector(button.dataset.copy);
    const text = "value" in source ? source.value : source.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const label = button.lastChild.textContent;
    button.lastChild.textContent = "Copied";
    setTimeout(() => { button.lastChild.textContent = label; }, 1500);
  };

  /* Asks in a dialog of the page's own; the answer is whether to go on. */
  const ask = (text, button) => new Promise((done) => {
    const dialog = document.createElement("dialog");
    dialog.className = "desk-dialog desk-card";
    dialog.setAttribute("aria-labelledby", "desk-dialog-text");
    const words = document.createElement("p");
    words.id = "desk-dialog-text";
    words.textContent = text;
    const form = document.createElement("form");
    form.method = "dialog";
    form.className = "desk-bar";
    [["yes", (button && button.textContent.replace(button.querySelector(".material-symbols-outlined")?.textContent || "", "").trim()) || "Go on"], ["no", "Cancel"]].forEach(([value, label]) => {
      const choice = document.createElement("button");
      choice.value = value;
      choice.textContent = label;
      choice.className = "desk-button" + (value === "yes" ? " desk-primary" : "");
      form.append(choice);
    });
    dialog.append(words, form);
    dialog.addEventListener("close", () => { dialog.remove(); if (button) button.focus(); done(dialog.returnValue === "yes"); });
    document.body.append(dialog);
    dialog.showModal();
  });

  const follow = async (card) => {
    const bar = card.querySelector("progress");
    while (!("settled" in card.dataset)) {
      await new Promise((wait) => setTimeout(wait, "over" in card.dataset ? 3000 : 1000));
      if (document.hidden) continue;
      const answer = await fetch(card.dataset.job, { credentials: "same-origin" }).catch(() => null);
      if (!answer || !answer.ok) continue; // it goes on without us
      const now = await answer.json();
      bar.max = Math.max(1, now.total);
      bar.value = now.is_over && now.state === "Done" ? bar.max : now.done;
      card.querySelector("[data-told]").textContent = now.told;
      card.querySelector("[data-state]").textContent = now.state;
      if (now.is_over) card.dataset.over = "";
      if (now.is_settled) card.dataset.settled = "";
      card.querySelectorAll("[data-while-running]").forEach((part) => { part.hidden = now.is_over; });
      const results = card.querySelector("[data-results]");
      if (!results) continue;
      results.hidden = !now.has_results;
      Object.entries(now.results).forEach(([name, count]) => {
        results.querySelector(`[data-result="${name}"]`).textContent = count.toLocaleString("en");
      });
    }
  };

  const preselect = () => {
    const picker = document.querySelector(".desk-events");
    const dialect = document.querySelector("#id_dialect");
    if (!picker || !dialect || !document.querySelector("#id_merchant, #id_secret")) return;
    const boxes = () => [...picker.querySelectorAll("input[type=checkbox]")];
    dialect.addEventListener("change", () => {
      if (dialect.value !== "alva" || boxes().some((box) => box.checked)) return;
      const wanted = new Set(picker.dataset.preselected.split(","));
      boxes().filter((box) => wanted.has(box.value)).forEach((box) => { box.checked = true; });
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    tellAll(document);
    preselect();
    document.querySelectorAll("[data-job]").forEach(follow);
    setInterval(tick, 1000);
    document.addEventListener("desk:changed", (event) => tellAll(event.detail));
    document.body.addEventListener("htmx:afterSwap", (event) => tellAll(event.target));
    document.body.addEventListener("htmx:beforeSwap", (event) => {
      if (event.detail.xhr.status === 429) event.detail.shouldSwap = true; // says what to do
    });
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-copy]");
      if (button) copy(button);
    });
    document.addEventListener("submit", (event) => {
      const form = event.target;
      if (!form.dataset.confirm || form.dataset.confirmed) return;
      event.preventDefault();
      ask(form.dataset.confirm, event.submitter).then((isSure) => {
        if (!isSure) return;
        form.dataset.confirmed = "1";
        form.requestSubmit(event.submitter || undefined);
      });
    });
  });
})();
