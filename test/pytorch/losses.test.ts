import { testAgainstPytorch } from "./fixture.ts";

testAgainstPytorch("losses");
