import { JSDOM } from "jsdom";

const { window } = new JSDOM("<!doctype html><body></body>", { url: "http://localhost:4200/" });
// Not all of it: Node's own fetch does not take jsdom's AbortSignal.
const names = [
  "CustomEvent",
  "Element",
  "Event",
  "HTMLElement",
  "HTMLIFrameElement",
  "MutationObserver",
  "Node",
  "ProgressEvent",
  "document",
  "getComputedStyle",
  "navigator",
];

/** A document for what wants to be in a browser; imported before it. */
Object.defineProperties(globalThis, {
  window: { value: window },
  ...Object.fromEntries(names.map((name) => [name, { value: window[name], configurable: true }])),
});
