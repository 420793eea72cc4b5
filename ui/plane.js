// A plane of vectors: dots for pictures, decoded pictures behind them; what lies under the pointer is drawn large.
// Every decoded picture comes from Python, decoded exactly at the middle of its cell; nothing is computed here.

const images = new Map() // sprites by address, so that a rerun does not load them again

function sprite(address, then) {
  let image = images.get(address)
  if (!image) {
    if (images.size > 4) images.clear()
    image = new Image()
    image.src = address
    images.set(address, image)
  }
  if (image.complete && image.naturalWidth) then(image)
  else image.addEventListener("load", () => then(image), { once: true })
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const plane = parentElement.querySelector(".plane")
  const large = parentElement.querySelector(".large")
  const said = parentElement.querySelector(".said")
  if (!plane || !data) return
  const { low, high, columns, rows, points, marks, colors, names, size } = data
  plane.setAttribute("aria-label", data.alt)
  const brush = plane.getContext("2d")
  let at = data.at ?? null // what the crosshair stands on, in units of the plane
  let wide = 0, tall = 0

  const toX = (x) => ((x - low[0]) / (high[0] - low[0])) * wide
  const toY = (y) => (1 - (y - low[1]) / (high[1] - low[1])) * tall
  const cellOf = ([x, y]) => [
    Math.min(columns - 1, Math.max(0, Math.floor(((x - low[0]) / (high[0] - low[0])) * columns))),
    Math.min(rows - 1, Math.max(0, Math.floor((1 - (y - low[1]) / (high[1] - low[1])) * rows))),
  ]
  const middle = ([column, row]) => [
    low[0] + ((column + 0.5) / columns) * (high[0] - low[0]),
    low[1] + (1 - (row + 0.5) / rows) * (high[1] - low[1]),
  ]

  function mark(kind, x, y, r) {
    brush.beginPath()
    if (kind === 1) brush.rect(x - r, y - r, 2 * r, 2 * r)
    else if (kind === 2) {
      brush.moveTo(x, y - 1.4 * r); brush.lineTo(x + 1.4 * r, y); brush.lineTo(x, y + 1.4 * r); brush.lineTo(x - 1.4 * r, y)
    } else if (kind === 3) {
      brush.moveTo(x, y - 1.3 * r); brush.lineTo(x + 1.2 * r, y + r); brush.lineTo(x - 1.2 * r, y + r)
    } else if (kind === 4) {
      brush.rect(x - r * 1.3, y - r * 0.45, 2.6 * r, 0.9 * r); brush.rect(x - r * 0.45, y - r * 1.3, 0.9 * r, 2.6 * r)
    } else brush.arc(x, y, r, 0, 7)
    brush.fill()
  }

  function paint(image) {
    const scale = window.devicePixelRatio || 1
    wide = plane.clientWidth
    tall = Math.round((wide * (high[1] - low[1])) / (high[0] - low[0]))
    plane.style.height = `${tall}px`
    plane.width = Math.round(wide * scale)
    plane.height = Math.round(tall * scale)
    brush.setTransform(scale, 0, 0, scale, 0, 0)
    brush.imageSmoothingEnabled = false
    brush.clearRect(0, 0, wide, tall)
    if (data.pictures) {
      const n = Math.max(1, Math.round(columns * data.coarse)), m = Math.max(1, Math.round(rows * data.coarse))
      const a = wide / n, b = tall / m
      for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) {
        const column = Math.floor(((i + 0.5) * columns) / n), row = Math.floor(((j + 0.5) * rows) / m)
        brush.drawImage(image, column * size[1], row * size[0], size[1], size[0], i * a, j * b, a - 1, b - 1)
      }
    }
    if (data.dots) {
      const r = points.length > 900 ? 2.4 : 3.4
      brush.globalAlpha = data.pictures ? 0.95 : 0.8
      points.forEach(([x, y], i) => {
        brush.fillStyle = colors[marks[i] % colors.length]
        mark(marks[i] % 5, toX(x), toY(y), r)
      })
      brush.globalAlpha = 1
    }
    for (const [key, [x, y]] of Object.entries(data.picks)) {
      brush.strokeStyle = "#D55E00"; brush.lineWidth = 2.5
      brush.strokeRect(toX(x) - 7, toY(y) - 7, 14, 14)
      brush.font = "600 13px sans-serif"; brush.lineWidth = 3; brush.strokeStyle = "#ffffff"
      brush.strokeText(key, toX(x) + 10, toY(y) - 6)
      brush.fillStyle = "#b34700"; brush.fillText(key, toX(x) + 10, toY(y) - 6)
    }
    if (at) {
      const [x, y] = [toX(at[0]), toY(at[1])]
      for (const [color, width] of [["#ffffff", 3], ["#222222", 1]]) {
        brush.strokeStyle = color; brush.lineWidth = width
        brush.beginPath()
        brush.moveTo(x - 12, y); brush.lineTo(x + 12, y); brush.moveTo(x, y - 12); brush.lineTo(x, y + 12)
        brush.stroke()
      }
    }
    show(image)
  }

  function show(image) {
    const [column, row] = cellOf(at ?? [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2])
    const pen = large.getContext("2d")
    large.width = size[1] * 8; large.height = size[0] * 8
    pen.imageSmoothingEnabled = false
    pen.drawImage(image, column * size[1], row * size[0], size[1], size[0], 0, 0, large.width, large.height)
    const [x, y] = middle([column, row])
    said.textContent = `decoded at ${data.axes[0]} = ${x.toFixed(2)}, ${data.axes[1]} = ${y.toFixed(2)}`
    large.setAttribute("aria-label", said.textContent)
  }

  const place = (event) => {
    const box = plane.getBoundingClientRect()
    const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height
    return [low[0] + x * (high[0] - low[0]), low[1] + (1 - y) * (high[1] - low[1])]
  }

  function nearest([x, y]) {
    let best = -1, least = 9 * 9
    points.forEach(([u, v], i) => {
      const d = (toX(u) - toX(x)) ** 2 + (toY(v) - toY(y)) ** 2
      if (d < least) { least = d; best = i }
    })
    return best
  }

  sprite(data.sprite, (image) => {
    paint(image)
    const move = (event) => {
      at = place(event)
      paint(image)
      const row = data.dots ? nearest(at) : -1
      plane.title = row < 0 ? "" : names[row]
    }
    plane.onpointermove = move
    plane.onpointerdown = move
    plane.onclick = (event) => {
      at = place(event)
      const row = data.dots ? nearest(at) : -1
      if (row >= 0) setTriggerValue("pick", row)
      else setTriggerValue("at", middle(cellOf(at)))
    }
    plane.onkeydown = (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
      if (step) {
        const [column, row] = cellOf(at ?? [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2])
        const kept = (n, most) => Math.min(most - 1, Math.max(0, n))
        at = middle([kept(column + step[0], columns), kept(row + step[1], rows)])
        paint(image)
        event.preventDefault()
      } else if (event.key === "Enter" && at) setTriggerValue("at", middle(cellOf(at)))
    }
    const watch = new ResizeObserver(() => { if (plane.clientWidth !== wide) paint(image) })
    watch.observe(plane)
    parentElement.unwatch?.()
    parentElement.unwatch = () => watch.disconnect()
  })
  return () => parentElement.unwatch?.()
}
