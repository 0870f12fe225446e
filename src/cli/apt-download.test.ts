import { describe, expect, test } from "vitest";
import { archiveOf, parseSourceLines, parseSourceParagraphs } from "./apt-download.ts";

const paragraphs = `
Types: deb deb-src
# the archive itself
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/archive.gpg

Types: deb
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main
`;

const lines = `
# deb http://commented.example/debian bookworm main
deb cdrom:[Debian 12]/ bookworm main
deb-src http://sources.example/debian bookworm main
deb [arch=amd64] http://vendor.example/stable bookworm main
deb [ signed-by=/usr/share/keyrings/archive.gpg check-valid-until=no ] http://archive.example/debian/ bookworm main contrib # ours
deb http://archive.example/debian bookworm-updates main
`;

describe("parseSourceParagraphs", () => {
  test("keeps what apt would fetch packages from", () => {
    const sources = parseSourceParagraphs(paragraphs);
    expect(sources.map((source) => source.get("uris"))).toEqual([
      "http://archive.example/debian",
      "http://archive.example/debian-security",
    ]);
    expect(sources[0]!.get("signed-by")).toBe("/usr/share/keyrings/archive.gpg");
  });

  test("keeps a key that stands in the source itself, line by line", () => {
    const key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEY865UxYJ\n -----END PGP PUBLIC KEY BLOCK-----";
    const [source] = parseSourceParagraphs(`Types: deb\nURIs: http://a.example\nSuites: sid\nSigned-By:${key}\n`);
    expect(source!.get("signed-by")).toBe(key);
  });
});

describe("parseSourceLines", () => {
  test("reads options, address, suite and components; no comments, sources or discs", () => {
    const sources = parseSourceLines(lines);
    expect(sources.map((source) => source.get("uris"))).toEqual([
      "http://vendor.example/stable",
      "http://archive.example/debian/",
      "http://archive.example/debian",
    ]);
    expect(Object.fromEntries(sources[1]!)).toEqual({
      uris: "http://archive.example/debian/",
      suites: "bookworm",
      components: "main contrib",
      "signed-by": "/usr/share/keyrings/archive.gpg",
      "check-valid-until": "no",
    });
  });
});

describe("archiveOf", () => {
  test("takes the release with its updates, and leaves other suites out", () => {
    const [archive, security] = parseSourceParagraphs(paragraphs);
    const source = archiveOf([security!, archive!], "bookworm")!;
    expect(source.get("uris")).toBe("http://archive.example/debian");
    expect(source.get("suites")).toBe("bookworm bookworm-updates");
  });

  test("prefers the distribution's archive to a vendor's that has a suite of the same name", () => {
    expect(archiveOf(parseSourceLines(lines), "bookworm")!.get("uris")).toBe("http://archive.example/debian/");
  });

  test("takes a mirror under any name where it is the only one", () => {
    const sources = parseSourceLines("deb https://mirror.example/os/packages noble main");
    expect(archiveOf(sources, "noble")!.get("uris")).toBe("https://mirror.example/os/packages");
  });

  test("follows a rolling suite where the sources do not name the release", () => {
    const sources = parseSourceLines("deb http://archive.example/debian unstable main");
    expect(archiveOf(sources, "forky")!.get("suites")).toBe("unstable");
  });

  test("finds nothing among sources for other releases or without the main component", () => {
    const sources = parseSourceLines(
      "deb http://a.example/debian bullseye main\ndeb http://a.example/debian noble extra",
    );
    expect(archiveOf(sources, "noble")).toBeNull();
  });
});
