import { testAgainstPytorch } from "./fixture.ts";

testAgainstPytorch("pooling");
