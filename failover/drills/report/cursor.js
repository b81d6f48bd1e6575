// Follows the pointer over the load's drawing and reads the bucket under it. The page is whole without it.
(() => {
  const { rows, left, right, width, step } = JSON.parse(document.getElementById("data").textContent);
  const drawing = document.getElementById("load");
  const readout = document.getElementById("readout");
  if (!drawing || !rows.length) return;
  const cursor = document.getElementById("cursor");
  const resting = readout.textContent;
  const ms = (value) => (value === null ? "–" : value < 10 ? value.toFixed(1) : Math.round(value).toString());
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * width;
    const index = Math.floor(((x - left) / (right - left)) * rows.length);
    if (index < 0 || index >= rows.length) return;
    const [at, writes, reads, failed, p50, p95, p99] = rows[index];
    const middle = left + ((index + 0.5) / rows.length) * (right - left);
    cursor.setAttribute("x1", middle);
    cursor.setAttribute("x2", middle);
    cursor.classList.add("on");
    const time = `${at < 0 ? "" : "+"}${(at + step / 2).toFixed(1)} s`;
    readout.textContent =
      `${time}: ${writes} writes/s, ${reads} reads/s, ${failed} failed/s, ` +
      `p50 ${ms(p50)} p95 ${ms(p95)} p99 ${ms(p99)} ms`;
  });
  drawing.addEventListener("pointerleave", () => {
    cursor.classList.remove("on");
    readout.textContent = resting;
  });
})();
