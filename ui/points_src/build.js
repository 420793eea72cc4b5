// Bundles main.js and what it imports into ../points.js, with the licences beside it and the checksums in built.json.
import { build } from "esbuild"
import { createHash } from "node:crypto"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const SOURCES = ["build.js", "main.js", "package-lock.json", "package.json"]
const here = new URL(".", import.meta.url)
const read = (path) => readFileSync(new URL(path, here), "utf8")

const result = await build({
  absWorkingDir: fileURLToPath(here),
  entryPoints: ["main.js"],
  bundle: true,
  format: "esm",
  minify: true,
  target: "es2022",
  legalComments: "none", // all licences stand whole in the file beside the bundle
  write: false,
})

// regl-scatterplot comes bundled itself: what it depends on is within, so the lockfile is asked, not the bundler
const packages = Object.entries(JSON.parse(read("package-lock.json")).packages)
  .filter(([path, { dev }]) => path && !dev).map(([path]) => path.replace("node_modules/", "")).sort()
const known = packages.map((name) => {
  const folder = `node_modules/${name}/`
  const { version, license } = JSON.parse(read(`${folder}package.json`))
  const file = readdirSync(new URL(folder, here)).find((entry) => /^licen[cs]e/i.test(entry))
  if (!file) throw new Error(`${name} carries no licence`)
  return { title: `${name.replace(/.*node_modules\//, "")} ${version} (${license})`, text: read(folder + file).trim() }
})
// regl-scatterplot holds a copy of this one, with its name and year but without the text
known.push({
  title: "kdbush 4.0.2 (ISC)",
  text: `ISC License

Copyright (c) 2018, Vladimir Agafonkin

Permission to use, copy, modify, and/or distribute this software for any purpose
with or without fee is hereby granted, provided that the above copyright notice
and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH
REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND
FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS
OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER
TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF
THIS SOFTWARE.`,
})
known.sort((a, b) => (a.title < b.title ? -1 : 1))

const banner = "// Made by \"make points\" from points_src/main.js; not to be edited.\n"
  + "// Holds regl-scatterplot and what it depends on; their licences stand in points.licenses.txt.\n"
// a comment in a shader names the page of a package: no address of a registry is to stand here
const bundle = banner + result.outputFiles[0].text.replace(/https:\/\/www\.npm\w+\.com\/package\//g, "")
const line = "-".repeat(100)
writeFileSync(new URL("../points.js", here), bundle)
writeFileSync(
  new URL("../points.licenses.txt", here),
  `What points.js holds besides embedkit's own code.\n${known.map((p) => `\n${line}\n${p.title}\n${line}\n${p.text}\n`).join("")}`,
)

const hash = (...texts) => texts.reduce((sum, text) => sum.update(text), createHash("sha256")).digest("hex")
const built = { sources: hash(...SOURCES.map(read)), bundle: hash(bundle) }
writeFileSync(new URL("built.json", here), `${JSON.stringify(built, null, 2)}\n`)
