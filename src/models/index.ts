/** Models, each whole in one file. */
export { BagOfWords, type BagOfWordsOptions } from "./bag-of-words.ts";
export { type GenerateOptions, Gpt, type GptOptions, type SampleOptions, sampleToken } from "./gpt.ts";
export { SequenceToSequence, type SequenceToSequenceOptions } from "./sequence-to-sequence.ts";
export { TransformerClassifier, type TransformerClassifierOptions } from "./transformer-classifier.ts";
