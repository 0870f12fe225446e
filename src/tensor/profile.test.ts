import { expect, test } from "vitest";
import * as tg from "../tilegrad.ts";

test("times each kernel of the work, and only there", async () => {
  const [a, b] = [tg.randn([64, 64]), tg.randn([64, 64])];
  const work = () => tg.scope(() => a.matmul(b).exp().add(a.exp()).sum());
  work().dispose();
  const profile = await tg.profile(async () => {
    const y = work();
    await y.item();
    y.dispose();
  });
  const exp = profile.kernels.find(({ kernel }) => kernel === "exp.forward")!;
  expect(exp.calls).toBe(2);
  expect(exp.milliseconds).toBeGreaterThan(0);
  expect(profile.kernels.reduce((total, { share }) => total + share, 0)).toBeCloseTo(1, 9);
  expect(profile.milliseconds).toBeLessThan(profile.wallMilliseconds);
  const times = profile.kernels.map(({ milliseconds }) => milliseconds);
  expect(times).toEqual([...times].sort((x, y) => y - x));
  const { traceEvents } = profile.trace;
  expect(traceEvents.length).toBe(profile.kernels.reduce((total, { calls }) => total + calls, 0));
  expect(Math.min(...traceEvents.map(({ ts }) => ts))).toBe(0);
  expect(String(profile)).toMatch(/^kernel +calls +ms +share\n[\s\S]*exp\.forward +2 /);
  expect((await tg.profile(() => {})).kernels).toEqual([]);
});

test("more dispatches than a set of queries holds", async () => {
  const x = tg.ones([4]);
  const profile = await tg.profile(() => {
    for (let i = 0; i < 2100; i++) x.exp().dispose();
  });
  expect(profile.kernels[0]).toMatchObject({ kernel: "exp.forward", calls: 2100 });
});

test("a captured step is timed too", async () => {
  const x = tg.ones([4]);
  const step = tg.capture((x: tg.Tensor) => x.exp().sum());
  for (let i = 0; i < 3; i++) step(x).dispose();
  const { kernels } = await tg.profile(() => step(x).dispose());
  expect(kernels.map(({ kernel }) => kernel)).toContain("exp.forward");
});

test("the cpu device has nothing to time", async () => {
  await expect(tg.withDevice("cpu", () => [tg.profile(() => {})])[0]).rejects.toThrow("the cpu device runs no kernels");
});
