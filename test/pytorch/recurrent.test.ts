import { testAgainstPytorch } from "./fixture.ts";

testAgainstPytorch("recurrent");
