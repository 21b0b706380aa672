import { defineConfig } from "vitest/config";

export default defineConfig({
  // Preact's own JSX runtime; tsconfig.json says the same to the type checker.
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    outDir: process.env.PAGE_OUT_DIR ?? "dist",
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    // A data: address would need a wider content policy than 'self'.
    assetsInlineLimit: 0,
  },
  test: { include: ["tests/**/*.test.ts"] },
});
