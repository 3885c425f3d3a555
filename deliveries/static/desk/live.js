/* Pages that follow what happens: lists row by row, other pages part by part. Pausable; still while their tab is hidden. */
(() => {
  "use strict";
  const EVERY = 2000, SLOWEST = 30000, PAUSED = "desk-live-paused";
  const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

  const drop = (text) => { const holder = document.createElement("template"); holder.innerHTML = text; return holder.content; };
  const fill = (element, html) => {
    if (element.dataset.html === html) return;
    element.dataset.html = html;
    element.replaceChildren(drop(html));
    document.dispatchEvent(new CustomEvent("desk:changed", { detail: element }));
  };

  /* A list: rows are known by the key in their address. */
  const list = (control) => {
    const table = document.querySelector("#result_list");
    const open = new Set(control.dataset.open.split(" ").filter(Boolean));
    let newest = control.dataset.newest;
    const keyOf = (body) => {
      const link = body.querySelector("a[href*='/change/']");
      return link ? link.getAttribute("href").match(/(\d+)\/change\//)[1] : "";
    };
    const bodies = new Map([...table.querySelectorAll("tbody")].map((body) => [keyOf(body), body]));
    const write = (body, row) => {
      Object.entries(row.cells).forEach(([name, html]) => {
        const cell = body.querySelector(".field-" + name);
        if (!cell) return;
        const link = cell.querySelector("a[href*='/change/']");
        if (link) link.href = row.url;
        fill(link || cell, html);
      });
    };
    const add = (row) => {
      const model = table.querySelector("tbody");
      const body = model.cloneNode(true);
      body.querySelectorAll("[data-html]").forEach((each) => { delete each.dataset.html; });
      body.querySelectorAll(".action-select").forEach((box) => { box.value = row.id; box.checked = false; });
      body.querySelectorAll("tr.selected").forEach((line) => line.classList.remove("selected"));
      body.querySelectorAll("[data-details]").forEach((part) => {
        part.innerHTML = "<p class='desk-quiet'>Attempts…</p>";
        part.setAttribute("hx-get", row.details);
      });
      write(body, row);
      model.before(body);
      if (window.htmx) window.htmx.process(body);
      bodies.set(String(row.id), body);
    };
    const cut = () => {
      const all = [...table.querySelectorAll("tbody")];
      all.slice(Number(control.dataset.rows)).forEach((body) => {
        if (body.querySelector(".action-select:checked")) return;
        open.delete(keyOf(body));
        bodies.delete(keyOf(body));
        body.remove();
      });
    };
    return {
      query: () => ({ open: [...open].join(" "), newest }),
      take: (answer) => {
        answer.rows.slice().reverse().forEach((row) => {
          const body = bodies.get(String(row.id));
          if (body) write(body, row);
          else if (newest !== "") add(row);
          else return;
          if (row.is_open) open.add(String(row.id)); else open.delete(String(row.id));
          if (newest !== "" && row.id > Number(newest)) newest = String(row.id);
        });
        cut();
      },
    };
  };

  /* Another page: when its stamp changes it is read once more, and its parts take the place of those shown. */
  const page = (control) => {
    let stamp = control.dataset.stamp;
    /* Somebody has chosen rows, or writes: what they see stays until they are done. */
    const isBusy = () => [...document.querySelectorAll("[data-live-part]")].some((part) =>
      part.querySelector(".action-select:checked, details.desk-menu[open]")
      || (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")));
    return {
      query: () => ({}),
      take: async (answer) => {
        if (answer.stamp === stamp || isBusy()) return;
        const fresh = await fetch(location.href, { credentials: "same-origin" });
        if (!fresh.ok) return;
        const other = new DOMParser().parseFromString(await fresh.text(), "text/html");
        document.querySelectorAll("[data-live-part]").forEach((part) => {
          const now = other.getElementById(part.id);
          if (!now) return;
          const opened = [...part.querySelectorAll("details")].map((each) => each.open);
          const behind = now.querySelectorAll("details").length - opened.length;
          now.querySelectorAll("details").forEach((each, index) => {
            if (index >= behind && behind >= 0) each.open = opened[index - behind];
          });
          const focused = part.contains(document.activeElement) ? document.activeElement.textContent.trim() : null;
          part.replaceWith(now);
          if (focused !== null) {
            const again = [...now.querySelectorAll("a, button, summary")].find((each) => each.textContent.trim() === focused);
            if (again) again.focus();
          }
          if (window.htmx) window.htmx.process(now);
          document.dispatchEvent(new CustomEvent("desk:changed", { detail: now }));
        });
        stamp = answer.stamp;
      },
    };
  };

  const run = async (control) => {
    const button = control.querySelector("button"), dot = button.querySelector("i"), told = control.querySelector("[data-told]");
    const kind = "open" in control.dataset ? list(control) : page(control);
    const every = Number(control.dataset.every || EVERY);
    let paused = sessionStorage.getItem(PAUSED) === "1", pause = every;
    const show = () => {
      button.setAttribute("aria-pressed", String(!paused));
      button.querySelector("span").textContent = paused ? "Paused: go on" : "Live: pause";
      dot.className = "desk-dot " + (paused ? "desk-mark-warning" : "desk-mark-success");
    };
    button.addEventListener("click", () => {
      paused = !paused;
      sessionStorage.setItem(PAUSED, paused ? "1" : "");
      show();
    });
    show();
    control.hidden = false;
    for (;;) {
      await wait(pause);
      if (paused || document.hidden) continue;
      if (!control.dataset.live) { await kind.take({ stamp: String(Date.now()) }); continue; }
      const query = new URLSearchParams({ t: control.dataset.ticket, ...kind.query() });
      const answer = await fetch(control.dataset.live + "?" + query, { credentials: "same-origin" }).catch(() => null);
      if (answer && answer.status === 403) {
        told.textContent = (await answer.json()).told;
        button.hidden = true;
        return;
      }
      pause = answer && answer.ok ? every : Math.min(SLOWEST, pause * 2);
      if (answer && answer.ok) await kind.take(await answer.json());
      told.textContent = answer && answer.ok ? "" : "No answer; trying again.";
    }
  };

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-live]").forEach(run));
})();
