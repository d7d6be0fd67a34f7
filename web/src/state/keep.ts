/** What this browser keeps between loads. A browser that keeps nothing (private mode, full disk) still works. */
export function keep(key: string, value: string | null, storage: Storage = localStorage): void {
  try {
    if (value === null || value === "") storage.removeItem(`netra:${key}`);
    else storage.setItem(`netra:${key}`, value);
  } catch {
    // Not kept, then.
  }
}

export function kept(key: string, storage: Storage = localStorage): string | null {
  try {
    return storage.getItem(`netra:${key}`);
  } catch {
    return null;
  }
}

/** Forget everything whose key begins so. */
export function forget(prefix: string, storage: Storage = localStorage): void {
  for (const key of Object.keys(storage)) {
    if (key.startsWith(`netra:${prefix}`)) storage.removeItem(key);
  }
}
