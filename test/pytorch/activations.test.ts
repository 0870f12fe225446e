import { testAgainstPytorch } from "./fixture.ts";

testAgainstPytorch("activations");
