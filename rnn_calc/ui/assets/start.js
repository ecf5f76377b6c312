"use strict";

const { terminal } = document.currentScript.dataset;

// The terminal measures one character when it starts, and keeps that width: its font must have come before.
const styles = ["", "bold ", "italic ", "italic bold "];
Promise.allSettled(styles.map((style) => document.fonts.load(`${style}16px "Roboto Mono"`))).then(() => {
  const script = document.createElement("script");
  script.src = terminal;
  script.onload = () => {
    // It starts when the page has loaded, which may have been before it came, or be yet to come.
    const start = window.onload;
    window.onload = null;
    start();
  };
  document.head.append(script);
});

// Typing needs no click first. The terminal tells the program of its focus, so there has to be a connection.
new MutationObserver((_, observer) => {
  if (document.body.classList.contains("-loaded")) {
    observer.disconnect();
    document.querySelector(".xterm-helper-textarea").focus();
  }
}).observe(document.body, { attributeFilter: ["class"] });
