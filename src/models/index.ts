/** Models, each whole in one file. */
export { BagOfWords, type BagOfWordsOptions } from "./bag-of-words.ts";
export { CNN, type CNNOptions } from "./cnn.ts";
export { type GenerateOptions, Gpt, type GptOptions, type SampleOptions, sampleToken } from "./gpt.ts";
export { MLP, type MLPOptions } from "./mlp.ts";
export { RecurrentClassifier, type RecurrentClassifierOptions } from "./recurrent-classifier.ts";
export { ResNet, type ResNetOptions } from "./resnet.ts";
export { SequenceToSequence, type SequenceToSequenceOptions } from "./sequence-to-sequence.ts";
export { TextCNN, type TextCNNOptions } from "./text-cnn.ts";
export {
  type TransformerBodyOptions,
  TransformerClassifier,
  type TransformerClassifierOptions,
} from "./transformer-classifier.ts";
export { TransformerLanguageModel } from "./transformer-language-model.ts";
