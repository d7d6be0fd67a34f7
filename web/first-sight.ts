import { readFileSync } from "node:fs";
import type { Plugin } from "vite";

const SKELETON = new URL("src/page/style/skeleton.css", import.meta.url);
const STYLESHEET = /\s*<link rel="stylesheet"[^>]*>/g;

/** On a thin line the skeleton has to be seen before the page's script and style are there. So its few rules are a file
 * of their own, which alone stands in the head; the page's style comes behind the skeleton, where it holds nothing up. */
export function firstSight(): Plugin {
  return {
    name: "first-sight",
    apply: "build",
    buildStart() {
      this.addWatchFile(SKELETON.pathname);
      const source = readFileSync(SKELETON, "utf8").replace(/\/\*.*?\*\/\s*/gs, "");
      this.emitFile({ type: "asset", name: "skeleton.css", source });
    },
    transformIndexHtml: {
      order: "post",
      handler(html, { bundle }) {
        const file = Object.values(bundle ?? {}).find((each) => each.type === "asset" && each.names.includes("skeleton.css"));
        if (file === undefined) throw new Error("the build has no skeleton.css");
        const later = html.match(STYLESHEET) ?? [];
        return html
          .replace(STYLESHEET, "")
          .replace("</head>", `<link rel="stylesheet" href="/static/${file.fileName}">\n</head>`)
          .replace("</body>", `${later.map((link) => link.trim()).join("\n")}\n</body>`);
      },
    },
  };
}
