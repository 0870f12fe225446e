import { testAgainstPytorch } from "./fixture.ts";

testAgainstPytorch("convolutions");
