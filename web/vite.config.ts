import { defineConfig } from "vitest/config";
import { firstSight } from "./first-sight.ts";

export default defineConfig({
  base: "/static/",
  publicDir: "public",
  plugins: [firstSight()],
  build: {
    outDir: "../netra_backend/app/static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "licenses.md" },
  },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/server.ts",
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
