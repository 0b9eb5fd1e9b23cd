/** Does `work` for every item, at most `atOnce` of them at a time, begun in their order; throws what failed first. */
export async function sideBySide<Item>(items: readonly Item[], atOnce: number, work: (item: Item) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const worker = async (): Promise<void> => {
    // One iterator for all: each takes what nobody has taken.
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
