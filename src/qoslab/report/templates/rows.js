"use strict";
(() => {
  const box = document.getElementById("trials");
  const source = document.getElementById("trial-data");
  if (!box || !source) return;
  const size = 50;
  let data = null, chosen = [], page = 0;

  const make = (name, text, parent) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    if (parent) parent.appendChild(element);
    return element;
  };
  const select = (title, words, parent) => {
    const label = make("label", title + " ", parent);
    const list = make("select", undefined, label);
    make("option", "all", list).value = "";
    words.forEach((word, i) => { make("option", word || "(only one)", list).value = String(i); });
    list.addEventListener("change", choose);
    return list;
  };

  let byCase, byMethod, lostOnly, body, note, back, on;

  function open() {
    data = JSON.parse(source.textContent);
    const bar = make("div", undefined, box);
    bar.className = "bar";
    byCase = select("case", data.cases, bar);
    byMethod = select("method", data.methods, bar);
    const label = make("label", undefined, bar);
    lostOnly = make("input", undefined, label);
    lostOnly.type = "checkbox";
    lostOnly.addEventListener("change", choose);
    label.append(" only trials that are not done");
    const scroll = make("div", undefined, box);
    scroll.className = "scroll";
    const table = make("table", undefined, scroll);
    const head = make("tr", undefined, make("thead", undefined, table));
    ["case", "method", "replication", "status", ...data.metrics].forEach((word, i) => {
      make("th", word, head).className = i === 2 || i > 3 ? "number" : "";
    });
    body = make("tbody", undefined, table);
    const foot = make("div", undefined, box);
    foot.className = "bar";
    back = make("button", "previous", foot);
    on = make("button", "next", foot);
    back.addEventListener("click", () => show(page - 1));
    on.addEventListener("click", () => show(page + 1));
    note = make("span", undefined, foot);
    choose();
  }

  function choose() {
    chosen = [];
    let at = 0;
    for (const [c, m, length] of data.runs) {
      const wanted = (byCase.value === "" || +byCase.value === c) && (byMethod.value === "" || +byMethod.value === m);
      for (let i = at; wanted && i < at + length; i++) {
        if (!lostOnly.checked || String(i) in data.states) {
          chosen.push([i, c, m, data.replication ? data.replication[i] : i - at]);
        }
      }
      at += length;
    }
    show(0);
  }

  function show(wanted) {
    const last = Math.max(0, Math.ceil(chosen.length / size) - 1);
    page = Math.min(Math.max(wanted, 0), last);
    body.replaceChildren();
    for (const [i, c, m, replication] of chosen.slice(page * size, (page + 1) * size)) {
      const row = make("tr", undefined, body);
      const state = data.states[String(i)];
      make("td", data.cases[c], row);
      make("td", data.methods[m], row);
      make("td", String(replication), row).className = "number";
      make("td", state ? state[0] : "done", row).title = state ? state[1] : "";
      for (const column of data.values) {
        make("td", column[i] === null ? "" : String(column[i]), row).className = "number";
      }
    }
    const first = chosen.length ? page * size + 1 : 0;
    note.textContent = `${first} to ${Math.min((page + 1) * size, chosen.length)} of ${chosen.length}`;
    back.disabled = page === 0;
    on.disabled = page === last;
  }

  const holder = box.closest("details");
  holder.addEventListener("toggle", () => { if (holder.open && !data) open(); });
  if (holder.open) open();
})();
