/** Where in the page we are, as the address says. */
export type Route = { page: "chat"; threadId: string | null } | { page: "settings" } | { page: "sign-in" };

export function routeOf(path: string): Route {
  if (path === "/settings") return { page: "settings" };
  if (path === "/sign-in") return { page: "sign-in" };
  const thread = /^\/t\/([^/]+)$/.exec(path);
  return { page: "chat", threadId: thread?.[1] ? decodeURIComponent(thread[1]) : null };
}

export function pathOf(route: Route): string {
  if (route.page !== "chat") return `/${route.page}`;
  return route.threadId === null ? "/" : `/t/${encodeURIComponent(route.threadId)}`;
}
