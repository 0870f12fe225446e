import { testAgainstPytorch } from "./fixture.ts";

testAgainstPytorch("transformer");
