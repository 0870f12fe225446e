import fc from "fast-check";
import { expect, it } from "vitest";
import { compareCodePoints } from "./order.ts";

it("orders strings as their UTF-8 bytes are ordered", () => {
  const text = fc.string({ unit: fc.constantFrom("\0", "a", "b", "\uff5e", "\u{1f600}", "\u{1f601}", "\ue000") });
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareCodePoints(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { numRuns: 1000 },
  );
});
