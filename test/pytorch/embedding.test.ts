import { testAgainstPytorch } from "./fixture.ts";

testAgainstPytorch("embedding");
