/** Netra's client for browsers and programs: free of UI and of dependencies. */
export * from "./api";
export { backoff } from "./backoff";
export { NetraClient, type ClientOptions, type Listener, type Say, type Status } from "./client";
export { messageOf, NOT_AUTHENTICATED, Problem, UNREACHABLE } from "./problem";
export type * from "./protocol";
export { advance, type Cursor, TilingError } from "./tiling";
