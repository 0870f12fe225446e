import { testAgainstPytorch } from "./fixture.ts";

testAgainstPytorch("linear");
