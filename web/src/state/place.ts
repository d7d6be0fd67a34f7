/** Where a reader stands in a list: at the end, or `offset` pixels below the top of an item. `heights` are those of the
 * items in pixels, as far as they were seen: where an item's top is hangs on what is above it. */
export type Place = { follows: boolean; anchor: { key: string; offset: number } | null; heights: Map<string, number> };
