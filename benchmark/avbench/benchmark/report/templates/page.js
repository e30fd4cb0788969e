// Each channel gets one button in place of the browser's own player, which stays where scripts do not run.
"use strict";
(() => {
  let current = null;
  for (const channel of document.querySelectorAll(".channel")) {
    const audio = channel.querySelector("audio");
    const outline = channel.querySelector(".outline");
    const name = outline.getAttribute("aria-label");
    const button = document.createElement("button");
    button.type = "button";
    const show = (playing) => {
      button.classList.toggle("playing", playing);
      button.setAttribute("aria-label", `${playing ? "Stop" : "Play"}: ${name}`);
    };
    show(false);
    audio.controls = false;
    audio.hidden = true;
    channel.prepend(button);
    button.addEventListener("click", () => {
      if (!audio.paused) { audio.pause(); return; }
      if (current && current !== audio) current.pause();
      current = audio;
      audio.currentTime = 0;
      audio.play().catch(() => show(false));
    });
    audio.addEventListener("play", () => {
      show(true);
      const follow = () => {
        outline.style.setProperty("--played", audio.paused ? 0 : audio.currentTime / audio.duration);
        if (!audio.paused) requestAnimationFrame(follow);
      };
      follow();
    });
    for (const end of ["pause", "ended"]) audio.addEventListener(end, () => show(false));
  }
})();
