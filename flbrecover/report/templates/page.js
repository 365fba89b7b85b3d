"use strict";
(() => {
  const SECOND = 1000000000n;
  // A time in ns (BigInt) as UTC, with as much of the fraction as a bin's width needs.
  const moment = (ns, width) => {
    const ms = Number(ns / 1000000n);
    const date = new Date(ms);
    if (Number.isNaN(date.getTime())) return ns + " ns";
    const text = date.toISOString().replace("T", " ");
    return text.slice(0, width < SECOND ? 23 : 19);
  };
  const count = (n, word) => n.toLocaleString("en") + " " + word;

  for (const figure of document.querySelectorAll("figure.timeline")) {
    const plot = figure.querySelector(".plot"), cursor = figure.querySelector(".cursor");
    const reading = figure.querySelector(".reading");
    const bins = JSON.parse(plot.dataset.bins), total = Number(plot.dataset.count);
    const start = BigInt(figure.dataset.start), width = BigInt(figure.dataset.width);
    const hint = [reading.dataset.hint || "", reading.textContent].join(" ").trim();
    let at = -1;
    reading.textContent = hint;

    const words = (number) => {
      const from = start + BigInt(number) * width;
      const to = moment(from + width, width), day = moment(from, width).slice(0, 10);
      const when = moment(from, width) + " – " + (to.startsWith(day) ? to.slice(11) : to) + " UTC: ";
      const found = bins.find((bin) => bin[0] === number);
      if (!found) return when + "no records";
      const [, source, buffers, pending, stored, recovered, missing, objects] = found;
      const said = [count(source, "written"), count(stored, "in S3")];
      if (recovered) said.push(count(recovered, "of them recovered"));
      if (buffers) said.push(count(buffers, "in buffer files"));
      if (pending) said.push(count(pending, "pending"));
      said.push(missing ? count(missing, "MISSING") : "none missing");
      if (objects) said.push(count(objects, objects === 1 ? "object begins here" : "objects begin here"));
      return when + said.join(", ");
    };
    const show = (number) => {
      at = number;
      cursor.setAttribute("x", String(number * 1000 / total));
      cursor.setAttribute("width", String(1000 / total));
      const said = words(number);
      reading.textContent = said;
      plot.setAttribute("aria-valuenow", String(number));
      plot.setAttribute("aria-valuetext", said);
    };
    const hide = () => {
      at = -1;
      cursor.setAttribute("width", "0");
      reading.textContent = hint;
    };
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      const number = Math.floor((event.clientX - box.left) / box.width * total);
      show(Math.max(0, Math.min(total - 1, number)));
    });
    plot.addEventListener("pointerleave", () => { if (document.activeElement !== plot) hide(); });
    plot.addEventListener("blur", hide);
    plot.addEventListener("keydown", (event) => {
      const here = bins.findIndex((bin) => bin[0] >= at), last = bins.length - 1;
      const now = here < 0 ? last : here, exact = bins.length > 0 && bins[now][0] === at;
      const next = {
        ArrowRight: at < 0 ? 0 : exact ? now + 1 : now, ArrowUp: at < 0 ? 0 : exact ? now + 1 : now,
        ArrowLeft: at < 0 ? last : now - 1, ArrowDown: at < 0 ? last : now - 1,
        PageDown: now + 10, PageUp: now - 10, Home: 0, End: last,
      }[event.key];
      if (next === undefined || bins.length === 0) {
        if (event.key === "Escape") hide();
        return;
      }
      event.preventDefault();
      show(bins[Math.max(0, Math.min(last, next))][0]);
    });
  }

  // Paper cannot be unfolded: what is short is, before printing.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details[data-print]:not([open])")];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
    opened = [];
  });
})();
