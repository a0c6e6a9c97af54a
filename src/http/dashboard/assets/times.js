// How long it took until something was to be seen, for whoever measures (performance.getEntriesByName):
// `whole`, the first whole picture; `state`, what the stream has sent; `files`, a list that was asked for.

// Notes that what began at `start` will be seen with the next frame.
export function seen(name, start) {
  // Nobody sees it, and the frames would pile up.
  if (document.hidden) return;
  requestAnimationFrame(() => setTimeout(() => {
    // One of each, or the list would grow for as long as the page is open.
    performance.clearMeasures(name);
    performance.measure(name, { start, end: performance.now() });
  }));
}
