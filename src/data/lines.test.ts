import fc from "fast-check";
import { expect, test } from "vitest";
import { blocksOfLines, lineEnds } from "./lines.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("blocks are the file, and no line is in two of them", async () => {
  const text = fc.string({ unit: fc.constantFrom("a", "ü", "\n", "\r", "\r\n"), maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 9 }), async (file, size) => {
      const all = bytes(file);
      const chunks = Array.from({ length: Math.ceil(all.length / size) }, (_, i) =>
        all.slice(i * size, (i + 1) * size),
      );
      const blocks: string[] = [];
      for await (const block of blocksOfLines(chunks))
        blocks.push(new TextDecoder("utf-8", { fatal: true }).decode(block));
      expect(blocks.join("")).toBe(file);
      for (const [i, block] of blocks.entries()) {
        if (i === blocks.length - 1) continue;
        expect(block).toMatch(/[\n\r]$/);
        expect(block.endsWith("\r") && blocks[i + 1]!.startsWith("\n")).toBe(false);
      }
      const ends = blocks.flatMap((block) => lineEnds(bytes(block)));
      expect(ends).toHaveLength(file.match(/\r\n|\r|\n/g)?.length ?? 0);
    }),
  );
});

test("leaves out a byte order mark, in whatever pieces it comes", async () => {
  for (const chunks of [[bytes("\ufeffa\nb")], [...bytes("\ufeffa\nb")].map((byte) => Uint8Array.of(byte))]) {
    let text = "";
    for await (const block of blocksOfLines(chunks))
      text += new TextDecoder("utf-8", { ignoreBOM: true }).decode(block);
    expect(text).toBe("a\nb");
  }
});
