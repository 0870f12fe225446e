/** The package's entry for browsers and bundlers; it pulls in no Node module. */
import { setPlatform } from "./gpu/platform.ts";
import { browserPlatform } from "./gpu/platform-browser.ts";

setPlatform(browserPlatform);

export * from "./tilegrad.ts";
