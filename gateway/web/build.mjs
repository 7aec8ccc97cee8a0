// Builds the page into dist/. Files in assets/ have a hash in their name and never change; index.html refers to them.
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { marked } from "marked";

process.chdir(dirname(fileURLToPath(import.meta.url)));
const models = "../../services/models";

const common = {
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  outdir: "dist/assets",
  entryNames: "[name]-[hash]",
  loader: { ".txt": "text", ".sh": "text", ".cs": "text" },
  jsx: "automatic",
  jsxImportSource: "preact",
  metafile: true,
  logLevel: "warning",
};

/** Bundles `entry` and returns its URL path. */
async function bundle(entry, options = {}) {
  const { metafile } = await build({ ...common, ...options, entryPoints: [entry] });
  const [path] = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint === entry);
  return "/assets/" + basename(path);
}

await rm("dist", { recursive: true, force: true });
await mkdir("dist/cards", { recursive: true });

// The study's figures and the model cards of this repository; other models have neither.
const report = JSON.parse(await readFile(`${models}/report.json`, "utf8"));
const study = Object.fromEntries(report.models.filter(model => model.study).map(model => [model.name, model.study]));
const cards = report.models.map(model => model.name);

const recorder = await bundle("src/recorder.worklet.ts");
const style = await bundle("src/style.css");
const main = await bundle("src/main.tsx", {
  define: { RECORDER: JSON.stringify(recorder), STUDY: JSON.stringify(study), CARDS: JSON.stringify(cards) },
});

const card = await readFile("src/card.html", "utf8");
for (const name of cards) {
  const body = marked.parse(await readFile(`${models}/${name}/MODEL_CARD.md`, "utf8"));
  await writeFile(`dist/cards/${name}.html`, card.replace("{style}", style).replace("{name}", name)
    .replace("{body}", () => body.replaceAll('src="', `src="/cards/${name}-`).replaceAll(' align="right"', "")));
  for (const plot of (await readdir(`${models}/${name}`)).filter(file => file.endsWith(".svg")))
    await cp(`${models}/${name}/${plot}`, `dist/cards/${name}-${plot}`);
}
await cp("src/icon.svg", "dist/icon.svg");
for (const sample of (await readdir("samples")).filter(file => /\.(mp3|jpg)$/.test(file)))
  await cp(`samples/${sample}`, `dist/samples/${sample}`);

// Written last: its presence shows that the build is complete.
const index = await readFile("src/index.html", "utf8");
await writeFile("dist/index.html", index.replace("{style}", style).replace("{main}", main));
