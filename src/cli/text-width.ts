/** How much room text takes on a terminal: names hold emoji, Chinese and accents that are characters of their own. */

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });
/** Scripts and pictures that terminals draw two cells wide (Unicode's East Asian Width W and F, roughly). */
const WIDE = /^(?:\p{Emoji_Presentation}|.*\u{fe0f}|[\u{1100}-\u{115f}\u{2e80}-\u{303e}\u{3041}-\u{a4cf}\u{a960}-\u{a97c}\u{ac00}-\u{d7a3}\u{f900}-\u{faff}\u{fe30}-\u{fe6f}\u{ff00}-\u{ff60}\u{ffe0}-\u{ffe6}\u{1f200}-\u{1f2ff}\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}])/u;
const ASCII = /^[\u0020-\u007e]*$/;
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;

function cellsOf(grapheme: string): number {
  if (NO_WIDTH.test(grapheme)) return 0;
  return WIDE.test(grapheme) ? 2 : 1;
}

/** Cells that the text takes on a terminal. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  return [...segmenter.segment(text)].reduce((sum, { segment }) => sum + cellsOf(segment), 0);
}

/** As many whole characters from the front as fit `width` cells. */
export function cut(text: string, width: number): string {
  let used = 0;
  let kept = "";
  for (const { segment } of segmenter.segment(text)) {
    used += cellsOf(segment);
    if (used > width) break;
    kept += segment;
  }
  return kept;
}
