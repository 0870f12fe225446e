/** The device itself: order, errors, limits, guard zones. Ops are tested beside their kernels. */
import { afterAll, describe, expect, test } from "vitest";
import { tensor } from "../kernels/creation/creation.ts";
import { exp, neg } from "../kernels/elementwise/unary-ops.ts";
import { withDevice } from "../tensor/device.ts";
import { empty, Tensor } from "../tensor/tensor.ts";
import { findAdapter } from "./adapter.ts";
import { sizeClass } from "./buffer-pool.ts";
import { Storage } from "./device.ts";
import { DeviceLostError, GpuError, OutOfMemoryError, ValueError } from "./errors.ts";
import { indexSite } from "./index-error.ts";
import { dispatch, kernel } from "./kernel.ts";
import { WebGpuDevice, type WebGpuOptions } from "./webgpu.ts";

const adapter = (await findAdapter())!;
const opened: WebGpuDevice[] = [];

async function open(options: WebGpuOptions = {}): Promise<WebGpuDevice> {
  // An adapter gives one device; each needs its own.
  const device = await WebGpuDevice.open(opened.length === 0 ? adapter : (await findAdapter())!, options);
  opened.push(device);
  return device;
}

afterAll(async () => {
  for (const device of opened) await device.destroy();
});

const addTo = kernel(`
  struct Params { size: u32, amount: f32 }
  var<immediate> params: Params;
  @group(0) @binding(0) var<storage, read> x: array<f32>;
  @group(0) @binding(1) var<storage, read_write> y: array<f32>;
  @compute @workgroup_size(64)
  fn plain(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
    for (var i = gid.x; i < params.size; i += groups.x * 64u) { y[i] = x[i] + params.amount; }
  }
  @compute @workgroup_size(64)
  fn unguarded(@builtin(global_invocation_id) gid: vec3u) { y[gid.x] = x[0] + params.amount; }
  @compute @workgroup_size(1)
  fn reversed() { for (var i = 0u; i < params.size; i++) { y[i] = x[params.size - 1u - i]; } }
`);

test("size classes waste at most a fifth", () => {
  expect([1, 256, 257, 300, 1024, 1025].map(sizeClass)).toEqual([256, 256, 320, 320, 1024, 1280]);
  for (let bytes = 300; bytes < 1e6; bytes = Math.ceil(bytes * 1.37)) {
    expect(sizeClass(bytes)).toBeGreaterThanOrEqual(bytes);
    expect(sizeClass(bytes)).toBeLessThanOrEqual(1.25 * bytes);
  }
});

describe.each([{}, { immediates: false }, { guards: true }])("with %o", (options) => {
  test("commands and host writes keep the order of the calls", async () => {
    const device = await open(options);
    const x = Storage.from(device, "f32", Float32Array.of(1, 2, 3));
    const y = Storage.allocate(device, "f32", 3);
    const z = Storage.allocate(device, "f32", 3);
    dispatch(addTo, "plain", { bind: { x, y }, params: { size: 3, amount: 1 }, groups: 1 });
    device.write(x, Float32Array.of(10, 20, 30)); // after the first dispatch, before the second
    dispatch(addTo, "plain", { bind: { x, y: z }, params: { size: 3, amount: 2 }, groups: 1 });
    const [first, second] = await Promise.all([device.read(y), device.read(z)]);
    expect([...first]).toEqual([2, 3, 4]);
    expect([...second]).toEqual([12, 22, 32]);
  });

  test("a storage read and written by one dispatch is read as it was before", async () => {
    const device = await open(options);
    const x = Storage.from(device, "f32", Float32Array.of(1, 2, 3, 4, 5));
    dispatch(addTo, "reversed", { bind: { x, y: x }, params: { size: 5, amount: 0 }, groups: 1 });
    expect([...(await device.read(x))]).toEqual([5, 4, 3, 2, 1]);
  });

  test("ranges of one buffer are bound apart", async () => {
    const device = await open(options);
    const whole = Storage.from(
      device,
      "f32",
      Float32Array.from({ length: 192 }, (_, i) => i),
    );
    const part = whole.view(64, 3);
    const y = Storage.allocate(device, "f32", 3);
    dispatch(addTo, "plain", { bind: { x: part, y }, params: { size: 3, amount: 0.5 }, groups: 1 });
    dispatch(addTo, "plain", { bind: { x: y, y: whole.view(128, 3) }, params: { size: 3, amount: 1 }, groups: 1 });
    expect([...(await device.read(y))]).toEqual([64.5, 65.5, 66.5]);
    expect([...(await device.read(whole))].slice(127, 132)).toEqual([127, 65.5, 66.5, 67.5, 131]);
  });
});

test("work beyond 65,535 workgroups is folded", async () => {
  const device = await open();
  const n = 65_536 * 64 + 1;
  const data = new Float32Array(n);
  data[0] = 1;
  data[n - 1] = 2;
  const y = withDevice(device, () => neg(tensor(data)));
  const values = await y.data();
  expect([values[0], values[1], values[n - 1]]).toEqual([-1, -0, -2]);
});

test("the binding has the tensor's exact size, so a write behind it is dropped", async () => {
  const device = await open();
  const x = Storage.from(device, "f32", Float32Array.of(7));
  const whole = Storage.from(device, "f32", new Float32Array(128));
  dispatch(addTo, "unguarded", { bind: { x, y: whole.view(0, 3) }, params: { size: 3, amount: 0 }, groups: 1 });
  expect([...(await device.read(whole))].slice(0, 6)).toEqual([7, 7, 7, 0, 0, 0]);
});

