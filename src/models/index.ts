/** Models, each whole in one file. */
export { BagOfWords, type BagOfWordsOptions } from "./bag-of-words.ts";
export { TransformerClassifier, type TransformerClassifierOptions } from "./transformer-classifier.ts";
