/** Where in the page we are, as the address says. In a conversation it may say what is looked for there, and in which
 * message it was found. */
export type Route =
  | { page: "chat"; threadId: string | null; find?: string | null; message?: string | null }
  | { page: "settings" }
  | { page: "sign-in" };

export function routeOf(path: string, search = ""): Route {
  if (path === "/settings") return { page: "settings" };
  if (path === "/sign-in") return { page: "sign-in" };
  const thread = /^\/t\/([^/]+)$/.exec(path);
  if (!thread?.[1]) return { page: "chat", threadId: null };
  const asked = new URLSearchParams(search);
  return { page: "chat", threadId: decoded(thread[1]), find: asked.get("find"), message: asked.get("message") };
}

/** A part of an address that nobody wrote as one stands for itself. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function pathOf(route: Route): string {
  if (route.page !== "chat") return `/${route.page}`;
  if (route.threadId === null) return "/";
  const asked = new URLSearchParams();
  if (route.find != null) asked.set("find", route.find);
  if (route.message != null) asked.set("message", route.message);
  return `/t/${encodeURIComponent(route.threadId)}${asked.size > 0 ? `?${asked}` : ""}`;
}