test("a guard zone shows a kernel that writes behind its output", async () => {
  const device = await open({ guards: true });
  const x = Storage.from(device, "f32", Float32Array.of(7));
  const y = Storage.allocate(device, "f32", 3);
  dispatch(addTo, "plain", {
    bind: { x: Storage.from(device, "f32", new Float32Array(3)), y },
    params: { size: 3, amount: 0 },
    groups: 1,
  });
  await device.checkGuards();
  dispatch(addTo, "unguarded", { bind: { x, y }, params: { size: 3, amount: 0 }, groups: 1 });
  await expect(device.checkGuards()).rejects.toThrow("a kernel wrote behind a tensor of 12 bytes");
});

test("the first GPU error is kept until it is cleared, and names the kernel", async () => {
  const device = await open();
  const broken = kernel(
    "@group(0) @binding(0) var<storage, read_write> y: array<f32>; @compute @workgroup_size(64) fn forward() { y[0] = nothing; }",
    {
      name: "broken",
    },
  );
  const y = Storage.from(device, "f32", Float32Array.of(1));
  dispatch(broken, "forward", { bind: { y }, groups: 1 });
  await expect(device.read(y)).rejects.toThrow(GpuError);
  await expect(device.read(y)).rejects.toThrow(/unresolved value 'nothing'[\s\S]*broken\.forward/);
  await expect(device.sync()).rejects.toThrow(GpuError);
  device.clearError();
  expect([...(await device.read(y))]).toEqual([1]);
});

test("an index error is thrown once, at the next await, with op, position and value", async () => {
  const device = await open();
  const check = kernel(
    `struct Params { site: u32 }
     var<immediate> params: Params;
     @group(0) @binding(0) var<storage, read_write> y: array<f32>;
     @group(0) @binding(14) var<storage, read_write> indexErrors: array<atomic<u32>, 3>;
     @compute @workgroup_size(1) fn forward() {
       y[0] = 0.0;
       if (atomicCompareExchangeWeak(&indexErrors[0], 0u, params.site + 1u).exchanged) {
         atomicStore(&indexErrors[1], 4u);
         atomicStore(&indexErrors[2], bitcast<u32>(-7));
       }
     }`,
  );
  const y = Storage.allocate(device, "f32", 1);
  dispatch(check, "forward", { bind: { y }, params: { site: indexSite("gather", "index", 10) }, groups: 1 });
  await expect(device.read(y)).rejects.toThrow(
    new ValueError("gather: index has -7 at position 4, expected an index from 0 to 9"),
  );
  expect([...(await device.read(y))]).toEqual([0]);
});

test("what is not bound, or on another device, is named at the call", async () => {
  const device = await open();
  const y = Storage.allocate(device, "f32", 1);
  expect(() => dispatch(addTo, "plain", { bind: { y }, params: { size: 1, amount: 0 }, groups: 1 })).toThrow(
    'kernel kernel.plain: "x" is not bound',
  );
  const x = Storage.allocate(await open(), "f32", 1);
  expect(() => dispatch(addTo, "plain", { bind: { y, x }, params: { size: 1, amount: 0 }, groups: 1 })).toThrow(
    '"x" is on webgpu, expected webgpu',
  );
  const bound = { y, x: Storage.allocate(device, "f32", 1) };
  expect(() => dispatch(addTo, "plain", { bind: bound, params: { size: 1 }, groups: 1 })).toThrow(
    'kernel kernel.plain: the param "amount" is missing',
  );
  expect(() => dispatch(addTo, "sideways", { bind: bound, groups: 1 })).toThrow(
    'kernel kernel has no entry "sideways"',
  );
});

test("a tensor over the adapter's limit is refused with the limit", async () => {
  const device = await open();
  const length = device.maxStorageBytes / 4 + 1;
  expect(() => Storage.allocate(device, "f32", length)).toThrow(OutOfMemoryError);
  expect(() => Storage.allocate(device, "f32", length)).toThrow(`this adapter binds at most ${device.maxStorageBytes}`);
});

test("under a memory limit pooled buffers are given back, and then the remedy is named", async () => {
  const device = await open({ memoryLimit: 1 << 20 });
  for (const size of [300_000, 400_000, 500_000, 600_000]) Storage.allocate(device, "f32", size / 4).release(); // four classes
  expect(device.memory.pooledBytes).toBeLessThanOrEqual(1 << 20);
  const kept = Storage.allocate(device, "f32", 200_000);
  expect(() => Storage.allocate(device, "f32", 100_000)).toThrow(
    /400000 bytes were asked for with 800000 live and \d+ pooled.*scope.*await tg\.sync/,
  );
  kept.release();
  Storage.allocate(device, "f32", 100_000);
});

test("device loss rejects what is pending and everything after", async () => {
  const device = await open();
  const x = withDevice(device, () => exp(tensor(new Float32Array(1000))));
  const pending = x.data();
  await device.destroy();
  await expect(pending).rejects.toThrow(DeviceLostError);
  await expect(x.data()).rejects.toThrow(/the GPU device was lost \(destroyed.*call tg\.init\(\) again/);
  expect(() => exp(x)).toThrow(DeviceLostError);
});

test("buffers are reused, and counted", async () => {
  const device = await open();
  withDevice(device, () => {
    const x = new Tensor(Storage.from(device, "f32", new Float32Array(1000)), [1000], "f32");
    const before = device.memory;
    for (let i = 0; i < 100; i++) exp(x).dispose();
    const after = device.memory;
    expect(after.storages).toBe(before.storages);
    expect(after.liveBytes).toBe(before.liveBytes);
    expect(after.pooledBytes).toBe(4096);
    using y = empty([10]);
    expect(device.memory.liveBytes).toBe(before.liveBytes + y.storage.bytes);
  });
});
