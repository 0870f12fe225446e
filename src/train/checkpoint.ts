/**
 * A checkpoint: a training between two steps, as one safetensors file, so that it is whole or not there. The tensors are its
 * tensors, and what is no tensor is JSON in its metadata.
 */
import { DataError } from "../gpu/errors.ts";
import { readFileChecked, writeFileAtomic } from "../io/files-node.ts";
import { parseSafetensors, type SafetensorsEntry, serializeSafetensors } from "../io/safetensors.ts";
import type { HostTensor, TrainerProgress, TrainerState } from "./trainer-state.ts";

export async function writeCheckpoint(file: string, { tensors, progress }: TrainerState): Promise<void> {
  const entries = [...tensors].map(([name, tensor]) => [name, toEntry(tensor)] as const);
  await writeFileAtomic(file, serializeSafetensors(entries, { progress: JSON.stringify(progress) }));
}

/** @throws DataError for a file that is not there, damaged or no checkpoint */
export async function readCheckpoint(file: string): Promise<TrainerState> {
  const { tensors, metadata } = parseSafetensors(await readFileChecked(file), { file });
  const { progress } = metadata;
  if (progress === undefined) throw new DataError(`${file}: is no checkpoint of a training; check the path`);
  return {
    tensors: new Map([...tensors].map(([name, entry]) => [name, fromEntry(file, name, entry)])),
    progress: JSON.parse(progress) as TrainerProgress,
  };
}

function toEntry({ shape, data }: HostTensor): SafetensorsEntry {
  if (data instanceof Float64Array) return { dtype: "F64", shape, data: data as Float64Array<ArrayBuffer> };
  if (data instanceof Float32Array) return { dtype: "F32", shape, data: data as Float32Array<ArrayBuffer> };
  if (data instanceof Int32Array) return { dtype: "I32", shape, data: data as Int32Array<ArrayBuffer> };
  return { dtype: "U32", shape, data: data as Uint32Array<ArrayBuffer> };
}

function fromEntry(file: string, name: string, entry: SafetensorsEntry): HostTensor {
  switch (entry.dtype) {
    case "F32":
    case "F64":
    case "I32":
    case "U32":
      return { shape: entry.shape, data: entry.data };
    default:
      throw new DataError(`${file}: ${name} has dtype ${entry.dtype}, which no checkpoint has`);
  }
}
