import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

export type Told = { url: string; people: { email: string; password: string }[] };

declare module "vitest" {
  export interface ProvidedContext {
    netra: Told;
  }
}

/** The real server, for all tests of a run. It ends when its input does, so it can't outlive them. */
export default async function start(project: TestProject): Promise<() => Promise<void>> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const server = spawn(`${root}.venv/bin/python`, ["-m", "tests.harness.for_web"], {
    cwd: root,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  const line = await Promise.race([
    createInterface(server.stdout)[Symbol.asyncIterator]().next(),
    ended.then(() => Promise.reject(new Error("the server ended before it served"))),
  ]);
  project.provide("netra", JSON.parse(String(line.value)) as Told);
  return async () => {
    server.stdin.end();
    await ended;
  };
}
