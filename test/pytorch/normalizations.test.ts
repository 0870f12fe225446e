import { testAgainstPytorch } from "./fixture.ts";

testAgainstPytorch("normalizations");
