import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "/static/",
  publicDir: "public",
  build: {
    outDir: "../netra_backend/app/static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "licenses.md" },
    rolldownOptions: {
      output: {
        // The server says "revalidate", so names needn't carry a hash, and the committed files keep theirs.
        entryFileNames: "app.js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
      },
    },
  },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/server.ts",
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
