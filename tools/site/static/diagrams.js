// Draws the diagrams of a page; what can draw is large, and is for pages that have one.
if (document.querySelector("pre.mermaid")) {
  const script = document.createElement("script");
  script.src = new URL("mermaid.tiny.js", document.currentScript.src);
  script.onload = () => {
    mermaid.initialize({ startOnLoad: false });
    mermaid.run();
  };
  document.head.append(script);
}
