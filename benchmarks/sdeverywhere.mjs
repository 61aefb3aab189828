// Turns an XMILE model into C by SDEverywhere: node sdeverywhere.mjs <folder with node_modules> <model.xmile> <spec.json> <folder for model.c>
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [home, model, spec, out] = process.argv.slice(2)
const found = createRequire(join(home, 'package.json')).resolve('@sdeverywhere/compile')
const { parseAndGenerate } = await import(pathToFileURL(found).href)
await parseAndGenerate(readFileSync(model, 'utf8'), 'xmile', JSON.parse(readFileSync(spec, 'utf8')), ['generateC'], out, 'model', out)
