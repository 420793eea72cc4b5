// A map of up to a million points, drawn by regl-scatterplot: moved, zoomed, lassoed; points glide to a new projection.
// On a canvas over them, which works without WebGL as well: pictures, the marks of a pick, names.
// Coordinates come as bytes from an address that names their content, names one by one when they are asked for. What a
// lasso holds is counted in Python: only its outline travels, in the units of the map.

import createScatterplot, { createRenderer } from "regl-scatterplot"
import createIndex from "regl-scatterplot/src/kdbush-class.js"

const KDBush = createIndex()
const GLIDE = 900 // milliseconds from one projection to the next
const NAMED = 40 // so few points in view that each carries its name
const BLOCK = 1024 // offsets of names fetched at once
const EDGE = 2 // pixels of the frame of a picture
const ease = (t) => t * t * (3 - 2 * t)

const files = new Map() // bytes by address, newest last; two maps of one space share them

function fetched(address) {
  let file = files.get(address)
  if (!file) file = ranged(address, 0, "").catch((error) => { files.delete(address); throw error })
  files.delete(address)
  files.set(address, file)
  while (files.size > 12) files.delete(files.keys().next().value)
  return file
}

// Asked for as a range, the bytes come as they are: packing 8 MB of coordinates would take longer than sending them.
async function ranged(address, from, to) {
  for (let wait = 200; ; wait *= 2) {
    try {
      const answer = await fetch(new URL(address, location.origin), { headers: { Range: `bytes=${from}-${to}` } })
      if (!answer.ok) throw new Error(`${answer.status} for ${address}`)
      return await answer.arrayBuffer()
    } catch (error) {
      if (wait > 3000) throw error
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
  }
}

class Names {
  constructor(address, n, whole) {
    Object.assign(this, { address, n, whole, blocks: new Map(), known: new Map() })
  }
  async of(row) {
    if (this.known.has(row)) return this.known.get(row)
    if (this.whole) {
      const bytes = await fetched(this.address)
      const [from, to] = new Uint32Array(bytes, 4 * row, 2)
      const name = new TextDecoder().decode(new Uint8Array(bytes, 4 * (this.n + 1) + from, to - from))
      this.known.set(row, name)
      return name
    }
    const first = Math.floor(row / BLOCK) * BLOCK
    if (!this.blocks.has(first)) {
      const last = Math.min(this.n, first + BLOCK)
      this.blocks.set(first, ranged(this.address, 4 * first, 4 * last + 3).then((bytes) => new Uint32Array(bytes)))
    }
    const block = await this.blocks.get(first)
    const [from, to] = [block[row - first], block[row - first + 1]]
    const start = 4 * (this.n + 1)
    const name = to > from ? new TextDecoder().decode(await ranged(this.address, start + from, start + to - 1)) : ""
    this.known.set(row, name)
    return name
  }
}

// One WebGL context for all maps of a page: browsers take the oldest away when there are more than some.
let shared = null
let users = 0
function borrow() {
  if (!shared) {
    const probe = document.createElement("canvas")
    const context = probe.getContext("webgl")
    if (!context) return null
    context.getExtension("WEBGL_lose_context")?.loseContext()
    try {
      const renderer = createRenderer()
      if (!renderer.isSupported) { renderer.destroy(); return null }
      shared = renderer
    } catch {
      return null
    }
  }
  users += 1
  return shared
}
function giveBack() {
  users -= 1
  if (users > 0 || !shared) return
  const context = shared.canvas.getContext("webgl")
  shared.destroy()
  context?.getExtension("WEBGL_lose_context")?.loseContext()
  shared = null
}

// What a mark looks like in the legend; paintMarks draws the same on the map.
const SIGNS = {
  line: '<path d="M1 7H25"/>',
  dots: '<path d="M2 7H25" stroke-dasharray="0.1 5" stroke-linecap="round" stroke-width="3.2"/>',
  ring: '<circle cx="13" cy="7" r="5.5"/>',
  pick: '<path d="M13 1 19 7 13 13 7 7Z"/>',
}

class PointMap {
  constructor(root) {
    this.root = root
    const find = (name) => root.querySelector(name)
    Object.assign(this, {
      stage: find(".stage"), dots: find(".dots"), over: find(".over"), tip: find(".tip"), legend: find(".legend"),
      said: find(".said"), bar: find(".bar"), note: find(".note"),
    })
    this.mode = "" // "", "move" or "lasso"
    this.zoom = 1; this.tx = 0; this.ty = 0; this.fit = 1 // a place p of the map stands at (zoom p + t) in the view
    this.fingers = new Map()
    this.outline = null
    this.hovered = -1
    this.labels = []; this.close = []
    this.placed = [] // pictures and names where they stand on the screen: { row, box: [left, top, right, bottom] }
    this.work = Promise.resolve()
    this.widths = new Map()
    this.listen()
    this.watch = new ResizeObserver(() => this.resized())
    this.watch.observe(this.stage)
  }

  // ---- what Python said ----

  update(component) {
    const data = this.data = component.data
    this.send = (value) => component.setTriggerValue("picked", value)
    this.state = component.setStateValue
    this.stage.dataset.state = "loading"
    this.stage.style.height = `min(${data.height}px, 85vh)`
    this.over.setAttribute("aria-label", data.alt)
    const look = getComputedStyle(this.stage)
    this.ink = look.color
    this.ground = look.backgroundColor
    this.font = look.fontFamily
    this.showLegend()
    this.bar.querySelector("[data-do=clear]").disabled = !data.count && !data.marks
    this.count = data.count ? `${data.count.toLocaleString()} of ${data.n.toLocaleString()} points picked` : `${data.n.toLocaleString()} points`
    if (data.marks) this.count += `; ${data.marks.kinds.at(-1).text}`
    this.say(this.count)
    this.work = this.work.then(() => (this.data === data && !this.gone ? this.load(data) : null)).catch((error) => {
      this.note.hidden = false
      this.note.textContent = `The map could not be drawn: ${error.message}. Reload the page to try again.`
    })
  }

  showLegend() {
    const { names, colors, gray, marks, placed } = this.data
    const shown = names.slice(0, 24)
    this.legend.replaceChildren(...shown.map((name, i) => {
      const item = document.createElement("span")
      const dot = document.createElement("i")
      dot.style.background = colors[i]
      item.append(dot, name)
      return item
    }))
    const rest = []
    if (names.length > shown.length) rest.push(`and ${(names.length - shown.length).toLocaleString()} more`)
    if (gray) rest.push(`${gray.toLocaleString()} gray points do not match the filter`)
    if (rest.length) this.legend.append(rest.join("; "))
    for (const { draw, rows, color, text } of marks?.kinds ?? []) {
      if (!rows.length) continue
      const item = document.createElement("span")
      item.className = "mark"
      item.dataset.draw = draw
      item.innerHTML = `<svg viewBox="0 0 26 14" aria-hidden="true">${SIGNS[draw]}</svg>`
      item.firstChild.style.stroke = color
      item.append(draw === "pick" ? text : `${text}: ${rows.length}`)
      this.legend.append(item)
    }
    if (placed) {
      const item = document.createElement("span")
      item.className = "mark"
      item.innerHTML = '<svg viewBox="0 0 26 14" aria-hidden="true"><path d="m13 0 1.7 5 5.1.1-4.1 3.1 1.5 5L13 10.3l-4.2 2.9 1.5-5-4.1-3.1 5.1-.1z"/></svg>'
      item.firstChild.style.cssText = `stroke: ${this.data.starColors[1]}; stroke-width: 1; fill: ${this.data.starColors[0]}`
      item.append("yours")
      this.legend.append(item)
    }
    this.legend.hidden = !this.legend.childNodes.length
  }

  async load(data) {
    if (!this.plot && !this.flat) {
      this.renderer = borrow()
      if (this.renderer) this.start()
      else this.goFlat()
    }
    const [coords, codes, mask, labels, pictures, sheet] = await Promise.all([
      data.n ? fetched(data.coords) : new ArrayBuffer(0),
      data.n ? fetched(data.codes) : new ArrayBuffer(0),
      data.picked ? fetched(data.picked) : null,
      data.labels ? fetched(data.labels) : null,
      data.pictures ? fetched(data.pictures) : null,
      data.sheet ? picture(data.sheet) : null,
    ])
    if (this.gone) return
    const small = data.manyNames || Boolean(data.pictures) // beside names and pictures points stay small
    const moved = this.version !== data.version
    const recolored = this.codesAddress !== data.codes || this.colors !== data.colors.join() || this.theme !== this.ground || this.small !== small
    const sameCount = this.n === data.n
    if (moved) this.place(new Float32Array(coords), data)
    if (this.namesAddress !== data.namesAt) {
      this.namesAddress = data.namesAt
      this.known = data.namesAt ? new Names(data.namesAt, data.n, data.namesWhole) : null
    }
    if (this.known) this.known.whole = data.namesWhole
    const wide = codes.byteLength > data.n
    this.codes = wide ? new Uint16Array(codes) : new Uint8Array(codes)
    const read = (bytes) => JSON.parse(new TextDecoder().decode(bytes))
    this.labels = labels ? read(labels) : []
    this.marks = data.marks
    this.pictures = pictures ? { ...read(pictures), sheet } : null
    if (this.pictures) this.pictures.at = new Map(this.pictures.rows.map((row, i) => [row, i]))
    const glide = moved && sameCount && this.drawn && !matchMedia("(prefers-reduced-motion: reduce)").matches
    if (!glide) this.before = null
    if (moved && !(glide && this.plot)) this.reset()
    if (this.plot && (moved || recolored)) await this.draw(data, glide, small)
    if (this.gone) return
    Object.assign(this, { version: data.version, codesAddress: data.codes, colors: data.colors.join(), theme: this.ground, small })
    this.drawn = data.n > 0
    if (this.maskAddress !== data.picked || moved || recolored) this.pick(mask, data)
    if (this.flat) await this.loadImage(data)
    this.outline = null
    this.near()
    this.paint()
    if (this.flat && !this.image) return
    this.stage.dataset.state = this.flat ? "flat" : "ready"
    this.stage.dataset.version = data.version
  }

  place(flat, data) {
    this.before = this.n === data.n ? [this.x, this.y] : null
    const n = this.n = data.n
    const [x0, y0, x1, y1] = data.bounds
    this.center = [(x0 + x1) / 2, (y0 + y1) / 2]
    this.scale = Math.max(x1 - x0, y1 - y0) / 2 || 1
    this.half = [(x1 - x0) / 2 / this.scale || 0.01, (y1 - y0) / 2 / this.scale || 0.01]
    const x = this.x = new Float32Array(n), y = this.y = new Float32Array(n)
    const index = n ? new KDBush(n, 16) : null
    for (let i = 0; i < n; i++) {
      x[i] = (flat[2 * i] - this.center[0]) / this.scale
      y[i] = (flat[2 * i + 1] - this.center[1]) / this.scale
      index.add(x[i], y[i])
    }
    index?.finish()
    this.index = index
  }

  // ---- drawing ----

  start() {
    const context = this.renderer.canvas
    this.lost = (event) => { event.preventDefault(); this.dropPlot(); this.goFlat() }
    context.addEventListener("webglcontextlost", this.lost, { once: true })
    this.plot = createScatterplot({
      renderer: this.renderer, canvas: this.dots, cameraIsFixed: true, deselectOnEscape: false, deselectOnDblClick: false,
      opacityBy: "density", opacityByDensityFill: 0.2, pointScaleMode: "asinh",
    })
  }

  goFlat() {
    this.flat = true
    this.state("flat", true) // Python draws the image on the next run
    this.note.hidden = false
    this.note.textContent = "This browser shows no WebGL: the map is an image, which grows coarse when it is enlarged. Lasso and click work as ever."
  }

  async loadImage(data) {
    if (!data.image) return
    this.image = await picture(data.image)
  }

  async draw(data, glide, small) {
    const { n } = data
    this.size()
    this.plot.deselect({ preventEvent: true }) // it would keep the places that its points had
    if (!n) { await this.plot.clear(); return }
    const gray = data.colors.length
    const points = new Array(n)
    const { x, y, codes } = this
    let grays = 0
    for (let i = 0; i < n; i++) {
      points[i] = [x[i], y[i], codes[i]]
      if (codes[i] === gray) grays++
    }
    let order = null
    if (grays && grays < n) { // gray points lie under the others
      order = new Array(n)
      let back = 0, front = grays
      for (let i = 0; i < n; i++) order[codes[i] === gray ? back++ : front++] = i
    }
    this.plot.set({
      colorBy: "valueA", pointColor: [...data.colors, data.grayColor], backgroundColor: hex(this.ground),
      pointScaleMode: small ? "constant" : "asinh",
      pointSize: small && n > 500 ? (n > 300_000 ? 1.6 : n > 5_000 ? 2.5 : 3.5) : n > 300_000 ? 1.6 : n > 60_000 ? 2.2 : n > 5_000 ? 3.2 : 5, pointOrder: order,
      pointSizeSelected: n > 5_000 ? 1 : 2, pointOutlineWidth: 1,
    })
    this.gliding = glide
    if (glide) {
      this.glided = 0
      this.stage.dataset.glides = Number(this.stage.dataset.glides ?? 0) + 1
      this.turnTo(this.whole())
    }
    await this.plot.draw(points, {
      zDataType: "categorical", spatialIndex: this.index.data, transition: glide, transitionDuration: GLIDE, transitionEasing: ease,
    })
    this.gliding = false
    this.before = null
    this.look()
  }

  pick(mask, data) {
    this.maskAddress = data.picked
    const rows = []
    if (mask) {
      const bits = new Uint8Array(mask)
      for (let byte = 0; byte < bits.length; byte++) {
        if (!bits[byte]) continue
        for (let bit = 0; bit < 8; bit++) if (bits[byte] & (1 << bit)) rows.push(8 * byte + bit)
      }
    }
    this.picked = rows
    this.bits = rows.length ? new Uint8Array(mask) : null
    if (!this.plot || !data.n) return
    this.plot.set({ opacityInactiveScale: rows.length ? 0.4 : 1 })
    if (rows.length) this.plot.select(rows, { preventEvent: true })
    else this.plot.deselect({ preventEvent: true })
  }

  size() {
    this.wide = this.stage.clientWidth
    this.tall = this.stage.clientHeight
    const scale = devicePixelRatio || 1
    this.over.width = Math.round(this.wide * scale)
    this.over.height = Math.round(this.tall * scale)
    if (this.flat) { this.dots.width = this.over.width; this.dots.height = this.over.height }
    // regl-scatterplot draws on a canvas as large as the window and cuts the middle out; a taller map needs a taller one
    const canvas = this.renderer?.canvas
    if (canvas && (canvas.width < this.over.width || canvas.height < this.over.height)) {
      this.renderer.resize(Math.max(innerWidth, this.wide), Math.max(innerHeight, this.tall))
    }
  }

  resized() {
    if (!this.n || this.gone) return
    const whole = this.zoom === this.fit
    this.size()
    if (whole) this.reset()
    else this.look()
  }

  whole() { // the zoom at which all points are in view
    const fit = 0.93 * Math.min(this.wide / this.tall / this.half[0], 1 / this.half[1])
    return Math.min(fit, 50) || 1
  }

  reset() {
    this.size()
    this.zoom = this.fit = this.whole()
    this.tx = 0; this.ty = 0
    this.look()
  }

  // The view goes along while the points glide, to where all of them will be in sight.
  turnTo(fit) {
    const from = [this.zoom, this.tx, this.ty], start = performance.now()
    this.fit = fit
    const step = (now) => {
      const t = Math.min(1, Math.max(0, (now - start) / GLIDE)), share = this.glided = ease(t)
      this.zoom = from[0] + share * (fit - from[0])
      this.tx = from[1] * (1 - share)
      this.ty = from[2] * (1 - share)
      if (this.gone || !this.plot) return
      this.look()
      if (t < 1) requestAnimationFrame(step)
    }
    requestAnimationFrame(step)
  }

  look() {
    const { zoom, tx, ty } = this
    if (this.hovered >= 0) this.hover(-1) // what was under the pointer has moved on
    this.plot?.view([zoom, 0, 0, 0, 0, zoom, 0, 0, 0, 0, 1, 0, tx, ty, 0, 1], { preventEvent: true })
    clearTimeout(this.later)
    this.later = setTimeout(() => this.near(), 200)
    this.paint()
  }

  toScreen(x, y) {
    return [((this.zoom * x + this.tx) / (this.wide / this.tall) + 1) / 2 * this.wide, (1 - (this.zoom * y + this.ty)) / 2 * this.tall]
  }
  toMap(sx, sy) {
    return [((2 * sx / this.wide - 1) * (this.wide / this.tall) - this.tx) / this.zoom, (1 - 2 * sy / this.tall - this.ty) / this.zoom]
  }
  toData(sx, sy) {
    const [x, y] = this.toMap(sx, sy)
    return [x * this.scale + this.center[0], y * this.scale + this.center[1]]
  }

  // Where a point stands on the screen, also on its way to a new place.
  spot(row) {
    const { x, y, before, glided } = this
    if (!this.gliding || !before) return this.toScreen(x[row], y[row])
    return this.toScreen(before[0][row] + glided * (x[row] - before[0][row]), before[1][row] + glided * (y[row] - before[1][row]))
  }

  // What lies over the points: pictures, marks of the pick, labels, the lasso, the cross of the keyboard.
  paint() {
    if (!this.wide || this.gone) return
    if (this.flat) this.paintImage()
    const pen = this.over.getContext("2d")
    const scale = devicePixelRatio || 1
    pen.setTransform(scale, 0, 0, scale, 0, 0)
    pen.clearRect(0, 0, this.wide, this.tall)
    const ready = this.drawn && this.codes?.length === this.n // else what stands here belongs to other points
    if (ready && !this.gliding) this.placed = []
    if (ready && this.pictures) this.paintPictures(pen)
    if (ready && this.marks) this.paintMarks(pen)
    if (this.gliding) return // labels come again at the new places
    if (ready) this.paintLabels(pen)
    if (ready && this.data.placed) this.paintPlaced(pen)
    if (this.data.axes) this.paintAxes(pen)
    const marked = ready && this.picked?.length <= 200 ? this.picked : []
    pen.lineWidth = 2
    const shown = new Map(this.placed.filter((each) => each.picture).map(({ row, box }) => [row, box]))
    for (const row of marked) {
      const [x, y] = this.toScreen(this.x[row], this.y[row]), box = shown.get(row)
      if (box) {
        pen.strokeStyle = this.data.pickColor
        pen.strokeRect(box[0] - 1, box[1] - 1, box[2] - box[0] + 2, box[3] - box[1] + 2)
        continue
      }
      pen.strokeStyle = this.ground; pen.beginPath(); pen.arc(x, y, 8, 0, 7); pen.stroke()
      pen.strokeStyle = this.data.pickColor; pen.beginPath(); pen.arc(x, y, 6, 0, 7); pen.stroke()
    }
    if (this.cross) {
      const [x, y] = [this.wide / 2, this.tall / 2]
      pen.strokeStyle = this.ink; pen.lineWidth = 1
      pen.beginPath(); pen.moveTo(x - 12, y); pen.lineTo(x + 12, y); pen.moveTo(x, y - 12); pen.lineTo(x, y + 12); pen.stroke()
    }
    if (this.outline?.length > 1) {
      pen.beginPath()
      for (const [x, y] of this.outline) pen.lineTo(x, y)
      pen.closePath()
      pen.globalAlpha = 0.12; pen.fillStyle = this.data.pickColor; pen.fill("evenodd"); pen.globalAlpha = 1
      pen.setLineDash([6, 4]); pen.strokeStyle = this.data.pickColor; pen.lineWidth = 2; pen.stroke(); pen.setLineDash([])
    }
  }

  paintImage() {
    const pen = this.dots.getContext("2d")
    pen.setTransform(1, 0, 0, 1, 0, 0)
    pen.clearRect(0, 0, this.dots.width, this.dots.height)
    if (!this.image) return
    const scale = devicePixelRatio || 1
    const [x0, y0, x1, y1] = this.data.imageBounds
    const map = (x, y) => this.toScreen((x - this.center[0]) / this.scale, (y - this.center[1]) / this.scale)
    const [left, top] = map(x0, y1), [right, bottom] = map(x1, y0)
    pen.imageSmoothingEnabled = false
    pen.drawImage(this.image, left * scale, top * scale, (right - left) * scale, (bottom - top) * scale)
  }

  // As many pictures as fit without touching, the more important first: those of the pick, then as they are spread.
  paintPictures(pen) {
    const { rows, at, wide, tall } = this.pictures
    const gray = this.data.colors.length
    const closer = Math.min(2, Math.max(1, this.zoom / this.fit) ** 0.2)
    const side = (Math.max(wide, tall) > 10 ? 28 : 22) * (this.wide < 500 ? 0.8 : 1) // few pixels are seen when small, too
    const unit = side * closer / Math.max(wide, tall)
    const [w, h] = this.pictures.size = [wide * unit, tall * unit]
    const [cw, ch] = [w + 2 * EDGE + 1, h + 2 * EDGE + 1]
    if (this.gliding) { for (const { row } of this.placed) if (at.has(row)) this.paintPicture(pen, row); return }
    const cells = new Map() // of the size of a picture: one can touch only those of its own and the eight around
    const take = (row) => {
      if (!at.has(row)) return
      const [x, y] = this.spot(row)
      if (x < -w / 2 || y < -h / 2 || x > this.wide + w / 2 || y > this.tall + h / 2) return
      const column = Math.floor(x / cw), line = Math.floor(y / ch)
      for (let i = column - 1; i <= column + 1; i++) {
        for (let j = line - 1; j <= line + 1; j++) {
          const other = cells.get(i * 65536 + j)
          if (other && Math.abs(other[0] - x) < cw && Math.abs(other[1] - y) < ch) return
        }
      }
      cells.set(column * 65536 + line, [x, y])
      this.placed.push({ row, box: this.paintPicture(pen, row), picture: true })
    }
    const first = this.marks ? [...this.marks.kinds].reverse().flatMap((kind) => kind.rows) : []
    for (const row of first) take(row)
    for (const row of rows) if (this.codes[row] !== gray) take(row)
    if (this.data.gray) for (const row of rows) if (this.codes[row] === gray) take(row)
    this.stage.dataset.pictures = this.placed.length
  }

  paintPicture(pen, row) {
    const { at, across, wide, tall, sheet, size: [w, h] } = this.pictures
    const [x, y] = this.spot(row)
    const [left, top] = [x - w / 2, y - h / 2], i = at.get(row), dim = this.codes[row] === this.data.colors.length
    const chosen = !this.bits || this.bits[row >> 3] & (1 << (row & 7)) // beside a choice all others fade
    const shine = chosen ? 1 : 0.4
    const box = [left - EDGE, top - EDGE, left + w + EDGE, top + h + EDGE]
    pen.globalAlpha = dim ? 0.45 : shine
    pen.fillStyle = dim ? this.data.grayColor : this.data.colors[this.codes[row]]
    pen.fillRect(box[0], box[1], w + 2 * EDGE, h + 2 * EDGE)
    pen.fillStyle = this.ground; pen.fillRect(left, top, w, h)
    pen.globalAlpha = dim ? 0.25 : shine
    pen.imageSmoothingEnabled = Math.max(wide, tall) >= 16 // of few pixels each is to be seen
    pen.drawImage(sheet, (i % across) * wide, Math.floor(i / across) * tall, wide, tall, left, top, w, h)
    pen.globalAlpha = 1
    return box
  }

  // Lines from the pick to its true neighbors, dotted where the map lost them; rings around those that it invented.
  paintMarks(pen) {
    const { pick, kinds } = this.marks
    const [px, py] = this.spot(pick)
    const framed = new Map(this.placed.filter((each) => each.picture).map(({ row, box }) => [row, (box[2] - box[0]) / 2]))
    const stroke = (color, width, dash = []) => {
      pen.strokeStyle = this.ground; pen.globalAlpha = 0.8; pen.lineWidth = width + 3; pen.stroke(); pen.globalAlpha = 1
      pen.setLineDash(dash); pen.strokeStyle = color; pen.lineWidth = width; pen.stroke(); pen.setLineDash([])
    }
    const ring = (row, color, reach) => {
      pen.beginPath(); pen.arc(...this.spot(row), reach, 0, 7); stroke(color, 2.5)
    }
    const diamond = (x, y, color, reach) => {
      pen.beginPath(); pen.moveTo(x, y - reach); pen.lineTo(x + reach, y); pen.lineTo(x, y + reach); pen.lineTo(x - reach, y); pen.closePath()
      stroke(color, 2.5)
    }
    pen.lineCap = "round"
    for (const { draw, rows, color } of kinds) {
      for (const row of rows) {
        if (draw === "ring" && !framed.has(row)) ring(row, color, 6.5)
        if (draw !== "line" && draw !== "dots") continue
        const [x, y] = this.spot(row), long = Math.hypot(x - px, y - py)
        if (long) {
          const start = Math.min(long, 8) // outside of the diamond
          pen.beginPath(); pen.moveTo(px + (x - px) * start / long, py + (y - py) * start / long); pen.lineTo(x, y)
          if (draw === "dots") stroke(color, 3, [0.1, 6])
          else stroke(color, 2)
        }
        pen.beginPath(); pen.arc(x, y, 3, 0, 7); pen.fillStyle = color; pen.fill()
      }
    }
    for (const { draw, rows, color } of kinds) { // pictures of what is marked lie over the lines
      for (const row of rows) {
        if (framed.has(row)) this.paintPicture(pen, row)
        if (draw === "ring" && framed.has(row)) ring(row, color, framed.get(row) * 1.41 + 2)
        if (draw !== "pick") continue
        if (!framed.has(row)) { diamond(px, py, color, 8); continue }
        const [w, h] = this.pictures.size.map((side) => side + 2 * EDGE + 4)
        pen.beginPath(); pen.rect(px - w / 2, py - h / 2, w, h); stroke(color, 3)
        pen.beginPath(); pen.rect(px - 6, py - h / 2 - 6, 12, 12); pen.fillStyle = this.ground; pen.fill()
        diamond(px, py - h / 2, color, 6)
      }
    }
    pen.lineCap = "butt"
    this.stage.dataset.marks = kinds.map((kind) => kind.rows.length).join()
  }

  // Points of a person's own, as stars.
  paintPlaced(pen) {
    pen.textBaseline = "middle"; pen.textAlign = "center"; pen.lineJoin = "round"
    pen.font = `600 13px ${this.font}`
    for (const [name, px, py] of this.data.placed) {
      const [x, y] = this.toScreen((px - this.center[0]) / this.scale, (py - this.center[1]) / this.scale)
      pen.beginPath()
      for (let i = 0; i < 10; i++) {
        const reach = i % 2 ? 4.5 : 10.5, turn = (i - 2.5) * Math.PI / 5
        pen.lineTo(x + reach * Math.cos(turn), y + reach * Math.sin(turn))
      }
      pen.closePath()
      pen.fillStyle = this.data.starColors[0]; pen.fill()
      pen.strokeStyle = this.data.starColors[1]; pen.lineWidth = 1.5; pen.stroke()
      pen.strokeStyle = this.ground; pen.lineWidth = 3.5
      pen.strokeText(name, x, y + 19); pen.fillStyle = this.ink; pen.fillText(name, x, y + 19)
    }
    pen.textAlign = "start"
    this.stage.dataset.placed = this.data.placed.length
  }

  paintAxes(pen) {
    const [across, up] = this.data.axes
    pen.font = `600 13px ${this.font}`; pen.textBaseline = "middle"; pen.textAlign = "center"; pen.lineJoin = "round"
    const write = (text, x, y) => {
      pen.strokeStyle = this.ground; pen.lineWidth = 4; pen.strokeText(text, x, y)
      pen.fillStyle = this.ink; pen.fillText(text, x, y)
    }
    write(across, this.wide / 2, this.tall - 11)
    pen.save(); pen.translate(11, this.tall / 2); pen.rotate(-Math.PI / 2); write(up, 0, 0); pen.restore()
    pen.textAlign = "start"
  }

  // The most important labels first; one that would touch an earlier one waits until the view is closer.
  paintLabels(pen) {
    const gray = this.data.colors.length
    const many = this.data.manyNames
    const taken = this.placed.map((each) => each.box)
    const pictures = taken.length
    const edge = this.data.axes ? 16 : 0 // their titles stand there
    const room = this.wide * this.tall / 12_000 * (0.6 + 0.4 * this.zoom / this.fit) // a closer view has more
    const most = many ? 600 : Math.min(120, room)
    pen.textBaseline = "middle"; pen.lineJoin = "round"
    const write = (row, text, bold, always = false) => {
      const [x, y] = this.spot(row)
      if (x < edge || y < 8 || x > this.wide || y > this.tall - 8 - edge) return
      pen.font = `${bold ? 600 : 400} ${bold ? 15 : 12}px ${this.font}`
      const key = pen.font + text
      let long = this.widths.get(key)
      if (long === undefined) { long = pen.measureText(text).width; this.widths.set(key, long) }
      const picture = pictures && this.placed.find((each) => each.row === row && each.picture)
      const away = picture ? (picture.box[2] - picture.box[0]) / 2 + 8 : this.marks?.pick === row ? 12 : 6
      const left = x + away + long > this.wide ? x - away - long : x + away
      const box = [left - 3, y - 9, left + long + 3, y + 9]
      if (!always && taken.some((b) => box[0] < b[2] && box[2] > b[0] && box[1] < b[3] && box[3] > b[1])) return
      taken.push(box)
      if (many) this.placed.push({ row, box })
      pen.strokeStyle = this.ground; pen.lineWidth = 3.5; pen.strokeText(text, left, y)
      pen.fillStyle = this.ink; pen.fillText(text, left, y)
    }
    for (const [row, text, bold] of this.marks?.labels ?? []) if (bold || !this.pictures) write(row, text, bold, bold)
    if (this.picked?.length === 1) for (const [row, text] of this.close) if (row === this.picked[0]) write(row, text, true)
    for (const [row, text, bold] of this.labels) {
      if (taken.length - pictures > most) break
      if (this.codes[row] !== gray) write(row, text, bold)
    }
    for (const [row, text] of this.close) if (taken.length - pictures <= most) write(row, text, false)
    this.stage.dataset.labels = taken.length - pictures
  }

  // With few points in view each gets its name, whether or not it has a label of its own; where names are drawn, many do.
  async near() {
    if (!this.known || !this.drawn || !this.index || this.gliding) return
    const [x0, y1] = this.toMap(0, 0), [x1, y0] = this.toMap(this.wide, this.tall)
    const wanted = new Set(this.picked?.length === 1 ? this.picked : [])
    const many = this.data.manyNames
    if (!this.pictures && (many && this.n <= 60_000 || this.zoom > 2 * this.fit || this.n <= NAMED)) {
      const rows = this.index.range(x0, y0, x1, y1)
      if (rows.length <= NAMED) for (const row of rows) wanted.add(row)
      else if (many && rows.length <= 60_000) for (const row of this.spread(rows, this.known.whole ? 600 : 80)) wanted.add(row)
    }
    const view = this.turn = {}
    const rows = [...wanted]
    const names = await Promise.all(rows.map((row) => this.known.of(row))).catch(() => null)
    if (!names || this.turn !== view || this.gone) return
    this.close = rows.map((row, i) => [row, names[i].length > 24 ? `${names[i].slice(0, 22)}…` : names[i]])
    this.paint()
  }

  // The earliest row of each field of a grid that stands still on the map: what has a name keeps it in a closer view.
  spread(rows, most) {
    const closer = 2 ** Math.floor(Math.log2(Math.max(1, this.zoom / this.fit)))
    const [w, h] = [30, 11].map((pixels) => pixels * 2 / this.tall / this.fit / closer)
    const gray = this.data.colors.length
    const fields = new Map()
    for (const row of rows) {
      if (this.codes[row] === gray) continue
      const field = `${Math.floor(this.x[row] / w)},${Math.floor(this.y[row] / h)}`
      if (!(fields.get(field) <= row)) fields.set(field, row)
    }
    return [...fields.values()].sort((a, b) => a - b).slice(0, most)
  }

  // ---- pointing ----

  listen() {
    const over = this.over
    over.onpointerdown = (event) => this.down(event)
    over.onpointermove = (event) => this.move(event)
    over.onpointerup = (event) => this.up(event)
    over.onpointercancel = (event) => { this.fingers.delete(event.pointerId); this.outline = null; this.paint() }
    over.onpointerleave = () => this.hover(-1)
    over.onkeydown = (event) => this.key(event)
    over.onfocus = () => { this.cross = over.matches(":focus-visible"); this.paint() }
    over.onblur = () => { this.cross = false; this.paint() }
    // not passive: the page must not scroll while the map is zoomed; at the whole view it scrolls on
    over.addEventListener("wheel", (event) => {
      if (event.deltaY > 0 && this.zoom <= this.fit && !event.ctrlKey) return
      event.preventDefault()
      this.zoomBy(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 12 : 1) / 400), event.offsetX, event.offsetY)
    }, { passive: false })
    this.bar.onclick = (event) => {
      const what = event.target.closest("button")?.dataset.do
      if (what === "move" || what === "lasso") this.setMode(this.mode === what ? "" : what)
      else if (what === "in" || what === "out") this.zoomBy(what === "in" ? 1.5 : 1 / 1.5, this.wide / 2, this.tall / 2)
      else if (what === "reset") this.reset()
      else if (what === "clear") this.answer({ clear: true })
    }
  }

  setMode(mode) {
    this.mode = mode
    for (const button of this.bar.querySelectorAll("[aria-pressed]")) button.setAttribute("aria-pressed", button.dataset.do === mode)
    this.over.style.touchAction = mode ? "none" : "pan-y" // one finger scrolls the page unless a tool is chosen
    this.over.style.cursor = mode === "lasso" ? "crosshair" : "grab"
  }

  at(event) {
    const box = this.over.getBoundingClientRect()
    return [event.clientX - box.left, event.clientY - box.top]
  }

  down(event) {
    if (event.button > 0 || this.gliding || !this.drawn) return
    this.over.setPointerCapture(event.pointerId)
    this.over.focus({ preventScroll: true, focusVisible: false })
    const at = this.at(event)
    this.fingers.set(event.pointerId, at)
    this.cross = false
    this.hover(-1)
    this.first = at
    this.far = 0
    this.outline = this.fingers.size === 1 && (this.mode === "lasso" || event.shiftKey) ? [at] : null
  }

  move(event) {
    const at = this.at(event)
    const last = this.fingers.get(event.pointerId)
    if (!last) { if (event.pointerType === "mouse") this.seek(at); return }
    this.far = Math.max(this.far, Math.hypot(at[0] - this.first[0], at[1] - this.first[1]))
    if (this.outline) {
      const end = this.outline[this.outline.length - 1]
      if (Math.hypot(at[0] - end[0], at[1] - end[1]) >= 3 && this.outline.length < 2000) this.outline.push(at)
      this.paint()
      return
    }
    if (this.fingers.size === 2) {
      const [a, b] = [...this.fingers.values()]
      const before = Math.hypot(a[0] - b[0], a[1] - b[1])
      this.fingers.set(event.pointerId, at)
      const [c, d] = [...this.fingers.values()]
      const middle = [(c[0] + d[0]) / 2, (c[1] + d[1]) / 2]
      this.shift(middle[0] - (a[0] + b[0]) / 2, middle[1] - (a[1] + b[1]) / 2)
      this.zoomBy(Math.hypot(c[0] - d[0], c[1] - d[1]) / (before || 1), ...middle)
      return
    }
    this.fingers.set(event.pointerId, at)
    if (this.far > 4) this.shift(at[0] - last[0], at[1] - last[1])
  }

  up(event) {
    if (!this.fingers.delete(event.pointerId)) return
    const outline = this.outline
    if (outline && outline.length > 2) {
      const polygon = outline.flatMap(([x, y]) => this.toData(x, y))
      this.answer({ polygon, how: event.ctrlKey || event.metaKey ? "add" : event.altKey ? "remove" : "new" })
      this.paint() // the outline stays until the answer is there
      return
    }
    this.outline = null
    if (this.far < 5 && this.fingers.size === 0) {
      const at = this.at(event)
      this.choose(at, event.pointerType === "mouse" ? 10 : 22)
    }
    this.paint()
  }

  answer(value) {
    this.say(value.polygon ? "Counting the points inside…" : this.count)
    this.asked = (this.asked ?? 0) + 1 // comes back with the answer, which would else go unnoticed when it changes nothing
    this.send({ ...value, version: this.version, turn: this.asked })
  }

  choose(at, reach) {
    const row = this.nearest(at, reach)
    if (row >= 0) this.answer({ row })
  }

  nearest([sx, sy], reach) {
    if (!this.index || this.gliding) return -1
    const within = ({ box }) => sx >= box[0] && sx <= box[2] && sy >= box[1] && sy <= box[3]
    const under = this.placed.find(within) // a picture or a name stands for its point
    if (under) return under.row
    const [x, y] = this.toMap(sx, sy)
    const radius = reach * 2 / this.tall / this.zoom
    const gray = this.data.colors.length
    let best = -1, least = radius * radius
    // a square that holds very many points is not searched: none of them can be pointed at singly
    for (let r = radius; ; r /= 3) {
      const rows = this.index.range(x - r, y - r, x + r, y + r)
      if (rows.length > 2000 && r > radius / 100) continue
      for (const row of rows) {
        const d = (this.x[row] - x) ** 2 + (this.y[row] - y) ** 2 + (this.codes[row] === gray ? radius * radius / 4 : 0)
        if (d < least) { least = d; best = row }
      }
      return best
    }
  }

  seek(at) {
    clearTimeout(this.pause)
    this.pause = setTimeout(() => this.hover(this.nearest(at, 9), at), 30)
  }

  async hover(row, at) {
    clearTimeout(row < 0 ? this.pause : 0)
    if (row === this.hovered) return
    this.hovered = row
    this.tip.hidden = true
    this.plot?.hover(row, { preventEvent: true })
    if (row < 0) return
    const name = this.known ? await this.known.of(row).catch(() => "") : ""
    if (this.hovered !== row || this.gone) return
    const code = this.codes[row]
    const group = code < this.data.names.length ? this.data.names[code] : ""
    const text = [name, group].filter(Boolean).join(" · ") || `point ${row}`
    this.tip.replaceChildren(text)
    if (this.pictures?.at.has(row)) this.tip.prepend(this.larger(row))
    this.tip.hidden = false
    const [x, y] = at
    this.tip.style.left = `${Math.max(0, Math.min(x + 12, this.wide - this.tip.offsetWidth - 4))}px`
    const tall = this.tip.offsetHeight
    this.tip.style.top = `${Math.max(0, y + 14 + tall > this.tall ? y - tall - 6 : y + 14)}px`
  }

  larger(row) {
    const { at, across, wide, tall, sheet } = this.pictures
    const i = at.get(row), canvas = document.createElement("canvas")
    const unit = Math.max(1, 96 / Math.max(wide, tall))
    Object.assign(canvas, { width: Math.round(wide * unit), height: Math.round(tall * unit) })
    const pen = canvas.getContext("2d")
    pen.imageSmoothingEnabled = Math.max(wide, tall) >= 16
    pen.drawImage(sheet, (i % across) * wide, Math.floor(i / across) * tall, wide, tall, 0, 0, canvas.width, canvas.height)
    canvas.style.borderColor = this.data.colors[this.codes[row]] ?? this.data.grayColor
    return canvas
  }

  shift(dx, dy) {
    this.tx += dx * 2 / this.tall
    this.ty -= dy * 2 / this.tall
    this.look()
  }

  zoomBy(factor, sx, sy) {
    const zoom = Math.min(Math.max(this.zoom * factor, this.fit / 1.5), this.fit * 20_000)
    const [x, y] = this.toMap(sx, sy)
    this.tx += (this.zoom - zoom) * x
    this.ty += (this.zoom - zoom) * y
    this.zoom = zoom
    this.look()
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key]
    if (step) this.shift(...step)
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.5, this.wide / 2, this.tall / 2)
    else if (event.key === "-") this.zoomBy(1 / 1.5, this.wide / 2, this.tall / 2)
    else if (event.key === "0" || event.key === "Home") this.reset()
    else if (event.key === "Escape") { if (this.outline) { this.outline = null; this.fingers.clear(); this.paint() } else if (this.data.count || this.data.marks) this.answer({ clear: true }) }
    else if (event.key === "Enter" && event.shiftKey) { // all that is in view
      const corners = [[0, 0], [this.wide, 0], [this.wide, this.tall], [0, this.tall]]
      this.answer({ polygon: corners.flatMap(([x, y]) => this.toData(x, y)), how: "new" })
    } else if (event.key === "Enter") this.choose([this.wide / 2, this.tall / 2], 60)
    else return
    this.cross = true
    this.paint()
    event.preventDefault()
  }

  say(text) {
    if (this.said.textContent !== text) this.said.textContent = text
  }

  // ---- the end ----

  dropPlot() {
    if (!this.renderer) return
    this.renderer.canvas?.removeEventListener("webglcontextlost", this.lost)
    this.plot?.destroy()
    this.plot = null
    this.renderer = null
    giveBack()
    // a canvas once drawn on keeps its size from the plot; the image sets its own
    this.size()
  }

  leave() {
    this.gone = true
    this.watch.disconnect()
    clearTimeout(this.later)
    clearTimeout(this.pause)
    this.dropPlot()
  }
}

const pictures = new Map() // decoded images by address, newest last

async function picture(address) {
  let image = pictures.get(address)
  if (!image) {
    image = new Image()
    image.src = new URL(address, location.origin)
  }
  pictures.delete(address)
  pictures.set(address, image)
  while (pictures.size > 6) pictures.delete(pictures.keys().next().value)
  await image.decode()
  return image
}

// "rgb(253, 253, 251)" as #fdfdfb, which regl-scatterplot reads.
function hex(color) {
  const parts = color.match(/[\d.]+/g)
  if (!parts || parts.length < 3 || parts[3] === "0") return "#ffffff"
  return `#${parts.slice(0, 3).map((part) => Math.round(Number(part)).toString(16).padStart(2, "0")).join("")}`
}

const maps = new WeakMap()

// Streamlit calls this again for each change of data or theme, and the returned function of a call that was overtaken
// at once: only that of the last call may end the map.
export function mount(component) {
  const root = component.parentElement
  let entry = maps.get(root)
  if (!entry) maps.set(root, (entry = { map: new PointMap(root), calls: 0 }))
  const call = ++entry.calls
  entry.map.update(component)
  return () => {
    if (entry.calls !== call) return
    maps.delete(root)
    entry.map.leave()
  }
}
