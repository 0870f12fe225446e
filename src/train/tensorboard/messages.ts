/**
 * TensorBoard's messages as bytes. The numbers are those of its definitions:
 * https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto (event, summary, histogram, tensor) and
 * https://github.com/tensorflow/tensorboard/tree/master/tensorboard/plugins/hparams (api, plugin_data).
 */
import { PbfWriter } from "pbf";
import type { Histogram } from "./histogram.ts";

/** What an event says; at most one of its three messages. */
export interface Event {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step?: number;
  readonly fileVersion?: string;
  /** A run goes on from `step`: what was said of later steps no longer counts. */
  readonly isStart?: boolean;
  readonly values?: readonly SummaryValue[];
}

/** A named value: one of its kinds, and which plugin shows it where the kind does not tell. */
export interface SummaryValue {
  readonly tag: string;
  readonly scalar?: number;
  readonly histogram?: Histogram;
  readonly image?: EncodedImage;
  readonly texts?: readonly string[];
  /** The value says nothing; the plugin reads its own content. */
  readonly isNull?: boolean;
  readonly plugin?: { readonly name: string; readonly content: Uint8Array };
}

export interface EncodedImage {
  readonly height: number;
  readonly width: number;
  /** 1 for grey, 3 for red, green, blue. */
  readonly channels: number;
  readonly png: Uint8Array;
}

/** The value of a hyper-parameter. */
export type HyperParameter = string | number | boolean;

const DT_FLOAT = 1;
const DT_STRING = 7;
const DATA_CLASS_TENSOR = 2;
const SESSION_START = 1;
const SUCCESS = 1;
const FAILURE = 2;

type Write = (pbf: PbfWriter) => void;

function message(write: Write): Uint8Array {
  const pbf = new PbfWriter();
  write(pbf);
  return pbf.finish();
}

export function encodeEvent({ wallTime, step = 0, fileVersion, isStart, values }: Event): Uint8Array {
  return message((pbf) => {
    pbf.writeDoubleField(1, wallTime);
    pbf.writeVarintField(2, step);
    if (fileVersion !== undefined) pbf.writeStringField(3, fileVersion);
    if (values) pbf.writeBytesField(5, encodeSummary(values));
    if (isStart) pbf.writeBytesField(7, encodeSessionStart());
  });
}

const encodeSessionStart = () => message((pbf) => pbf.writeVarintField(1, SESSION_START));

function encodeSummary(values: readonly SummaryValue[]): Uint8Array {
  return message((pbf) => {
    for (const value of values) pbf.writeBytesField(1, encodeValue(value));
  });
}

function encodeValue({ tag, scalar, histogram, image, texts, isNull, plugin }: SummaryValue): Uint8Array {
  return message((pbf) => {
    pbf.writeStringField(1, tag);
    if (scalar !== undefined) pbf.writeFloatField(2, scalar);
    if (image) pbf.writeBytesField(4, encodeImage(image));
    if (histogram) pbf.writeBytesField(5, encodeHistogram(histogram));
    if (texts) pbf.writeBytesField(8, encodeStrings(texts));
    if (isNull) pbf.writeBytesField(8, encodeZero());
    if (plugin) pbf.writeBytesField(9, encodeMetadata(plugin.name, plugin.content));
  });
}

function encodeMetadata(plugin: string, content: Uint8Array): Uint8Array {
  return message((pbf) => {
    const data = message((pbf) => {
      pbf.writeStringField(1, plugin);
      pbf.writeBytesField(2, content);
    });
    pbf.writeBytesField(1, data);
    pbf.writeVarintField(4, DATA_CLASS_TENSOR);
  });
}

function encodeImage({ height, width, channels, png }: EncodedImage): Uint8Array {
  return message((pbf) => {
    pbf.writeVarintField(1, height);
    pbf.writeVarintField(2, width);
    pbf.writeVarintField(3, channels);
    pbf.writeBytesField(4, png);
  });
}

function encodeHistogram({ min, max, count, sum, sumOfSquares, limits, counts }: Histogram): Uint8Array {
  return message((pbf) => {
    for (const [i, value] of [min, max, count, sum, sumOfSquares].entries()) pbf.writeDoubleField(i + 1, value);
    pbf.writePackedDouble(6, [...limits]);
    pbf.writePackedDouble(7, [...counts]);
  });
}

// A tensor [n] of strings.
function encodeStrings(texts: readonly string[]): Uint8Array {
  return message((pbf) => {
    pbf.writeVarintField(1, DT_STRING);
    pbf.writeBytesField(2, encodeShape(texts.length));
    for (const text of texts) pbf.writeStringField(8, text);
  });
}

function encodeZero(): Uint8Array {
  return message((pbf) => {
    pbf.writeVarintField(1, DT_FLOAT);
    pbf.writeBytesField(2, encodeShape(1));
    pbf.writePackedFloat(5, [0]);
  });
}

function encodeShape(size: number): Uint8Array {
  return message((pbf) =>
    pbf.writeBytesField(
      2,
      message((pbf) => pbf.writeVarintField(1, size)),
    ),
  );
}

/** What an experiment varies, and by which scalars its runs are compared. */
export function encodeExperiment(
  values: Readonly<Record<string, HyperParameter>>,
  metrics: readonly string[],
): Uint8Array {
  return pluginData(2, (pbf) => {
    for (const [name, value] of Object.entries(values)) {
      const info = message((pbf) => {
        pbf.writeStringField(1, name);
        pbf.writeVarintField(4, { string: 1, boolean: 2, number: 3 }[typeof value as "string" | "boolean" | "number"]);
      });
      pbf.writeBytesField(4, info);
    }
    for (const tag of metrics) {
      const name = message((pbf) => pbf.writeStringField(2, tag));
      pbf.writeBytesField(
        5,
        message((pbf) => pbf.writeBytesField(1, name)),
      );
    }
  });
}

/** The hyper-parameters of a run. */
export function encodeSessionStartInfo(values: Readonly<Record<string, HyperParameter>>, wallTime: number): Uint8Array {
  return pluginData(3, (pbf) => {
    for (const [name, value] of Object.entries(values)) {
      const entry = message((pbf) => {
        pbf.writeStringField(1, name);
        pbf.writeBytesField(2, encodeJsonValue(value));
      });
      pbf.writeBytesField(1, entry);
    }
    pbf.writeDoubleField(5, wallTime);
  });
}

/** How a run ended. */
export function encodeSessionEndInfo(isSuccess: boolean, wallTime: number): Uint8Array {
  return pluginData(4, (pbf) => {
    pbf.writeVarintField(1, isSuccess ? SUCCESS : FAILURE);
    pbf.writeDoubleField(2, wallTime);
  });
}

function pluginData(field: number, write: Write): Uint8Array {
  return message((pbf) => pbf.writeBytesField(field, message(write)));
}

// google.protobuf.Value
function encodeJsonValue(value: HyperParameter): Uint8Array {
  return message((pbf) => {
    if (typeof value === "number") pbf.writeDoubleField(2, value);
    else if (typeof value === "string") pbf.writeStringField(3, value);
    else pbf.writeBooleanField(4, value);
  });
}
